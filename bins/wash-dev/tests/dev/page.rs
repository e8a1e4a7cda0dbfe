//! The page at `/__wash/`, over HTTP and in a browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::connection::{Answer, Connection};
use crate::project::{Project, greeting};
use crate::server::{PATIENCE, Server};

/// What the page's server says, event by event.
struct Events(BufReader<TcpStream>);

impl Events {
    fn open(server: &Server) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /__wash/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event of this type.
    fn wait_for(&mut self, kind: &str) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "`{kind}` should come before the end");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let event: Value = serde_json::from_str(data).unwrap();
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn read_to_end(mut self) {
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut self.0, &mut rest).unwrap();
    }
}

fn get(server: &Server, path: &str, host: &str) -> (Answer, Connection) {
    let mut connection = Connection::open(server.address());
    connection.send(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    let answer = connection.read_answer();
    (answer, connection)
}

#[test]
fn is_served_to_this_machine_alone_and_loads_nothing_from_elsewhere() {
    let project = Project::new();
    let server = Server::start(&project);
    let (page, connection) = get(&server, "/__wash/", "localhost");
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>wash dev</title>"), "{}", page.body);
    let policy = connection.last_header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    assert_eq!(connection.last_header("x-content-type-options").as_deref(), Some("nosniff"));
    for asset in ["page.js", "page.css"] {
        assert_eq!(get(&server, &format!("/__wash/{asset}"), "127.0.0.1:1").0.status, 200);
    }
    // A name that somebody else has pointed to this machine.
    assert_eq!(get(&server, "/__wash/events", "evil.example").0.status, 403);
    // The component keeps all other paths.
    assert_eq!(get(&server, "/", "evil.example").0, Answer::ok(greeting(1)));
    server.stop().assert_no_more_events();
}

#[test]
fn can_be_left_out() {
    let project = Project::new();
    let mut command = project.command();
    command.args(["-o", "json", "--no-ui"]);
    let mut server = Server::spawn(command);
    server.wait_for("ready");
    let (answer, _) = get(&server, "/__wash/", "localhost");
    assert_eq!((answer.status, answer.body.as_str()), (404, "Not found\n"));
    server.stop();
}

#[test]
fn tells_what_has_happened_and_what_happens() {
    let project = Project::probe("");
    let mut server = Server::start(&project);
    server.get("/print");
    server.wait_for_stderr("to standard error");
    let mut events = Events::open(&server);
    let world = events.wait_for("world");
    assert_eq!(world["components"][0]["role"], "component");
    assert!(world["components"][0]["exports"].to_string().contains("wasi:http/incoming-handler"), "{world}");
    assert_eq!(events.wait_for("ready")["url"], format!("http://{}", server.address()));
    assert_eq!(events.wait_for("guest-output")["component"], "app");
    assert_eq!(events.wait_for("request")["path"], "/print");
    assert_eq!(events.wait_for("routes")["routes"][0]["count"], 1);
    server.get("/version");
    assert_eq!(events.wait_for("request")["path"], "/version");
    project.choose("missing");
    events.wait_for("building");
    assert!(events.wait_for("build-output")["line"].as_str().unwrap().contains("missing.wasm"));
    assert_eq!(events.wait_for("build-failed")["serving"], true);
    // Somebody who reads along does not keep the server from ending.
    server.stop();
    events.read_to_end();
}

/// A browser of the project's set-up, or none where that has not been installed.
fn browser() -> Option<&'static str> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser"].into_iter().find(|path| std::path::Path::new(path).exists())
}

/// The page as the browser shows it after a while.
fn rendered(browser: &str, project: &Project, url: &str) -> String {
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // The page never stops loading: time passes as fast as it can, and then what is there is printed.
        .args(["--virtual-time-budget=3000", "--timeout=20000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", project.outside("browser").display()))
        .arg(url)
        .env("HOME", project.outside("."))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn shows_in_a_browser_what_has_happened() {
    let Some(browser) = browser() else {
        assert!(std::env::var_os("CI").is_none(), "`cargo xtask setup` installs Chromium");
        eprintln!("no browser: `cargo xtask setup` installs Chromium");
        return;
    };
    let project = Project::probe("");
    let mut server = Server::start(&project);
    server.get("/print");
    server.get("/nowhere%3Cscript%3Ealert(1)%3C/script%3E");
    server.wait_for_stderr("to standard error");
    let url = format!("http://{}/__wash/", server.address());
    let page = rendered(browser, &project, &url);
    for part in [
        r#"<span id="state" class="pill good" role="status">serving</span>"#,
        "wasi:http/incoming-handler@0.2",
        "to standard error",
        r#"<td class="path">/print</td>"#,
        r#"<td class="path">/nowhere%3Cscript"#,
    ] {
        assert!(page.contains(part), "`{part}` should be in {page}");
    }
    project.choose("missing");
    server.wait_for("build-failed");
    let page = rendered(browser, &project, &url);
    for part in ["failed, the last good version answers", "exit code 1", "missing.wasm"] {
        assert!(page.contains(part), "`{part}` should be in {page}");
    }
    server.stop();
}
