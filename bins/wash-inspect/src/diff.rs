//! `wash inspect diff`: two files side by side, and the verdict.

use std::fmt::Write as _;

use washlib_cli::{CommandError, Ui};
use washlib_component::{Action, Change, Difference, Direction, Impact, Item, Subject, compare};

use crate::cli::Diff;
use crate::output::{ActionData, ChangeData, DiffData, DirectionData, ImpactData, ItemData, SubjectData};
use crate::source::Place;
use crate::{command_error, source};

/// Runs the command.
pub(crate) fn run(args: &Diff, place: &Place<'_>, ui: &Ui) -> Result<(), CommandError> {
    if args.old == "-" && args.new == "-" {
        return Err(command_error::one_standard_input());
    }
    let mut old = source::read(Some(&args.old), place, ui)?;
    let mut new = source::read(Some(&args.new), place, ui)?;
    let difference =
        compare(&old.decoded()?, &new.decoded()?, args.world.as_deref()).map_err(command_error::compare)?;
    let data = DiffData {
        old: old.name,
        new: new.name,
        subject: match difference.subject {
            Subject::Component => SubjectData::Component,
            Subject::Contract => SubjectData::Contract,
        },
        verdict: impact(difference.verdict()),
        callers: impact(difference.callers()),
        hosts: impact(difference.hosts()),
        changes: difference.changes.iter().map(change).collect(),
    };
    let text = text(&difference);
    let message = message(&difference);
    if data.verdict == ImpactData::Breaking {
        Err(ui.answer_no(&text, &message, data))
    } else {
        ui.result(&text, &message, data)
    }
}

fn message(difference: &Difference) -> String {
    let counted = difference.changes.len();
    let changes = if counted == 1 { "1 change".to_owned() } else { format!("{counted} changes") };
    format!("{changes}: {}", impact_text(difference.verdict()))
}

fn impact_text(impact: Impact) -> &'static str {
    match impact {
        Impact::Patch => "patch",
        Impact::Minor => "minor",
        Impact::Breaking => "breaking",
    }
}

/// One group for each interface of each side, then the verdict.
fn text(difference: &Difference) -> String {
    let mut text = String::new();
    let mut last = None;
    for change in &difference.changes {
        let group = (change.direction, &change.world, &change.interface);
        if last != Some(group) {
            if last.is_some() {
                text.push('\n');
            }
            let _ = writeln!(text, "{}", heading(change));
            last = Some(group);
        }
        text.push_str(&lines(change, difference.subject));
    }
    if last.is_some() {
        text.push('\n');
    }
    let callers = match difference.subject {
        Subject::Component => "callers",
        Subject::Contract => "components",
    };
    let _ = writeln!(
        text,
        "verdict: {} ({} for {callers}, {} for hosts)",
        impact_text(difference.verdict()),
        impact_text(difference.callers()),
        impact_text(difference.hosts())
    );
    text
}

fn heading(change: &Change) -> String {
    let side = match change.direction {
        Direction::Import => "import",
        Direction::Export => "export",
        Direction::Definition => "package",
    };
    let world = change.world.as_ref().map(|world| format!(" (world {world})")).unwrap_or_default();
    match &change.interface {
        Some(interface) => format!("{side} {interface}{world}"),
        None => format!("{side}{world}"),
    }
}

/// A change: what it is, whom it breaks, and both signatures.
fn lines(change: &Change, subject: Subject) -> String {
    let sign = match change.action {
        Action::Added => '+',
        Action::Removed => '-',
        Action::Changed => '~',
    };
    let item = match change.item {
        Item::World => "world",
        Item::Interface => "interface",
        Item::Function => "function",
        Item::Type => "type",
        Item::Version => "version",
    };
    let name = change.name.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let mut text = format!("  {sign} {item}{name}");
    if change.impact(subject) == Impact::Breaking {
        text.push_str("  [breaking]");
    }
    text.push('\n');
    match (&change.before, &change.after) {
        (Some(before), Some(_)) if change.follows => {
            let _ = writeln!(text, "      {before}\n      (a type that it uses changed)");
        }
        (Some(before), Some(after)) => {
            let _ = writeln!(text, "      before: {before}\n      after:  {after}");
        }
        (Some(only), None) | (None, Some(only)) => {
            let _ = writeln!(text, "      {only}");
        }
        (None, None) => {}
    }
    text
}

fn impact(impact: Impact) -> ImpactData {
    match impact {
        Impact::Patch => ImpactData::Patch,
        Impact::Minor => ImpactData::Minor,
        Impact::Breaking => ImpactData::Breaking,
    }
}

/// A change as data.
pub(crate) fn change(change: &Change) -> ChangeData {
    ChangeData {
        direction: match change.direction {
            Direction::Import => DirectionData::Import,
            Direction::Export => DirectionData::Export,
            Direction::Definition => DirectionData::Definition,
        },
        world: change.world.clone(),
        interface: change.interface.clone(),
        name: change.name.clone(),
        item: match change.item {
            Item::World => ItemData::World,
            Item::Interface => ItemData::Interface,
            Item::Function => ItemData::Function,
            Item::Type => ItemData::Type,
            Item::Version => ItemData::Version,
        },
        action: match change.action {
            Action::Added => ActionData::Added,
            Action::Removed => ActionData::Removed,
            Action::Changed => ActionData::Changed,
        },
        before: change.before.clone(),
        after: change.after.clone(),
        callers: impact(change.callers),
        hosts: impact(change.hosts),
        follows: change.follows,
    }
}
