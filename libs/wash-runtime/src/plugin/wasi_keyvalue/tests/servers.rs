//! What only servers can do: be shared by hosts, crash, and be away.

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;

use super::*;

/// Hosts that share a server disturb neither each other, nor when they die.
async fn check_hosts_that_share(url: String) {
    let bucket = on_server(&url).await.bucket("team", "shared").unwrap();
    let url = PathBuf::from(url);
    let mut parts: Vec<Part> = (0..2).map(|_| Part::start("child_increments", &url)).collect();
    for _ in 0..100 {
        bucket.increment("n", 1, UNSIGNED).await.unwrap();
    }
    for part in &mut parts {
        part.until("incremented", 1);
    }
    assert_eq!(text(&*bucket, "n").await.as_deref(), Some("300"));
    bucket.delete("n").await.unwrap();
    for _ in 0..3 {
        let mut part = Part::start("child_writes", &url);
        let _output = part.until("written", 1);
        check_written(&*bucket).await;
        drop(part);
        check_written(&*bucket).await;
        // No lock is left.
        bucket.increment("rounds", 0, UNSIGNED).await.unwrap();
    }
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test]
async fn hosts_share_a_postgres_server() {
    let server = washlib_test::Postgres::start();
    check_hosts_that_share(server.url()).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn hosts_share_a_nats_server() {
    let server = washlib_test::Nats::start();
    check_hosts_that_share(server.url()).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn hosts_share_a_redis_server() {
    let server = washlib_test::Redis::start();
    check_hosts_that_share(server.url()).await;
}

/// Batches of many hosts are whole, and do not wait for each other.
async fn check_batches_of_many_hosts(url: String) {
    let keys: Vec<String> = (0..50).map(|index| format!("key-{index}")).collect();
    let mut tasks = Vec::new();
    for number in 0..4 {
        let bucket = on_server(&url).await.bucket("team", "batches").unwrap();
        let mut keys = keys.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                keys.rotate_left(7 * number + 1);
                if (round + number) % 3 == 0 {
                    bucket.delete_many(keys.clone()).await.unwrap();
                } else {
                    // Twice the same key: the last one counts.
                    let value = Bytes::from(format!("{number}-{round}"));
                    let pairs = keys.iter().map(|key| (key.clone(), value.clone()));
                    let first = (keys[0].clone(), Bytes::from("overwritten"));
                    bucket.set_many([first].into_iter().chain(pairs).collect()).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let bucket = on_server(&url).await.bucket("team", "batches").unwrap();
    let mut values = BTreeSet::new();
    for key in &keys {
        values.insert(text(&*bucket, key).await);
    }
    assert_eq!(values.len(), 1, "the last batch is whole: {values:?}");
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_of_many_hosts_in_postgres() {
    let server = washlib_test::Postgres::start();
    check_batches_of_many_hosts(server.url()).await;
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_of_many_hosts_in_redis() {
    let server = washlib_test::Redis::start();
    check_batches_of_many_hosts(server.url()).await;
}

/// Data and operations survive a server that crashes.
async fn check_a_crash(url: &str, mut kill: impl FnMut(), mut start_again: impl FnMut()) {
    let bucket = on_server(url).await.bucket("team", "x").unwrap();
    bucket.set("key", Bytes::from("value")).await.unwrap();
    kill();
    assert!(matches!(bucket.get("key").await, Err(BucketError::Io(_))));
    start_again();
    assert_eq!(text(&*bucket, "key").await.as_deref(), Some("value"));
    bucket.set("key", Bytes::from("next")).await.unwrap();
    assert_eq!(bucket.increment("n", 1, UNSIGNED).await.unwrap(), 1);
    // Connections that waited while the server was away are found out one after the other.
    kill();
    start_again();
    assert_eq!(text(&*bucket, "key").await.as_deref(), Some("next"));
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test]
async fn a_postgres_server_crashes() {
    let server = std::cell::RefCell::new(washlib_test::Postgres::start());
    let url = server.borrow().url();
    check_a_crash(&url, || server.borrow_mut().kill(), || server.borrow_mut().start_again()).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_nats_server_crashes() {
    let server = std::cell::RefCell::new(washlib_test::Nats::start());
    let url = server.borrow().url();
    check_a_crash(&url, || server.borrow_mut().kill(), || server.borrow_mut().start_again()).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn what_nats_takes_is_readable_there_and_what_it_does_not_take_is_told() {
    let server = washlib_test::Nats::start();
    let bucket = on_server(&server.url()).await.bucket("default", "cache").unwrap();
    bucket.set("users/42", Bytes::from("Ada")).await.unwrap();
    let (address, user, password) = server.parts();
    let client = async_nats::ConnectOptions::with_user_and_password(user.to_string(), password.to_string());
    let store = async_nats::jetstream::new(client.connect(address).await.unwrap());
    let store = store.get_key_value("default__cache").await.unwrap();
    assert_eq!(store.get("users/42").await.unwrap().unwrap(), "Ada");
    store.put("users/43", "Grace".into()).await.unwrap();
    store.delete("users/42").await.unwrap();
    assert_eq!(all_keys(&*bucket).await, ["users/43"]);
    // The mark of a deletion is no value.
    assert!(bucket.get("users/42").await.unwrap().is_none());
    assert!(matches!(bucket.swap("users/42", None, Bytes::from("Alan")).await.unwrap(), Swapped::Done));
    assert_eq!(text(&*bucket, "users/42").await.as_deref(), Some("Alan"));
    let refused = bucket.set("large", Bytes::from(vec![0; (1 << 20) + 1])).await;
    assert!(matches!(refused, Err(BucketError::TooLarge { limit, .. }) if limit == 1 << 20), "{refused:?}");
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_nats_server_that_cannot_be_used_is_told_with_its_address_and_without_secrets() {
    let server = washlib_test::Nats::without_jetstream();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, reason) in [
        (format!("nats://me:opensesame@127.0.0.1:{port}"), "cannot connect to the NATS server at 127.0.0.1:"),
        (server.url().replace("opensesame", "closesesame"), "authorization violation"),
        (server.url(), "keeps no data: JetStream is not to be had there"),
    ] {
        let nats = crate::plugin::nats::Nats::new(&url).unwrap();
        let err = anyhow::Error::new(nats.prepare_storage().await.unwrap_err());
        let message = format!("{err:#} {nats:?} {err:?}");
        assert!(message.contains("the NATS server at 127.0.0.1:"), "{message}");
        assert!(message.contains(reason) && !message.contains("sesame"), "{message}");
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_redis_server_crashes() {
    let server = std::cell::RefCell::new(washlib_test::Redis::start());
    let url = server.borrow().url();
    check_a_crash(&url, || server.borrow_mut().kill(), || server.borrow_mut().start_again()).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn numbers_that_scripts_cannot_hold_are_added_all_the_same() {
    let server = washlib_test::Redis::start();
    let bucket = on_server(&server.url()).await.bucket("team", "numbers").unwrap();
    for (start, delta, sum) in [
        ("999999999999999", 1, 1_000_000_000_000_000),
        ("9007199254740993", 2, 9_007_199_254_740_995),
        ("18446744073709551614", 1, u64::MAX.into()),
        ("+5", 1, 6),
        ("-0007", 7, 0),
        ("0", i64::MAX.into(), i64::MAX.into()),
    ] {
        bucket.set("n", Bytes::from(start)).await.unwrap();
        assert_eq!(bucket.increment("n", delta, i64::MIN.into()..=u64::MAX.into()).await.unwrap(), sum, "{start}");
        assert_eq!(text(&*bucket, "n").await, Some(sum.to_string()), "{start}");
    }
    // As soon as the sum is small again, the server adds.
    assert_eq!(bucket.increment("n", -i128::from(i64::MAX), UNSIGNED).await.unwrap(), 0);
    assert!(matches!(bucket.increment("n", -1, UNSIGNED).await, Err(BucketError::OutOfRange)));
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_redis_server_that_cannot_be_used_is_told_with_its_address_and_without_secrets() {
    let server = washlib_test::Redis::start();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (url, reason) in [
        (format!("redis://me:opensesame@127.0.0.1:{port}/2"), "refused"),
        (server.url().replace("opensesame", "closesesame"), "authentication failed"),
    ] {
        let redis = crate::plugin::redis::Redis::new(&url).unwrap();
        let err = anyhow::Error::new(redis.prepare().await.unwrap_err());
        let message = format!("{err:#} {redis:?} {err:?}");
        assert!(message.contains("cannot connect to the Redis server at 127.0.0.1:"), "{message}");
        assert!(message.contains(reason) && !message.contains("sesame"), "{message}");
    }
}

#[cfg(feature = "wasmcloud-postgres")]
#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address_and_without_secrets() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:opensesame@127.0.0.1:{port}/store");
    let postgres = crate::plugin::wasmcloud_postgres::Postgres::new(&url).unwrap();
    let err = anyhow::Error::new(postgres.prepare().await.unwrap_err());
    let message = format!("{err:#} {postgres:?} {err:?}");
    assert!(message.contains(&format!("cannot connect to the database at 127.0.0.1:{port}/store")), "{message}");
    assert!(!message.contains("opensesame"), "{message}");
}
