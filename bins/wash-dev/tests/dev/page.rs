//! The page at `/__wash/`, over HTTP and in a browser.

#![allow(clippy::print_stderr, reason = "why a test had nothing to do")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

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

/// A browser without a window, driven over HTTP (WebDriver).
struct Browser {
    driver: Child,
    connection: Connection,
    session: String,
}

impl Browser {
    /// Starts the browser of the project's set-up; none where that has not been installed.
    fn start(project: &Project) -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").env("HOME", project.outside(".")).stdin(Stdio::null()).stderr(Stdio::null());
        let Ok(mut driver) = command.stdout(Stdio::piped()).process_group(0).spawn() else {
            assert!(std::env::var_os("CI").is_none(), "`cargo xtask setup` installs Chromium");
            eprintln!("no browser: `cargo xtask setup` installs Chromium");
            return None;
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            line.unwrap()
                .strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse()
                .ok()
        });
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let connection = Connection::open(SocketAddr::from(([127, 0, 0, 1], port.unwrap())));
        let mut browser = Self { driver, connection, session: String::new() };
        let profile = format!("--user-data-dir={}", project.outside("browser").display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,1000",
            &profile,
        ];
        let options = json!({ "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        browser.session = browser.ask("POST", "", &wanted)["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let path =
            if self.session.is_empty() { "/session".to_owned() } else { format!("/session/{}{path}", self.session) };
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let length = body.len();
        self.connection
            .send(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"));
        let answer = self.connection.read_answer();
        let value: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 200, "{value}");
        value["value"].clone()
    }

    fn open(&mut self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// What a script returns.
    fn run(&mut self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until the page's text has all of these parts.
    fn wait_for(&mut self, parts: &[&str]) {
        let script = "const [parts, done] = arguments; \
                      const look = () => { const text = document.body.innerText; \
                      if (parts.every((part) => text.includes(part))) done(''); else setTimeout(look, 20); }; look();";
        self.ask("POST", "/timeouts", &json!({ "script": 60_000 }));
        self.ask("POST", "/execute/async", &json!({ "script": script, "args": [parts] }));
    }

    /// A picture of the page, where somebody wants to look at one.
    fn picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("WASH_PICTURES") {
            let picture = self.ask("GET", "/screenshot", &Value::Null);
            fs::write(Path::new(&folder).join(name), picture.as_str().unwrap()).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its group: the browser is the driver's child.
        _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        _ = self.driver.wait();
    }
}

#[test]
fn shows_in_a_browser_what_happens() {
    let project = Project::probe("");
    let Some(mut browser) = Browser::start(&project) else { return };
    let mut server = Server::start(&project);
    server.get("/print");
    server.wait_for_stderr("to standard error");
    browser.open(&format!("http://{}/__wash/", server.address()));
    browser.wait_for(&["serving", "wasi:http/incoming-handler@0.2", "to standard error", "/print"]);
    server.get("/live");
    browser.wait_for(&["/live"]);
    assert_eq!(browser.run("return document.title"), "serving · wash dev");
    browser.picture("serving.png.base64");
    // Everything is shown as text, whatever it is.
    project.choose("<b id=broken>missing");
    browser.wait_for(&["failed, the last good version answers", "exit code 1", "<b id=broken>missing.wasm"]);
    assert_eq!(browser.run("return document.getElementById('broken')"), Value::Null);
    browser.picture("failed.png.base64");
    project.choose("probe");
    browser.wait_for(&["unchanged at"]);
    // All that it has loaded came from the page's own server.
    let origins = browser.run("return performance.getEntriesByType('resource').map((it) => new URL(it.name).origin)");
    let own = format!("http://{}", server.address());
    assert!(origins.as_array().unwrap().iter().all(|origin| *origin == own.as_str()), "{origins}");
    server.stop();
    browser.wait_for(&["not running"]);
}
