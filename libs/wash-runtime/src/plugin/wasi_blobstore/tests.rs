//! Every backend does the same, and what one keeps on a disk survives.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use super::backend::{Backend, BlobError, Containers, Location, Range};
use super::filesystem::FilesystemBackend;
use super::memory::MemoryBackend;

/// Tells a copy of this program where to do a child's part.
const CHILD_DIR: &str = "BLOBSTORE_TEST_DIR";

/// Where backends keep their data, for as long as this lives.
struct Ground {
    dir: tempfile::TempDir,
    #[cfg(feature = "nats")]
    _nats: washlib_test::Nats,
    #[cfg(feature = "wasmcloud-postgres")]
    _postgres: washlib_test::Postgres,
}

async fn all() -> (Ground, Vec<Arc<dyn Backend>>) {
    let ground = Ground {
        dir: tempfile::tempdir().unwrap(),
        #[cfg(feature = "nats")]
        _nats: washlib_test::Nats::start(),
        #[cfg(feature = "wasmcloud-postgres")]
        _postgres: washlib_test::Postgres::start(),
    };
    let filesystem = FilesystemBackend::open(ground.dir.path().join("store")).unwrap();
    let backends: Vec<Arc<dyn Backend>> = vec![
        Arc::new(MemoryBackend::new(64 << 20)),
        Arc::new(filesystem),
        #[cfg(feature = "nats")]
        Arc::new(on_nats(&ground._nats.url())),
        #[cfg(feature = "wasmcloud-postgres")]
        Arc::new(database(&ground._postgres.url()).await),
    ];
    (ground, backends)
}

#[cfg(feature = "nats")]
fn on_nats(url: &str) -> super::nats::NatsBackend {
    super::nats::NatsBackend(crate::plugin::nats::Nats::new(url).unwrap())
}

#[cfg(feature = "wasmcloud-postgres")]
async fn database(url: &str) -> super::postgres::PostgresBackend {
    let postgres = crate::plugin::wasmcloud_postgres::Postgres::new(url).unwrap();
    postgres.prepare().await.unwrap();
    super::postgres::PostgresBackend(postgres)
}

async fn put(store: &dyn Containers, container: &str, object: &str, chunks: &[&[u8]]) -> Result<(), BlobError> {
    let mut upload = store.begin().await?;
    for chunk in chunks {
        upload = upload.write(Bytes::copy_from_slice(chunk)).await?;
    }
    upload.commit(container.to_string(), object.to_string()).await
}

async fn get(store: &dyn Containers, container: &str, object: &str, range: Range) -> Result<Vec<u8>, BlobError> {
    let content = store.read(container, object, range).await?;
    let bytes: Vec<Bytes> = content.chunks.try_collect().await?;
    let bytes = bytes.concat();
    assert_eq!(bytes.len() as u64, content.size);
    Ok(bytes)
}

async fn names(store: &dyn Containers, container: &str) -> Vec<String> {
    store.names(container).await.unwrap().try_collect().await.unwrap()
}

#[tokio::test]
async fn names_may_be_anything() {
    let long = "k".repeat(64 << 10);
    let (longer, emoji) = (format!("{long}k"), "😀".repeat(1000));
    let objects = [
        "",
        "..",
        ".",
        "/",
        "../../escape",
        "a/b",
        "a",
        "A",
        "\0",
        "%61",
        "é",
        "e\u{301}",
        ".container",
        ".tmp",
        "~",
        &long,
        &longer,
        &emoji,
    ];
    let (ground, backends) = all().await;
    for backend in backends {
        let store = backend.containers("team");
        for container in ["../x", &long] {
            store.create(container).await.unwrap();
            for object in objects {
                assert_eq!(store.info(container, object).await.unwrap(), None);
                put(&*store, container, object, &[object.as_bytes()]).await.unwrap();
            }
            for object in objects {
                assert_eq!(get(&*store, container, object, Range::ALL).await.unwrap(), object.as_bytes());
                assert_eq!(store.info(container, object).await.unwrap().unwrap().size, object.len() as u64);
            }
            let listed: BTreeSet<String> = names(&*store, container).await.into_iter().collect();
            assert_eq!(listed, objects.iter().map(|object| object.to_string()).collect());
        }
        store.delete_objects("../x", vec!["..".to_string(), "never there".to_string()]).await.unwrap();
        assert_eq!(names(&*store, "../x").await.len(), objects.len() - 1);
        store.clear("../x").await.unwrap();
        assert_eq!(names(&*store, "../x").await, Vec::<String>::new());
        assert_eq!(names(&*store, &long).await.len(), objects.len());
    }
    let around: Vec<_> =
        std::fs::read_dir(ground.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(around, ["store"], "nothing may stand outside of the store");
}

#[tokio::test]
async fn containers_come_and_go() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let store = backend.containers("team");
        assert_eq!(store.created_at("x").await.unwrap(), None);
        for result in [
            store.delete("x").await,
            store.clear("x").await,
            store.names("x").await.map(|_| ()),
            store.info("x", "a").await.map(|_| ()),
            store.delete_objects("x", vec![]).await,
            put(&*store, "x", "a", &[b"1"]).await,
            get(&*store, "x", "a", Range::ALL).await.map(|_| ()),
        ] {
            assert!(matches!(result, Err(BlobError::NoContainer(_))), "{result:?}");
        }
        store.create("x").await.unwrap();
        assert!(store.created_at("x").await.unwrap().unwrap() > 1_500_000_000);
        assert!(matches!(store.create("x").await, Err(BlobError::ContainerExists(_))));
        put(&*store, "x", "a", &[b"1"]).await.unwrap();
        assert!(matches!(get(&*store, "x", "b", Range::ALL).await, Err(BlobError::NoObject { .. })));
        assert_eq!(backend.containers("other").created_at("x").await.unwrap(), None);
        store.delete("x").await.unwrap();
        assert_eq!(store.created_at("x").await.unwrap(), None);
        store.create("x").await.unwrap();
        assert_eq!(names(&*store, "x").await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_deletion_that_ended_half_way_leaves_an_empty_container() {
    let dir = tempfile::tempdir().unwrap();
    let store = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().containers("team");
    store.create("x").await.unwrap();
    put(&*store, "x", "a", &[b"1"]).await.unwrap();
    std::fs::remove_file(dir.path().join("team/x/.container")).unwrap();
    assert_eq!(store.created_at("x").await.unwrap(), None);
    store.create("x").await.unwrap();
    assert_eq!(store.info("x", "a").await.unwrap(), None);
}

#[tokio::test]
async fn ranges_are_inclusive_and_end_with_the_object() {
    let (_ground, backends) = all().await;
    let long = "k".repeat(1000);
    for backend in backends {
        let store = backend.containers("team");
        store.create("x").await.unwrap();
        for object in ["a", &long] {
            put(&*store, "x", object, &[b"01", b"", b"234", b"56789"]).await.unwrap();
            for (start, end, expected) in [
                (0, 0, "0"),
                (0, 9, "0123456789"),
                (1, 4, "1234"),
                (4, 5, "45"),
                (9, u64::MAX, "9"),
                (10, 20, ""),
                (u64::MAX, u64::MAX, ""),
                (5, 4, ""),
                (5, 1, ""),
            ] {
                let bytes = get(&*store, "x", object, Range { start, end }).await.unwrap();
                assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{start} {end}");
            }
        }
        put(&*store, "x", "empty", &[]).await.unwrap();
        assert_eq!(get(&*store, "x", "empty", Range::ALL).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn a_reader_keeps_what_it_began_to_read() {
    let (_ground, backends) = all().await;
    for backend in backends {
        let store = backend.containers("team");
        store.create("x").await.unwrap();
        let old = vec![1; 1 << 20];
        put(&*store, "x", "a", &[&old[..1 << 19], &old[1 << 19..]]).await.unwrap();
        let mut content = store.read("x", "a", Range::ALL).await.unwrap();
        let mut read = content.chunks.next().await.unwrap().unwrap().to_vec();
        assert!(read.len() < old.len(), "a large object comes in chunks");
        put(&*store, "x", "a", &[b"new"]).await.unwrap();
        store.delete("x").await.unwrap();
        while let Some(chunk) = content.chunks.next().await {
            read.extend(chunk.unwrap());
        }
        assert_eq!(read, old);
    }
}

#[tokio::test]
async fn what_is_not_committed_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().containers("team");
    store.create("x").await.unwrap();
    let upload = store.begin().await.unwrap().write(Bytes::from("half")).await.unwrap();
    assert_eq!(names(&*store, "x").await, Vec::<String>::new());
    drop(upload);
    assert_eq!(std::fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0);

    let memory = MemoryBackend::new(10_000);
    let store = memory.containers("team");
    store.create("x").await.unwrap();
    for _ in 0..10 {
        drop(store.begin().await.unwrap().write(Bytes::from(vec![0; 5000])).await.unwrap());
    }
    put(&*store, "x", "a", &[&[0; 5000]]).await.unwrap();
    assert!(matches!(put(&*store, "x", "b", &[&[0; 5000]]).await, Err(BlobError::Full(_))));
    store.delete_objects("x", vec!["a".to_string()]).await.unwrap();
    put(&*store, "x", "b", &[&[0; 5000]]).await.unwrap();
}

#[tokio::test]
async fn objects_are_copied_between_stores() {
    let (_ground, backends) = all().await;
    for source in &backends {
        for target in &backends {
            let from = source.containers("from");
            let to = target.containers("to");
            from.create("a").await.unwrap();
            put(&*from, "a", "object", &[b"content"]).await.unwrap();
            let source = Location { containers: from.clone(), container: "a".into(), object: "object".into() };
            let target = Location { containers: to.clone(), container: "b".into(), object: "k".repeat(500) };
            assert!(matches!(source.copy_to(&target, None).await, Err(BlobError::NoContainer(_))));
            to.create("b").await.unwrap();
            assert!(matches!(source.copy_to(&target, Some(6)).await, Err(BlobError::TooLarge { limit: 6 })));
            source.copy_to(&target, Some(7)).await.unwrap();
            assert_eq!(get(&*to, "b", &target.object, Range::ALL).await.unwrap(), b"content");
            source.remove().await.unwrap();
            assert!(matches!(source.copy_to(&target, None).await, Err(BlobError::NoObject { .. })));
            to.delete("b").await.unwrap();
            from.delete("a").await.unwrap();
        }
    }
}

/// The store of a child, in a directory or in a database.
async fn child_store() -> Arc<dyn Containers> {
    let place = env::var(CHILD_DIR).expect("only as a child");
    #[cfg(feature = "wasmcloud-postgres")]
    if place.starts_with("postgres://") {
        return database(&place).await.containers("team");
    }
    FilesystemBackend::open(PathBuf::from(place)).unwrap().containers("team")
}

#[tokio::test]
#[ignore = "a part of a_killed_writer_leaves_old_or_new_objects"]
async fn child_writes() {
    let store = child_store().await;
    let long = "k".repeat(1000);
    for round in 0_u64.. {
        let chunk = vec![round.to_le_bytes()[0]; 300_000];
        for object in ["a", &long] {
            put(&*store, "x", object, &[&chunk, &chunk, &chunk]).await.unwrap();
        }
        println!("written");
    }
}

async fn check_written(store: &dyn Containers) {
    let objects = names(store, "x").await;
    assert_eq!(objects.len(), 2, "{objects:?}");
    for object in objects {
        let content = get(store, "x", &object, Range::ALL).await.unwrap();
        assert_eq!(content.len(), 900_000);
        assert!(content.iter().all(|byte| *byte == content[0]));
    }
}

/// A child that has written for a while. Its output is kept open, so that it is killed at whatever it does then.
fn writing_child(place: &std::ffi::OsStr) -> (Child, BufReader<ChildStdout>) {
    let test = "plugin::wasi_blobstore::tests::child_writes";
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(CHILD_DIR, place)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("written") {
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child should go on");
    }
    (child, output)
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test]
async fn a_host_that_dies_leaves_whole_objects_and_little_else_in_a_database() {
    let server = washlib_test::Postgres::start();
    let store = database(&server.url()).await.containers("team");
    store.create("x").await.unwrap();
    for _ in 0..3 {
        let (mut child, _output) = writing_child(server.url().as_ref());
        check_written(&*store).await;
        child.kill().unwrap();
        child.wait().unwrap();
        check_written(&*store).await;
    }
    // What the children left unfinished, and what objects have lost, is waiting to be removed; the rest is content.
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let orphans = "select count(*) from wash.blob_chunk where content not in (select content from wash.blob_loose)
        and content not in (select content from wash.blob_object)";
    assert_eq!(client.query_one(orphans, &[]).await.unwrap().get::<_, i64>(0), 0);
    let unfinished = store.begin().await.unwrap().write(Bytes::from(vec![1; 700_000])).await.unwrap();
    drop(unfinished);
    // A host that looks for it removes what nobody needs any more.
    client.execute("update wash.blob_loose set until = now() - interval '1 second'", &[]).await.unwrap();
    super::postgres::sweep(&database(&server.url()).await.0).await.unwrap();
    let left = "select count(*) from wash.blob_chunk where content not in (select content from wash.blob_object)";
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    check_written(&*store).await;
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_write_the_same_object_lose_no_content() {
    let server = washlib_test::Postgres::start();
    let store = database(&server.url()).await.containers("team");
    store.create("x").await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..4_u8 {
        let store = database(&server.url()).await.containers("team");
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                put(&*store, "x", "same", &[&[number; 1000]]).await.unwrap();
                if round % 4 == 0 {
                    store.delete_objects("x", vec!["same".to_string()]).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let count = async |what: &str| client.query_one(what, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("select count(*) from wash.blob_chunk").await, 40);
    // Each content is the object's or waits to be removed.
    let objects = count("select count(*) from wash.blob_object").await;
    assert_eq!(count("select count(*) from wash.blob_loose").await + objects, 40);
}

#[tokio::test]
async fn a_killed_writer_leaves_old_or_new_objects() {
    let dir = tempfile::tempdir().unwrap();
    let store = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().containers("team");
    store.create("x").await.unwrap();
    for _ in 0..8 {
        let (mut child, _output) = writing_child(dir.path().as_ref());
        for _ in 0..20 {
            check_written(&*store).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let store = FilesystemBackend::open(dir.path().to_path_buf()).unwrap().containers("team");
        check_written(&*store).await;
        assert_eq!(std::fs::read_dir(dir.path().join(".tmp")).unwrap().count(), 0);
    }
}
