//! Ctrl-C at every stage: the program ends with 130, and the project is as it was.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::http_server::{Answer, HttpServer};
use crate::workbench::{WORLD, Workbench};

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

/// Waits for what the test itself brings about.
fn until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never happened");
        std::thread::yield_now();
    }
}

#[test]
fn while_a_server_is_waited_for() {
    let server = HttpServer::start();
    server.answer("/a.tar.gz", Answer::hanging());
    let bench = Workbench::new(WORLD);
    bench.write("app/.wash/config.yaml", &format!("wit:\n  sources:\n    wasi: {}\n", server.url("/a.tar.gz")));
    let before = bench.texts();
    for arguments in [vec!["fetch"], vec!["add", "wasi:random/random@0.2.12"], vec!["fetch", "--clean"]] {
        let asked = server.asked().len();
        let mut child = bench.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
        until(|| server.asked().len() > asked);
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{arguments:?}");
        assert_eq!(bench.texts(), before, "{arguments:?}");
    }
}

#[test]
fn while_another_process_is_waited_for() {
    let bench = Workbench::new(WORLD);
    let folder = std::fs::File::open(bench.app()).unwrap();
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let before = bench.texts();
    let mut child = bench.command(["fetch"]).stderr(Stdio::piped()).spawn().unwrap();
    // It says that it waits, after a second.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut line).unwrap();
    assert!(line.contains("another process"), "{line}");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(bench.texts(), before);
}

#[test]
fn at_any_moment() {
    let bench = Workbench::new(WORLD);
    let before = bench.texts();
    let started = Instant::now();
    bench.wit(["fetch"]).assert_success();
    let whole = started.elapsed();
    let after = bench.texts();
    let (mut undone, mut done) = (0, 0);
    // At least one must get to its end, and the machine may have become slower meanwhile.
    for step in 0..1_000 {
        if step >= 24 && done > 0 {
            break;
        }
        bench.remove_cache();
        let _ = std::fs::remove_file(bench.app().join("wkg.lock"));
        let _ = std::fs::remove_dir_all(bench.deps());
        let mut child = bench.command(["fetch"]).stderr(Stdio::null()).spawn().unwrap();
        // Spread over the time that it takes: there is no event for every stage.
        std::thread::sleep(whole * step / 20);
        interrupt(&child);
        let code = child.wait().unwrap().code();
        let texts = bench.texts();
        if code == Some(0) {
            assert_eq!(texts, after);
            done += 1;
        } else {
            // Before its handler is installed the signal ends it at once.
            assert!(matches!(code, Some(130) | None), "{code:?}");
            assert!(texts == before || texts == after, "step {step}: {:?}", texts.keys());
            undone += 1;
        }
    }
    assert!(undone > 0 && done > 0, "{undone} undone, {done} done");
}

#[test]
fn while_dependencies_are_removed() {
    let bench = Workbench::new(WORLD);
    bench.wit(["fetch"]).assert_success();
    let before = bench.texts();
    let started = Instant::now();
    bench.wit(["clean"]).assert_success();
    let whole = started.elapsed();
    let after = bench.texts();
    for step in 0..24 {
        bench.wit(["fetch"]).assert_success();
        assert_eq!(bench.texts(), before);
        let mut child = bench.command(["clean"]).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole * step / 20);
        interrupt(&child);
        let code = child.wait().unwrap().code();
        let texts = bench.texts();
        assert!(matches!(code, Some(0 | 130) | None), "{code:?}");
        assert!(texts == after || (texts == before && code != Some(0)), "step {step}: {:?}", texts.keys());
    }
}
