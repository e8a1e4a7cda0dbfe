//! Guests that talk to each other over their workload's network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wasmtime::Store;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::engine::Engine;
use crate::engine::sockets::{self, NameLookup, SocketRole, SocketsCtx, SocketsCtxView, SocketsView, VirtualNetwork};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct State {
    wasi: WasiCtx,
    sockets: SocketsCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl SocketsView for State {
    fn sockets(&mut self) -> SocketsCtxView<'_> {
        SocketsCtxView { ctx: &mut self.sockets, table: &mut self.table }
    }
}

static PROGRAM: LazyLock<(Engine, CommandPre<State>)> = LazyLock::new(|| {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/net");
    let engine = Engine::builder().with_pooling_allocator(false).build().unwrap();
    let component = Component::from_file(engine.inner(), washlib_test::guest::build(&project)).unwrap();
    let program = CommandPre::new(linker(&engine).instantiate_pre(&component).unwrap()).unwrap();
    (engine, program)
});

fn linker(engine: &Engine) -> Linker<State> {
    let mut linker = Linker::new(engine.inner());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    sockets::add_to_linker(&mut linker).unwrap();
    linker
}

/// Runs the program with these arguments and returns what it has printed.
pub(super) async fn run(
    network: &Arc<VirtualNetwork>,
    role: SocketRole,
    name_lookup: NameLookup,
    arguments: &[&str],
) -> String {
    let output = MemoryOutputPipe::new(1 << 20);
    let wasi = WasiCtxBuilder::new().arg("net").args(arguments).stdout(output.clone()).inherit_stderr().build();
    let sockets = SocketsCtx::new(Arc::clone(network), role, name_lookup);
    let (engine, program) = &*PROGRAM;
    let mut store = Store::new(engine.inner(), State { wasi, sockets, table: ResourceTable::new() });
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    let command = program.instantiate_async(&mut store).await.unwrap();
    let finished = tokio::time::timeout(PATIENCE, command.wasi_cli_run().call_run(&mut store)).await;
    finished.expect("the guest should end").unwrap().unwrap();
    drop(store);
    String::from_utf8(output.contents().to_vec()).unwrap()
}

pub(super) async fn service(network: &Arc<VirtualNetwork>, arguments: &[&str]) -> String {
    run(network, SocketRole::Service, NameLookup::Denied, arguments).await
}

pub(super) async fn component(network: &Arc<VirtualNetwork>, arguments: &[&str]) -> String {
    run(network, SocketRole::Component, NameLookup::Denied, arguments).await
}

/// Runs a guest once somebody listens on or is bound to this address.
async fn after<F: Future>(network: &VirtualNetwork, address: &str, guest: F) -> F::Output {
    let address: SocketAddr = address.parse().unwrap();
    while !network.is_listening(address) && !network.has_mailbox(address) {
        tokio::task::yield_now().await;
    }
    guest.await
}

#[tokio::test]
async fn a_component_talks_to_its_workloads_service() {
    for (bound, asked) in
        [("0.0.0.0:7777", "127.0.0.1:7777"), ("127.0.0.5:80", "127.0.0.5:80"), ("[::]:80", "[::1]:80")]
    {
        let network = VirtualNetwork::new();
        let (serve, ask) = (["tcp-serve", bound, "1"], ["tcp-ask", asked, "hello"]);
        let (served, answered) =
            tokio::join!(service(&network, &serve), after(&network, asked, component(&network, &ask)),);
        let ip = if asked.starts_with('[') { "::1" } else { "127.0.0.1" };
        assert_eq!(served, format!("listening on {bound}\n5 bytes from {ip} to {asked}\ndone\n"));
        assert_eq!(answered, format!("from {ip} to {asked}\nHELLO\ndone\n"));
    }
}

#[tokio::test]
async fn more_than_fits_in_between_gets_through() {
    let network = VirtualNetwork::new();
    let (served, answered) = tokio::join!(
        service(&network, &["tcp-serve", "127.0.0.1:80", "1"]),
        after(&network, "127.0.0.1:80", component(&network, &["tcp-send", "127.0.0.1:80", "3000000"])),
    );
    assert!(served.contains("3000000 bytes from"), "{served}");
    assert_eq!(answered, "3000000 bytes\ndone\n");
    assert_eq!(network.budget().used(), 0);
}

#[tokio::test]
async fn the_host_reaches_a_service() {
    let network = VirtualNetwork::new();
    let host = async {
        let mut stream = network.connect(80).await.unwrap();
        stream.write_all(b"from the host").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (_, answer) =
        tokio::join!(service(&network, &["tcp-serve", "127.0.0.1:80", "1"]), after(&network, "127.0.0.1:80", host));
    assert_eq!(answer, "FROM THE HOST");
}

#[tokio::test]
async fn what_a_service_leaves_unread_is_a_reset_for_its_client() {
    let network = VirtualNetwork::new();
    let client = component(&network, &["tcp-ask", "127.0.0.1:80", "hello"]);
    let (served, answered) = tokio::join!(
        service(&network, &["tcp-leave-unread", "127.0.0.1:80"]),
        after(&network, "127.0.0.1:80", client),
    );
    assert_eq!(served, "done\n");
    assert!(!answered.ends_with("done\n"), "{answered}");
}

#[tokio::test]
async fn datagrams_go_both_ways() {
    for (bound, asked) in [("0.0.0.0:53", "127.0.0.1:53"), ("[::1]:53", "[::1]:53")] {
        let network = VirtualNetwork::new();
        let (serve, ask) = (["udp-serve", bound, "1"], ["udp-ask", asked, "hello"]);
        let (served, answered) =
            tokio::join!(service(&network, &serve), after(&network, asked, component(&network, &ask)),);
        assert_eq!(served, format!("bound to {bound}\ndone\n"));
        assert_eq!(answered, "HELLO\ndone\n");
    }
}

#[tokio::test]
async fn workloads_have_loopbacks_of_their_own() {
    let (one, other) = (VirtualNetwork::new(), VirtualNetwork::new());
    let serve = ["tcp-serve", "127.0.0.1:80", "1"];
    let ask = ["tcp-ask", "127.0.0.1:80", "hello"];
    let client = async {
        let stranger = component(&VirtualNetwork::new(), &ask).await;
        assert_eq!(stranger, "ConnectionRefused\n");
        assert_eq!(service(&one, &["tcp-bind", "0.0.0.0:80"]).await, "AddrInUse\n");
        let answers = tokio::join!(component(&one, &ask), component(&other, &ask));
        assert!(answers.0.contains("HELLO") && answers.1.contains("HELLO"), "{answers:?}");
    };
    tokio::join!(
        service(&one, &serve),
        service(&other, &serve),
        after(&one, "127.0.0.1:80", after(&other, "127.0.0.1:80", client)),
    );
}

#[tokio::test]
async fn a_guest_that_hoards_sockets_gets_no_more_and_keeps_nobody_from_theirs() {
    let network = VirtualNetwork::new();
    let output = component(&network, &["hoard", "10000"]).await;
    assert_eq!(output, "1024 sockets, then true\ndone\n");
    assert_eq!(component(&network, &["udp-bind", "0.0.0.0:0"]).await, "done\n");
}

#[test]
fn every_version_of_wasi_0_2_gets_these_sockets() {
    let (engine, _) = &*PROGRAM;
    let network = VirtualNetwork::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // wasmtime-wasi's own sockets are denied everything in this store, so only ours come to exist.
    for patch in 0..=12 {
        let text = format!(
            r#"(component
                (import "wasi:sockets/network@0.2.{patch}" (instance $network
                    (type $codes (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory"
                        "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state"
                        "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
                        "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
                        "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
                    (export "error-code" (type (eq $codes)))
                    (type $families (enum "ipv4" "ipv6"))
                    (export "ip-address-family" (type (eq $families)))))
                (alias export $network "error-code" (type $code))
                (alias export $network "ip-address-family" (type $family))
                (import "wasi:sockets/tcp@0.2.{patch}" (instance $tcp (export "tcp-socket" (type (sub resource)))))
                (alias export $tcp "tcp-socket" (type $socket))
                (import "wasi:sockets/tcp-create-socket@0.2.{patch}" (instance $create
                    (alias outer 1 $code (type $outer-code))
                    (export "error-code" (type $error (eq $outer-code)))
                    (alias outer 1 $family (type $outer-family))
                    (export "ip-address-family" (type $domain (eq $outer-family)))
                    (alias outer 1 $socket (type $outer-socket))
                    (export "tcp-socket" (type $made (eq $outer-socket)))
                    (export "create-tcp-socket"
                        (func (param "address-family" $domain) (result (result (own $made) (error $error)))))))
                (core module $memory (memory (export "memory") 1))
                (core instance $memory (instantiate $memory))
                (core func $create (canon lower (func $create "create-tcp-socket") (memory $memory "memory")))
                (core module $main
                    (import "" "memory" (memory 1))
                    (import "" "create" (func $create (param i32 i32)))
                    (func (export "run") (result i32)
                        (call $create (i32.const 0) (i32.const 16))
                        (i32.load8_u (i32.const 16))))
                (core instance $main (instantiate $main (with "" (instance
                    (export "memory" (memory $memory "memory"))
                    (export "create" (func $create))))))
                (func (export "run") (result u32) (canon lift (core func $main "run"))))"#
        );
        let component = Component::new(engine.inner(), wat::parse_str(text).unwrap()).unwrap();
        let wasi = WasiCtxBuilder::new().build();
        let sockets = SocketsCtx::new(Arc::clone(&network), SocketRole::Component, NameLookup::Denied);
        let mut store = Store::new(engine.inner(), State { wasi, sockets, table: ResourceTable::new() });
        store.set_epoch_deadline(u64::MAX / 2);
        let failed = runtime.block_on(async {
            let instance = linker(engine).instantiate_async(&mut store, &component).await.unwrap();
            let run = instance.get_typed_func::<(), (u32,)>(&mut store, "run").unwrap();
            run.call_async(&mut store, ()).await.unwrap().0
        });
        let made = store.data_mut().table.iter_mut().filter(|entry| entry.is::<sockets::tcp::TcpSocket>()).count();
        assert_eq!((failed, made), (0, 1), "0.2.{patch}");
    }
}
