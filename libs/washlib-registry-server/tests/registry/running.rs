//! A registry that runs for one test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tempfile::TempDir;
use tokio::sync::oneshot;
use washlib_registry_server::{Builder, RegistryServer, Store};

use crate::client::Client;

/// Stops when dropped.
pub(crate) struct Running {
    address: SocketAddr,
    root: PathBuf,
    folder: Option<TempDir>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start() -> Self {
        Self::configured(|builder| builder)
    }

    pub(crate) fn configured(configure: impl FnOnce(Builder) -> Builder + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Self::on(folder.path(), configure);
        running.folder = Some(folder);
        running
    }

    /// On a folder that stays.
    pub(crate) fn on(root: &Path, configure: impl FnOnce(Builder) -> Builder + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let store = Store::open(root).unwrap();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let builder = configure(RegistryServer::builder(store));
                let server = builder.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
                sender.send(server.address()).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        let address = receiver.recv().unwrap();
        Self { address, root: root.to_path_buf(), folder: None, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}", self.address))
    }

    /// Asks it to stop and waits for that.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}
