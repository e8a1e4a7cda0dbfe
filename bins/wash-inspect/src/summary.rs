//! A file on one screen, for people.
//!
//! Lays out what is known; finds nothing out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::output::{
    ArchiveData, ClaimsData, Description, FileKind, MetadataData, PackageItems, PartKind, Signature, Validity,
};

/// The longest list of one kind: what is longer ends in a number.
const MAX_LINES: usize = 16;

/// What a kind of file is called, with an article.
pub(crate) fn kind_text(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Component => "a component",
        FileKind::CoreModule => "a core module",
        FileKind::WitPackage => "a WIT package",
        FileKind::ProviderArchive => "a provider archive of wasmCloud 1.x",
    }
}

/// Bytes with a unit, as a person reads them.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", value / 1e3),
        _ => format!("{:.2} MB", value / 1e6),
    }
}

/// What cannot be printed, for example to move a terminal's cursor, is replaced.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The screen, with a line feed at its end.
pub(crate) fn summary(description: &Description) -> String {
    let mut screen = Screen(String::new());
    screen.row("file", &description.reference);
    screen.row("kind", kind_text(description.kind));
    if let Some(size) = description.size {
        let gzip = description.gzip_size.map(|size| format!(", {} gzip", bytes_text(size))).unwrap_or_default();
        screen.row("size", &format!("{}{gzip}", bytes_text(size)));
    }
    screen.row("WASI", &description.wasi_versions.join(", "));
    metadata(&description.metadata, &mut screen);
    screen.row("made by", &producers(description));
    screen.row("parts", &parts(description));
    screen.row("worlds", &worlds(description));
    packages("imports", &description.imports, &mut screen);
    packages("exports", &description.exports, &mut screen);
    let n_packages: usize = description.dependencies.iter().map(|module| module.packages.len()).sum();
    if n_packages > 0 {
        screen.row("recorded", &format!("{n_packages} crates or packages (`wash inspect deps`)"));
    }
    if let Some(archive) = &description.archive {
        archive_rows(archive, &mut screen);
    }
    if let Some(claims) = &description.claims {
        claims_rows(claims, &mut screen);
    }
    if let Some(problem) = &description.problem {
        let place = problem.offset.map(|offset| format!("reading stopped at byte {offset:#x}: ")).unwrap_or_default();
        screen.row("damaged", &format!("{place}{}", problem.reason));
    }
    screen.0
}

struct Screen(String);

impl Screen {
    fn row(&mut self, title: &str, text: &str) {
        if !text.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(self.0, "{title:<9}  {}", printable(text));
        }
    }

    fn rows(&mut self, title: &str, lines: &[String]) {
        for (position, line) in lines.iter().take(MAX_LINES).enumerate() {
            self.row(if position == 0 { title } else { "" }, line);
        }
        if lines.len() > MAX_LINES {
            self.row("", &format!("and {} more", lines.len() - MAX_LINES));
        }
    }
}

fn metadata(metadata: &MetadataData, screen: &mut Screen) {
    for (title, value) in [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("about", &metadata.description),
        ("authors", &metadata.authors),
        ("licence", &metadata.licenses),
        ("source", &metadata.source),
        ("home page", &metadata.homepage),
        ("revision", &metadata.revision),
    ] {
        screen.row(title, value.as_deref().unwrap_or_default());
    }
}

/// Languages first, then tools, each once.
fn producers(description: &Description) -> String {
    let all: BTreeSet<_> = description.parts.iter().flat_map(|part| &part.metadata.producers).collect();
    let rank = |field: &str| match field {
        "language" => 0,
        "sdk" => 2,
        _ => 1,
    };
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|producer| (rank(&producer.field), &producer.name, &producer.version));
    let name = |producer: &crate::output::Producer| {
        // A compiler's version may be followed by its commit.
        let version = producer.version.split(" (").next().unwrap_or_default();
        if version.is_empty() { producer.name.clone() } else { format!("{} {version}", producer.name) }
    };
    let mut names: Vec<String> = all.iter().map(|producer| name(producer)).collect();
    names.dedup();
    names.join(", ")
}

fn parts(description: &Description) -> String {
    let inner = || description.parts.iter().filter(|part| part.depth > 0);
    let of = |kind: PartKind| inner().filter(|part| part.kind == kind).collect::<Vec<_>>();
    let mut texts = Vec::new();
    let modules = of(PartKind::CoreModule);
    let list: Vec<String> = modules
        .iter()
        .take(4)
        .map(|part| match &part.name {
            Some(name) => format!("{name} {}", bytes_text(part.size)),
            None => bytes_text(part.size),
        })
        .collect();
    let more = if modules.len() > list.len() { ", …" } else { "" };
    match modules.len() {
        0 => {}
        1 => texts.push(format!("1 core module ({})", list.join(", "))),
        n => texts.push(format!("{n} core modules ({}{more})", list.join(", "))),
    }
    match of(PartKind::Component).len() {
        0 => {}
        1 => texts.push("1 component".to_owned()),
        n => texts.push(format!("{n} components")),
    }
    for adapter in of(PartKind::Adapter) {
        let name = adapter.name.as_deref().unwrap_or_default().trim_start_matches("wit-component:adapter:");
        texts.push(format!("adapter for {name} ({})", bytes_text(adapter.size)));
    }
    texts.join(", ")
}

fn worlds(description: &Description) -> String {
    match description.kind {
        FileKind::WitPackage => {
            let names: Vec<_> = description.worlds.iter().map(|world| world.name.as_str()).collect();
            names.join(", ")
        }
        _ => String::new(),
    }
}

fn packages(title: &str, packages: &[PackageItems], screen: &mut Screen) {
    let line = |package: &PackageItems| {
        let version = package.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        let items = package.items.join(", ");
        if package.package.is_empty() { items } else { format!("{}{version}  {items}", package.package) }
    };
    screen.rows(title, &packages.iter().map(line).collect::<Vec<_>>());
}

fn archive_rows(archive: &ArchiveData, screen: &mut Screen) {
    let line = |target: &crate::output::TargetData| {
        let content = match target.content_matches {
            Some(true) => "as signed",
            Some(false) => "NOT what was signed",
            None => "not covered by the signature",
        };
        format!("{} ({}), {content}", target.target, bytes_text(target.size))
    };
    screen.rows("targets", &archive.targets.iter().map(line).collect::<Vec<_>>());
    screen.row("files", &archive.other_files.join(", "));
}

fn claims_rows(claims: &ClaimsData, screen: &mut Screen) {
    let mut name = claims.name.clone().unwrap_or_default();
    for (label, value) in [("version", &claims.version), ("by", &claims.vendor), ("alias", &claims.call_alias)] {
        if let Some(value) = value {
            let _ = write!(name, ", {label} {value}");
        }
    }
    if let Some(revision) = claims.revision {
        let _ = write!(name, ", revision {revision}");
    }
    screen.row("claims", name.trim_start_matches(", "));
    screen.row("subject", &claims.subject);
    screen.row("issuer", &claims.issuer);
    screen.row("may use", &claims.capabilities.join(", "));
    screen.row("tags", &claims.tags.join(", "));
    let signature = match claims.signature {
        Signature::Verified => "verified",
        Signature::Wrong => "NOT the issuer's",
        Signature::UnknownKey => "not verifiable: the issuer is no public key",
    };
    let content = match claims.content_matches {
        Some(true) => ", content as signed",
        Some(false) => ", content NOT as signed",
        None => "",
    };
    screen.row("signature", &format!("{signature}{content}"));
    let validity = match claims.validity {
        Validity::Valid => "valid now",
        Validity::Expired => "expired",
        Validity::NotYet => "not valid yet",
    };
    let mut text = validity.to_owned();
    for (label, time) in [("issued", claims.issued_at), ("from", claims.not_before), ("until", claims.expires)] {
        if let Some(time) = time.and_then(date) {
            let _ = write!(text, ", {label} {time}");
        }
    }
    screen.row("validity", &text);
}

/// A day, by the calendar's own rules; `None` for what no calendar reaches.
fn date(seconds: u64) -> Option<String> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let days = seconds / 86_400;
    if days > 3_000_000 {
        return None;
    }
    // Counted from the 1st of March of the year 0, so that a leap day ends a year (Hinnant, "chrono-compatible
    // low-level date algorithms").
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (4_102_444_800, "2100-01-01"),
        ] {
            assert_eq!(date(seconds).as_deref(), Some(day));
        }
        assert_eq!(date(u64::MAX), None);
    }

    #[test]
    fn terminals_are_safe_from_names() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    }

    #[test]
    fn sizes_have_three_digits() {
        assert_eq!(bytes_text(999), "999 B");
        assert_eq!(bytes_text(1_000), "1.0 kB");
        assert_eq!(bytes_text(12_345_678), "12.35 MB");
    }
}
