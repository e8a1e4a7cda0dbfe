//! `wash inspect check`: whether a host or a world has what a component needs.

use std::fmt::Write as _;

use washlib_cli::{CommandError, Ui};
use washlib_component::{Action, Change, Decoded, Direction, Impact, Item, Root, compare};
use wit_parser::{InterfaceId, TypeDefKind, WorldId, WorldItem};

use crate::advice::Wanted;
use crate::cli::Check;
use crate::host_profile::{self, Answer, HostProfile, InterfaceName, compatible};
use crate::output::{CheckData, Finding, HostList, KnownHost, Status};
use crate::source::{self, Content, Place, Source};
use crate::{command_error, diff};

/// Runs the command.
pub(crate) fn run(args: &Check, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    if args.list_hosts {
        return list_hosts(ui);
    }
    if args.reference.as_deref() == Some("-") && args.wit.as_deref() == Some("-") {
        return Err(command_error::one_standard_input());
    }
    let start = place.global.start_dir().map_err(CommandError::usage)?;
    let mut source = source::read(args.reference.as_deref(), place, ui)?;
    let mut decoded = source.decoded()?;
    let data = match (&args.host, &args.world) {
        (Some(host), world) => {
            let profile = host_profile::find(host, &start).map_err(command_error::profile)?;
            let world = host_world(&source.name, &mut decoded, world.as_deref())?;
            against_host(&source.name, &decoded, world, &profile)
        }
        (None, Some(world)) => against_world(&source.name, &decoded, world, &mut wit(args, world, place, ui)?)?,
        // Excluded where the command line is parsed.
        (None, None) => return Err(CommandError::usage("neither a host nor a world was named")),
    };
    let text = text(&data);
    let fits = if data.fits { "fits" } else { "does not fit" };
    let message = format!("{} {fits} {}", data.reference, data.against);
    if data.fits { ui.result(&text, &message, data) } else { Err(ui.answer_no(&text, &message, data)) }
}

fn list_hosts(ui: &Ui) -> Result<(), CommandError> {
    let known = host_profile::known().map_err(command_error::profile)?;
    let hosts: Vec<_> = known
        .into_iter()
        .map(|profile| KnownHost { name: profile.name, title: profile.title, source: profile.source })
        .collect();
    let width = hosts.iter().map(|host| host.name.len()).max().unwrap_or_default();
    let text: String = hosts.iter().map(|host| format!("{:width$}  {}\n", host.name, host.title)).collect();
    ui.result(&text, "Known hosts", HostList { hosts })
}

/// What the host is to run: a component's own world, or one of a package's.
fn host_world(name: &str, decoded: &mut Decoded, asked: Option<&str>) -> Result<WorldId, CommandError> {
    if let Some(world) = decoded.world() {
        return if asked.is_some() { Err(command_error::own_world(name)) } else { Ok(world) };
    }
    let asked = asked.map(|world| choose_package(decoded, world)).transpose()?;
    let worlds = decoded.package().map(|package| &decoded.resolve.packages[package].worlds);
    let names: Vec<_> = worlds.into_iter().flat_map(|worlds| worlds.keys().cloned()).collect();
    let mut found = worlds.into_iter().flatten().filter(|(name, _)| asked.is_none_or(|asked| asked == name.as_str()));
    match (found.next(), found.next(), asked) {
        (Some((_, world)), None, _) => Ok(*world),
        (None, _, Some(asked)) => Err(command_error::no_such_world(name, asked, &names)),
        _ => Err(command_error::which_world(name, &names)),
    }
}

fn against_host(reference: &str, decoded: &Decoded, world: WorldId, profile: &HostProfile) -> CheckData {
    let mut findings = Vec::new();
    let mut wanted = Wanted::default();
    let world = &decoded.resolve.worlds[world];
    for (key, item) in &world.imports {
        let name = decoded.resolve.name_world_key(key);
        match item {
            WorldItem::Interface { id, .. } => findings.push(import(name, *id, decoded, profile, &mut wanted)),
            WorldItem::Function(_) => {
                let note = Some("a function of the world itself, which no host has".to_owned());
                findings.push(Finding { name, status: Status::Missing, note });
            }
            WorldItem::Type { .. } => {}
        }
    }
    let exports: Vec<_> = world.exports.keys().map(|key| decoded.resolve.name_world_key(key)).collect();
    findings.extend(exports.iter().filter_map(|name| called_on_request(name, profile, &mut wanted)));
    findings.extend(called_export(&exports, profile));
    let fits = findings.iter().all(|finding| matches!(finding.status, Status::Provided | Status::OnRequest));
    CheckData {
        reference: reference.to_owned(),
        against: profile.title.clone(),
        fits,
        findings,
        advice: wanted.advice(),
        mismatches: Vec::new(),
    }
}

fn import(name: String, id: InterfaceId, decoded: &Decoded, profile: &HostProfile, wanted: &mut Wanted) -> Finding {
    let finding = |status, note: Option<String>| Finding { name: name.clone(), status, note };
    let answer = InterfaceName::parse(&name).map_or(Answer::Nothing, |name| profile.answer(name));
    match answer {
        Answer::Offered { version, request: None } => finding(Status::Provided, newer(&name, &version)),
        Answer::Offered { version, request: Some(request) } => {
            let note = newer(&name, &version);
            wanted.add(&name, request);
            finding(Status::OnRequest, note)
        }
        _ if carries_types_alone(id, decoded) => finding(Status::Provided, Some("it holds types alone".to_owned())),
        Answer::OtherVersions(versions) => {
            finding(Status::WrongVersion, Some(format!("the host has {}", versions.join(", "))))
        }
        Answer::Nothing => finding(Status::Missing, None),
    }
}

/// Types without resources need nobody to provide them.
fn carries_types_alone(id: InterfaceId, decoded: &Decoded) -> bool {
    let interface = &decoded.resolve.interfaces[id];
    let is_resource = |kind: &TypeDefKind| matches!(kind, TypeDefKind::Resource);
    interface.functions.is_empty() && !interface.types.values().any(|id| is_resource(&decoded.resolve.types[*id].kind))
}

/// A host of an older minor release may lack what came later.
fn newer(name: &str, offered: &str) -> Option<String> {
    let asked = semver::Version::parse(InterfaceName::parse(name)?.version).ok()?;
    let offered_version = semver::Version::parse(offered).ok()?;
    (asked > offered_version).then(|| format!("the host has {offered}, which may lack what came after it"))
}

/// An export that the host calls only when it is told to.
fn called_on_request(name: &str, profile: &HostProfile, wanted: &mut Wanted) -> Option<Finding> {
    let request = profile.request_for_export(InterfaceName::parse(name)?)?;
    wanted.add(name, request);
    let note = Some("an export, which the host calls only when it is asked for".to_owned());
    Some(Finding { name: name.to_owned(), status: Status::OnRequest, note })
}

/// The host has to call something.
fn called_export(exports: &[String], profile: &HostProfile) -> Option<Finding> {
    let calls: Vec<_> = profile.calls_one_of.iter().filter_map(|name| InterfaceName::parse(name)).collect();
    if calls.is_empty() {
        return None;
    }
    let fits = |export: &InterfaceName<'_>, call: &InterfaceName<'_>| {
        export.package == call.package && export.interface == call.interface && compatible(call.version, export.version)
    };
    let exports: Vec<_> = exports.iter().filter_map(|name| InterfaceName::parse(name)).collect();
    if exports.iter().any(|export| calls.iter().any(|call| fits(export, call))) {
        return None;
    }
    let note = Some("the host calls one of these, and the component exports none".to_owned());
    Some(Finding { name: profile.calls_one_of.join(" or "), status: Status::NotExported, note })
}

/// Where the world is defined.
fn wit(args: &Check, world: &str, place: &Place<'_>, ui: &Ui) -> Result<Source, CommandError> {
    match &args.wit {
        Some(reference) => source::read(Some(reference), place, ui),
        None => {
            let folder = source::project_wit(place).ok_or_else(|| command_error::no_wit_folder(world))?;
            let name = folder.display().to_string();
            let decoded = source::wit_folder(&folder, place.features)
                .map_err(|source| command_error::source(source::SourceError::Wit { path: folder.clone(), source }))?;
            Ok(Source { name, path: None, content: Content::Wit(Box::new(decoded)) })
        }
    }
}

fn against_world(reference: &str, decoded: &Decoded, world: &str, wit: &mut Source) -> Result<CheckData, CommandError> {
    let mut contract = wit.decoded()?;
    let name = choose_package(&mut contract, world)?;
    let difference = compare(&contract, decoded, Some(name)).map_err(command_error::compare)?;
    let against = match contract.root {
        Root::Package(package) => contract.resolve.id_of_name(package, name),
        Root::Component(_) | Root::CoreModule(_) => wit.name.clone(),
    };
    // The component takes the place of one that is exactly the world.
    let breaking: Vec<&Change> =
        difference.changes.iter().filter(|change| change.callers.max(change.hosts) == Impact::Breaking).collect();
    let findings = breaking.iter().filter(|change| change.item == Item::Interface || change.interface.is_none());
    Ok(CheckData {
        reference: reference.to_owned(),
        against,
        fits: breaking.is_empty(),
        findings: findings.map(|change| finding(change)).collect(),
        advice: Vec::new(),
        mismatches: breaking
            .iter()
            .filter(|change| change.item != Item::Interface && change.interface.is_some())
            .map(|c| diff::change(c))
            .collect(),
    })
}

/// Goes to the package that the world is named by, and returns the world's name in it.
fn choose_package<'a>(contract: &mut Decoded, world: &'a str) -> Result<&'a str, CommandError> {
    let Some((package, name)) = world.split_once('/') else { return Ok(world) };
    let (name, version) = name.split_once('@').unwrap_or((name, ""));
    let found = contract.resolve.packages.iter().find(|(_, candidate)| {
        let candidate = &candidate.name;
        let is_version = candidate.version.as_ref().is_some_and(|known| known.to_string() == version);
        format!("{}:{}", candidate.namespace, candidate.name) == package && (version.is_empty() || is_version)
    });
    match found {
        Some((id, _)) => {
            contract.root = Root::Package(id);
            Ok(name)
        }
        None => {
            let packages: Vec<_> =
                contract.resolve.packages.iter().map(|(_, package)| package.name.to_string()).collect();
            Err(command_error::other_package(package, &packages))
        }
    }
}

fn finding(change: &Change) -> Finding {
    let name = change.interface.clone().or_else(|| change.name.clone()).unwrap_or_default();
    let (status, note) = match (change.direction, change.action) {
        (Direction::Export, Action::Removed) => (Status::NotExported, "the world asks for this export"),
        (_, Action::Added) => (Status::Missing, "the world does not offer it"),
        _ => (Status::WrongVersion, "the world has it with another type"),
    };
    Finding { name, status, note: Some(note.to_owned()) }
}

fn text(data: &CheckData) -> String {
    let mut text = String::new();
    for (status, heading) in [
        (Status::Missing, "missing"),
        (Status::WrongVersion, "does not match"),
        (Status::NotExported, "not exported"),
        (Status::OnRequest, "on request"),
        (Status::Provided, "provided"),
    ] {
        for finding in data.findings.iter().filter(|finding| finding.status == status) {
            let note = finding.note.as_ref().map(|note| format!("  ({note})")).unwrap_or_default();
            let _ = writeln!(text, "{heading:<15} {}{note}", finding.name);
        }
    }
    for change in &data.mismatches {
        let place = [change.interface.as_deref(), change.name.as_deref()];
        let place: Vec<_> = place.into_iter().flatten().collect();
        let _ = writeln!(text, "{:<15} {}", "does not match", place.join(" "));
        for (label, side) in [("world:", &change.before), ("component:", &change.after)] {
            let _ = writeln!(text, "{:<15}   {label:<10} {}", "", side.as_deref().unwrap_or("nothing"));
        }
    }
    for advice in &data.advice {
        let label = format!("add ({})", advice.kind);
        let _ = writeln!(text, "\n{label}\n  {}", advice.text);
    }
    let verdict = if data.fits { "fits" } else { "does not fit" };
    let given = if data.fits && !data.advice.is_empty() { ", given what is to be added" } else { "" };
    let _ = writeln!(text, "\n{} {verdict} {}{given}", data.reference, data.against);
    text
}
