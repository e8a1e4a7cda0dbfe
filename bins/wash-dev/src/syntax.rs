//! Lines of configuration as the project's own file would have them, for hints that say what to add.
//!
//! It knows how formats are written; what helps is the business of [`crate::missing_imports`].

use std::path::Path;

use washlib_config::{Format, Project};

/// Where configuration goes that does not exist yet.
const DEFAULT_FILE: &str = ".wash/config.yaml";

/// The project's configuration file, and how it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Syntax {
    file: String,
    format: Format,
}

impl Syntax {
    pub(crate) fn of(project: &Project) -> Self {
        let file = project.config_file().unwrap_or(Path::new(DEFAULT_FILE));
        let format = match file.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Format::Json,
            Some("toml") => Format::Toml,
            _ => Format::Yaml,
        };
        Self { file: file.strip_prefix(project.root()).unwrap_or(file).display().to_string(), format }
    }

    /// The file's path as a person knows it.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// A key with a list of plain names.
    pub(crate) fn list(&self, key: &str, names: &[&str]) -> String {
        let quoted = || names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        match self.format {
            Format::Yaml => format!("{key}: [{}]", names.join(", ")),
            Format::Json => format!("\"{key}\": [{}]", quoted()),
            Format::Toml => format!("{key} = [{}]", quoted()),
        }
    }

    /// A key with a text.
    pub(crate) fn text(&self, key: &str, value: &str) -> String {
        match self.format {
            Format::Yaml => format!("{key}: {value}"),
            Format::Json => format!("\"{key}\": \"{value}\""),
            Format::Toml => format!("{key} = \"{value}\""),
        }
    }

    /// One more table in a list of the section `dev`, from lines that [`Self::text`] and [`Self::list`] have made.
    pub(crate) fn entry(&self, list: &str, lines: &[String]) -> String {
        match self.format {
            Format::Yaml => format!("dev:\n  {list}:\n    - {}", lines.join("\n      ")),
            Format::Json => format!("\"dev\": {{ \"{list}\": [{{ {} }}] }}", lines.join(", ")),
            Format::Toml => format!("[[dev.{list}]]\n{}", lines.join("\n")),
        }
    }
}

/// Lines of their own under a hint.
pub(crate) fn block(lines: &str) -> String {
    lines.lines().map(|line| format!("\n    {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_says_the_same() {
        let entry = |format| {
            let syntax = Syntax { file: DEFAULT_FILE.to_owned(), format };
            syntax.entry("host_interfaces", &[syntax.text("package", "http"), syntax.list("interfaces", &["a", "b"])])
        };
        assert_eq!(entry(Format::Yaml), "dev:\n  host_interfaces:\n    - package: http\n      interfaces: [a, b]");
        assert_eq!(
            entry(Format::Json),
            r#""dev": { "host_interfaces": [{ "package": "http", "interfaces": ["a", "b"] }] }"#
        );
        assert_eq!(entry(Format::Toml), "[[dev.host_interfaces]]\npackage = \"http\"\ninterfaces = [\"a\", \"b\"]");
    }
}
