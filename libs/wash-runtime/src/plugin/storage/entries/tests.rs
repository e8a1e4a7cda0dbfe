//! Entries that can be served, and those that cannot.

use super::*;

fn entry(name: Option<&str>, config: &[(&str, &str)]) -> WitInterface {
    WitInterface {
        namespace: "wasi".to_string(),
        package: "keyvalue".to_string(),
        interfaces: HashSet::from(["store".to_string()]),
        version: None,
        config: config.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        name: name.map(str::to_string),
    }
}

fn choice() -> (tempfile::TempDir, Offer) {
    let dir = tempfile::tempdir().unwrap();
    let mut roots = AllowedRoots::default();
    roots.allow(dir.path()).unwrap();
    (dir, Offer::Choice(Choice { roots, ..Choice::default() }))
}

#[test]
fn one_unnamed_entry_serves_every_name_and_named_ones_their_own() {
    let (_dir, offer) = choice();
    let any = check(&[entry(None, &[])], &offer, &[]).unwrap();
    assert_eq!(any.get("whatever").unwrap().place, Place::Memory);
    let single = check(&[entry(Some("cache"), &[])], &offer, &[]).unwrap();
    assert!(single.get("cache").is_some() && single.get("other").is_none());
    let disk = entry(Some("disk"), &[("backend", "filesystem"), ("root", "a")]);
    let two = check(&[entry(Some("cache"), &[]), disk], &offer, &[]).unwrap();
    assert_eq!(two.get("cache").unwrap().place, Place::Memory);
    assert!(matches!(two.get("disk").unwrap().place, Place::Directory(_)));
    assert!(two.get("").is_none());
}

#[test]
fn what_cannot_be_served_is_a_sentence() {
    let (_dir, offer) = choice();
    let message = |entries: &[WitInterface]| check(entries, &offer, &["bucket"]).err().unwrap().to_string();
    assert_eq!(
        message(&[entry(Some("cache"), &[("backend", "nats")])]),
        "the entry `cache` of wasi:keyvalue asks for the backend `nats`, but this host supports `in-memory` and \
         `filesystem`"
    );
    assert_eq!(
        message(&[entry(None, &[("backend", "filesystem")])]),
        "the entry of wasi:keyvalue asks for the backend `filesystem` and needs the setting `root`"
    );
    assert_eq!(
        message(&[entry(None, &[("buckett", "x")])]),
        "the entry of wasi:keyvalue has the unknown setting `buckett`; known are `backend`, `root`, `bucket`"
    );
    assert_eq!(
        message(&[entry(Some("a"), &[]), entry(None, &[])]),
        "several entries of wasi:keyvalue are told apart by `name`, and one has none"
    );
    assert_eq!(
        message(&[entry(Some("a"), &[]), entry(Some("a"), &[("backend", "in-memory")])]),
        "several entries of wasi:keyvalue have the name `a`"
    );
    let outside = entry(None, &[("backend", "filesystem"), ("root", "../up")]);
    assert!(matches!(check(&[outside], &offer, &[]), Err(EntryError::Root { .. })));
    let elsewhere = entry(None, &[("backend", "filesystem")]);
    assert!(matches!(check(&[elsewhere], &Offer::InMemory, &[]), Err(EntryError::UnsupportedBackend { .. })));
}

#[cfg(all(feature = "redis", feature = "wasmcloud-postgres"))]
#[test]
fn a_server_is_the_host_s_own_or_one_that_the_entry_names_where_it_may() {
    let postgres = entry(None, &[("backend", "postgres")]);
    let (_dir, nothing) = choice();
    let refused = check(std::slice::from_ref(&postgres), &nothing, &[]).err().unwrap();
    assert!(matches!(refused, EntryError::UnsupportedBackend { .. }), "{refused}");
    let offer = Offer::Choice(Choice {
        servers: vec![ServerKind::Postgres],
        servers_by_url: &[ServerKind::Redis],
        ..Choice::default()
    });
    let place = |config: &[(&str, &str)]| {
        let entries = check(&[entry(None, config)], &offer, &["bucket"]).map_err(|err| err.to_string())?;
        Ok::<_, String>(entries.get("any").map(|entry| entry.place.clone()).unwrap())
    };
    assert_eq!(place(&[("backend", "postgres")]), Ok(Place::Server(ServerKind::Postgres, None)));
    let url = "redis://:secret@cache";
    assert_eq!(
        place(&[("backend", "redis"), ("url", url), ("prefix", "mine:"), ("bucket", "b")]),
        Ok(Place::Server(ServerKind::Redis, Some(ServerUrl(url.to_string()))))
    );
    for (config, message) in [
        (&[("backend", "postgres"), ("url", url)][..], "workloads name no servers"),
        (&[("backend", "redis")], "this host has no server, and needs the setting `url`"),
        (&[("backend", "nats")], "supports `in-memory`, `filesystem`, `postgres` and `redis`"),
        (&[("backend", "postgres"), ("prefix", "x")], "unknown setting `prefix`"),
        (&[("url", url)], "unknown setting `url`; known are `backend`, `root`, `url`, `bucket`"),
    ] {
        let refused = place(config).unwrap_err();
        assert!(refused.contains(message) && !refused.contains("secret"), "{refused}");
    }
}
