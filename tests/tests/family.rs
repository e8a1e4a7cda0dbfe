//! What holds the separate tools together: names, summaries and global options.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use clap::{Args, Command};
use washlib_test::Sandbox;

#[test]
fn the_front_end_knows_each_tool_by_its_own_summary() {
    let sandbox = Sandbox::new();
    let list = sandbox.run("wash", ["--list", "-o", "json"]).assert_success().json();
    let tools = list["data"]["tools"].as_array().unwrap();
    let names: BTreeSet<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let ours = BTreeSet::from(["build", "dev", "host", "inspect", "new", "oci", "wit"]);
    assert!(names.is_superset(&ours), "{names:?}");
    for tool in tools {
        let name = tool["name"].as_str().unwrap();
        let help = sandbox.run("wash", [name, "-h"]).assert_success().stdout;
        assert_eq!(help.lines().next(), tool["summary"].as_str(), "wash {name}");
    }
}

#[test]
fn every_global_option_may_stand_before_the_command() {
    let sandbox = Sandbox::new();
    let options = washlib_cli::GlobalArgs::augment_args(Command::new("any"));
    for option in options.get_arguments() {
        let name = match (option.get_long(), option.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => panic!("{} is no option", option.get_id()),
        };
        let value = match option.get_possible_values().first() {
            Some(value) => value.get_name().to_owned(),
            None => ".".to_owned(),
        };
        let mut arguments = vec![name];
        if option.get_action().takes_values() {
            arguments.push(value);
        }
        arguments.extend(["new", "--help"].map(str::to_owned));
        let output = sandbox.run("wash", &arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {}", output.stderr);
        assert!(output.stdout.contains("wash new"), "{arguments:?}");
    }
}

#[test]
fn every_tool_says_its_version_and_shows_examples() {
    let sandbox = Sandbox::new();
    for name in ["build", "dev", "host", "inspect", "new", "oci", "wit"] {
        let version = sandbox.run("wash", [name, "--version"]).assert_success().stdout;
        assert_eq!(version, format!("wash-{name} {}\n", env!("CARGO_PKG_VERSION")));
        let help = sandbox.run("wash", ["help", name]).assert_success().stdout;
        for heading in ["Examples:", "Exit status:", "Global options:"] {
            assert!(help.contains(heading), "wash {name} --help lacks {heading}\n{help}");
        }
    }
}

#[test]
fn completions_cover_the_tools() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = sandbox.run("wash", ["completion", shell]).assert_success().stdout;
        assert!(script.contains("skip-fetch") && script.contains("git-ref"), "{shell}");
    }
}
