//! Which program listens on a port, where the system tells: on Linux, for programs of the same user.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::path::Path;

/// A program that holds a port.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Holder {
    name: String,
    process: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.process)
    }
}

/// The program that listens on an address, or on all addresses with its port.
#[cfg(target_os = "linux")]
pub(crate) fn find(address: SocketAddr) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inodes: Vec<u64> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening_inode(line, address)).collect::<Vec<_>>())
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = std::fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((process, entry.path()))
    });
    for (process, path) in processes {
        if has_one_of(&path.join("fd"), &sockets) {
            let name = std::fs::read_to_string(path.join("comm")).ok()?;
            return Some(Holder { name: name.trim_end().to_owned(), process });
        }
    }
    None
}

/// Other systems tell nobody but root, and not in a file.
#[cfg(not(target_os = "linux"))]
pub(crate) fn find(_: SocketAddr) -> Option<Holder> {
    None
}

#[cfg(target_os = "linux")]
fn has_one_of(descriptors: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(descriptors) else { return false };
    let mut targets = descriptors.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    targets.any(|target| target.to_str().is_some_and(|target| sockets.iter().any(|socket| socket == target)))
}

/// The inode of a listening socket on this address, from a line of the kernel's table.
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the format is Linux's"))]
fn listening_inode(line: &str, address: SocketAddr) -> Option<u64> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let ip = ip_of(ip)?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let is_held = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
    (*state == LISTENING && port == address.port() && is_held).then(|| inode.parse().ok())?
}

/// An address as the kernel writes it: words of four bytes in the machine's order.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for word in hex.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        // 127.0.0.1:8000, as a machine with the lowest byte first writes it.
        let listening =
            "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1 0 100 0";
        let connected = listening.replacen(" 0A ", " 01 ", 1);
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(listening_inode(listening, address("127.0.0.1:8000")), Some(4711));
            assert_eq!(listening_inode(listening, address("0.0.0.0:8000")), Some(4711));
            assert_eq!(listening_inode(listening, address("127.0.0.2:8000")), None);
            assert_eq!(listening_inode(listening, address("127.0.0.1:8001")), None);
            assert_eq!(listening_inode(&connected, address("127.0.0.1:8000")), None);
        }
        assert_eq!(listening_inode("sl  local_address rem_address", address("127.0.0.1:8000")), None);
        assert_eq!(listening_inode("", address("127.0.0.1:8000")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn finds_this_very_program() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = find(listener.local_addr().unwrap()).unwrap();
        assert_eq!(holder.process, std::process::id());
    }
}
