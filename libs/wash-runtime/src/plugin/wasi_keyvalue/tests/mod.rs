//! Every backend does the same, and what one keeps on a disk survives.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;

use super::backend::{Backend, Bucket, BucketError, Swapped};
use super::filesystem::FilesystemBackend;
use super::memory::MemoryBackend;

#[cfg(any(feature = "nats", feature = "redis", feature = "wasmcloud-postgres"))]
mod servers;

/// Tells a copy of this program where to do a child's part.
const CHILD_DIR: &str = "KEYVALUE_TEST_DIR";

const UNSIGNED: std::ops::RangeInclusive<i128> = 0..=u64::MAX as i128;

/// Where backends keep their data, for as long as this lives.
struct Ground {
    dir: tempfile::TempDir,
    #[cfg(feature = "nats")]
    _nats: washlib_test::Nats,
    #[cfg(feature = "wasmcloud-postgres")]
    _postgres: washlib_test::Postgres,
    #[cfg(feature = "redis")]
    _redis: washlib_test::Redis,
}

async fn all() -> (Ground, Vec<Arc<dyn Backend>>) {
    let ground = Ground {
        dir: tempfile::tempdir().unwrap(),
        #[cfg(feature = "nats")]
        _nats: washlib_test::Nats::start(),
        #[cfg(feature = "wasmcloud-postgres")]
        _postgres: washlib_test::Postgres::start(),
        #[cfg(feature = "redis")]
        _redis: washlib_test::Redis::start(),
    };
    let filesystem = FilesystemBackend::open(ground.dir.path().join("store")).unwrap();
    let backends: Vec<Arc<dyn Backend>> = vec![
        Arc::new(MemoryBackend::new(64 << 20)),
        Arc::new(filesystem),
        #[cfg(feature = "nats")]
        on_server(&ground._nats.url()).await,
        #[cfg(feature = "wasmcloud-postgres")]
        on_server(&ground._postgres.url()).await,
        #[cfg(feature = "redis")]
        on_server(&ground._redis.url()).await,
    ];
    (ground, backends)
}

/// The backend of a server, by what its URL begins with.
async fn on_server(url: &str) -> Arc<dyn Backend> {
    #[cfg(feature = "nats")]
    if url.starts_with("nats:") {
        let backend = super::nats::NatsBackend(crate::plugin::nats::Nats::new(url).unwrap());
        backend.prepare().await.unwrap();
        return Arc::new(backend);
    }
    #[cfg(feature = "redis")]
    if url.starts_with("redis:") {
        let backend = super::redis::RedisBackend::new(crate::plugin::redis::Redis::new(url).unwrap(), "test:");
        backend.prepare().await.unwrap();
        return Arc::new(backend);
    }
    let postgres = crate::plugin::wasmcloud_postgres::Postgres::new(url).unwrap();
    postgres.prepare().await.unwrap();
    Arc::new(super::postgres::PostgresBackend(postgres))
}

async fn text(bucket: &dyn Bucket, key: &str) -> Option<String> {
    let value = bucket.get(key).await.unwrap()?;
    Some(String::from_utf8(value.bytes.to_vec()).unwrap())
}

async fn all_keys(bucket: &dyn Bucket) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor).await.unwrap();
        keys.extend(page.keys);
        match page.cursor {
            Some(next) => cursor = Some(next),
            None => return keys,
        }
    }
}

#[tokio::test]
async fn keys_may_be_anything() {
    let long = "k".repeat(64 << 10);
    let (longer, emoji) = (format!("{long}k"), "😀".repeat(1000));
    let keys = [
        "",
        "..",
        ".",
        "/",
        "../../escape",
        "a/b",
        "a",
        "A",
        "\0",
        "a\0",
        "%61",
        "é",
        "e\u{301}",
        "😀",
        ".tmp",
        "~",
        ".locks",
        "CON",
        &long,
        &longer,
        &emoji,
    ];
    let (ground, backends) = all().await;
    for backend in backends {
        let bucket = backend.bucket("team", "../bucket").unwrap();
        assert_eq!(all_keys(&*bucket).await, Vec::<String>::new());
        for (index, key) in keys.iter().enumerate() {
            assert!(bucket.get(key).await.unwrap().is_none());
            bucket.set(key, Bytes::from(index.to_string())).await.unwrap();
        }
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(text(&*bucket, key).await, Some(index.to_string()), "{key:.40}");
            assert!(bucket.exists(key).await.unwrap());
        }
        let listed: BTreeSet<String> = all_keys(&*bucket).await.into_iter().collect();
        assert_eq!(listed, keys.iter().map(|key| key.to_string()).collect());
        bucket.delete_many(keys[..5].iter().map(|key| key.to_string()).collect()).await.unwrap();
        bucket.delete("never there").await.unwrap();
        assert!(!bucket.exists("..").await.unwrap() && bucket.exists("A").await.unwrap());
        assert_eq!(all_keys(&*bucket).await.len(), keys.len() - 5);
    }
    let around: Vec<_> =
        std::fs::read_dir(ground.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(around, ["store"], "nothing may stand outside of the store");
}

#[tokio::test]
async fn buckets_and_namespaces_are_apart() {
    let (_ground, backends) = all().await;
    for backend in backends {
        backend.bucket("a", "x").unwrap().set("key", Bytes::from_static(b"1")).await.unwrap();
        for (namespace, name) in [("b", "x"), ("a", "y"), ("a", "X"), ("A", "x"), ("", "a/x"), ("a/x", ""), (".", "a")]
        {
            let bucket = backend.bucket(namespace, name).unwrap();
            assert_eq!(text(&*bucket, "key").await, None, "{namespace} {name}");
        }
        assert_eq!(text(&*backend.bucket("a", "x").unwrap(), "key").await.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn pages_hold_every_key_once_whatever_changes_meanwhile() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let bucket = backend.bucket("team", "many").unwrap();
        let stay: BTreeSet<String> = (0..960).map(|index| format!("stay-{index}")).collect();
        let go: Vec<String> = (0..80).map(|index| format!("go-{index}")).collect();
        let pairs = stay.iter().chain(&go).map(|key| (key.clone(), Bytes::new())).collect();
        bucket.set_many(pairs).await.unwrap();
        let first = bucket.list_keys(None).await.unwrap();
        assert_eq!(first.keys.len(), 1000);
        bucket.delete_many(go).await.unwrap();
        bucket.set_many((0..50).map(|index| (format!("new-{index}"), Bytes::new())).collect()).await.unwrap();
        let (mut keys, mut cursor) = (first.keys, first.cursor);
        while let Some(next) = cursor {
            let page = bucket.list_keys(Some(next)).await.unwrap();
            keys.extend(page.keys);
            cursor = page.cursor;
        }
        let stayed: Vec<&String> = keys.iter().filter(|key| key.starts_with("stay")).collect();
        assert_eq!(stayed.len(), stay.len());
        assert_eq!(stayed.into_iter().cloned().collect::<BTreeSet<_>>(), stay);
        assert!(bucket.list_keys(Some(u64::MAX)).await.unwrap().keys.is_empty());
    }
}

#[tokio::test]
async fn long_keys_make_short_pages() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let bucket = backend.bucket("team", "long").unwrap();
        let pad = "k".repeat(64 << 10);
        let pairs: Vec<_> = (0..40).map(|index| (format!("{pad}{index}"), Bytes::new())).collect();
        bucket.set_many(pairs).await.unwrap();
        let page = bucket.list_keys(None).await.unwrap();
        assert!(page.keys.len() < 20 && page.cursor.is_some(), "{}", page.keys.len());
        assert_eq!(all_keys(&*bucket).await.len(), 40);
    }
}

#[tokio::test]
async fn increments_stay_in_range() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let bucket = backend.bucket("team", "numbers").unwrap();
        assert_eq!(bucket.increment("n", 5, UNSIGNED).await.unwrap(), 5);
        assert_eq!(bucket.increment("n", -2, i64::MIN.into()..=i64::MAX.into()).await.unwrap(), 3);
        assert_eq!(text(&*bucket, "n").await.as_deref(), Some("3"));
        assert_eq!(bucket.increment("n", (u64::MAX - 3).into(), UNSIGNED).await.unwrap(), u64::MAX.into());
        let refused = bucket.increment("n", 1, UNSIGNED).await;
        assert!(matches!(refused, Err(BucketError::OutOfRange)), "{refused:?}");
        for text in ["", "x", "1 ", "1e3", "\u{0661}", &"9".repeat(60)] {
            bucket.set("n", Bytes::from(text.to_string())).await.unwrap();
            let refused = bucket.increment("n", 1, UNSIGNED).await;
            assert!(matches!(refused, Err(BucketError::NotAnInteger)), "{text}");
        }
    }
}

#[tokio::test]
async fn a_swap_sees_every_write() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let bucket = backend.bucket("team", "swap").unwrap();
        let swap =
            async |expected, value: &'static str| bucket.swap("key", expected, Bytes::from(value)).await.unwrap();
        assert!(matches!(swap(None, "one").await, Swapped::Done));
        let Swapped::Changed(Some(one)) = swap(None, "two").await else { panic!("it has a value") };
        assert_eq!(one.bytes, "one");
        // The same bytes, but another write.
        bucket.set("key", Bytes::from("one")).await.unwrap();
        let Swapped::Changed(Some(now)) = swap(Some(one.version), "two").await else { panic!("it was written") };
        assert!(matches!(swap(Some(now.version), "two").await, Swapped::Done));
        bucket.delete("key").await.unwrap();
        assert!(matches!(swap(Some(now.version), "three").await, Swapped::Changed(None)));
        assert_eq!(text(&*bucket, "key").await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn increments_of_many_tasks_add_up() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                // A handle of its own, as every invocation has.
                let bucket = backend.bucket("team", "numbers").unwrap();
                tokio::spawn(async move {
                    for _ in 0..20 {
                        bucket.increment("n", 1, UNSIGNED).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(text(&*backend.bucket("team", "numbers").unwrap(), "n").await.as_deref(), Some("160"));
    }
}

#[tokio::test]
async fn memory_is_limited_and_given_back() {
    let backend = MemoryBackend::new(10_000);
    let bucket = backend.bucket("team", "x").unwrap();
    bucket.set("a", Bytes::from(vec![0; 5000])).await.unwrap();
    let refused = bucket.set("b", Bytes::from(vec![0; 5000])).await;
    assert!(matches!(refused, Err(BucketError::Full(_))), "{refused:?}");
    assert!(bucket.get("b").await.unwrap().is_none());
    assert_eq!(bucket.get("a").await.unwrap().unwrap().bytes.len(), 5000);
    // Another namespace has room of its own.
    backend.bucket("other", "x").unwrap().set("b", Bytes::from(vec![0; 5000])).await.unwrap();
    bucket.delete("a").await.unwrap();
    bucket.set("b", Bytes::from(vec![0; 5000])).await.unwrap();
    // Buckets and keys count, however small their values.
    assert!((0..1000).any(|index| backend.bucket("team", &index.to_string()).is_err()));
    drop(bucket);
    backend.forget("team");
    assert!(backend.bucket("team", "x").unwrap().get("b").await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_set_is_there_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || FilesystemBackend::open(dir.path().to_path_buf()).unwrap().bucket("team", "x").unwrap();
    open().set("key", Bytes::from("value")).await.unwrap();
    let bucket = open();
    let version = bucket.get("key").await.unwrap().unwrap().version;
    assert!(matches!(open().swap("key", Some(version), Bytes::from("next")).await.unwrap(), Swapped::Done));
    assert_eq!(text(&*bucket, "key").await.as_deref(), Some("next"));
}

#[tokio::test]
async fn damaged_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().bucket("team", "x").unwrap();
    bucket.set("key", Bytes::from("value")).await.unwrap();
    std::fs::write(dir.path().join("team/x/key"), "short").unwrap();
    assert!(matches!(bucket.get("key").await, Err(BucketError::Io(_))));
    bucket.set("key", Bytes::from("value")).await.unwrap();
    assert_eq!(text(&*bucket, "key").await.as_deref(), Some("value"));
}

/// A copy of this program that does a child's part.
struct Part(Child);

impl Part {
    fn start(test: &str, dir: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", &format!("plugin::wasi_keyvalue::tests::{test}"), "--ignored", "--nocapture"]);
        Self(command.env(CHILD_DIR, dir).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// What it says until it has said a line so often.
    fn until(&mut self, line: &str, times: usize) -> BufReader<ChildStdout> {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let mut seen = 0;
        while seen < times {
            let mut said = String::new();
            assert_ne!(output.read_line(&mut said).unwrap(), 0, "the child should go on");
            seen += usize::from(said.contains(line));
        }
        output
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The bucket of a child, in a directory or on a server.
async fn child_bucket() -> Arc<dyn Bucket> {
    let place = env::var(CHILD_DIR).expect("only as a child");
    if place.contains("://") {
        return on_server(&place).await.bucket("team", "shared").unwrap();
    }
    FilesystemBackend::open(PathBuf::from(place)).unwrap().bucket("team", "shared").unwrap()
}

#[tokio::test]
#[ignore = "a part of increments_of_two_processes_add_up"]
async fn child_increments() {
    let bucket = child_bucket().await;
    for _ in 0..100 {
        bucket.increment("n", 1, UNSIGNED).await.unwrap();
    }
    println!("incremented");
}

#[tokio::test]
async fn increments_of_two_processes_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut parts: Vec<Part> = (0..2).map(|_| Part::start("child_increments", dir.path())).collect();
    let bucket = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().bucket("team", "shared").unwrap();
    for _ in 0..100 {
        bucket.increment("n", 1, UNSIGNED).await.unwrap();
    }
    for part in &mut parts {
        part.until("incremented", 1);
    }
    assert_eq!(text(&*bucket, "n").await.as_deref(), Some("300"));
}

/// A value that shows whether it is whole: one byte, many times.
fn whole(round: u64) -> Bytes {
    Bytes::from(vec![round.to_le_bytes()[0]; WHOLE])
}

const WHOLE: usize = 1 << 20;

#[tokio::test]
#[ignore = "a part of a_killed_writer_leaves_old_or_new_values"]
async fn child_writes() {
    let bucket = child_bucket().await;
    let long = "k".repeat(1000);
    for round in 0.. {
        for key in ["a", "b", &long] {
            bucket.set(key, whole(round)).await.unwrap();
        }
        bucket.increment("rounds", 1, UNSIGNED).await.unwrap();
        println!("written");
    }
}

async fn check_written(bucket: &dyn Bucket) {
    let keys = all_keys(bucket).await;
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        let value = bucket.get(&key).await.unwrap().unwrap().bytes;
        if key == "rounds" {
            assert!(str::from_utf8(&value).unwrap().parse::<u64>().unwrap() > 0);
        } else {
            assert_eq!(value.len(), WHOLE, "{key:.10}");
            assert!(value.iter().all(|byte| *byte == value[0]), "{key:.10}");
        }
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_old_or_new_values() {
    let dir = tempfile::tempdir().unwrap();
    let bucket = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().bucket("team", "shared").unwrap();
    for _ in 0..10 {
        let mut part = Part::start("child_writes", dir.path());
        // The output is kept open, so that the child is killed at whatever it does then.
        let _output = part.until("written", 1);
        for _ in 0..20 {
            check_written(&*bucket).await;
        }
        drop(part);

        let bucket = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().bucket("team", "shared").unwrap();
        check_written(&*bucket).await;
        assert_eq!(std::fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0);
        // Locks went with the process.
        bucket.increment("rounds", 0, UNSIGNED).await.unwrap();
    }
}
