//! Fetches one commit of a remote repository into a temporary folder, without the `git` program.
//!
//! Never asks for a password, never runs a credential helper and never reads the user's Git configuration: a repository
//! that needs a login is an error at once. Only `ssh` URLs start a program, which is `ssh`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use gix::bstr::ByteSlice as _;
use gix::protocol::handshake::Ref;
use gix::remote::fetch::{RefMap, Shallow, Tags};
use gix::remote::{Direction, ref_map};
use tempfile::TempDir;

use crate::cause::Cause;
use crate::error::no_such_reference;
use crate::fetch_progress::TaskBoard;
use crate::objects::{Objects, isolated, resolve};
use crate::{FetchProgress, RepositoryError, RepositoryUrl};

/// How often the waiting thread looks at the interrupt flag and the counters.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long an interrupted transport gets to notice before it is left behind.
const GRACE_PERIOD: Duration = Duration::from_millis(500);

/// How much a server may send: several times what its files may hold, because a pack can contain more than they do.
const MAX_RECEIVED_BYTES: u64 = 4 * crate::MAX_BYTES;

/// The shortest hexadecimal word that is taken for an abbreviated commit: Git's own minimum.
const MIN_ABBREVIATION: usize = 4;

const EVERYTHING: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// Fetches the commit that `git_ref`, or the repository's default branch, points to.
///
/// A transport can wait for its server for a long time and cannot be told to stop. So it works on a thread of its own,
/// which is left behind when `interrupted` becomes true.
///
/// # Errors
///
/// When the repository cannot be reached, refuses, or has no such reference.
pub fn fetch(
    url: &RepositoryUrl,
    git_ref: Option<&str>,
    progress: &dyn FetchProgress,
    interrupted: &AtomicBool,
) -> Result<Objects, RepositoryError> {
    // One provider for the whole program; whoever installed it first has installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::Builder::new().prefix("wash-git-").tempdir().map_err(RepositoryError::TemporaryFolder)?;
    progress.message("Connecting");
    let (board, stop) = (TaskBoard::default(), Arc::new(AtomicBool::new(false)));
    let job = FetchJob {
        url: url.clone(),
        git_ref: git_ref.map(ToOwned::to_owned),
        folder: folder.path().to_owned(),
        board: board.clone(),
        stop: Arc::clone(&stop),
    };
    let (sender, receiver) = mpsc::channel();
    let spawned = thread::Builder::new().name("fetch".into()).spawn(move || {
        // Nobody listens any more after an interrupt.
        let _ = sender.send(job.run());
    });
    spawned.map_err(RepositoryError::TemporaryFolder)?;
    loop {
        match receiver.recv_timeout(POLL_INTERVAL) {
            Ok(result) => {
                let commit = result?;
                let opened = gix::open_opts(folder.path(), isolated());
                let repository = opened.map_err(|err| fetch_error(url, &err))?;
                return Ok(Objects::new(repository, commit, Some(folder)));
            }
            Err(mpsc::RecvTimeoutError::Timeout) if interrupted.load(Ordering::Relaxed) => {
                leave(&stop, &receiver, folder);
                return Err(RepositoryError::Interrupted);
            }
            Err(mpsc::RecvTimeoutError::Timeout) if board.received_bytes() > MAX_RECEIVED_BYTES => {
                leave(&stop, &receiver, folder);
                return Err(RepositoryError::TooLarge { url: url.to_string(), limit: MAX_RECEIVED_BYTES });
            }
            Err(mpsc::RecvTimeoutError::Timeout) => board.report(progress),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                let source = Cause::text("the transport ended without a result");
                return Err(RepositoryError::Fetch { url: url.to_string(), source });
            }
        }
    }
}

/// Gives up on a transport and removes what it has fetched.
fn leave<T>(stop: &AtomicBool, receiver: &mpsc::Receiver<T>, folder: TempDir) {
    stop.store(true, Ordering::Relaxed);
    // The result no longer matters, only that nothing writes to the folder while it is removed.
    let _ = receiver.recv_timeout(GRACE_PERIOD);
    // A folder that a dying transport wrote to at this very moment is the system's to clean up.
    let _ = folder.close();
}

/// What the fetching thread owns.
struct FetchJob {
    url: RepositoryUrl,
    git_ref: Option<String>,
    folder: std::path::PathBuf,
    board: TaskBoard,
    stop: Arc<AtomicBool>,
}

/// What is to be fetched.
enum Wanted {
    /// One reference or commit, and nothing of its history.
    One(String),
    /// All branches and tags, to find a commit that cannot be asked for by name.
    Everything,
}

impl FetchJob {
    fn run(&self) -> Result<gix::ObjectId, RepositoryError> {
        let created = gix::ThreadSafeRepository::init_opts(
            &self.folder,
            gix::create::Kind::Bare,
            gix::create::Options::default(),
            isolated(),
        );
        let mut repository = created.map_err(|err| self.failed(&err))?.to_thread_local();
        repository.committer_or_set_generic_fallback().map_err(|err| self.failed(&err))?;
        let commit = match self.git_ref.as_deref() {
            None => self.receive(&repository, &Wanted::One("HEAD".into()))?,
            Some(git_ref) => Some(self.receive_reference(&repository, git_ref)?),
        };
        commit.ok_or_else(|| RepositoryError::NoCommits { repository: self.url.to_string() })
    }

    fn receive_reference(&self, repository: &gix::Repository, git_ref: &str) -> Result<gix::ObjectId, RepositoryError> {
        let names = self.list_references(repository, git_ref)?;
        // The order in which Git itself tries them.
        let spellings = ["", "refs/", "refs/tags/", "refs/heads/"].map(|prefix| format!("{prefix}{git_ref}"));
        if let Some(name) = spellings.into_iter().find(|spelling| names.contains(spelling))
            && let Some(commit) = self.receive(repository, &Wanted::One(name))?
        {
            return Ok(commit);
        }
        let is_hexadecimal = git_ref.len() >= MIN_ABBREVIATION && git_ref.chars().all(|c| c.is_ascii_hexdigit());
        if is_hexadecimal {
            if gix::ObjectId::from_hex(git_ref.as_bytes()).is_ok()
                // A server may refuse commits that no reference points to; then the whole history has to tell.
                && let Ok(Some(commit)) = self.receive(repository, &Wanted::One(git_ref.to_ascii_lowercase()))
            {
                return Ok(commit);
            }
            self.receive(repository, &Wanted::Everything)?;
            if let Some(commit) = resolve(repository, git_ref) {
                return Ok(commit);
            }
        }
        let shorten = |name: String| {
            let short =
                name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).map(ToOwned::to_owned);
            short.unwrap_or(name)
        };
        let existing = names.into_iter().filter(|name| name.starts_with("refs/")).map(shorten).collect();
        Err(no_such_reference(self.url.to_string(), git_ref, existing))
    }

    /// The names of the remote's branches and tags, and of what is under `git_ref` if that is a full name.
    fn list_references(&self, repository: &gix::Repository, git_ref: &str) -> Result<Vec<String>, RepositoryError> {
        let mut specs = vec!["HEAD".to_owned(), EVERYTHING[0].to_owned(), EVERYTHING[1].to_owned()];
        if git_ref.starts_with("refs/") && is_valid_reference(git_ref) {
            specs.push(git_ref.to_owned());
        }
        let options = ref_map::Options { extra_refspecs: parsed(&specs), ..Default::default() };
        let listed = self.connected(repository, |connection| Ok(connection.ref_map(self.board.root(), options)?.0));
        let map: RefMap = listed.map_err(|err| self.failed(&err))?;
        Ok(map.remote_refs.iter().filter_map(reference_name).collect())
    }

    /// Fetches `wanted`; `None` when the remote has no such reference.
    fn receive(&self, repository: &gix::Repository, wanted: &Wanted) -> Result<Option<gix::ObjectId>, RepositoryError> {
        let (specs, shallow) = match wanted {
            Wanted::One(name) => (vec![name.clone()], Shallow::DepthAtRemote(std::num::NonZeroU32::MIN)),
            Wanted::Everything => (EVERYTHING.map(ToOwned::to_owned).to_vec(), Shallow::undo()),
        };
        let options = ref_map::Options { extra_refspecs: parsed(&specs), ..Default::default() };
        let received = self.connected(repository, |connection| {
            let prepared = connection.prepare_fetch(self.board.root(), options)?;
            let first = prepared.ref_map().mappings.first();
            let Some(commit) = first.and_then(|mapping| mapping.remote.as_id()).map(ToOwned::to_owned) else {
                return Ok(None);
            };
            prepared.with_shallow(shallow).receive(self.board.root(), &self.stop)?;
            Ok(Some(commit))
        });
        received.map_err(|err| self.failed(&err))
    }

    fn connected<T>(
        &self,
        repository: &gix::Repository,
        interact: impl FnOnce(Connection<'_, '_>) -> gix::Result<T>,
    ) -> gix::Result<T> {
        let remote = repository.remote_at(self.url.for_transport())?.with_fetch_tags(Tags::None);
        let connection = remote.connect(Direction::Fetch)?.with_credentials(|_action| Ok(None));
        interact(connection)
    }

    fn failed(&self, err: &gix::Error) -> RepositoryError {
        if self.stop.load(Ordering::Relaxed) { RepositoryError::Interrupted } else { fetch_error(&self.url, err) }
    }
}

fn fetch_error(url: &RepositoryUrl, err: &gix::Error) -> RepositoryError {
    let status = err.downcast_any_ref::<reqwest::Error>().and_then(reqwest::Error::status);
    match status.map(|status| status.as_u16()) {
        Some(404 | 410) => RepositoryError::NotFound { url: url.to_string() },
        Some(401 | 403) => RepositoryError::AccessDenied { url: url.to_string() },
        _ if err.is_unauthenticated() => RepositoryError::AccessDenied { url: url.to_string() },
        _ => RepositoryError::Fetch { url: url.to_string(), source: Cause::of_gix(err, Some(url)) },
    }
}

type Connection<'remote, 'repository> = gix::remote::Connection<
    'remote,
    'static,
    'repository,
    Box<dyn gix::protocol::transport::client::blocking_io::Transport + Send>,
>;

fn parsed(specs: &[String]) -> Vec<gix::refspec::RefSpec> {
    let fetch = gix::refspec::parse::Operation::Fetch;
    specs.iter().filter_map(|spec| Some(gix::refspec::parse(spec.as_str().into(), fetch).ok()?.to_owned())).collect()
}

fn is_valid_reference(name: &str) -> bool {
    gix::validate::reference::name(name.into()).is_ok()
}

fn reference_name(reference: &Ref) -> Option<String> {
    let (name, target, _) = reference.unpack();
    target?;
    name.to_str().ok().map(ToOwned::to_owned)
}
