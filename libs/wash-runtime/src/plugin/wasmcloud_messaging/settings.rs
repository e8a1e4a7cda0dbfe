//! Reads what a workload's `hostInterfaces` entry says about its subscriptions.
//!
//! It subscribes to nothing.

use std::collections::HashMap;
use std::time::Duration;

use thiserror::Error;

use super::subject::{InvalidSubject, Pattern};
#[cfg(feature = "nats")]
use crate::plugin::servers::ServerUrl;

/// The keys of an entry that this plugin follows. Others have no effect.
pub const SETTINGS: &[&str] =
    &["admission_wait", "backend", "consumer_group", "handler_timeout", "max_in_flight", "subscriptions", "url"];

/// Messages that one component handles at once, where its entry does not say.
const DEFAULT_MAX_IN_FLIGHT: usize = 64;
const LARGEST_MAX_IN_FLIGHT: usize = 10_000;

const DEFAULT_ADMISSION_WAIT: Duration = Duration::from_secs(30);
const LONGEST_ADMISSION_WAIT: Duration = Duration::from_secs(600);

const DEFAULT_HANDLER_TIMEOUT: Duration = Duration::from_secs(60);
const LONGEST_HANDLER_TIMEOUT: Duration = Duration::from_secs(3600);

/// The value of `consumer_group` that gives each subscriber every message.
const BROADCAST: &str = "broadcast";

const IN_MEMORY: &str = "in-memory";

#[cfg(feature = "nats")]
const SUPPORTED: &str = "`in-memory` and `nats` are";
#[cfg(not(feature = "nats"))]
const SUPPORTED: &str = "`in-memory` is";

/// Why the settings of an entry do not hold.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum MessagingConfigError {
    /// `backend` names something that this plugin is not.
    #[error("the messaging backend `{0}` is not supported: {SUPPORTED}")]
    Backend(String),
    /// `backend` names a server, and there is none: neither the host's nor one by `url`.
    #[error("the messaging backend `{0}` needs the setting `url`: this host has no such server")]
    MissingUrl(&'static str),
    /// The host decides which servers there are.
    #[error("`url` is set for messages, but on this host workloads name no servers")]
    UrlNotAllowed,
    /// Several entries, and not all by the same broker.
    #[error("all entries of wasmcloud:messaging must have the same `backend` and `url`")]
    SeveralBackends,
    /// An item of `subscriptions` is no pattern of subjects.
    #[error("`subscriptions` contains `{pattern}`, which is not a pattern of subjects")]
    Pattern {
        /// The item.
        pattern: String,
        /// What is wrong with it.
        source: InvalidSubject,
    },
    /// An item of `subscriptions` names what belongs to hosts and brokers.
    #[error("`subscriptions` contains `{0}`, which is reserved")]
    Reserved(String),
    /// `consumer_group` is empty or contains white space.
    #[error("`consumer_group` must be a name without white space, or `{BROADCAST}`, not `{0}`")]
    ConsumerGroup(String),
    /// `max_in_flight` is no number in range.
    #[error("`max_in_flight` must be a number from 1 to {LARGEST_MAX_IN_FLIGHT}, not `{0}`")]
    MaxInFlight(String),
    /// `admission_wait` is no duration in range.
    #[error("`admission_wait` must be a duration above zero and at most 600s, for example `30s`, not `{0}`")]
    AdmissionWait(String),
    /// `handler_timeout` is no duration in range.
    #[error("`handler_timeout` must be a duration above zero and at most 1h, for example `90s`, not `{0}`")]
    HandlerTimeout(String),
    /// There is something to receive and nobody who could.
    #[error("`subscriptions` needs a component that exports wasmcloud:messaging/handler, and the workload has none")]
    NoHandler,
}

/// What carries messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum MessagingBackend {
    InMemory,
    /// A server, the host's own unless there is a URL.
    #[cfg(feature = "nats")]
    Nats(Option<ServerUrl>),
}

/// What a component subscribes to, and how its messages are handled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SubscriptionSettings {
    pub(super) backend: MessagingBackend,
    pub(super) patterns: Vec<Pattern>,
    pub(super) group: ConsumerGroup,
    /// Messages handled at once.
    pub(super) max_in_flight: usize,
    /// A message that has been waiting longer is dropped.
    pub(super) admission_wait: Duration,
    /// How long handling one message may take.
    pub(super) handler_timeout: Duration,
}

/// With whom a component shares its messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ConsumerGroup {
    /// With the replicas of its own workload.
    Default,
    Named(String),
    /// With nobody.
    Broadcast,
}

impl SubscriptionSettings {
    /// The keys in [`SETTINGS`]. `subscriptions` are separated by commas; a duration is `30s`, or a number of seconds.
    pub(super) fn parse(config: &HashMap<String, String>) -> Result<Self, MessagingConfigError> {
        let value = |key: &str| {
            debug_assert!(SETTINGS.contains(&key), "{key}");
            config.get(key).map(|value| value.trim())
        };
        let backend = match value("backend") {
            None | Some(IN_MEMORY) => MessagingBackend::InMemory,
            #[cfg(feature = "nats")]
            Some("nats") => MessagingBackend::Nats(value("url").map(|url| ServerUrl(url.to_string()))),
            Some(backend) => return Err(MessagingConfigError::Backend(backend.to_string())),
        };
        Ok(Self {
            backend,
            patterns: patterns(value("subscriptions").unwrap_or_default())?,
            group: value("consumer_group").map_or(Ok(ConsumerGroup::Default), consumer_group)?,
            max_in_flight: value("max_in_flight").map_or(Ok(DEFAULT_MAX_IN_FLIGHT), max_in_flight)?,
            admission_wait: duration(value("admission_wait"), DEFAULT_ADMISSION_WAIT, LONGEST_ADMISSION_WAIT)
                .map_err(MessagingConfigError::AdmissionWait)?,
            handler_timeout: duration(value("handler_timeout"), DEFAULT_HANDLER_TIMEOUT, LONGEST_HANDLER_TIMEOUT)
                .map_err(MessagingConfigError::HandlerTimeout)?,
        })
    }
}

fn patterns(list: &str) -> Result<Vec<Pattern>, MessagingConfigError> {
    let mut patterns = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let pattern = Pattern::parse(item)
            .map_err(|source| MessagingConfigError::Pattern { pattern: item.to_string(), source })?;
        if pattern.is_reserved() {
            return Err(MessagingConfigError::Reserved(item.to_string()));
        }
        if !patterns.contains(&pattern) {
            patterns.push(pattern);
        }
    }
    Ok(patterns)
}

fn consumer_group(value: &str) -> Result<ConsumerGroup, MessagingConfigError> {
    match value {
        BROADCAST => Ok(ConsumerGroup::Broadcast),
        name if name.is_empty() || name.contains(char::is_whitespace) => {
            Err(MessagingConfigError::ConsumerGroup(name.to_string()))
        }
        name => Ok(ConsumerGroup::Named(name.to_string())),
    }
}

fn max_in_flight(value: &str) -> Result<usize, MessagingConfigError> {
    let number = value.parse().ok().filter(|number| (1..=LARGEST_MAX_IN_FLIGHT).contains(number));
    number.ok_or_else(|| MessagingConfigError::MaxInFlight(value.to_string()))
}

/// A duration with a unit or in seconds; what is none, or is too long, is the error.
fn duration(value: Option<&str>, default: Duration, longest: Duration) -> Result<Duration, String> {
    let Some(value) = value else { return Ok(default) };
    let duration = value.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(value));
    duration.ok().filter(|duration| !duration.is_zero() && *duration <= longest).ok_or_else(|| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&str, &str)]) -> Result<SubscriptionSettings, String> {
        let config = entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        SubscriptionSettings::parse(&config).map_err(|err| err.to_string())
    }

    #[test]
    fn an_entry_without_settings_subscribes_to_nothing() {
        let settings = parse(&[("url", "nats://elsewhere")]).unwrap();
        assert_eq!(
            settings,
            SubscriptionSettings {
                backend: MessagingBackend::InMemory,
                patterns: vec![],
                group: ConsumerGroup::Default,
                max_in_flight: 64,
                admission_wait: Duration::from_secs(30),
                handler_timeout: Duration::from_secs(60),
            }
        );
    }

    #[test]
    fn settings_are_read() {
        let settings = parse(&[
            ("backend", "in-memory"),
            ("subscriptions", "tasks.>, orders.*,,tasks.> "),
            ("consumer_group", "workers"),
            ("max_in_flight", " 8"),
            ("admission_wait", "1m 30s"),
        ])
        .unwrap();
        let patterns: Vec<_> = settings.patterns.iter().map(ToString::to_string).collect();
        assert_eq!(patterns, ["tasks.>", "orders.*"]);
        assert_eq!(settings.group, ConsumerGroup::Named("workers".to_string()));
        assert_eq!((settings.max_in_flight, settings.admission_wait), (8, Duration::from_secs(90)));
        assert_eq!(parse(&[("consumer_group", "broadcast")]).unwrap().group, ConsumerGroup::Broadcast);
        assert_eq!(parse(&[("admission_wait", "600")]).unwrap().admission_wait, LONGEST_ADMISSION_WAIT);
        assert_eq!(parse(&[("handler_timeout", "5m")]).unwrap().handler_timeout, Duration::from_secs(300));
    }

    #[test]
    fn what_does_not_hold_is_named() {
        for (key, value, expected) in [
            ("backend", "kafka", "the messaging backend `kafka` is not supported: `in-memory` and `nats` are"),
            ("subscriptions", "a,b..c", "`subscriptions` contains `b..c`, which is not a pattern of subjects"),
            ("subscriptions", "a b", "`subscriptions` contains `a b`, which is not a pattern of subjects"),
            ("subscriptions", "runtime.host.>", "`subscriptions` contains `runtime.host.>`, which is reserved"),
            ("subscriptions", "_INBOX.>", "`subscriptions` contains `_INBOX.>`, which is reserved"),
            ("consumer_group", "", "`consumer_group` must be a name without white space, or `broadcast`, not ``"),
            ("max_in_flight", "0", "`max_in_flight` must be a number from 1 to 10000, not `0`"),
            ("max_in_flight", "many", "`max_in_flight` must be a number from 1 to 10000, not `many`"),
        ] {
            assert_eq!(parse(&[(key, value)]).unwrap_err(), expected);
        }
        for (key, value) in [
            ("admission_wait", "601"),
            ("admission_wait", "0s"),
            ("admission_wait", "-1"),
            ("admission_wait", "soon"),
            ("handler_timeout", "61m"),
            ("handler_timeout", "0"),
        ] {
            let err = parse(&[(key, value)]).unwrap_err();
            assert!(err.starts_with(&format!("`{key}` must be")) && err.ends_with(&format!("not `{value}`")), "{err}");
        }
    }
}
