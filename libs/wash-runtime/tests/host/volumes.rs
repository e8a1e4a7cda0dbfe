//! Volumes: who sees them, for how long, and that nothing else can be reached through them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wash_runtime::host::{HostApi, HostBuilder, StartError};
use wash_runtime::types::{HostPathVolume, LocalResources, Volume, VolumeMount, VolumeType, WorkloadStartRequest};

use crate::support::{Answer, TestHost, empty_dir, mount, mounting, part_component, workload_of};

fn host_path(path: &Path) -> Volume {
    let local_path = path.to_str().unwrap().to_string();
    Volume { name: "data".to_string(), volume_type: VolumeType::HostPath(HostPathVolume { local_path }) }
}

/// A component that does with files what it is asked for.
fn greedy(volume: Volume, mount: VolumeMount) -> WorkloadStartRequest {
    let mut request = workload_of("greedy", vec![part_component("greedy", mounting(mount))]);
    request.workload.volumes = vec![volume];
    request
}

/// A directory that workloads may use, and one beside it that they may not.
struct Directories {
    _all: TempDir,
    root: PathBuf,
    outside: PathBuf,
}

impl Directories {
    fn new() -> Self {
        let all = TempDir::new().unwrap();
        let directory = |name: &str| {
            let path = all.path().canonicalize().unwrap().join(name);
            std::fs::create_dir(&path).unwrap();
            path
        };
        let (root, outside) = (directory("root"), directory("outside"));
        std::fs::write(outside.join("secret"), "secret").unwrap();
        std::fs::write(all.path().join("secret"), "secret").unwrap();
        Self { root, outside, _all: all }
    }

    async fn host(&self) -> TestHost {
        TestHost::build(HostBuilder::new().with_host_path_root(&self.root)).await
    }
}

#[tokio::test]
async fn a_directory_of_the_workload_goes_with_it() {
    let host = TestHost::start().await;
    let name = format!("marker-{}", uuid::Uuid::new_v4());
    let find = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
        entries.map(|entry| entry.path()).find(|path| path.join(&name).exists())
    };
    host.deploy(greedy(empty_dir("data"), mount("data", "/data"))).await;
    assert_eq!(host.get(&format!("/write?/data/{name}")).await, Answer::ok("()"));
    let directory = find().expect("the file should stand in a directory of the system's for such things");
    // It outlives the instance, and is this workload's own.
    assert_eq!(host.get(&format!("/read?/data/{name}")).await, Answer::ok("\"guest\""));
    let mut other = greedy(empty_dir("data"), mount("data", "/data"));
    other.workload_id = "other".to_string();
    host.deploy(other).await;
    assert_eq!(host.get("/list?/data").await, Answer::ok("[]"));
    host.end("greedy").await;
    assert!(!directory.exists());
    assert_eq!(host.get("/list?/data").await, Answer::ok("[]"));
}

#[tokio::test]
async fn components_of_a_workload_share_a_volume() {
    let host = TestHost::start().await;
    let components = ["front", "back", "deep"].map(|name| part_component(name, mounting(mount("data", "/data"))));
    let mut request = workload_of("trio", components.into());
    request.workload.volumes = vec![empty_dir("data")];
    // The sibling has it at another place.
    request.workload.components[1].local_resources = mounting(mount("data", "/elsewhere"));
    host.deploy(request).await;
    assert_eq!(host.get("/write-myself?/data/file").await, Answer::ok("Ok(())"));
    assert_eq!(host.get("/read?/elsewhere/file").await, Answer::ok("Ok(\"written by front\")"));
    assert_eq!(host.get("/write?/elsewhere/file").await, Answer::ok("Ok(())"));
    assert_eq!(host.get("/read-myself?/data/file").await, Answer::ok("Ok(\"written by the sibling\")"));
}

#[tokio::test]
async fn a_directory_of_the_host_is_used_as_it_is() {
    let directories = Directories::new();
    std::fs::create_dir(directories.root.join("inner")).unwrap();
    std::fs::write(directories.root.join("inner/file"), "host").unwrap();
    let host = directories.host().await;
    host.deploy(greedy(host_path(&directories.root.join("inner")), mount("data", "/data"))).await;
    assert_eq!(host.get("/read?/data/file").await, Answer::ok("\"host\""));
    assert_eq!(host.get("/write?/data/new").await, Answer::ok("()"));
    assert_eq!(std::fs::read_to_string(directories.root.join("inner/new")).unwrap(), "guest");
    host.end("greedy").await;
    assert!(directories.root.join("inner/file").exists(), "it is not the workload's to remove");
}

#[tokio::test]
async fn a_read_only_volume_refuses_changes() {
    let directories = Directories::new();
    std::fs::write(directories.root.join("file"), "host").unwrap();
    let host = directories.host().await;
    let mount = VolumeMount { read_only: true, ..mount("data", "/data") };
    host.deploy(greedy(host_path(&directories.root), mount)).await;
    assert_eq!(host.get("/read?/data/file").await, Answer::ok("\"host\""));
    for path in ["/write?/data/file", "/write?/data/new", "/delete?/data/file", "/mkdir?/data/new", "/link?file,new"] {
        let answer = host.get(path).await;
        assert!(answer.body.starts_with("error: "), "{path}: {answer:?}");
    }
    assert_eq!(host.get("/list?/data").await, Answer::ok("[\"file\"]"));
    assert_eq!(std::fs::read_to_string(directories.root.join("file")).unwrap(), "host");
}

#[cfg(unix)]
#[tokio::test]
async fn a_volume_may_not_lead_out_of_the_allowed_directories() {
    let directories = Directories::new();
    std::os::unix::fs::symlink(&directories.outside, directories.root.join("link")).unwrap();
    std::fs::create_dir(directories.root.with_file_name("root-2")).unwrap();
    let host = directories.host().await;
    for path in [
        directories.outside.clone(),
        directories.root.join("link"),
        directories.root.join("../outside"),
        directories.root.with_file_name("root-2"),
        PathBuf::from("/"),
    ] {
        let err = host.host.workload_start(greedy(host_path(&path), mount("data", "/data"))).await.unwrap_err();
        assert!(matches!(err.downcast_ref(), Some(StartError::VolumeNotAllowed { .. })), "{}: {err:#}", path.display());
    }
    let missing = directories.root.join("missing");
    let err = host.host.workload_start(greedy(host_path(&missing), mount("data", "/data"))).await.unwrap_err();
    assert!(matches!(err.downcast_ref(), Some(StartError::Volume { path, .. }) if *path == missing), "{err:#}");
}

#[tokio::test]
async fn a_volume_that_is_a_file_is_refused_when_the_workload_starts() {
    let directories = Directories::new();
    std::fs::write(directories.root.join("file"), "").unwrap();
    let host = directories.host().await;
    let request = greedy(host_path(&directories.root.join("file")), mount("data", "/data"));
    host.host.workload_start(request).await.unwrap_err();
}

#[cfg(unix)]
#[tokio::test]
async fn a_guest_cannot_reach_beyond_its_volume() {
    use std::os::unix::fs::symlink;

    let directories = Directories::new();
    let volume = directories.root.join("volume");
    std::fs::create_dir(&volume).unwrap();
    std::fs::write(directories.root.join("secret"), "secret").unwrap();
    // Links that someone else has left in the volume.
    symlink(directories.outside.join("secret"), volume.join("absolute")).unwrap();
    symlink("../secret", volume.join("relative")).unwrap();
    symlink("../../outside", volume.join("directory")).unwrap();
    let host = directories.host().await;
    host.deploy(greedy(host_path(&volume), mount("data", "/data"))).await;
    // And links of its own.
    let answer = host.get("/link?../secret,own").await;
    assert!(answer == Answer::ok("()") || answer.body.starts_with("error"), "{answer:?}");
    let answer = host.get("/link?/etc/passwd,own-absolute").await;
    assert!(answer.body.starts_with("error"), "{answer:?}");
    for path in [
        "/data/../secret",
        "/data/../../outside/secret",
        "/data/x/../../secret",
        "/data/absolute",
        "/data/relative",
        "/data/directory/secret",
        "/data/own",
        "/etc/passwd",
        "../secret",
    ] {
        for what in ["read", "write"] {
            let answer = host.get(&format!("/{what}?{path}")).await;
            assert!(answer.body.starts_with("error: "), "{what} {path}: {answer:?}");
        }
    }
    let answer = host.get("/list?/data/directory").await;
    assert!(answer.body.starts_with("error: "), "{answer:?}");
    assert_eq!(std::fs::read_to_string(directories.outside.join("secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_to_string(directories.root.join("secret")).unwrap(), "secret");
}

#[tokio::test]
async fn a_component_without_a_volume_sees_no_files() {
    let host = TestHost::start().await;
    host.deploy(workload_of("greedy", vec![part_component("greedy", LocalResources::default())])).await;
    for path in ["/read?/etc/passwd", "/list?/", "/list?.", "/write?/tmp/x"] {
        let answer = host.get(path).await;
        assert!(answer.body.starts_with("error: "), "{path}: {answer:?}");
    }
}
