//! Which hosts each workload answers for, where its documents do not say.
//!
//! Decides by what the workloads ask for; the router of the host does the routing.

use std::collections::BTreeMap;

use wash_runtime::standalone::Names;
use wash_runtime::types::WorkloadStartRequest;
use wash_runtime::wit::WitInterface;

use crate::startable::Startable;

/// The key of a `wasi:http` entry's settings that says what host it answers for.
const HOST: &str = "host";

/// More hosts, separated by commas.
const HOST_ALIASES: &str = "host-aliases";

/// A workload with the hosts that it answers for.
#[derive(Debug)]
pub(crate) struct Routed {
    pub(crate) workload: Startable,
    /// Empty where it answers no HTTP at all.
    pub(crate) hosts: Vec<String>,
}

/// Gives each workload that answers HTTP and names no host the host that is left for it: all where it is the only one,
/// `<name>.localhost` otherwise.
pub(crate) fn assign_hosts(workloads: Vec<Startable>) -> Vec<Routed> {
    let hostless = |workload: &Startable| {
        incoming(&workload.request.workload.host_interfaces).is_some_and(|entry| !entry.config.contains_key(HOST))
    };
    let is_only_one = workloads.iter().filter(|workload| hostless(workload)).count() == 1;
    workloads
        .into_iter()
        .map(|mut workload| {
            let request = &mut workload.request;
            let own = if is_only_one { "*".to_owned() } else { local_name(request) };
            let Some(entry) = incoming_mut(&mut request.workload.host_interfaces) else {
                return Routed { workload, hosts: Vec::new() };
            };
            let host = entry.config.entry(HOST.to_owned()).or_insert(own).clone();
            let aliases = entry.config.get(HOST_ALIASES).map(String::as_str).unwrap_or_default();
            let aliases = aliases.split(',').map(str::trim).filter(|alias| !alias.is_empty()).map(str::to_owned);
            let hosts = std::iter::once(host).chain(aliases).collect();
            Routed { workload, hosts }
        })
        .collect()
}

/// The hosts that several workloads answer for, each with two of them, whose requests are then shared out in turn.
pub(crate) fn shared_hosts(workloads: &[Routed]) -> Vec<(String, &str, &str)> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut shared = Vec::new();
    for routed in workloads {
        let id = routed.workload.request.workload_id.as_str();
        for host in &routed.hosts {
            let host = host.to_ascii_lowercase();
            match first.get(&host) {
                Some(other) if *other != id => shared.push((host, *other, id)),
                Some(_) => {}
                None => _ = first.insert(host, id),
            }
        }
    }
    shared
}

/// Why a workload gets no HTTP requests, where somebody may expect it to get some.
pub(crate) fn unreachable(workload: &Startable) -> Option<&'static str> {
    let is_lazy = workload.origins.is_some();
    let workload = &workload.request.workload;
    if incoming(&workload.host_interfaces).is_some() {
        return None;
    }
    let answers = |bytes: &[u8]| Names::read(bytes).is_http_handler();
    if is_lazy {
        // Its components have not been read. Something else than HTTP may use it, with a service or a subscription.
        let is_http_alone = workload.service.is_none() && workload.host_interfaces.is_empty();
        is_http_alone.then_some("can never be asked for anything")
    } else if workload.components.iter().any(|component| answers(&component.bytes)) {
        Some("answers HTTP requests and gets none")
    } else {
        None
    }
}

/// Browsers and most resolvers take every name below `localhost` for this machine.
fn local_name(request: &WorkloadStartRequest) -> String {
    let (namespace, name) = (&request.workload.namespace, &request.workload.name);
    if namespace == "default" { format!("{name}.localhost") } else { format!("{name}.{namespace}.localhost") }
}

fn is_incoming(entry: &WitInterface) -> bool {
    entry.namespace == "wasi"
        && entry.package == "http"
        && ["incoming-handler", "handler"].iter().any(|name| entry.interfaces.contains(*name))
}

fn incoming(entries: &[WitInterface]) -> Option<&WitInterface> {
    entries.iter().find(|entry| is_incoming(entry))
}

fn incoming_mut(entries: &mut [WitInterface]) -> Option<&mut WitInterface> {
    entries.iter_mut().find(|entry| is_incoming(entry))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use wash_runtime::types::Workload;

    use super::*;

    fn request(name: &str, config: Option<&[(&str, &str)]>) -> WorkloadStartRequest {
        let entry = |config: &[(&str, &str)]| WitInterface {
            namespace: "wasi".to_owned(),
            package: "http".to_owned(),
            interfaces: HashSet::from(["incoming-handler".to_owned()]),
            version: None,
            config: config.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            name: None,
        };
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        let workload = Workload {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            host_interfaces: config.map(entry).into_iter().collect(),
            ..Workload::default()
        };
        WorkloadStartRequest { workload_id: format!("{namespace}/{name}"), workload }
    }

    fn hosts(requests: Vec<WorkloadStartRequest>) -> Vec<Vec<String>> {
        assign_hosts(requests.into_iter().map(|request| Startable { request, origins: None }).collect())
            .into_iter()
            .map(|routed| routed.hosts)
            .collect()
    }

    #[test]
    fn a_single_workload_answers_for_all_that_is_left() {
        let named: &[_] = &[("host", "a.example"), ("host-aliases", "b.example, c.example,")];
        let all = hosts(vec![request("one", Some(&[])), request("two", Some(named)), request("three", None)]);
        assert_eq!(all, [vec!["*"], vec!["a.example", "b.example", "c.example"], vec![]]);
    }

    #[test]
    fn hosts_of_several_are_noticed_however_they_are_written() {
        let named = |name| request(name, Some(&[("host", "A.example"), ("host-aliases", "b.example")]));
        let other = request("two", Some(&[("host", "a.example")]));
        let workloads = [named("one"), other, request("three", None)];
        let routed = assign_hosts(workloads.map(|request| Startable { request, origins: None }).into());
        assert_eq!(shared_hosts(&routed), [("a.example".to_owned(), "default/one", "default/two")]);
        assert!(shared_hosts(&routed[..1]).is_empty());
    }

    #[test]
    fn several_answer_on_their_names() {
        let all = hosts(vec![request("one", Some(&[])), request("shop/two", Some(&[]))]);
        assert_eq!(all, [["one.localhost"], ["two.shop.localhost"]]);
    }
}
