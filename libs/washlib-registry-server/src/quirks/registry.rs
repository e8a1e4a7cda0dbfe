//! A registry in the process of a test.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use http::Method;
use http::request::Parts;
use hyper::body::Incoming;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::answers;
use super::faults::Place;
use super::seen::SeenRequest;
use super::tokens::{self, Issuer};
use super::{Quirk, Tokens};
use crate::api::Api;
use crate::api::refusal::{Code, Refusal};
use crate::api::route::{Query, Route};
use crate::name::{Digest, Reference, Repository};
use crate::server::handler::{self, Answer, Answering, Handler, Registry};
use crate::server::observer::Deaf;
use crate::server::{Credentials, Limits, RegistryServer, TlsFiles, acceptor};
use crate::store::Store;

/// Makes a [`TestRegistry`].
#[derive(Debug, Default)]
#[must_use]
pub struct TestRegistryBuilder {
    quirks: Vec<Quirk>,
    tls: Option<TlsFiles>,
}

impl TestRegistryBuilder {
    /// Adds a quirk.
    pub fn quirk(mut self, quirk: impl Into<Quirk>) -> Self {
        self.quirks.push(quirk.into());
        self
    }

    /// Encrypts connections.
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(self) -> TestRegistry {
        TestRegistry::launch(self)
    }
}

/// A registry for one test. It ends, and its folder vanishes, when it is dropped.
#[derive(Debug)]
pub struct TestRegistry {
    folder: TempDir,
    store: Store,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    quirks: Vec<Quirk>,
    issuer: Option<Issuer>,
    /// `http://127.0.0.1:1234`, for challenges.
    own_url: String,
    /// `http://localhost:1235`, which is another host as far as clients can tell.
    elsewhere: String,
    seen: Vec<SeenRequest>,
    seen_elsewhere: Vec<SeenRequest>,
}

impl State {
    fn set_quirks(&mut self, quirks: Vec<Quirk>) {
        let rules = quirks.iter().find_map(|quirk| match quirk {
            Quirk::Tokens(rules) => Some(Tokens::clone(rules)),
            _ => None,
        });
        self.issuer = rules.map(Issuer::new);
        self.quirks = quirks;
    }
}

impl TestRegistry {
    /// One that behaves.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// One that may have quirks.
    pub fn builder() -> TestRegistryBuilder {
        TestRegistryBuilder::default()
    }

    fn launch(builder: TestRegistryBuilder) -> Self {
        let folder = tempfile::Builder::new().prefix("wash-registry-").tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a registry in a temporary folder");
        let state = Arc::new(Mutex::new(State::default()));
        lock(&state).set_quirks(builder.quirks);
        let scheme = if builder.tls.is_some() { "https" } else { "http" };
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (root, shared, tls) = (folder.path().to_path_buf(), Arc::clone(&state), builder.tls);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let runtime = runtime.expect("a runtime");
            runtime.block_on(serve(&root, shared, tls.as_ref(), sender, stopped));
            // A request that hangs must not keep the test from ending.
            runtime.shutdown_background();
        });
        let (address, elsewhere): (SocketAddr, SocketAddr) = receiver.recv().expect("a registry that listens");
        {
            let mut state = lock(&state);
            state.own_url = format!("{scheme}://{address}");
            state.elsewhere = format!("http://localhost:{}", elsewhere.port());
        }
        Self { folder, store, address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its name in references: `127.0.0.1:1234`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// A reference to something in it, from `hello:1.0.0` or `hello@sha256:…`.
    pub fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// The host that redirections and foreign locations lead to: `localhost:1235`. It has the same content, and asks
    /// nobody for credentials.
    pub fn elsewhere(&self) -> String {
        lock(&self.state).elsewhere.trim_start_matches("http://").to_owned()
    }

    /// The folder that holds its content.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Gives it other quirks. Tokens that were given out are no longer good.
    pub fn set_quirks(&self, quirks: impl IntoIterator<Item = Quirk>) {
        lock(&self.state).set_quirks(quirks.into_iter().collect());
    }

    /// Lets no token be good any more.
    pub fn revoke_tokens(&self) {
        if let Some(issuer) = &mut lock(&self.state).issuer {
            issuer.revoke();
        }
    }

    /// What it was asked so far, in the order of the answers.
    pub fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.state).seen.clone()
    }

    /// The same as lines, such as `GET /v2/hello/tags/list`.
    pub fn request_lines(&self) -> Vec<String> {
        lock(&self.state).seen.iter().map(SeenRequest::line).collect()
    }

    /// Forgets what it was asked.
    pub fn forget_requests(&self) {
        let mut state = lock(&self.state);
        state.seen.clear();
        state.seen_elsewhere.clear();
    }

    /// What the other host was asked.
    pub fn requests_elsewhere(&self) -> Vec<SeenRequest> {
        lock(&self.state).seen_elsewhere.clone()
    }

    /// Puts a blob into a repository, past all quirks.
    ///
    /// # Panics
    /// If the name is none, or the disk refuses.
    pub fn put_blob(&self, repository: &str, content: &[u8]) -> Digest {
        let name = Repository::parse(repository).expect("a repository's name");
        let digest = Digest::sha256(content);
        let id = self.store.uploads().begin().expect("an upload");
        let mut upload = self.store.uploads().resume(id).expect("the upload");
        upload.append(&[bytes::Bytes::copy_from_slice(content)]).expect("a disk with space");
        self.store.finish(&name, &mut upload, &digest).expect("a blob");
        digest
    }

    /// Puts a manifest into a repository under a tag or its digest, past all quirks. Its blobs must be there.
    ///
    /// # Panics
    /// If it is no manifest, or the disk refuses.
    pub fn put_manifest(&self, repository: &str, reference: &str, media_type: &str, content: &[u8]) -> Digest {
        let name = Repository::parse(repository).expect("a repository's name");
        let reference = Reference::parse(reference).expect("a tag or a digest");
        self.store.put_manifest(&name, &reference, Some(media_type), content).expect("a manifest").digest
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked only if the test has failed already.
            _ = thread.join();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    root: &Path,
    state: Arc<Mutex<State>>,
    tls: Option<&TlsFiles>,
    started: std::sync::mpsc::Sender<(SocketAddr, SocketAddr)>,
    stopped: oneshot::Receiver<()>,
) {
    // Nobody waits for what a test left hanging.
    let limits = Limits { grace: std::time::Duration::ZERO, ..Limits::default() };
    let store = Arc::new(Store::open(root).expect("a registry in a temporary folder"));
    let registry = || Registry { api: Api::new(Arc::clone(&store), limits.body_timeout), credentials: None };
    let quirky = Quirky { registry: registry(), store: Arc::clone(&store), state: Arc::clone(&state) };
    let quirky: Arc<dyn Handler> = Arc::new(quirky);
    let other: Arc<dyn Handler> = Arc::new(Elsewhere { registry: registry(), state });
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let tls = tls.map(|files| acceptor(files).expect("a certificate and its key"));
    let first = RegistryServer::listen(any_port, quirky, tls, limits.clone(), Arc::new(Deaf)).await;
    let second = RegistryServer::listen(any_port, other, None, limits, Arc::new(Deaf)).await;
    let (first, second) = (first.expect("a free port"), second.expect("a free port"));
    started.send((first.address(), second.address())).expect("a test that waits");
    tokio::select! {
        () = first.run(std::future::pending()) => {}
        () = second.run(std::future::pending()) => {}
        // Also when the test is gone.
        _ = stopped => {}
    }
}

/// A registry with quirks.
struct Quirky {
    registry: Registry,
    store: Arc<Store>,
    state: Arc<Mutex<State>>,
}

impl Handler for Quirky {
    fn answer(&self, head: Parts, body: Incoming, _: SocketAddr) -> Answering<'_> {
        Box::pin(async move {
            let mut seen = SeenRequest::new(&head);
            let answer = self.respond(head, body).await;
            seen.status = answer.as_ref().map_or(0, |answer| answer.response.status().as_u16());
            lock(&self.state).seen.push(seen);
            answer
        })
    }
}

impl Quirky {
    async fn respond(&self, mut head: Parts, mut body: Incoming) -> Result<Answer, handler::Cut> {
        let place = Place::of(&head);
        let (fault, quirks, elsewhere, own_url) = {
            let mut state = lock(&self.state);
            let fault = answers::strike(&mut state.quirks, &head, place);
            (fault, state.quirks.clone(), state.elsewhere.clone(), state.own_url.clone())
        };
        if let Some(fault) = &fault
            && let Some(answer) = answers::instead(fault, &head, &elsewhere).await
        {
            handler::discard(&mut body).await;
            return answer;
        }
        if place == Some(Place::Token) {
            let form = tokens::form(body).await;
            let issued = lock(&self.state).issuer.as_mut().map(|issuer| issuer.issue(&head, &form));
            let issued = issued.unwrap_or_else(|| Err(Refusal::not_found("there are no tokens")));
            let answer = issued.map_or_else(Answer::from, Answer::new);
            return self.spoiled(fault.as_ref(), answer).await;
        }
        let refused = self.admit(&mut head, &own_url).err();
        if let Some(refusal) = refused.or_else(|| answers::refuse(&quirks, &head, place)) {
            handler::discard(&mut body).await;
            return Ok(refusal.into());
        }
        answers::change_request(&quirks, &mut head, place);
        let mut answer = self.registry.respond(&head, body).await;
        if place == Some(Place::Manifest)
            && head.method == Method::PUT
            && let Some(refusal) = self.refuse_config(&quirks, &head)
        {
            return Ok(refusal.into());
        }
        answers::change_response(&quirks, &head, place, &mut answer.response, &elsewhere);
        self.spoiled(fault.as_ref(), answer).await
    }

    /// Takes back a manifest whose config's type is not allowed.
    fn refuse_config(&self, quirks: &[Quirk], head: &Parts) -> Option<Refusal> {
        let allowed = quirks.iter().find_map(|quirk| match quirk {
            Quirk::ConfigTypes(types) => Some(types),
            _ => None,
        })?;
        let Ok(Route::Manifest(name, reference)) = Route::parse(head.uri.path()) else { return None };
        let pushed = self.store.manifest(&name, &reference).ok()?;
        let document: serde_json::Value = serde_json::from_reader(pushed.file).ok()?;
        let config = document["config"]["mediaType"].as_str().unwrap_or_default();
        if allowed.iter().any(|allowed| allowed == config) {
            return None;
        }
        self.store.delete_manifest(&name, &Reference::Digest(pushed.digest)).expect("the manifest just pushed");
        Some(Refusal::new(Code::ManifestInvalid, format!("unknown media type: {config}")))
    }

    async fn spoiled(&self, fault: Option<&super::Fault>, answer: Answer) -> Result<Answer, handler::Cut> {
        match fault {
            Some(fault) => answers::spoil(fault, answer).await,
            None => Ok(answer),
        }
    }

    fn admit(&self, head: &mut Parts, own_url: &str) -> Result<(), Refusal> {
        let state = lock(&self.state);
        for quirk in &state.quirks {
            if let Quirk::Basic { user, password } = quirk {
                Registry::admit_user(&Credentials::new().with_user(user, password), &head.headers)?;
            }
        }
        let Some(issuer) = &state.issuer else { return Ok(()) };
        issuer.admit(head, own_url)?;
        // Who may not read the other repository gets an upload instead of a mount.
        let query = Query::parse(head.uri.query());
        if query.get("from").is_some_and(|from| !issuer.may_pull(head, from)) {
            answers::change_request(&[Quirk::NoMount], head, Some(Place::BeginUpload));
        }
        Ok(())
    }
}

/// The other host: the same content without quirks.
struct Elsewhere {
    registry: Registry,
    state: Arc<Mutex<State>>,
}

impl Handler for Elsewhere {
    fn answer(&self, head: Parts, body: Incoming, _: SocketAddr) -> Answering<'_> {
        Box::pin(async move {
            let mut seen = SeenRequest::new(&head);
            let answer = self.registry.respond(&head, body).await;
            seen.status = answer.response.status().as_u16();
            lock(&self.state).seen_elsewhere.push(seen);
            Ok(answer)
        })
    }
}
