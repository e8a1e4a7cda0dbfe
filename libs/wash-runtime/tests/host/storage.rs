//! Guests with key-value and object storage: every operation, several backends, and what keeps tenants apart.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use wash_runtime::host::{HostApi, HostBuilder};
use wash_runtime::plugin::HostPlugin;
use wash_runtime::plugin::wasi_blobstore::{Blobstore, FilesystemBlobstore, InMemoryBlobstore};
use wash_runtime::plugin::wasi_keyvalue::{FilesystemKeyValue, InMemoryKeyValue, KeyValue};
use wash_runtime::types::{LocalResources, WorkloadStartRequest};
use wash_runtime::wit::WitInterface;

use crate::support::{Answer, TestHost, component_of, request};

static STORE: LazyLock<Bytes> = LazyLock::new(|| component_of("tests/guests/store"));

async fn host<K: HostPlugin, B: HostPlugin>(values: K, blobs: B) -> TestHost {
    let builder = HostBuilder::new().with_plugin(Arc::new(values)).unwrap().with_plugin(Arc::new(blobs)).unwrap();
    TestHost::build(builder).await
}

fn entry(interface: &str, name: Option<&str>, config: &[(&str, &str)]) -> WitInterface {
    WitInterface {
        name: name.map(str::to_string),
        config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        ..interface.parse().unwrap()
    }
}

fn values(name: Option<&str>, config: &[(&str, &str)]) -> WitInterface {
    entry("wasi:keyvalue/store,atomics,batch", name, config)
}

fn blobs(name: Option<&str>, config: &[(&str, &str)]) -> WitInterface {
    entry("wasi:blobstore/blobstore", name, config)
}

fn workload(id: &str, namespace: &str, entries: Vec<WitInterface>) -> WorkloadStartRequest {
    let mut request = request(id, STORE.clone(), LocalResources::default());
    request.workload.namespace = namespace.to_string();
    request.workload.host_interfaces = entries;
    request
}

async fn start(host: &TestHost, id: &str, namespace: &str, entries: Vec<WitInterface>) {
    host.host.workload_start(workload(id, namespace, entries)).await.unwrap();
}

async fn refusal(host: &TestHost, entries: Vec<WitInterface>) -> String {
    let err = host.host.workload_start(workload("refused", "test", entries)).await.unwrap_err();
    format!("{err:#}")
}

/// Carries out lines, and checks each one's answer.
async fn check(host: &TestHost, lines: &[(&str, &str)]) {
    let script: Vec<&str> = lines.iter().map(|(line, _)| *line).collect();
    let request = Request::post("/").header("host", "test.example").body(Full::from(script.join("\n"))).unwrap();
    let response = host.connect().await.send(request).await.unwrap();
    let answer = Answer::of(response).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answers: Vec<&str> = answer.body.split('\n').collect();
    for (index, (line, expected)) in lines.iter().enumerate() {
        assert_eq!(answers.get(index), Some(expected), "{line}");
    }
}

async fn use_values(host: &TestHost) {
    check(
        host,
        &[
            ("get default key", "none"),
            ("set default key value", "ok"),
            ("get default key", "value"),
            ("get other key", "none"),
            ("exists default key", "true"),
            ("set default ../../escape x", "ok"),
            ("list default", "../../escape key"),
            ("delete default key", "ok"),
            ("delete default key", "ok"),
            ("exists default key", "false"),
            ("increment default n 2", "2"),
            ("increment default n 40", "42"),
            ("set default n x", "ok"),
            ("increment default n 1", "error: the value of this key is not a decimal integer"),
            ("batch batches", "two=2 none one=1"),
            ("list batches", ""),
            ("fill many 1200", "ok"),
            ("list many", "1200"),
        ],
    )
    .await;
    // The second draft reaches the same data.
    check(
        host,
        &[
            ("set default shared 1", "ok"),
            ("get2 default shared", "1"),
            ("increment2 default shared -5", "-4"),
            ("get default shared", "-4"),
            ("list2 many", "1200"),
            ("batch2 batches", "two=2 missing=none one=1"),
            ("swap2 default swap first", "none swapped"),
            ("swap2 default swap second", "first swapped"),
            ("late-swap2 default swap third between", "second changed between swapped"),
            ("get default swap", "third"),
        ],
    )
    .await;
}

async fn use_blobs(host: &TestHost) {
    let sum: u64 = (0..=250_u64).cycle().take(1_000_000).sum();
    let streamed = format!("1000000 {sum}");
    check(
        host,
        &[
            ("created box", "false"),
            ("put box a x", "error: there is no container `box`"),
            ("create box", "box"),
            ("create box", "error: the container `box` exists already"),
            ("created box", "true"),
            ("container-info box", "box true"),
            ("put box a 0123456789", "ok"),
            ("info box a", "box a 10 true"),
            ("read box a 0 9", "0123456789"),
            ("read box a 2 4", "234"),
            ("read box a 8 1000", "89"),
            ("read box a 4 2", "error: the start lies behind the end"),
            ("read box b 0 9", "error: there is no object `b` in the container `box`"),
            ("stream box large 1000000", "ok"),
            ("sum box large", &streamed),
            ("late box late 1000000", "ok"),
            ("sum box late", &streamed),
            ("unfinished box never 1000000", "ok"),
            ("has box never", "false"),
            ("stream box empty 0", "ok"),
            ("read box empty 0 18446744073709551615", ""),
            ("body-twice", "true false"),
            ("unassigned", "error: the value belongs to no object: assign it with write-data before it is finished"),
            ("objects box", "a empty large late"),
            ("skip box 3", "3 false 1"),
            ("skip box 100", "4 true 0"),
            ("copy box a box ../copy", "ok"),
            ("read box ../copy 0 9", "0123456789"),
            ("move box a box a", "ok"),
            ("has box a", "true"),
            ("move box a box b", "ok"),
            ("has box a", "false"),
            ("read box b 0 9", "0123456789"),
            ("copy box b nowhere b", "error: there is no container `nowhere`"),
            ("delete-objects box b large never", "ok"),
            ("objects box", "../copy empty late"),
            ("clear box", "ok"),
            ("objects box", ""),
            ("remove box", "ok"),
            ("objects box", "error: there is no container `box`"),
        ],
    )
    .await;
}

#[tokio::test]
async fn guests_use_every_operation_in_memory() {
    let host = host(InMemoryKeyValue::new(), InMemoryBlobstore::new()).await;
    start(&host, "a", "test", vec![values(None, &[]), blobs(None, &[])]).await;
    use_values(&host).await;
    use_blobs(&host).await;
}

#[tokio::test]
async fn guests_use_every_operation_on_a_disk() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, objects) = (dir.path().join("keys"), dir.path().join("objects"));
    let host = host(FilesystemKeyValue::new(&keys).unwrap(), FilesystemBlobstore::new(&objects).unwrap()).await;
    start(&host, "a", "test", vec![values(None, &[]), blobs(None, &[])]).await;
    use_values(&host).await;
    use_blobs(&host).await;
    check(&host, &[("set default kept x", "ok"), ("create box", "box"), ("put box kept x", "ok")]).await;
    drop(host);
    assert_eq!(std::fs::read(objects.join("test/box/kept")).unwrap(), b"x");

    let again = self::host(FilesystemKeyValue::new(&keys).unwrap(), FilesystemBlobstore::new(&objects).unwrap()).await;
    start(&again, "b", "test", vec![values(None, &[]), blobs(None, &[])]).await;
    check(&again, &[("get default kept", "x"), ("read box kept 0 9", "x")]).await;
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn entries_are_told_apart_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let host =
        host(KeyValue::new().with_directory(dir.path()).unwrap(), Blobstore::new().with_directory(dir.path()).unwrap())
            .await;
    let disk = &[("backend", "filesystem"), ("root", "data")];
    let read_only = entry("wasi:keyvalue/store", Some("plain"), &[("bucket", "cache")]);
    let entries = vec![
        values(Some("cache"), &[]),
        values(Some("disk"), disk),
        read_only,
        blobs(Some("small"), &[("max-object-size", "10")]),
        blobs(Some("files"), disk),
    ];
    start(&host, "a", "test", entries).await;
    check(
        &host,
        &[
            ("open elsewhere", "error: no-such-store"),
            ("open2 elsewhere", "error: no-such-store"),
            ("set cache key memory", "ok"),
            ("set disk key disk", "ok"),
            ("get cache key", "memory"),
            ("get disk key", "disk"),
            // The entry's own name for the bucket, and only the interfaces that it lists.
            ("get plain key", "memory"),
            ("increment plain n 1", "error: access-denied"),
            ("batch plain", "error: access-denied"),
            ("swap2 plain key x", "error: access-denied"),
            ("increment cache n 1", "1"),
            ("create elsewhere", "error: the workload declares no object storage with the name `elsewhere`"),
            ("create small", "small"),
            ("create files", "files"),
            ("put small a 0123456789", "ok"),
            ("put small b 01234567890", "error: an object may have at most 10 bytes"),
            ("stream small b 11", "error: an object may have at most 10 bytes"),
            ("stream files large 1000000", "ok"),
            ("copy files large small large", "error: an object may have at most 10 bytes"),
            ("late files late 1000000", "ok"),
            (
                "late files late 2000000",
                "error: assign the value with write-data before writing more than 1048576 bytes",
            ),
            ("move small a files a", "ok"),
            ("objects small", ""),
            ("read files a 0 9", "0123456789"),
        ],
    )
    .await;
    assert_eq!(std::fs::read(dir.path().join("data/.wash-blobstore/test/files/a")).unwrap(), b"0123456789");
    assert!(dir.path().join("data/.wash-keyvalue/test/disk/key").exists());
}

#[tokio::test]
async fn namespaces_are_apart_and_workloads_of_one_share() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(FilesystemKeyValue::new(dir.path()).unwrap(), InMemoryBlobstore::new()).await;
    let entries = || vec![values(None, &[]), blobs(None, &[])];
    start(&host, "a", "one", entries()).await;
    check(&host, &[("set default key one", "ok"), ("create box", "box"), ("put box a one", "ok")]).await;
    start(&host, "b", "two", entries()).await;
    check(&host, &[("get default key", "none"), ("created box", "false"), ("list default", "")]).await;
    start(&host, "c", "one", entries()).await;
    check(&host, &[("get default key", "one"), ("read box a 0 9", "one")]).await;
    // What is in memory goes with the last workload of its namespace.
    host.end("a").await;
    check(&host, &[("read box a 0 9", "one")]).await;
    host.end("c").await;
    start(&host, "d", "one", entries()).await;
    check(&host, &[("created box", "false"), ("get default key", "one")]).await;
}

#[tokio::test]
async fn memory_has_a_limit_that_the_guest_survives() {
    let host = host(InMemoryKeyValue::with_max_bytes(100_000), InMemoryBlobstore::with_max_bytes(100_000)).await;
    start(&host, "a", "test", vec![values(None, &[]), blobs(None, &[])]).await;
    check(
        &host,
        &[
            ("fill many 1200", "error: the store is full: it may keep 100000 bytes in memory"),
            ("create box", "box"),
            ("stream box large 200000", "error: the store is full: it may keep 100000 bytes in memory"),
            ("stream box large 90000", "ok"),
            ("has box large", "true"),
        ],
    )
    .await;
}

#[tokio::test]
async fn many_open_objects_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(InMemoryKeyValue::new(), FilesystemBlobstore::new(dir.path()).unwrap()).await;
    start(&host, "a", "test", vec![values(None, &[]), blobs(None, &[])]).await;
    check(
        &host,
        &[
            ("create box", "box"),
            ("put box a x", "ok"),
            ("hold box a 5000", "error: the component has 1024 values and listings open already"),
            ("hold box a 1000", "1000"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_not_declared_is_not_there() {
    let host = host(KeyValue::new(), Blobstore::new()).await;
    let message = refusal(&host, vec![blobs(None, &[])]).await;
    assert!(message.contains("wasi:keyvalue/store@0.2.0-draft"), "{message}");
    let message = refusal(&host, vec![values(None, &[])]).await;
    assert!(message.contains("wasi:blobstore/blobstore@0.2.0-draft"), "{message}");
    let store_alone = entry("wasi:keyvalue/store", None, &[]);
    let message = refusal(&host, vec![store_alone, blobs(None, &[])]).await;
    assert!(message.contains("wasi:keyvalue/atomics@0.2.0-draft"), "{message}");
}

#[tokio::test]
async fn settings_that_cannot_be_met_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let host = host(KeyValue::new().with_directory(dir.path()).unwrap(), Blobstore::new()).await;
    let refused = async |entry: WitInterface| refusal(&host, vec![entry, blobs(None, &[])]).await;
    let message = refused(values(None, &[("backend", "redis"), ("url", "redis://x")])).await;
    assert!(message.contains("supports `in-memory` and `filesystem`"), "{message}");
    for root in ["/etc", "a/../../x"] {
        let message = refused(values(None, &[("backend", "filesystem"), ("root", root)])).await;
        assert!(message.contains("`root` that cannot be used"), "{root}: {message}");
    }
    let nowhere = blobs(None, &[("backend", "filesystem"), ("root", "x")]);
    let message = refusal(&host, vec![values(None, &[]), nowhere]).await;
    assert!(message.contains("the host allows workloads no directory"), "{message}");
    let large = blobs(None, &[("max-object-size", "many")]);
    let message = refusal(&host, vec![values(None, &[]), large]).await;
    assert!(message.contains("`many` for `max-object-size`"), "{message}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn values_on_a_redis_server() {
    let server = washlib_test::Redis::start();
    let redis = wash_runtime::plugin::redis::Redis::new(&server.url()).unwrap();
    let host = host(KeyValue::new().with_redis(&redis), Blobstore::new()).await;
    start(&host, "first", "test", vec![values(None, &[("backend", "redis")]), blobs(None, &[])]).await;
    use_values(&host).await;
    let elsewhere = values(None, &[("backend", "redis"), ("url", "redis://127.0.0.1:1")]);
    let message = refusal(&host, vec![elsewhere, blobs(None, &[])]).await;
    assert!(message.contains("on this host workloads name no servers"), "{message}");
}

#[tokio::test]
async fn values_and_objects_on_a_nats_server() {
    let mut server = washlib_test::Nats::start();
    let nats = wash_runtime::plugin::nats::Nats::new(&server.url()).unwrap();
    let host = host(KeyValue::new().with_nats(&nats), Blobstore::new().with_nats(&nats)).await;
    let on_nats = [("backend", "nats")];
    start(&host, "first", "test", vec![values(None, &on_nats), blobs(None, &on_nats)]).await;
    use_values(&host).await;
    use_blobs(&host).await;
    check(&host, &[("set default stays value", "ok")]).await;
    server.kill();
    check(&host, &[("get default stays", "error: the storage failed")]).await;
    server.start_again();
    check(&host, &[("get default stays", "value")]).await;
    let without = washlib_test::Nats::without_jetstream();
    let url = without.url();
    let named = [("backend", "nats"), ("url", url.as_str())];
    let host = self::host(KeyValue::new().with_servers_by_url(), Blobstore::new().with_servers_by_url()).await;
    for entries in [vec![values(None, &named), blobs(None, &[])], vec![values(None, &[]), blobs(None, &named)]] {
        let message = refusal(&host, entries).await;
        assert!(message.contains("JetStream is not to be had there") && !message.contains("sesame"), "{message}");
    }
}

#[tokio::test]
async fn values_on_servers_that_entries_name() {
    let (one, mut other) = (washlib_test::Redis::start(), washlib_test::Redis::start());
    let own = wash_runtime::plugin::redis::Redis::new(&one.url()).unwrap();
    let host = host(KeyValue::new().with_redis(&own).with_servers_by_url(), Blobstore::new()).await;
    let url = other.url();
    let entries = || {
        vec![
            values(Some("default"), &[("backend", "redis")]),
            values(Some("other"), &[("backend", "redis"), ("url", &url), ("prefix", "mine:")]),
            blobs(None, &[]),
        ]
    };
    start(&host, "first", "test", entries()).await;
    check(&host, &[("set default stays value", "ok"), ("set other stays elsewhere", "ok")]).await;
    other.kill();
    check(&host, &[("get other stays", "error: the storage failed"), ("get default stays", "value")]).await;
    other.start_again();
    check(&host, &[("get other stays", "elsewhere"), ("increment other n 2", "2")]).await;
    other.kill();
    let message = refusal(&host, entries()).await;
    assert!(message.contains("cannot connect to the Redis server at 127.0.0.1:"), "{message}");
    let unusable = values(None, &[("backend", "redis"), ("url", "redis://:opensesame@x:y")]);
    let unusable = refusal(&host, vec![unusable, blobs(None, &[])]).await;
    assert!(unusable.contains("the URL of the Redis server is not usable"), "{unusable}");
    assert!(!format!("{message}{unusable}").contains("opensesame"), "{message} {unusable}");
}

#[test]
fn plugins_of_one_kind_exclude_each_other() {
    let builder = HostBuilder::new().with_plugin(Arc::new(KeyValue::new())).unwrap();
    assert!(builder.with_plugin(Arc::new(InMemoryKeyValue::new())).is_err());
}
