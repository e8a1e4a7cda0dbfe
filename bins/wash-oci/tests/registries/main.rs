//! `wash oci` as people use it, against Debian's registry and with skopeo: what it prints, leaves, and ends with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cache;
mod command_line;
mod credentials;
mod documents;
mod failures;
mod foreign;
mod proxies;
mod push_pull;
mod signing;
mod terminal;
mod tls;

use std::path::PathBuf;

use washlib_test::{Output, Registry, RegistryOptions, Sandbox};

/// A registry, and a place to work in.
struct Place {
    sandbox: Sandbox,
    registry: Registry,
}

impl Place {
    fn new() -> Self {
        Self::with(&RegistryOptions::default())
    }

    fn with(options: &RegistryOptions) -> Self {
        Self { registry: Registry::start(options), sandbox: Sandbox::new() }
    }

    /// A reference in the registry.
    fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.address())
    }

    /// Writes a component.
    fn component(&self, name: &str, padding: usize) -> PathBuf {
        self.sandbox.write(name, component(padding))
    }

    fn oci(&self, arguments: &[&str]) -> Output {
        self.sandbox.run("wash-oci", arguments)
    }

    /// Pushes a component as `hello:v1` and returns its digest.
    fn push(&self, padding: usize) -> String {
        self.component("hello.wasm", padding);
        let pushed = self.oci(&["push", &self.reference("hello:v1"), "hello.wasm"]).assert_success();
        pushed.stdout.trim().to_owned()
    }
}

fn component(padding: usize) -> Vec<u8> {
    let text = format!(
        r#"(component (@custom "authors" "Ada") (@custom "version" "1.2.0") (@custom "padding" "{}")
            (instance $i) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#,
        "x".repeat(padding)
    );
    wat::parse_str(text).unwrap()
}
