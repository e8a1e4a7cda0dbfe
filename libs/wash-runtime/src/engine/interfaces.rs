//! Which interfaces every component may import from this host.
//!
//! The list stands beside the linker of [`super::ctx`] because the linker names only the first import it misses.

/// A package with some of its interfaces.
type Package = (&'static str, &'static [&'static str]);

/// Packages of WASI 0.2 with the interfaces that the linker provides.
const PROVIDED: &[Package] = &[
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

/// Packages of WASI 0.3 with the interfaces that the linker provides.
const PROVIDED_0_3: &[Package] = if cfg!(feature = "wasip3") {
    &[
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
                "types",
            ],
        ),
        ("wasi:clocks", &["monotonic-clock", "system-clock", "types"]),
        ("wasi:filesystem", &["preopens", "types"]),
        ("wasi:http", &["client", "types"]),
        ("wasi:random", &["insecure", "insecure-seed", "random"]),
        ("wasi:sockets", &["ip-name-lookup", "types"]),
    ]
} else {
    &[]
};

/// Whether the host provides the import `namespace:package/interface@version`.
pub(crate) fn is_provided(import: &str) -> bool {
    let Some((path, version)) = import.split_once('@') else { return false };
    let Some((package, interface)) = path.split_once('/') else { return false };
    let Ok(version) = semver::Version::parse(version) else { return false };
    contains(PROVIDED, package, interface) && is_release(&version, 2)
        || contains(PROVIDED_0_3, package, interface) && is_release(&version, 3)
}

/// Whether the host provides the interface of a package `namespace:name` in some version.
pub(crate) fn provides_interface(package: &str, interface: &str) -> bool {
    contains(PROVIDED, package, interface) || contains(PROVIDED_0_3, package, interface)
}

fn contains(packages: &[Package], package: &str, interface: &str) -> bool {
    packages.iter().any(|(name, interfaces)| *name == package && interfaces.contains(&interface))
}

/// Whether it is a version of WASI that components may be made for.
pub(crate) fn is_supported_wasi(version: &semver::Version) -> bool {
    is_release(version, 2) || cfg!(feature = "wasip3") && is_release(version, 3)
}

/// The patch releases of WASI only add, and the linker accepts each of them for the others.
fn is_release(version: &semver::Version, minor: u64) -> bool {
    version.major == 0 && version.minor == minor && version.pre.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_wasi_are_provided_and_others_are_not() {
        for (import, provided) in [
            ("wasi:io/poll@0.2.0", true),
            ("wasi:http/types@0.2.9", true),
            ("wasi:io/poll@0.2.0-rc-2023-11-10", false),
            ("wasi:http/types@0.3.0", cfg!(feature = "wasip3")),
            ("wasi:http/types@0.3.0-rc-2026-03-15", false),
            ("wasi:io/poll@0.3.0", false),
            ("wasi:http/types@0.4.0", false),
            ("wasi:io/poll", false),
            ("wasi:keyvalue/store@0.2.0-draft", false),
            ("wasi:http/incoming-handler@0.2.0", false),
            ("greet", false),
        ] {
            assert_eq!(is_provided(import), provided, "{import}");
        }
    }
}
