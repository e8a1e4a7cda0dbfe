//! References: the options of all tools that speak to registries.

use washlib_registry::{Artifact, ArtifactOptions, Cancellation, Client, Reference, Settings, Unwatched, run_blocking};
use washlib_registry_server::quirks::{Quirk, TestRegistry, Tokens};
use washlib_test::Sandbox;

use crate::fixtures::{WIT, component, inspect};

/// A registry that knows `ada` alone, and a reference to a component in it.
fn registry() -> (TestRegistry, String) {
    let registry = TestRegistry::start();
    let reference: Reference = registry.reference("me/shop:1").parse().unwrap();
    let artifact = Artifact::new(component(WIT), &ArtifactOptions::default()).unwrap();
    let client = Client::new(Settings::default()).unwrap();
    let tags = [reference.tag_or_default().to_owned()];
    let push = client.push(reference.repository(), &tags, &artifact, &Unwatched);
    run_blocking(push, &Cancellation::default()).unwrap().unwrap().unwrap();
    registry.set_quirks([Quirk::Tokens(Tokens::for_user("ada", "opensesame"))]);
    (registry, reference.to_string())
}

#[test]
fn a_user_and_a_password_are_options_of_every_command() {
    let (_registry, reference) = registry();
    let sandbox = Sandbox::new();
    sandbox.write("shop.wasm", component(WIT));
    let local = inspect(&sandbox, &["shop.wasm"]).assert_success().stdout;
    inspect(&sandbox, &[&reference]).assert_code(1).assert_stderr_has("cannot pull");
    inspect(&sandbox, &[&reference, "-u", "ada"]).assert_code(2).assert_stderr_has("there is a user, but no password");
    let shown = inspect(&sandbox, &[&reference, "-u", "ada", "-p", "opensesame"]).assert_success();
    assert_eq!(shown.stdout, local);
    assert!(!shown.stderr.contains("opensesame"), "{}", shown.stderr);

    let sandbox = sandbox.with_variable("WASH_REG_PASSWORD", "opensesame");
    inspect(&sandbox, &["diff", "shop.wasm", &reference, "--user", "ada"]).assert_success();
}

#[test]
fn a_password_goes_to_the_first_registry_alone() {
    let (_registry, reference) = registry();
    let (other, of_other) = registry();
    let sandbox = Sandbox::new().with_variable("WASH_REG_PASSWORD", "opensesame");
    other.forget_requests();
    inspect(&sandbox, &["diff", &reference, &of_other, "-u", "ada"]).assert_code(1).assert_stderr_has(&of_other);
    let requests = other.requests();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")), "{requests:?}");
}
