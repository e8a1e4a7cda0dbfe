//! Guests that make the host work, allocate and keep for them: each hurts only itself.

use std::fs::File;

use http_body_util::BodyExt;
use tokio::net::TcpListener;
use wash_runtime::engine::Engine;
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::types::{Component, HostPathVolume, LocalResources, Volume, VolumeType};

use crate::support::{
    Answer, TestHost, from_text, get, get_http2, mount, mounting, part_component, raw, within_patience, workload_of,
};

/// A workload of one component that asks the host for too much, with a directory that holds a file of 8 GiB, all of
/// them a hole.
async fn hoarder(mut resources: LocalResources) -> (TestHost, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    File::create(directory.path().join("large")).unwrap().set_len(8 << 30).unwrap();
    let root = directory.path().canonicalize().unwrap();
    let host = TestHost::build(HostBuilder::new().with_host_path_root(&root)).await;
    resources.volume_mounts = mounting(mount("data", "/data")).volume_mounts;
    let mut request = workload_of("hoarder", vec![part_component("hoarder", resources)]);
    let path = root.display().to_string();
    request.workload.volumes = vec![Volume {
        name: "data".to_string(),
        volume_type: VolumeType::HostPath(HostPathVolume { local_path: path }),
    }];
    host.deploy(request).await;
    (host, directory)
}

/// The peak of this process while these requests are answered stays within reach of what it was before.
async fn in_little_memory(host: &TestHost, paths: &[&str]) -> Vec<Answer> {
    const LIMIT: u64 = 300 << 20;
    let mut answers = Vec::new();
    for path in paths {
        #[cfg(target_os = "linux")]
        let before = {
            washlib_test::hostile::forget_peak();
            washlib_test::hostile::resident_memory()
        };
        answers.push(match host.connect().await.send(get(path)).await {
            Ok(response) => Answer::of(response).await.unwrap_or(Answer { status: 0, body: String::new() }),
            Err(_) => Answer { status: 0, body: String::new() },
        });
        #[cfg(target_os = "linux")]
        {
            let more = washlib_test::hostile::peak_memory().saturating_sub(before);
            assert!(more < LIMIT, "{path} took {} MiB", more >> 20);
        }
        assert_eq!(host.get("/").await, Answer::ok("hoarder"), "after {path}");
    }
    answers
}

#[tokio::test]
async fn bytes_by_the_billion_are_not_delivered() {
    let (host, _directory) = hoarder(LocalResources { memory_limit_mb: 128, ..LocalResources::default() }).await;
    let answers = in_little_memory(
        &host,
        &["/random?4294967295", "/random?1000000000", "/read", "/read-at", "/overlapping?100000", "/header?100000000"],
    )
    .await;
    for answer in &answers {
        // Refused, or a part of what was asked for.
        let delivered = answer.body.parse::<u64>();
        assert!(
            answer.status != 200 || answer.body == "false" || delivered.is_ok_and(|bytes| bytes <= 64 << 20),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn writes_beyond_what_was_granted_are_traps() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    for answer in in_little_memory(&host, &["/zeroes", "/unasked"]).await {
        assert_ne!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn things_to_wait_for_are_limited() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    let answers = in_little_memory(
        &host,
        &[
            "/timers?5000",
            "/timers?1000000",
            "/poll?5000",
            "/poll?1000000",
            "/poll-again?1000000",
            "/directories?100000",
        ],
    )
    .await;
    assert_eq!(answers[0], Answer::ok("5000"));
    assert_eq!(answers[1].status, 500);
    assert_eq!(answers[2], Answer::ok("1"));
    assert_eq!(answers[3].status, 500);
    let directories: u64 = answers[5].body.parse().unwrap();
    assert!((1..100_000).contains(&directories), "{directories}");
}

/// The output is collected by the test, so what is counted here is what the host itself keeps.
#[tokio::test]
async fn a_console_that_never_ends_a_line_is_passed_on() {
    let (mut host, _directory) = hoarder(LocalResources::default()).await;
    host.output.close();
    assert_eq!(in_little_memory(&host, &["/console?400"]).await, [Answer::ok("400")]);
}

#[tokio::test]
async fn requests_whose_answers_nobody_wants_are_limited() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = silent.local_addr().unwrap().to_string();
    let accepted = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(silent.accept().await.unwrap());
        }
    });
    #[cfg(target_os = "linux")]
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    #[cfg(target_os = "linux")]
    let before = files();
    let mut request = get("/fetches?30000");
    request.headers_mut().insert("x-target", target.parse().unwrap());
    let answer = Answer::of(host.connect().await.send(request).await.unwrap()).await.unwrap();
    assert!(answer.status == 500 || answer.body.parse::<u64>().is_ok_and(|begun| begun < 30_000), "{answer:?}");
    assert_eq!(host.get("/").await, Answer::ok("hoarder"));
    accepted.abort();
    _ = accepted.await;
    // What the guest began ends with it.
    #[cfg(target_os = "linux")]
    within_patience(async {
        while files() > before + 10 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_longer_than_its_length_does_not_run_into_the_next_response() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    let mut connection = host.connect().await;
    if let Ok(response) = connection.send(get("/too-long")).await {
        let body = within_patience(response.into_body().collect()).await.map(|body| body.to_bytes());
        assert!(body.as_ref().map_or(true, |body| body == "xxxxx" || body.starts_with(b"the component")), "{body:?}");
    }
    // Either the connection is gone, or its next response is the next one.
    if let Ok(response) = connection.send(get("/")).await {
        assert_eq!(Answer::of(response).await.unwrap(), Answer::ok("hoarder"));
    }
    assert_eq!(host.get("/").await, Answer::ok("hoarder"));
}

#[tokio::test]
async fn a_guest_cannot_write_the_protocol_itself() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    assert_eq!(host.get("/split").await, Answer::ok("8"));
    let response = raw(
        host.address,
        "GET /forbidden HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.ends_with("hoarder"), "the connection should have gone on: {response}");
    let (head, _) = response.split_once("\r\n\r\n").unwrap();
    for name in ["connection", "keep-alive", "transfer-encoding", "upgrade", "host", "proxy-connection"] {
        assert!(!head.contains(&format!("\n{name}:")), "{name} is the server's own: {head}");
    }
    assert_eq!(get_http2(host.address, "/forbidden").await.status, 200);
}

#[tokio::test]
async fn trailers_may_be_many_and_odd() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    for path in ["/trailers?1", "/trailers?100", "/trailers?100000"] {
        let response = host.connect().await.send(get(path)).await;
        if let Ok(response) = response {
            // Whole, or broken off.
            if let Ok(body) = within_patience(response.into_body().collect()).await {
                let trailers = body.trailers().cloned().unwrap_or_default();
                assert!(!trailers.contains_key("content-length"), "{trailers:?}");
                assert!(!trailers.contains_key("transfer-encoding"), "{trailers:?}");
            }
        }
        assert_eq!(host.get("/").await, Answer::ok("hoarder"), "after {path}");
    }
}

/// A status without a body ends with its head, whatever the guest writes.
#[tokio::test]
async fn a_body_where_none_may_be_is_left_out() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    for status in [204, 304] {
        let request = format!(
            "GET /status?{status} HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        );
        let response = raw(host.address, &request).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        let (_, second) = response.split_once("\r\n\r\n").unwrap();
        assert!(second.starts_with("HTTP/1.1 200 ") && second.ends_with("hoarder"), "{response}");
    }
}

#[tokio::test]
async fn a_guest_that_answers_nothing_is_told_on() {
    let (host, _directory) = hoarder(LocalResources::default()).await;
    let answer = host.get("/silent").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("without"), "{answer:?}");
}

/// Tables are memory too, and none is large.
#[tokio::test]
async fn tables_count_as_memory() {
    let component = from_text(
        r#"(component
            (core module $m
                (table $t 1 funcref)
                (table $u 1 funcref)
                ;; How many of the two grow.
                (func (export "grow") (param i32) (result i32)
                    (i32.add
                        (i32.ne (table.grow $t (ref.null func) (local.get 0)) (i32.const -1))
                        (i32.ne (table.grow $u (ref.null func) (local.get 0)) (i32.const -1)))))
            (core instance $i (instantiate $m))
            (func (export "grow") (param "by" u32) (result u32) (canon lift (core func $i "grow"))))"#,
    );
    for pooled in [false, true] {
        let engine = Engine::builder().with_pooling_allocator(pooled).with_max_instances(16).build().unwrap();
        let host = HostBuilder::new().with_engine(engine).build().unwrap().start().await.unwrap();
        for (limit, by, expected) in [(256, 90_000, "2"), (1, 90_000, "1"), (256, 8_000_000, "0")] {
            let id = format!("tables-{limit}-{by}");
            let mut request = workload_of(&id, Vec::new());
            request.workload.host_interfaces.clear();
            request.workload.components = vec![Component {
                name: "tables".to_string(),
                bytes: component.clone(),
                local_resources: LocalResources { memory_limit_mb: limit, ..LocalResources::default() },
                ..Component::default()
            }];
            host.workload_start(request).await.unwrap();
            let grown = host.invoke(&id, &format!("grow({by})"), None).await.unwrap().wave().unwrap();
            assert_eq!(grown, expected, "{by} entries in {limit} MiB, pooled: {pooled}");
        }
    }
}
