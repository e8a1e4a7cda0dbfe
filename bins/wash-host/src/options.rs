//! Options of the command line as values: what clap hands on as text is judged here.
//!
//! Reads the environment and files that options name; starts nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use wash_runtime::plugin::nats::NatsError;
use wash_runtime::plugin::redis::RedisError;
use wash_runtime::plugin::wasmcloud_postgres::PostgresError;
use wash_runtime::types::{HostPathVolume, LocalResources, Volume, VolumeMount, VolumeType};

use crate::cli::{ComponentOptions, DocumentOptions};
use crate::documents::Settings;
use crate::storage::Backends;

/// An option that cannot be followed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum OptionError {
    #[error("`{value}` in {option} is not {expected}")]
    Form { option: &'static str, value: String, expected: String },
    #[error("--env names `{name}`, which is not in the environment")]
    NotInEnvironment { name: String },
    #[error("environment variable `{name}` is not valid UTF-8")]
    NotUtf8 { name: String },
    #[error("line {line} of {} is not NAME=VALUE", path.display())]
    EnvFile { path: PathBuf, line: usize },
    #[error("cannot use the path in {option}")]
    Path { option: &'static str, source: io::Error },
    #[error("{option} has a path that is not valid UTF-8")]
    PathNotUtf8 { option: &'static str },
    #[error("{option} has no effect on documents, and there is nothing else to run")]
    DocumentsOnly { option: &'static str },
    #[error("{option} asks for the backend `{name}`, and no server is named for it")]
    NoServer { option: &'static str, name: &'static str, variable: &'static str },
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("two volumes are mounted on `{guest_path}`")]
    SameMount { guest_path: String },
}

/// What components and projects get, beyond what their own configuration says.
#[derive(Debug, Default)]
pub(crate) struct ComponentSettings {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) config: BTreeMap<String, String>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) mounts: Vec<VolumeMount>,
    pub(crate) memory_limit_mb: i32,
    pub(crate) pool_size: i32,
    pub(crate) max_invocations: i32,
    /// Settings of the `wasi:http` entry.
    pub(crate) http: BTreeMap<String, String>,
}

impl ComponentSettings {
    /// Reads the options; `own` is the host's own environment.
    pub(crate) fn read(
        options: &ComponentOptions,
        own: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, OptionError> {
        let mut environment = BTreeMap::new();
        for path in &options.env_file {
            read_env_file(path, &own, &mut environment)?;
        }
        for entry in &options.env {
            let (name, value) = environment_entry(entry, &own)?;
            environment.insert(name, value);
        }
        let mut config = BTreeMap::new();
        for entry in &options.config {
            let (name, value) = pair(entry).ok_or_else(|| form("--config", entry, "NAME=VALUE"))?;
            config.insert(name, value);
        }
        let mut http = BTreeMap::new();
        if let Some(timeout) = &options.request_timeout {
            if duration("--request-timeout", timeout)?.is_zero() {
                return Err(form("--request-timeout", timeout, "longer than nothing"));
            }
            http.insert("request-timeout".to_owned(), timeout.clone());
        }
        if let Some(reuse) = options.instance_reuse {
            http.insert("instance-reuse".to_owned(), reuse.to_string());
        }
        let (volumes, mounts) = volumes(&options.volume)?;
        Ok(Self {
            environment,
            config,
            allowed_hosts: options.allowed_host.clone(),
            volumes,
            mounts,
            memory_limit_mb: options.memory_limit.unwrap_or(0),
            pool_size: options.pool_size.unwrap_or(0),
            max_invocations: options.max_invocations.unwrap_or(0),
            http,
        })
    }

    /// What an instance may use, over what a project's configuration says.
    pub(crate) fn resources(&self, project: LocalResources) -> LocalResources {
        let mut resources = project;
        resources.environment.extend(self.environment.clone());
        resources.config.extend(self.config.clone());
        if !self.allowed_hosts.is_empty() {
            resources.allowed_hosts.clone_from(&self.allowed_hosts);
        }
        resources.volume_mounts.clone_from(&self.mounts);
        resources.memory_limit_mb = self.memory_limit_mb;
        resources
    }
}

/// The first option that is set and means nothing to documents.
pub(crate) fn component_option(options: &ComponentOptions) -> Option<&'static str> {
    let ComponentOptions {
        env,
        env_file,
        config,
        volume,
        allowed_host,
        memory_limit,
        pool_size,
        max_invocations,
        instance_reuse,
        request_timeout,
    } = options;
    let set = [
        ("--env", !env.is_empty()),
        ("--env-file", !env_file.is_empty()),
        ("--config", !config.is_empty()),
        ("--volume", !volume.is_empty()),
        ("--allowed-host", !allowed_host.is_empty()),
        ("--memory-limit", memory_limit.is_some()),
        ("--pool-size", pool_size.is_some()),
        ("--max-invocations", max_invocations.is_some()),
        ("--instance-reuse", instance_reuse.is_some()),
        ("--request-timeout", request_timeout.is_some()),
    ];
    set.into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| option)
}

/// What the command line says about documents, whose storage is by default as `backends` say.
pub(crate) fn document_settings(documents: &DocumentOptions, backends: Backends) -> Result<Settings, OptionError> {
    let mut settings = Settings { default_backends: backends, ..Settings::default() };
    for directory in &documents.allow_host_path {
        let option = "--allow-host-path";
        let path = fs_err::canonicalize(directory).map_err(|source| OptionError::Path { option, source })?;
        settings.allowed_host_paths.push(path);
    }
    for entry in &documents.image {
        // A reference may have `=` nowhere, a path anywhere.
        let Some((reference, file)) = pair(entry).filter(|(_, file)| !file.is_empty()) else {
            return Err(form("--image", entry, "REFERENCE=FILE"));
        };
        settings.files.insert(reference, PathBuf::from(file));
    }
    Ok(settings)
}

/// A length of time such as `30s`.
pub(crate) fn duration(option: &'static str, text: &str) -> Result<Duration, OptionError> {
    humantime::parse_duration(text).map_err(|_| form(option, text, "a length of time such as 500ms or 30s"))
}

pub(crate) fn form(option: &'static str, value: &str, expected: &str) -> OptionError {
    OptionError::Form { option, value: value.to_owned(), expected: expected.to_owned() }
}

pub(crate) fn utf8(option: &'static str, path: PathBuf) -> Result<String, OptionError> {
    path.into_os_string().into_string().map_err(|_| OptionError::PathNotUtf8 { option })
}

fn pair(entry: &str) -> Option<(String, String)> {
    let (name, value) = entry.split_once('=')?;
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn environment_entry(entry: &str, own: impl Fn(&str) -> Option<OsString>) -> Result<(String, String), OptionError> {
    if let Some(pair) = pair(entry) {
        return Ok(pair);
    }
    if entry.is_empty() || entry.contains('=') {
        return Err(form("--env", entry, "NAME=VALUE"));
    }
    let value = own(entry).ok_or_else(|| OptionError::NotInEnvironment { name: entry.to_owned() })?;
    let value = value.into_string().map_err(|_| OptionError::NotUtf8 { name: entry.to_owned() })?;
    Ok((entry.to_owned(), value))
}

/// Lines of `NAME=VALUE`, with the value as it stands; `NAME` alone is the host's own, if it has one. Empty lines and
/// those that begin with `#` count for nothing.
fn read_env_file(
    path: &Path,
    own: impl Fn(&str) -> Option<OsString>,
    environment: &mut BTreeMap<String, String>,
) -> Result<(), OptionError> {
    let text = fs_err::read_to_string(path).map_err(|source| OptionError::Path { option: "--env-file", source })?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || OptionError::EnvFile { path: path.to_owned(), line: index + 1 };
        match pair(line) {
            Some((name, value)) if !name.contains(char::is_whitespace) => {
                environment.insert(name, value);
            }
            None if !line.contains(['=', ' ', '\t']) => match own(line) {
                Some(value) => {
                    let value = value.into_string().map_err(|_| OptionError::NotUtf8 { name: line.to_owned() })?;
                    environment.insert(line.to_owned(), value);
                }
                None => return Err(OptionError::NotInEnvironment { name: line.to_owned() }),
            },
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

fn volumes(entries: &[String]) -> Result<(Vec<Volume>, Vec<VolumeMount>), OptionError> {
    let mut volumes = Vec::new();
    let mut mounts: Vec<VolumeMount> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let (paths, read_only) = match entry.strip_suffix(":ro") {
            Some(paths) => (paths, true),
            None => (entry.strip_suffix(":rw").unwrap_or(entry), false),
        };
        // The guest's path is absolute; the host's may have colons.
        let Some((host_path, guest_path)) = paths.rsplit_once(":/").filter(|(host_path, _)| !host_path.is_empty())
        else {
            return Err(form("--volume", entry, "HOST_PATH:GUEST_PATH, with an absolute GUEST_PATH"));
        };
        let guest_path = format!("/{guest_path}");
        if guest_path.contains(':') {
            return Err(form("--volume", entry, "HOST_PATH:GUEST_PATH, with `:ro` or `:rw` or nothing after it"));
        }
        if guest_path.split('/').any(|part| part == "..") {
            return Err(form("--volume", entry, "HOST_PATH:GUEST_PATH, with no `..` in GUEST_PATH"));
        }
        if mounts.iter().any(|mount| mount.mount_path.trim_end_matches('/') == guest_path.trim_end_matches('/')) {
            return Err(OptionError::SameMount { guest_path });
        }
        let option = "--volume";
        let path = fs_err::canonicalize(host_path).map_err(|source| OptionError::Path { option, source })?;
        let local_path = utf8(option, path)?;
        let name = format!("volume-{index}");
        volumes.push(Volume { name: name.clone(), volume_type: VolumeType::HostPath(HostPathVolume { local_path }) });
        mounts.push(VolumeMount { name, mount_path: guest_path, read_only });
    }
    Ok((volumes, mounts))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;

    fn read(options: &ComponentOptions) -> Result<ComponentSettings, String> {
        let own = |name: &str| (name == "OWN").then(|| OsString::from("inherited"));
        ComponentSettings::read(options, own).map_err(|err| err.to_string())
    }

    fn texts(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn environment_from_flags_files_and_the_host() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), "# comment\n\nA=file\nB= spaces and = signs \nOWN\n").unwrap();
        let options = ComponentOptions {
            env: texts(&["A=flag", "EMPTY="]),
            env_file: vec![file.path().to_owned()],
            ..ComponentOptions::default()
        };
        let environment = read(&options).unwrap().environment;
        let expected = [("A", "flag"), ("B", " spaces and = signs "), ("EMPTY", ""), ("OWN", "inherited")];
        assert_eq!(environment, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        for (entry, message) in [
            ("MISSING", "--env names `MISSING`, which is not in the environment"),
            ("=x", "`=x` in --env is not NAME=VALUE"),
            ("", "`` in --env is not NAME=VALUE"),
        ] {
            let options = ComponentOptions { env: texts(&[entry]), ..ComponentOptions::default() };
            assert_eq!(read(&options).unwrap_err(), message);
        }
        fs_err::write(file.path(), "A=1\nnot a pair\n").unwrap();
        let options = ComponentOptions { env_file: vec![file.path().to_owned()], ..ComponentOptions::default() };
        assert!(read(&options).unwrap_err().starts_with("line 2 of "));
    }

    #[test]
    fn volumes_are_read_from_the_right() {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().canonicalize().unwrap().join("a:b");
        fs_err::create_dir(&host).unwrap();
        let host = host.to_str().unwrap();
        let parse = |entry: &str| {
            let options = ComponentOptions { volume: texts(&[entry]), ..ComponentOptions::default() };
            read(&options).map(|settings| (settings.volumes, settings.mounts))
        };
        let (volumes, mounts) = parse(&format!("{host}:/data:ro")).unwrap();
        assert_eq!(volumes[0].volume_type, VolumeType::HostPath(HostPathVolume { local_path: host.to_owned() }));
        assert_eq!((mounts[0].mount_path.as_str(), mounts[0].read_only), ("/data", true));
        assert!(!parse(&format!("{host}:/")).unwrap().1[0].read_only);
        for entry in
            ["data", ":/data", "data:relative", "data:/a/../b", "/tmp:/data:RO", "/tmp:/data:rx", "/tmp:/a:b:ro"]
        {
            assert!(parse(entry).unwrap_err().contains("in --volume is not"), "{entry}");
        }
        assert!(parse("/does/not/exist:/x").unwrap_err().contains("--volume"));
        let options = ComponentOptions { volume: texts(&["/:/x", "/tmp:/x/"]), ..ComponentOptions::default() };
        assert_eq!(read(&options).unwrap_err(), "two volumes are mounted on `/x/`");
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(duration("--drain-timeout", "1m 30s").unwrap(), Duration::from_secs(90));
        for text in ["", "5", "soon", "99999999999999999999s"] {
            assert!(duration("--drain-timeout", text).is_err(), "{text}");
        }
    }
}
