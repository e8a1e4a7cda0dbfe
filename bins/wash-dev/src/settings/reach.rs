//! Hosts and names that components may reach, judged before anything is built.
//!
//! The runtime judges them again when it starts the workload; there it knows neither keys nor lines.

use wash_runtime::engine::{check_allowed_hosts, is_lookup_name};
use washlib_config::{Config, Sourced};

use super::SettingsError;

/// Refuses the first entry that names no host.
pub(super) fn check(config: &Config) -> Result<(), SettingsError> {
    if let Some(workload) = &config.workload {
        hosts("workload", workload.allowed_hosts.as_ref())?;
        names("workload", workload.allowed_ip_name_lookups.as_ref())?;
    }
    for (index, component) in config.dev.components.iter().flat_map(|list| list.value()).enumerate() {
        let table = format!("dev.components[{index}]");
        hosts(&table, component.allowed_hosts.as_ref())?;
        names(&table, component.allowed_ip_name_lookups.as_ref())?;
    }
    Ok(())
}

fn hosts(table: &str, list: Option<&Sourced<Vec<String>>>) -> Result<(), SettingsError> {
    let Some(list) = list else { return Ok(()) };
    for (index, entry) in list.value().iter().enumerate() {
        check_allowed_hosts(std::slice::from_ref(entry)).map_err(|err| SettingsError::AllowedHost {
            entry: entry.clone(),
            key: format!("{table}.allowedHosts[{index}]"),
            origin: list.origin().clone(),
            problem: err.problem,
        })?;
    }
    Ok(())
}

fn names(table: &str, list: Option<&Sourced<Vec<String>>>) -> Result<(), SettingsError> {
    let Some(list) = list else { return Ok(()) };
    for (index, entry) in list.value().iter().enumerate() {
        // The runtime takes them as one text with commas.
        if entry.contains(',') || !is_lookup_name(entry) {
            return Err(SettingsError::LookupName {
                entry: entry.clone(),
                key: format!("{table}.allowedIpNameLookups[{index}]"),
                origin: list.origin().clone(),
            });
        }
    }
    Ok(())
}
