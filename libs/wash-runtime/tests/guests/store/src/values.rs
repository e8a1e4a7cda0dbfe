//! Lines about keys and values: `<operation> <bucket> <key> <value>`, with a `2` behind operations of the second draft.

mod draft {
    wit_bindgen::generate!({
        path: "../../../wit/wasi-keyvalue",
        world: "wasi:keyvalue/host",
    });
}

mod draft2 {
    wit_bindgen::generate!({
        path: "../../../wit/wasi-keyvalue-draft2",
        world: "wasi:keyvalue/host",
    });
}

use draft::wasi::keyvalue::{atomics, batch, store};
use draft2::wasi::keyvalue::{atomics as atomics2, batch as batch2, store as store2};

type Answer = Result<String, String>;

pub(crate) fn run(words: &[&str]) -> Option<Answer> {
    Some(match words {
        ["open", bucket] => open(bucket).map(|_| ok()),
        ["set", bucket, key, value] => {
            open(bucket).and_then(|bucket| bucket.set(key, value.as_bytes()).map(|()| ok()).map_err(words_of))
        }
        ["get", bucket, key] => open(bucket).and_then(|bucket| bucket.get(key).map(text).map_err(words_of)),
        ["delete", bucket, key] => {
            open(bucket).and_then(|bucket| bucket.delete(key).map(|()| ok()).map_err(words_of))
        }
        ["exists", bucket, key] => {
            open(bucket).and_then(|bucket| bucket.exists(key).map(|exists| exists.to_string()).map_err(words_of))
        }
        ["list", bucket] => open(bucket).and_then(list),
        ["increment", bucket, key, delta] => open(bucket).and_then(|bucket| {
            atomics::increment(&bucket, key, number(delta)).map(|sum| sum.to_string()).map_err(words_of)
        }),
        ["batch", bucket] => open(bucket).and_then(|bucket| many(&bucket)),
        ["fill", bucket, count] => open(bucket).and_then(|bucket| fill(&bucket, number(count))),
        ["open2", bucket] => open2(bucket).map(|_| ok()),
        ["set2", bucket, key, value] => {
            open2(bucket).and_then(|bucket| bucket.set(key, value.as_bytes()).map(|()| ok()).map_err(words_of2))
        }
        ["get2", bucket, key] => open2(bucket).and_then(|bucket| bucket.get(key).map(text).map_err(words_of2)),
        ["list2", bucket] => open2(bucket).and_then(list2),
        ["increment2", bucket, key, delta] => open2(bucket).and_then(|bucket| {
            let delta = delta.parse().unwrap_or(0);
            atomics2::increment(&bucket, key, delta).map(|sum| sum.to_string()).map_err(words_of2)
        }),
        ["batch2", bucket] => open2(bucket).and_then(|bucket| many2(&bucket)),
        ["swap2", bucket, key, value] => open2(bucket).and_then(|bucket| swap(&bucket, key, value, None)),
        ["late-swap2", bucket, key, value, other] => {
            open2(bucket).and_then(|bucket| swap(&bucket, key, value, Some(other)))
        }
        _ => return None,
    })
}

fn ok() -> String {
    "ok".to_string()
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn text(value: Option<Vec<u8>>) -> String {
    value.map_or("none".to_string(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn open(bucket: &str) -> Result<store::Bucket, String> {
    store::open(bucket).map_err(words_of)
}

fn words_of(err: store::Error) -> String {
    match err {
        store::Error::NoSuchStore => "no-such-store".to_string(),
        store::Error::AccessDenied => "access-denied".to_string(),
        store::Error::Other(text) => text,
    }
}

fn list(bucket: store::Bucket) -> Answer {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor).map_err(words_of)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    Ok(summary(&keys))
}

/// A few keys, or how many there are.
fn summary(keys: &[String]) -> String {
    if keys.len() > 10 { keys.len().to_string() } else { keys.join(" ") }
}

fn many(bucket: &store::Bucket) -> Answer {
    let pairs = [("one".to_string(), b"1".to_vec()), ("two".to_string(), b"2".to_vec())];
    batch::set_many(bucket, &pairs).map_err(words_of)?;
    let keys = ["two", "missing", "one"].map(str::to_string);
    let values = batch::get_many(bucket, &keys).map_err(words_of)?;
    let values: Vec<String> = values
        .into_iter()
        .map(|pair| pair.map_or("none".to_string(), |(key, value)| format!("{key}={}", text(Some(value)))))
        .collect();
    batch::delete_many(bucket, &keys).map_err(words_of)?;
    Ok(values.join(" "))
}

fn fill(bucket: &store::Bucket, count: u64) -> Answer {
    let pairs: Vec<_> = (0..count).map(|index| (format!("key-{index}"), Vec::new())).collect();
    batch::set_many(bucket, &pairs).map_err(words_of)?;
    Ok(ok())
}

fn open2(bucket: &str) -> Result<store2::Bucket, String> {
    store2::open(bucket).map_err(words_of2)
}

fn words_of2(err: store2::Error) -> String {
    match err {
        store2::Error::NoSuchStore => "no-such-store".to_string(),
        store2::Error::AccessDenied => "access-denied".to_string(),
        store2::Error::Other(text) => text,
    }
}

fn list2(bucket: store2::Bucket) -> Answer {
    let (mut keys, mut cursor) = (Vec::new(), None);
    loop {
        let page = bucket.list_keys(cursor.as_deref()).map_err(words_of2)?;
        keys.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    Ok(summary(&keys))
}

fn many2(bucket: &store2::Bucket) -> Answer {
    let pairs = [("one".to_string(), b"1".to_vec()), ("two".to_string(), b"2".to_vec())];
    batch2::set_many(bucket, &pairs).map_err(words_of2)?;
    let keys = ["two", "missing", "one"].map(str::to_string);
    let values = batch2::get_many(bucket, &keys).map_err(words_of2)?;
    let values: Vec<String> = values.into_iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
    batch2::delete_many(bucket, &keys).map_err(words_of2)?;
    Ok(values.join(" "))
}

/// Swaps, possibly after somebody else has written; then it swaps again with the handle that it got.
fn swap(bucket: &store2::Bucket, key: &str, value: &str, other: Option<&str>) -> Answer {
    let cas = atomics2::Cas::new(bucket, key).map_err(words_of2)?;
    let before = text(cas.current().map_err(words_of2)?);
    if let Some(other) = other {
        bucket.set(key, other.as_bytes()).map_err(words_of2)?;
    }
    let again = match atomics2::swap(cas, value.as_bytes()) {
        Ok(()) => return Ok(format!("{before} swapped")),
        Err(atomics2::CasError::StoreError(err)) => return Err(words_of2(err)),
        Err(atomics2::CasError::CasFailed(cas)) => cas,
    };
    let now = text(again.current().map_err(words_of2)?);
    match atomics2::swap(again, value.as_bytes()) {
        Ok(()) => Ok(format!("{before} changed {now} swapped")),
        Err(_) => Err("it has changed again".to_string()),
    }
}
