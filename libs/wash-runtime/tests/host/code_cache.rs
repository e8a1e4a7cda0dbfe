//! Compiled code on disk: found again after a restart, never run when somebody touched it, bounded in size.
//!
//! It asserts nothing about the code itself beyond that it is loaded.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use wash_runtime::engine::code_cache::{CodeCache, CodeCacheError, Prune};
use wash_runtime::engine::{CodeOrigin, CompileError, ComponentDigest, Engine, MemoryReset};

use crate::support;

/// Where a helper process finds the cache that it works on.
const DIRECTORY_VARIABLE: &str = "WASH_RUNTIME_TEST_CODE_CACHE";

struct Directory(TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("code")
    }

    fn open(&self) -> CodeCache {
        CodeCache::open(self.path()).unwrap()
    }

    /// An engine as a newly started process has it.
    fn engine(&self) -> Engine {
        engine_with(self.open())
    }

    /// The file of the only entry.
    fn entry(&self) -> PathBuf {
        let entries = self.open().entries().unwrap();
        let [entry] = entries.as_slice() else { panic!("one entry expected: {entries:?}") };
        self.path().join(format!("{}.cwasm", entry.key))
    }

    fn set_last_used(&self, key: &str, ago: Duration) {
        let file = File::open(self.path().join(format!("{key}.cwasm"))).unwrap();
        file.set_modified(SystemTime::now() - ago).unwrap();
    }
}

fn engine_with(cache: CodeCache) -> Engine {
    Engine::builder().with_max_instances(16).with_code_cache(cache).build().unwrap()
}

/// A component of its own for each number, with a few kilobytes of code.
fn component(number: u32) -> Bytes {
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (data (i32.const 0) "component {number}")
                (func (export "f") (result i32) (i32.add (i32.const {number}) (i32.load (i32.const 0)))))
            (core instance $i (instantiate $m))
            (func (export "f") (result u32) (canon lift (core func $i "f"))))"#
    );
    wat::parse_str(text).unwrap().into()
}

fn origin(engine: &Engine, component: &Bytes) -> CodeOrigin {
    let (compiled, origin) = engine.load(component).unwrap();
    assert_eq!(compiled.exports(), ["f"]);
    assert_eq!(compiled.digest(), ComponentDigest::of(component));
    origin
}

#[tokio::test]
async fn a_component_from_the_cache_answers_requests() {
    let directory = Directory::new();
    for expected in [CodeOrigin::Compiled, CodeOrigin::Cache] {
        let engine = directory.engine();
        let (held, origin) = engine.load(&support::hello()).unwrap();
        assert_eq!(origin, expected);
        let builder = wash_runtime::host::HostBuilder::new().with_engine(engine.clone());
        let host = support::TestHost::build(builder).await;
        host.run("hello", support::hello(), Default::default()).await;
        assert_eq!(host.get("/").await.status, 200);
        // The workload holds the code too.
        drop(held);
        assert_eq!(engine.load(&support::hello()).unwrap().1, CodeOrigin::Memory);
        host.end("hello").await;
        // The thread that served the last request lets go of the workload a moment later.
        let released = async {
            while engine.load(&support::hello()).unwrap().1 != CodeOrigin::Cache {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        support::within_patience(released).await;
    }
}

#[test]
fn code_is_found_after_a_restart_and_shared_while_it_is_in_use() {
    let directory = Directory::new();
    let bytes = component(1);
    let engine = directory.engine();
    let (held, first) = engine.load(&bytes).unwrap();
    assert_eq!(first, CodeOrigin::Compiled);
    assert_eq!(origin(&engine, &bytes), CodeOrigin::Memory);
    assert_eq!(origin(&engine, &Bytes::from(bytes.to_vec())), CodeOrigin::Memory);
    drop(held);
    assert_eq!(origin(&engine, &bytes), CodeOrigin::Cache);

    let restarted = directory.engine();
    assert_eq!(origin(&restarted, &bytes), CodeOrigin::Cache);
    assert_eq!(restarted.compile(&bytes).unwrap().exports(), ["f"]);
}

#[test]
fn code_is_found_by_digest_without_the_bytes() {
    let directory = Directory::new();
    let digest = ComponentDigest::of(&component(1));
    assert!(directory.engine().load_compiled(digest).is_none());
    directory.engine().load(&component(1)).unwrap();
    let engine = directory.engine();
    let (held, origin) = engine.load_compiled(digest).unwrap();
    assert_eq!((held.digest(), origin), (digest, CodeOrigin::Cache));
    assert_eq!(engine.load_compiled(digest).unwrap().1, CodeOrigin::Memory);
    assert!(Engine::builder().build().unwrap().load_compiled(digest).is_none());
}

#[test]
fn without_a_cache_code_is_compiled_and_still_shared() {
    let engine = Engine::builder().with_max_instances(16).build().unwrap();
    let (_held, first) = engine.load(&component(1)).unwrap();
    assert_eq!((first, origin(&engine, &component(1))), (CodeOrigin::Compiled, CodeOrigin::Memory));
}

#[test]
fn what_is_no_component_is_refused_and_not_stored() {
    let directory = Directory::new();
    let engine = directory.engine();
    assert!(matches!(engine.load(&Bytes::from_static(b"ELF")), Err(CompileError::NotWasm)));
    assert!(matches!(engine.load(&Bytes::from_static(b"\0asm\x01\0\0\0")), Err(CompileError::CoreModule)));
    let bytes = component(1);
    let broken = bytes.slice(..bytes.len() - 1);
    assert!(matches!(engine.load(&broken), Err(CompileError::Invalid(_))));
    assert_eq!(directory.open().entries().unwrap(), []);
}

/// Each byte of the trailer and some of the code, changed, and the file cut short everywhere near its end.
#[test]
fn an_entry_that_was_changed_is_never_loaded() {
    let directory = Directory::new();
    let bytes = component(1);
    directory.engine().load(&bytes).unwrap();
    let entry = directory.entry();
    let written = fs::read(&entry).unwrap();
    let trailer = written.len() - 128;
    let mut changed: Vec<Vec<u8>> = Vec::new();
    for position in (0..trailer).step_by(trailer / 20).chain(trailer - 1..written.len()) {
        let mut copy = written.clone();
        copy[position] ^= 1;
        changed.push(copy);
    }
    for length in [0, 1, 127, 128, trailer, written.len() - 1] {
        changed.push(written[..length].to_vec());
    }
    changed.push([written.as_slice(), b"more"].concat());
    changed.push([&written[..trailer], &[0; 16], &written[trailer..]].concat());

    let engine = directory.engine();
    for (number, content) in changed.iter().enumerate() {
        fs::remove_file(&entry).unwrap();
        fs::write(&entry, content).unwrap();
        assert!(engine.load_compiled(ComponentDigest::of(&bytes)).is_none(), "change {number} was loaded");
        assert!(!entry.exists(), "change {number} was kept");
        assert_eq!(origin(&engine, &bytes), CodeOrigin::Compiled, "change {number}");
        assert_eq!(origin(&engine, &bytes), CodeOrigin::Cache, "after change {number}");
    }
}

#[test]
fn an_entry_of_another_directory_or_under_another_name_is_never_loaded() {
    let (directory, other) = (Directory::new(), Directory::new());
    directory.engine().load(&component(1)).unwrap();
    other.engine().load(&component(1)).unwrap();
    let entry = directory.entry();
    fs::copy(other.entry(), entry.with_extension("copy")).unwrap();
    fs::rename(entry.with_extension("copy"), &entry).unwrap();
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);

    // An intact entry, but of another component.
    other.engine().load(&component(2)).unwrap();
    let (first, second) = (other.path_of(1), other.path_of(2));
    fs::rename(second, first).unwrap();
    assert_eq!(origin(&other.engine(), &component(1)), CodeOrigin::Compiled);
}

impl Directory {
    fn path_of(&self, number: u32) -> PathBuf {
        let digest = ComponentDigest::of(&component(number));
        let entries = self.open().entries().unwrap();
        let entry = entries.iter().find(|entry| entry.component == Some(digest)).unwrap();
        self.path().join(format!("{}.cwasm", entry.key))
    }
}

#[test]
fn an_entry_that_is_a_link_or_writable_by_others_is_never_loaded() {
    let directory = Directory::new();
    directory.engine().load(&component(1)).unwrap();
    let entry = directory.entry();
    let elsewhere = directory.0.path().join("elsewhere");
    fs::rename(&entry, &elsewhere).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);
    assert!(!entry.is_symlink() && elsewhere.exists());

    fs::set_permissions(&entry, Permissions::from_mode(0o620)).unwrap();
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);

    // A pipe must not keep anybody waiting, and a folder cannot be removed, only left aside.
    fs::remove_file(&entry).unwrap();
    assert!(Command::new("mkfifo").arg(&entry).status().unwrap().success());
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);
}

#[test]
fn entries_and_the_secret_belong_to_their_owner_alone() {
    let directory = Directory::new();
    directory.engine().load(&component(1)).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&directory.path()), 0o700);
    for file in fs::read_dir(directory.path()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o400);
    }
}

#[test]
fn a_directory_that_others_can_write_is_refused() {
    let directory = Directory::new();
    let path = directory.path();
    for (mode, refused) in [(0o700, false), (0o755, false), (0o770, true), (0o702, true), (0o1777, true)] {
        _ = fs::create_dir(&path);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let link = directory.0.path().join(format!("link-{mode:o}"));
        symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            let opened = CodeCache::open(path);
            assert_eq!(matches!(opened, Err(CodeCacheError::WritableByOthers { .. })), refused, "{mode:o}: {opened:?}");
        }
    }
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let directory = Directory::new();
    fs::create_dir(directory.path()).unwrap();
    // Only root can give a directory away; for everybody else the root directory is one of another user.
    let given_away = std::os::unix::fs::chown(directory.path(), Some(65534), None).is_ok();
    let path = if given_away { directory.path() } else { PathBuf::from("/") };
    let refused = CodeCache::open(path);
    assert!(matches!(refused, Err(CodeCacheError::ForeignOwner { .. })), "{refused:?}");
}

#[test]
fn what_is_no_directory_is_refused() {
    let directory = Directory::new();
    fs::write(directory.path(), "").unwrap();
    assert!(matches!(CodeCache::open(directory.path()), Err(CodeCacheError::Open { .. })));
    assert!(matches!(CodeCache::open(directory.path().join("below")), Err(CodeCacheError::Open { .. })));
}

#[test]
fn a_damaged_secret_is_replaced_and_what_it_protected_is_compiled_again() {
    let directory = Directory::new();
    directory.engine().load(&component(1)).unwrap();
    let secret = directory.path().join("secret");
    for damage in [&b""[..], &[0; 31], &[0; 33]] {
        fs::remove_file(&secret).unwrap();
        fs::write(&secret, damage).unwrap();
        assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Compiled);
        assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Cache);
        assert_eq!(fs::read(&secret).unwrap().len(), 32);
    }
}

#[test]
fn the_least_recently_used_entry_goes_when_there_is_no_room() {
    let directory = Directory::new();
    let engine = directory.engine();
    for number in 1..=3 {
        engine.load(&component(number)).unwrap();
    }
    let entries = directory.open().entries().unwrap();
    let total: u64 = entries.iter().map(|entry| entry.size).sum();
    for entry in &entries {
        directory.set_last_used(&entry.key, Duration::from_secs(100));
    }
    // Finding it makes the oldest the youngest.
    let key_of = |number| directory.path_of(number).file_stem().unwrap().to_str().unwrap().to_string();
    directory.set_last_used(&key_of(1), Duration::from_secs(300));
    directory.set_last_used(&key_of(2), Duration::from_secs(200));
    assert_eq!(origin(&directory.engine(), &component(1)), CodeOrigin::Cache);

    let cache = directory.open().with_size_limit(total + 100);
    assert_eq!(origin(&engine_with(cache.clone()), &component(4)), CodeOrigin::Compiled);
    assert_eq!(cache.stats().unwrap().evicted, 1);
    let restarted = directory.engine();
    for (number, expected) in
        [(1, CodeOrigin::Cache), (3, CodeOrigin::Cache), (4, CodeOrigin::Cache), (2, CodeOrigin::Compiled)]
    {
        assert_eq!(origin(&restarted, &component(number)), expected, "component {number}");
    }
}

#[test]
fn what_is_larger_than_the_limit_is_not_stored() {
    let directory = Directory::new();
    directory.engine().load(&component(1)).unwrap();
    let cache = directory.open();
    let engine = engine_with(cache.clone().with_size_limit(1000));
    assert_eq!(origin(&engine, &component(2)), CodeOrigin::Compiled);
    assert_eq!(origin(&engine, &component(2)), CodeOrigin::Compiled);
    assert_eq!(cache.entries().unwrap().len(), 1);
}

#[test]
fn code_in_use_outlives_its_entry() {
    let directory = Directory::new();
    let engine = directory.engine();
    let (held, _) = engine.load(&component(1)).unwrap();
    assert_eq!(directory.open().clear().unwrap().entries, 1);
    assert_eq!(held.exports(), ["f"]);
    assert_eq!(origin(&engine, &component(1)), CodeOrigin::Memory);
    drop(held);
    assert_eq!(origin(&engine, &component(1)), CodeOrigin::Compiled);
}

#[test]
fn entries_are_listed_pruned_and_verified() {
    let directory = Directory::new();
    let cache = directory.open();
    let engine = engine_with(cache.clone());
    for number in 1..=3 {
        engine.load(&component(number)).unwrap();
    }
    let entries = cache.entries().unwrap();
    let mut listed: Vec<_> = entries.iter().map(|entry| (entry.component, entry.component_size)).collect();
    let mut expected: Vec<_> =
        (1..=3).map(component).map(|bytes| (Some(ComponentDigest::of(&bytes)), Some(bytes.len() as u64))).collect();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let stats = cache.stats().unwrap();
    assert_eq!((stats.entries, stats.hits, stats.misses, stats.rejected), (3, 0, 3, 0));
    assert_eq!(stats.bytes, entries.iter().map(|entry| entry.size).sum::<u64>());

    directory.set_last_used(&entries[0].key, Duration::from_secs(1000));
    let day = Prune { max_age: Some(Duration::from_secs(500)), ..Prune::default() };
    assert_eq!(cache.prune(Prune::default()).unwrap().entries, 0);
    assert_eq!(cache.prune(day).unwrap().entries, 1);
    let room = Prune { max_bytes: Some(entries[1].size.max(entries[2].size)), ..Prune::default() };
    assert_eq!(cache.prune(room).unwrap().entries, 1);
    assert_eq!(cache.verify().unwrap().intact, 1);

    let entry = directory.entry();
    let mut content = fs::read(&entry).unwrap();
    content[100] ^= 1;
    fs::remove_file(&entry).unwrap();
    fs::write(&entry, content).unwrap();
    let verification = cache.verify().unwrap();
    assert_eq!((verification.intact, verification.removed.len()), (0, 1));
    assert!(!entry.exists());
}

#[test]
fn a_cache_that_cannot_be_written_only_costs_time() {
    let directory = Directory::new();
    let engine = directory.engine();
    fs::remove_dir_all(directory.path()).unwrap();
    assert_eq!(origin(&engine, &component(1)), CodeOrigin::Compiled);
    assert_eq!(origin(&engine, &component(1)), CodeOrigin::Compiled);
}

#[test]
fn an_engine_that_compiles_otherwise_finds_nothing() {
    let directory = Directory::new();
    let builder = || Engine::builder().with_max_instances(16).with_code_cache(directory.open());
    let pooled = builder().with_memory_reset(MemoryReset::Decommit).build().unwrap();
    pooled.load(&component(1)).unwrap();
    // Where instances live says nothing about their code, how they get their data does.
    let mapped = builder().with_pooling_allocator(false).build().unwrap();
    assert_eq!(origin(&mapped, &component(1)), CodeOrigin::Cache);
    let scanned = builder().build().unwrap();
    if scanned.memory_reset() == Some(MemoryReset::PagemapScan) {
        assert_eq!(origin(&scanned, &component(1)), CodeOrigin::Compiled);
    }
}

#[test]
fn many_threads_with_the_same_component_compile_it_once() {
    let directory = Directory::new();
    let (engine, bytes) = (directory.engine(), component(1));
    let barrier = std::sync::Barrier::new(8);
    let load = || {
        barrier.wait();
        engine.load(&bytes).unwrap()
    };
    let loaded: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let compiled = loaded.iter().filter(|(_, origin)| *origin == CodeOrigin::Compiled).count();
    let shared = loaded.iter().filter(|(_, origin)| *origin == CodeOrigin::Memory).count();
    assert_eq!((compiled, shared), (1, 7));
}

/// Not a test: what the helper processes of the tests below do until they are killed or done.
#[test]
#[ignore = "the work of helper processes"]
fn helper_process() {
    let Some(path) = std::env::var_os(DIRECTORY_VARIABLE) else { return };
    let engine = engine_with(CodeCache::open(path).unwrap());
    eprintln!("started");
    for round in 0..5 {
        for number in 0..10 {
            let component = component(number);
            origin(&engine, &component);
            if (round + number) % 7 == 0 {
                CodeCache::open(std::env::var_os(DIRECTORY_VARIABLE).unwrap()).unwrap().clear().unwrap();
            }
        }
    }
}

fn start_helper(directory: &Directory) -> std::process::Child {
    let mut helper = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "code_cache::helper_process", "--ignored", "--nocapture"])
        .env(DIRECTORY_VARIABLE, directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its standard output belongs to the test harness.
    let messages = BufReader::new(helper.stderr.take().unwrap());
    assert!(messages.lines().any(|line| line.unwrap().contains("started")), "the helper should start");
    helper
}

#[test]
fn several_processes_share_a_directory() {
    let directory = Directory::new();
    let mut helpers: Vec<_> = (0..3).map(|_| start_helper(&directory)).collect();
    for helper in &mut helpers {
        assert!(helper.wait().unwrap().success());
    }
    let cache = directory.open();
    assert_eq!(cache.verify().unwrap().removed, [""; 0]);
}

#[test]
fn a_process_that_is_killed_leaves_no_broken_entry() {
    let directory = Directory::new();
    for round in 0..10 {
        let mut helper = start_helper(&directory);
        // Not to wait for anything: to die at another moment each time.
        std::thread::sleep(Duration::from_millis(3 * round));
        helper.kill().unwrap();
        helper.wait().unwrap();
        assert_eq!(directory.open().verify().unwrap().removed, [""; 0]);
    }
}

#[test]
fn what_a_killed_process_left_unfinished_is_no_entry_and_goes_away() {
    let directory = Directory::new();
    let cache = directory.open();
    let (old, new) = (directory.path().join("tmp-old"), directory.path().join("tmp-new"));
    for file in [&old, &new] {
        fs::write(file, "half an entry").unwrap();
    }
    File::open(&old).unwrap().set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    assert_eq!(cache.entries().unwrap(), []);
    directory.open();
    assert!(!old.exists(), "nobody is writing this any more");
    assert!(new.exists(), "somebody may be writing this");
}
