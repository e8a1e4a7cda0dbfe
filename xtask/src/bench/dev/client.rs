//! An HTTP client with one connection that stays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Gets `/`: the status and the body.
    pub(super) fn get(&mut self) -> Result<(u16, String)> {
        self.stream.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status line")?;
        let mut length = None;
        loop {
            let header = self.line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = Some(value.parse()?);
            }
        }
        let mut body = Vec::new();
        match length {
            Some(length) => body.extend(self.bytes(length)?),
            None => loop {
                let size = usize::from_str_radix(&self.line()?, 16)?;
                body.extend(self.bytes(size)?);
                self.line()?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    /// Gets `/` until the body is not this one any more, with pauses in between.
    pub(super) fn wait_for_other_than(&mut self, old: &str, pause: Duration) -> Result<String> {
        loop {
            let (status, body) = self.get()?;
            if status != 200 {
                bail!("status {status}: {body}");
            }
            if body != old {
                return Ok(body);
            }
            thread::sleep(pause);
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end().to_owned())
    }
}
