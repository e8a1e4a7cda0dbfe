//! Which interfaces every component may import from this host.
//!
//! The list stands beside the linker of [`super::ctx`] because the linker names only the first import it misses.

/// Packages of WASI 0.2 with the interfaces that the linker provides.
const PROVIDED: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stderr",
            "stdin",
            "stdout",
            "terminal-input",
            "terminal-output",
            "terminal-stderr",
            "terminal-stdin",
            "terminal-stdout",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:http", &["outgoing-handler", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["insecure", "insecure-seed", "random"]),
    (
        "wasi:sockets",
        &["instance-network", "ip-name-lookup", "network", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// Whether the host provides the import `namespace:package/interface@version`.
pub(crate) fn is_provided(import: &str) -> bool {
    let Some((path, version)) = import.split_once('@') else { return false };
    let Some((package, interface)) = path.split_once('/') else { return false };
    let Ok(version) = semver::Version::parse(version) else { return false };
    provides_interface(package, interface) && is_wasi_0_2(&version)
}

/// Whether the host provides the interface of a package `namespace:name` in some version.
pub(crate) fn provides_interface(package: &str, interface: &str) -> bool {
    PROVIDED.iter().any(|(name, interfaces)| *name == package && interfaces.contains(&interface))
}

/// The minor releases of WASI 0.2 only add, and the linker accepts each of them for the others.
pub(crate) fn is_wasi_0_2(version: &semver::Version) -> bool {
    version.major == 0 && version.minor == 2 && version.pre.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_wasi_0_2_are_provided_and_others_are_not() {
        for (import, provided) in [
            ("wasi:io/poll@0.2.0", true),
            ("wasi:http/types@0.2.9", true),
            ("wasi:io/poll@0.2.0-rc-2023-11-10", false),
            ("wasi:http/types@0.3.0", false),
            ("wasi:io/poll", false),
            ("wasi:keyvalue/store@0.2.0-draft", false),
            ("wasi:http/incoming-handler@0.2.0", false),
            ("greet", false),
        ] {
            assert_eq!(is_provided(import), provided, "{import}");
        }
    }
}
