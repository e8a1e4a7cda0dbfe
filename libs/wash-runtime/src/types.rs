//! Requests to a host and its answers, as plain data.
//!
//! They promise nothing by themselves: a host refuses with a typed error whatever it cannot do.

use std::collections::HashMap;

use bytes::Bytes;

use crate::wit::WitInterface;

/// What runs together: components, what they may use, and where they belong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Groups workloads; together with `name` it names the workload in messages.
    pub namespace: String,
    /// The workload's name. Several versions of one workload share it.
    pub name: String,
    /// Notes of the embedder, which the host carries along but never reads.
    pub annotations: HashMap<String, String>,
    /// A long-running companion of the components.
    pub service: Option<Service>,
    /// The components. They may import what their siblings export.
    pub components: Vec<Component>,
    /// Interfaces that plugins are to provide, and settings for them. WASI 0.2 is always there and need not be listed.
    pub host_interfaces: Vec<WitInterface>,
    /// Storage that components may mount.
    pub volumes: Vec<Volume>,
}

/// A component and the resources it gets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Component {
    /// Names the component in messages.
    pub name: String,
    /// The component in its binary format.
    pub bytes: Bytes,
    /// Where the bytes came from, for messages only; the host does not check it.
    pub digest: Option<String>,
    /// What each instance may use.
    pub local_resources: LocalResources,
    /// At most so many instances are kept ready in advance; 0 and negative values keep none.
    pub pool_size: i32,
    /// Invocations in flight at once; 0 and negative values set no limit. Further ones wait in a line of limited length.
    pub max_invocations: i32,
}

/// A long-running companion of a workload's components.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// The service in its binary format.
    pub bytes: Bytes,
    /// Where the bytes came from.
    pub digest: Option<String>,
    /// What the service may use.
    pub local_resources: LocalResources,
    /// How often a service that fails is started again, by itself and after longer and longer pauses; a run of a minute
    /// starts the count anew. With 0, the default, its first failure is its last: documents that want restarts say how
    /// many.
    pub max_restarts: u64,
}

/// What each instance of a component may use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalResources {
    /// Linear memory of one instance in MiB, over all its memories; 0 and negative values set no limit.
    pub memory_limit_mb: i32,
    /// Processor time of all instances together in thousandths of a core; 0 and negative values set no limit.
    pub cpu_limit: i32,
    /// Values for `wasi:config`.
    pub config: HashMap<String, String>,
    /// The environment that the instance sees. Nothing of the host's own environment is added.
    pub environment: HashMap<String, String>,
    /// Volumes to mount.
    pub volume_mounts: Vec<VolumeMount>,
    /// Hosts that outgoing HTTP requests may go to. `*.example.com` covers every subdomain but not `example.com` itself,
    /// `*` covers all. A scheme before a host and a port behind it (`https://example.com:8443`) restrict it further. An
    /// empty list allows every host, the entry `!*` none.
    ///
    /// Addresses that hold secrets of the machine or lead nowhere, link-local ones among them, are allowed only where an
    /// entry is that very address, and only to requests that name it.
    pub allowed_hosts: Vec<String>,
}

/// Storage that a workload's components may mount.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Volume {
    /// The name that mounts refer to.
    pub name: String,
    /// Where the data stands.
    pub volume_type: VolumeType,
}

/// Where a volume's data stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VolumeType {
    /// A directory of the host.
    HostPath(HostPathVolume),
    /// A directory that lives as long as the workload.
    EmptyDir(EmptyDirVolume),
}

/// A directory of the host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPathVolume {
    /// The directory's path on the host.
    pub local_path: String,
}

/// A directory that lives as long as the workload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EmptyDirVolume {}

/// Where an instance sees a volume.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VolumeMount {
    /// The volume's name.
    pub name: String,
    /// The directory's path in the guest.
    pub mount_path: String,
    /// Whether the guest may only read.
    pub read_only: bool,
}

/// Asks a host to start a workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkloadStartRequest {
    /// The caller's own id for this run, unique on the host.
    pub workload_id: String,
    /// What to run.
    pub workload: Workload,
}

/// A workload was started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadStartResponse {
    /// The state after the start.
    pub workload_status: WorkloadStatus,
}

/// Asks how a workload is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkloadStatusRequest {
    /// The id it was started with.
    pub workload_id: String,
}

/// How a workload is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadStatusResponse {
    /// The state now; [`WorkloadState::NotFound`] for an unknown id.
    pub workload_status: WorkloadStatus,
}

/// Asks a host to stop a workload.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkloadStopRequest {
    /// The id it was started with.
    pub workload_id: String,
}

/// A workload was stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadStopResponse {
    /// [`WorkloadState::Completed`] once it is gone, [`WorkloadState::NotFound`] for an unknown id.
    pub workload_status: WorkloadStatus,
}

/// A workload's state in a word and a sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkloadStatus {
    /// The id it was started with.
    pub workload_id: String,
    /// The state in a word.
    pub workload_state: WorkloadState,
    /// The state in a sentence for people.
    pub message: String,
}

/// Where a workload is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WorkloadState {
    /// It is being compiled and tried.
    Starting,
    /// It answers requests.
    Running,
    /// It has ended and is gone from the host.
    Completed,
    /// It takes no new requests and finishes those in flight.
    Stopping,
    /// It failed.
    Error,
    /// The host knows no workload with this id.
    NotFound,
}

/// What a host says of itself and its machine.
#[derive(Clone, Debug, PartialEq)]
pub struct HostHeartbeat {
    /// The host's id, new with each start.
    pub id: String,
    /// The machine's name.
    pub hostname: String,
    /// The host's name for people.
    pub friendly_name: String,
    /// The version of this library.
    pub version: String,
    /// Notes by which schedulers choose hosts.
    pub labels: HashMap<String, String>,
    /// When the host was built.
    pub started_at: std::time::SystemTime,
    /// The processor's architecture, for example `x86_64`.
    pub os_arch: String,
    /// The operating system, for example `linux`.
    pub os_name: String,
    /// The operating system's family, for example `unix`.
    pub os_kernel: String,
    /// How busy the machine's processors are, in percent.
    pub system_cpu_usage: f32,
    /// The machine's memory in bytes.
    pub system_memory_total: u64,
    /// The machine's available memory in bytes.
    pub system_memory_free: u64,
    /// Components of all workloads.
    pub component_count: u64,
    /// Workloads.
    pub workload_count: u64,
    /// Interfaces that the host's plugins call on guests.
    pub imports: Vec<WitInterface>,
    /// Interfaces that the host's plugins provide.
    pub exports: Vec<WitInterface>,
    /// The port on which HTTP requests are received.
    pub http_port: Option<u16>,
}
