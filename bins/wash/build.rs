//! Compresses the completion scripts. They repeat themselves, and would be more than half of the program.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const SCRIPTS: [&str; 5] = ["wash.bash", "wash.elv", "wash.fish", "_wash.ps1", "_wash"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let completions = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?)
        .join("../../completions");
    for name in SCRIPTS {
        let path = completions.join(name);
        println!("cargo::rerun-if-changed={}", path.display());
        let script = fs::read(&path).map_err(|err| format!("cannot read `{}`: {err}", path.display()))?;
        fs::write(out.join(format!("{name}.lz4")), lz4_flex::block::compress(&script))?;
    }
    Ok(())
}
