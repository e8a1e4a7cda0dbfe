//! A router by the host that requests name.
//!
//! It looks at no path and no method, and it holds workloads only while the host runs them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::request::Parts;

use super::host_name::{HostName, HostPattern, InvalidHost, parents};
use super::settings::{HOST, HOST_ALIASES};
use super::{RouteError, Routed, Router};
use crate::engine::workload::http_entry;
use crate::types::Workload;

/// A change copies one shard, so many shards keep the registration of many workloads cheap.
const SHARDS: usize = 1024;

/// Sends each request to a workload that asked for its host.
///
/// A workload asks in the `config` of its `wasi:http` entry: `host` is one host, `host-aliases` are more, separated by
/// commas. `*.example.com` stands for every host below `example.com`, `*` for every host that nobody else answers for;
/// the longest match wins. Case, ports and a trailing dot mean nothing. Workloads that ask for the same host take turns.
///
/// Clones are handles to the same router.
#[derive(Clone, Default)]
pub struct DynamicRouter {
    table: Arc<Table>,
}

struct Table {
    exact: Names,
    below: Names,
    /// How many names `below` holds, so that most tables need no look at it.
    wildcards: AtomicUsize,
    any: ArcSwapOption<Replicas>,
    hasher: RandomState,
    /// What each workload asked for. Holding this lock is also the right to change the table.
    registrations: Mutex<HashMap<String, Vec<HostPattern>>>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            exact: Names::default(),
            below: Names::default(),
            wildcards: AtomicUsize::new(0),
            any: ArcSwapOption::empty(),
            hasher: RandomState::new(),
            registrations: Mutex::default(),
        }
    }
}

/// Names in shards; each shard is replaced as a whole, so that requests never wait for a change.
struct Names {
    shards: Box<[ArcSwap<Shard>]>,
}

/// Sorted by hash.
type Shard = Vec<Named>;

#[derive(Clone)]
struct Named {
    hash: u64,
    name: Arc<str>,
    replicas: Arc<Replicas>,
}

/// The workloads that answer for one name.
#[derive(Default)]
struct Replicas {
    ready: Vec<Routed>,
    /// The ids of those that are not ready yet.
    starting: Vec<Arc<str>>,
    turn: AtomicUsize,
}

impl DynamicRouter {
    fn registrations(&self) -> MutexGuard<'_, HashMap<String, Vec<HostPattern>>> {
        // No code panics while it holds this lock.
        self.table.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router for DynamicRouter {
    fn announce(&self, workload_id: &str, workload: &Workload) -> anyhow::Result<()> {
        let patterns = patterns(http_entry(&workload.host_interfaces).map(|entry| &entry.config))?;
        let id: Arc<str> = workload_id.into();
        let mut registrations = self.registrations();
        for pattern in &patterns {
            self.table.change(pattern, |replicas| replicas.starting.push(Arc::clone(&id)));
        }
        registrations.insert(workload_id.to_string(), patterns);
        drop(registrations);
        Ok(())
    }

    fn add(&self, workload: Routed) -> anyhow::Result<()> {
        let patterns = patterns(workload.http_config())?;
        if patterns.is_empty() && workload.http_config().is_some() {
            tracing::warn!(
                workload_id = workload.id(),
                "the workload gets no requests: its `wasi:http` entry has no `host` in its `config`"
            );
        }
        let mut registrations = self.registrations();
        for pattern in &patterns {
            self.table.change(pattern, |replicas| replicas.ready.push(workload.clone()));
        }
        let announced = registrations.insert(workload.id().to_string(), patterns).unwrap_or_default();
        for pattern in &announced {
            self.table.change(pattern, |replicas| replicas.starting.retain(|id| **id != *workload.id()));
        }
        drop(registrations);
        Ok(())
    }

    fn remove(&self, workload_id: &str) {
        let mut registrations = self.registrations();
        for pattern in registrations.remove(workload_id).unwrap_or_default() {
            self.table.change(&pattern, |replicas| {
                replicas.ready.retain(|workload| workload.id() != workload_id);
                replicas.starting.retain(|id| **id != *workload_id);
            });
        }
        drop(registrations);
    }

    fn route(&self, request: &Parts) -> Result<Routed, RouteError> {
        let host = request.uri.host().ok_or(RouteError::MissingHost)?;
        let not_found = || RouteError::NotFound { host: host.to_string() };
        let name = HostName::new(host).ok_or_else(not_found)?;
        self.table.find(name.as_bytes(), host).unwrap_or_else(|| Err(not_found()))
    }
}

impl fmt::Debug for DynamicRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicRouter").field("workloads", &self.registrations().len()).finish_non_exhaustive()
    }
}

/// What a workload asks for, each host once.
fn patterns(config: Option<&HashMap<String, String>>) -> Result<Vec<HostPattern>, InvalidHost> {
    let Some(config) = config else { return Ok(Vec::new()) };
    let aliases = config.get(HOST_ALIASES).map_or("", String::as_str);
    let aliases = aliases.split(',').map(str::trim).filter(|alias| !alias.is_empty());
    let mut patterns = Vec::new();
    for entry in config.get(HOST).map(String::as_str).into_iter().chain(aliases) {
        let pattern = HostPattern::parse(entry)?;
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

impl Table {
    /// The workload for a name; `None` where nobody answers for it.
    fn find(&self, name: &[u8], host: &str) -> Option<Result<Routed, RouteError>> {
        if let Some(found) = self.exact.find(&self.hasher, name, |replicas| replicas.choose(host)) {
            return Some(found);
        }
        if self.wildcards.load(Ordering::Acquire) > 0 {
            for parent in parents(name) {
                if let Some(found) = self.below.find(&self.hasher, parent, |replicas| replicas.choose(host)) {
                    return Some(found);
                }
            }
        }
        self.any.load().as_ref().map(|replicas| replicas.choose(host))
    }

    /// Changes who answers for a pattern. Only for whoever holds the lock.
    fn change(&self, pattern: &HostPattern, change: impl FnOnce(&mut Replicas)) {
        match pattern {
            HostPattern::Exact(name) => _ = self.exact.change(&self.hasher, name, change),
            HostPattern::Below(name) => match self.below.change(&self.hasher, name, change) {
                Change::Added => _ = self.wildcards.fetch_add(1, Ordering::AcqRel),
                Change::Removed => _ = self.wildcards.fetch_sub(1, Ordering::AcqRel),
                Change::Kept => {}
            },
            HostPattern::Any => {
                let mut replicas = self.any.load().as_ref().map(|replicas| replicas.copy()).unwrap_or_default();
                change(&mut replicas);
                self.any.store((!replicas.is_empty()).then(|| Arc::new(replicas)));
            }
        }
    }
}

/// What a change did to the set of names.
enum Change {
    Added,
    Removed,
    Kept,
}

impl Default for Names {
    fn default() -> Self {
        let empty = Arc::new(Shard::new());
        Self { shards: (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect() }
    }
}

impl Names {
    fn shard(&self, hash: u64) -> Option<&ArcSwap<Shard>> {
        // The entries of a shard are sorted by the whole hash, so any of its bits may choose the shard.
        self.shards.get(usize::try_from(hash % SHARDS as u64).unwrap_or(0))
    }

    fn find<T>(&self, hasher: &RandomState, name: &[u8], found: impl FnOnce(&Replicas) -> T) -> Option<T> {
        let hash = hasher.hash_one(name);
        let shard = self.shard(hash)?.load();
        let index = position(&shard, hash, name).ok()?;
        shard.get(index).map(|named| found(&named.replicas))
    }

    fn change(&self, hasher: &RandomState, name: &str, change: impl FnOnce(&mut Replicas)) -> Change {
        let hash = hasher.hash_one(name.as_bytes());
        let Some(swap) = self.shard(hash) else { return Change::Kept };
        let mut shard = Shard::clone(&swap.load());
        let position = position(&shard, hash, name.as_bytes());
        let known = position.ok().and_then(|index| shard.get(index));
        let mut replicas = known.map(|named| named.replicas.copy()).unwrap_or_default();
        change(&mut replicas);
        let done = match (position, replicas.is_empty()) {
            (Ok(index), true) => {
                shard.remove(index);
                Change::Removed
            }
            (Ok(index), false) => {
                if let Some(named) = shard.get_mut(index) {
                    named.replicas = Arc::new(replicas);
                }
                Change::Kept
            }
            (Err(index), false) => {
                shard.insert(index, Named { hash, name: name.into(), replicas: Arc::new(replicas) });
                Change::Added
            }
            (Err(_), true) => Change::Kept,
        };
        swap.store(Arc::new(shard));
        done
    }
}

/// Where the name stands, or would stand.
fn position(shard: &Shard, hash: u64, name: &[u8]) -> Result<usize, usize> {
    shard.binary_search_by(|named| named.hash.cmp(&hash).then_with(|| named.name.as_bytes().cmp(name)))
}

impl Replicas {
    fn copy(&self) -> Self {
        Self {
            ready: self.ready.clone(),
            starting: self.starting.clone(),
            turn: AtomicUsize::new(self.turn.load(Ordering::Relaxed)),
        }
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.starting.is_empty()
    }

    fn choose(&self, host: &str) -> Result<Routed, RouteError> {
        let chosen = match self.ready.as_slice() {
            [only] => Some(only),
            several => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                turn.checked_rem(several.len()).and_then(|index| several.get(index))
            }
        };
        let starting = || RouteError::Unavailable { message: format!("the workload for host `{host}` is starting") };
        chosen.cloned().ok_or_else(starting)
    }
}
