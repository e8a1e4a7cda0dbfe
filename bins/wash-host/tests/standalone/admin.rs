//! The admin address.

use washlib_test::Sandbox;

use crate::guests;
use crate::server::{Server, request};

#[test]
fn health_and_metrics() {
    let sandbox = Sandbox::new();
    guests::place(&sandbox, &guests::probe(), "probe.wasm");
    let arguments = ["probe.wasm", "--admin-addr", "127.0.0.1:0", "--request-timeout", "200ms"];
    let server = Server::start(&sandbox, &arguments);
    let admin = server.admin.expect("an admin address");
    let get = |path: &str| request(admin, "GET", "admin", path);
    assert_eq!((get("/livez").status, get("/livez").body.as_str()), (200, "alive\n"));
    assert_eq!((get("/readyz").status, get("/readyz").body.as_str()), (200, "ready\n"));
    assert_eq!(get("/").status, 404);
    assert_eq!(request(admin, "POST", "admin", "/livez").status, 405);
    assert_eq!(request(admin, "HEAD", "admin", "/livez").body, "");

    for path in ["/version", "/version", "/nothing", "/trap", "/spin"] {
        server.get(path);
    }
    let answer = get("/metrics");
    assert!(answer.head.contains("application/openmetrics-text"), "{}", answer.head);
    let labels = "namespace=\"default\",workload=\"probe\"";
    for line in [
        format!("wash_requests_total{{{labels},outcome=\"success\"}} 2\n"),
        format!("wash_requests_total{{{labels},outcome=\"client_error\"}} 1\n"),
        format!("wash_requests_total{{{labels},outcome=\"failed\"}} 1\n"),
        format!("wash_requests_total{{{labels},outcome=\"timed_out\"}} 1\n"),
        format!("wash_request_duration_seconds_count{{{labels}}} 5\n"),
        format!("wash_request_duration_seconds_bucket{{le=\"+Inf\",{labels}}} 5\n"),
        format!("wash_requests_in_flight{{{labels}}} "),
        "wash_workloads 1\n".to_owned(),
        "# TYPE wash_requests counter\n".to_owned(),
        "# TYPE wash_request_duration_seconds histogram\n".to_owned(),
    ] {
        assert!(answer.body.contains(&line), "{line} should be in\n{}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));
    // The admin address serves nothing of the workload, and the workload's nothing of the admin's.
    assert_eq!(server.get("/livez").status, 404);
    server.stop();
}
