//! Debian's `docker-registry` on a port of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

/// Ends with the bench.
pub(super) struct Registry {
    process: Child,
    address: String,
}

impl Registry {
    /// Starts it over an empty folder.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let config = folder.join("registry.yml");
        let data = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog: {{ level: info, accesslog: {{ disabled: true }} }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: 127.0.0.1:0 }}\n",
            data.display()
        );
        fs_err::write(&config, text)?;
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().context("docker-registry; `cargo xtask setup` installs it")?;
        let mut log = BufReader::new(process.stderr.take().context("the registry has no log")?).lines();
        let address = loop {
            let line = log.next().context("the registry ended before it listened")??;
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.split(['"', ',', ' ']).next().unwrap_or_default().to_owned();
            }
        };
        std::thread::spawn(move || log.for_each(drop));
        Ok(Self { process, address })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
