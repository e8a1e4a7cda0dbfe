//! The size of each binary as it is shipped.

use anyhow::Result;

use crate::process::{cargo, execute, print, target_folder, tools};

/// Builds the release binaries and prints their sizes.
pub(crate) fn run() -> Result<()> {
    execute(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    let mut total = 0;
    for tool in tools()? {
        // The release profile strips.
        let size = fs_err::metadata(target_folder().join("release").join(&tool))?.len();
        total += size;
        print(&format!("{tool:<16} {:>8} kB", size.div_ceil(1000)));
    }
    print(&format!("{:<16} {:>8} kB", "total", total.div_ceil(1000)));
    Ok(())
}
