//! Whether a file system tells of changes that others make.

use std::path::Path;

/// Kinds of file systems on which files change without a notification, by the number that the kernel knows them by.
#[cfg(target_os = "linux")]
const SILENT: [(i64, &str); 10] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB"),
    (0x0102_1997, "9P"),
    (0x786F_4256, "a folder shared by VirtualBox"),
    // Whatever is behind it: folders of other machines, mostly.
    (0x6573_5546, "FUSE"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
];

/// The kind of the file system that a path is on, if changes on it may pass unnoticed.
#[cfg(target_os = "linux")]
#[allow(clippy::useless_conversion, reason = "the type of the number differs between architectures")]
pub(crate) fn without_notifications(path: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    // Where it is signed, all above the lower 32 bits says nothing.
    let kind = i64::try_from(kind).ok()? & 0xFFFF_FFFF;
    SILENT.into_iter().find(|(number, _)| *number == kind).map(|(_, name)| name)
}

/// Elsewhere nobody knows a number for it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn without_notifications(_: &Path) -> Option<&'static str> {
    None
}
