//! The service guide's service: listens on port 7777 and answers each line in leet speak. `count` is answered with the
//! number of connections so far.

use std::cell::Cell;
use std::rc::Rc;

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};

/// Tests exchange the digits, so that there are several builds.
const BUILD: &str = "service-build-00";

#[wstd::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("0.0.0.0:7777").await?;
    println!("{BUILD} listens");
    let count = Rc::new(Cell::new(0));
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        count.set(count.get() + 1);
        let count = Rc::clone(&count);
        wstd::runtime::spawn(async move {
            // Whoever has gone needs no answer.
            _ = answer(stream, &count).await;
        })
        .detach();
    }
    Ok(())
}

async fn answer(mut stream: TcpStream, count: &Cell<u32>) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut buffer = [0; 256];
    while !line.ends_with(b"\n") {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => line.extend_from_slice(&buffer[..length]),
        }
    }
    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
    let answer = match text.as_str() {
        "count" => format!("{} {BUILD}\n", count.get()),
        "exit" => std::process::exit(1),
        text => format!("{}\n", text.replace('e', "3").replace('l', "1").replace('o', "0")),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}
