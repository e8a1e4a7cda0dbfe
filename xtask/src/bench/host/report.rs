//! Figures as tables of text that can be pasted into a note. Judges nothing beyond comparing with a stated goal.

use crate::bench::samples::Samples;
use crate::process::print;

/// A table with a heading.
pub(super) struct Section {
    title: String,
    columns: Vec<String>,
    lines: Vec<Vec<String>>,
    notes: Vec<String>,
    pub(super) verdicts: Vec<Verdict>,
}

/// A goal and whether it was met in this run.
pub(super) struct Verdict {
    figure: String,
    measured: String,
    goal: String,
    met: bool,
}

impl Section {
    /// A table with these columns after the one of names.
    pub(super) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        let columns = std::iter::once("").chain(columns.iter().copied()).map(str::to_owned).collect();
        Self { title: title.into(), columns, lines: Vec::new(), notes: Vec::new(), verdicts: Vec::new() }
    }

    /// A table of the samples of several sides, ours first, with the ratio of the first median to each.
    pub(super) fn comparison(title: impl Into<String>, decimals: usize, sides: &[(&str, &Samples)]) -> Self {
        let mut section = Self::new(title, &["median", "min", "max", "first : this"]);
        let first = sides.first().map_or(f64::NAN, |(_, samples)| samples.median());
        for (name, samples) in sides {
            let (median, min, max) = (samples.median(), samples.min(), samples.max());
            let mut cells: Vec<_> = [median, min, max].iter().map(|value| number(*value, decimals)).collect();
            cells.push(number(first / median, 2));
            section.line(*name, cells);
        }
        section
    }

    pub(super) fn line(&mut self, name: impl Into<String>, cells: Vec<String>) {
        self.lines.push(std::iter::once(name.into()).chain(cells).collect());
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// States a goal. What is not a number meets none.
    pub(super) fn goal(&mut self, figure: &str, measured: impl Into<String>, goal: &str, met: bool) {
        self.verdicts.push(Verdict {
            figure: figure.to_owned(),
            measured: measured.into(),
            goal: goal.to_owned(),
            met,
        });
    }

    pub(super) fn print(&self) {
        print(&format!("\n## {}\n", self.title));
        print_table(&self.columns, &self.lines);
        if !self.notes.is_empty() {
            print("");
        }
        self.notes.iter().for_each(|note| print(note));
    }
}

/// Prints all goals of the run.
pub(super) fn print_verdicts(verdicts: &[Verdict]) {
    let columns = ["figure", "measured", "goal", "met"].map(str::to_owned);
    let lines: Vec<Vec<String>> = verdicts
        .iter()
        .map(|verdict| {
            let met = if verdict.met { "yes" } else { "no" };
            vec![verdict.figure.clone(), verdict.measured.clone(), verdict.goal.clone(), met.to_owned()]
        })
        .collect();
    print("\n## Goals\n");
    print_table(&columns, &lines);
}

/// A number with thousands set apart; a dash for what could not be measured.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        let left = whole.len() - index;
        if index > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

fn print_table(columns: &[String], lines: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column)).chain(columns.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let print_line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        print(&format!("| {} |", padded.collect::<Vec<_>>().join(" | ")));
    };
    print_line(columns);
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => "-".repeat(width + 2),
        _ => "-".repeat(width + 1) + ":",
    });
    print(&format!("|{}|", rule.collect::<Vec<_>>().join("|")));
    lines.iter().for_each(|line| print_line(line));
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [(1_234_567.0, 0), (999.95, 1), (-1234.0, 0), (-123.0, 0), (0.5, 2), (f64::NAN, 0)]
            .map(|(value, decimals)| number(value, decimals));
        assert_eq!(texts, ["1,234,567", "1,000.0", "-1,234", "-123", "0.50", "-"]);
    }
}
