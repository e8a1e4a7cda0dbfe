//! Components of WASI 0.3, beside those of 0.2 and under the same rules.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use bytes::Bytes;
use wash_runtime::types::{Component, LocalResources};

use crate::support::TestHost;

mod messaging;
mod rules;
mod services;
mod serving;
mod siblings;
mod sockets;

static PARTS: LazyLock<BTreeMap<String, Bytes>> = LazyLock::new(|| {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/concurrent");
    let examples = washlib_test::guest::build_examples(&project);
    examples.into_iter().map(|(name, path)| (name, std::fs::read(path).unwrap().into())).collect()
});

/// An example of `tests/guests/concurrent`.
fn concurrent(name: &str) -> Bytes {
    PARTS.get(name).expect("it should be an example of tests/guests/concurrent").clone()
}

fn component(name: &str, local_resources: LocalResources) -> Component {
    Component { name: name.to_string(), bytes: concurrent(name), local_resources, ..Component::default() }
}

/// A host that runs the handler under the id `handler`.
async fn running(local_resources: LocalResources) -> TestHost {
    let host = TestHost::start().await;
    host.run("handler", concurrent("handler"), local_resources).await;
    host
}
