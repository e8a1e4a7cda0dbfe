//! Ports of this machine that lead to ports of the project's service.
//!
//! A connection that comes in goes to the version that is in service then. What is said on it is nobody's business here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wash_runtime::host::Host;

use crate::settings::PublishedPort;

/// How many connections to one port there can be unless the configuration says how many there may be in all; further ones
/// wait.
const MOST_CONNECTIONS: usize = 256;

/// How long not to accept when the system gives no more connections.
const PAUSE: Duration = Duration::from_millis(100);

/// A port that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for the port `{name}`")]
pub(crate) struct PortError {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) source: io::Error,
}

/// A port that is listened on.
pub(crate) struct BoundPort {
    port: PublishedPort,
    listener: TcpListener,
    address: SocketAddr,
}

/// Listening ports; they are closed when this is dropped.
#[derive(Default)]
pub(crate) struct Ports {
    tasks: JoinSet<()>,
    addresses: Vec<(String, SocketAddr)>,
}

impl BoundPort {
    /// Begins to listen, and lets connections wait.
    pub(crate) async fn bind(port: &PublishedPort) -> Result<Self, PortError> {
        let failed = |source| PortError { name: port.name.clone(), address: port.address, source };
        let listener = TcpListener::bind(port.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { port: port.clone(), listener, address })
    }
}

impl Ports {
    /// Hands connections on from now on, `limit` of them at once over all ports; `current` is the workload that is in
    /// service.
    pub(crate) fn serve(
        ports: Vec<BoundPort>,
        limit: Option<usize>,
        host: &Arc<Host>,
        current: &watch::Receiver<Option<String>>,
    ) -> Self {
        let mut all = Self::default();
        let places = Arc::new(Semaphore::new(limit.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)));
        if limit == Some(0) {
            // None are taken, and nobody waits for an answer that cannot come.
            places.close();
        }
        for BoundPort { port, listener, address } in ports {
            all.addresses.push((port.name, address));
            let way = Way { port: port.port, host: Arc::clone(host), current: current.clone() };
            let room = Semaphore::new(limit.unwrap_or(MOST_CONNECTIONS).clamp(1, Semaphore::MAX_PERMITS));
            all.tasks.spawn(accept(listener, Arc::new(room), Arc::clone(&places), way));
        }
        all
    }

    /// Names and addresses.
    pub(crate) fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }
}

/// Where the connections to one port go.
struct Way {
    port: u16,
    host: Arc<Host>,
    current: watch::Receiver<Option<String>>,
}

async fn accept(listener: TcpListener, room: Arc<Semaphore>, places: Arc<Semaphore>, way: Way) {
    let Way { port, host, current } = way;
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&room).acquire_owned().await else { return };
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(err) => {
                tracing::debug!("a connection was not accepted: {err}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Only now: a port to which nobody connects keeps no place from another.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { continue };
        while connections.try_join_next().is_some() {}
        let (host, workload) = (Arc::clone(&host), current.borrow().clone());
        connections.spawn(async move {
            hand_on(client, port, &host, workload.as_deref()).await;
            drop((slot, place));
        });
    }
}

async fn hand_on(mut client: TcpStream, port: u16, host: &Host, workload: Option<&str>) {
    let Some(workload) = workload else { return };
    match host.workload_connect(workload, port).await {
        // Either end may go at any time.
        Ok(mut service) => _ = copy_bidirectional(&mut client, &mut service).await,
        Err(err) => tracing::debug!("a connection to port {port} was closed: {err}"),
    }
}
