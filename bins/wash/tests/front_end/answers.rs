//! What the front-end answers itself: help, the list of commands, its version, completion scripts.

use std::fs;
use std::io;

use snapbox::IntoData as _;
use snapbox::assert_data_eq;
use snapbox::str;

use crate::environment::Sandbox;

#[test]
fn help() {
    let sandbox = Sandbox::new();
    for name in ["new", "dev", "build"] {
        sandbox.tool(&format!("bin/wash-{name}"));
    }
    sandbox.tool("path/wash-zap");
    sandbox.tool("path/wash-frobnicate");
    let help = sandbox.wash().output();
    assert_data_eq!(
        help.stdout(),
        str![[r#"
Wasm Shell: create, build and serve WebAssembly components

Usage: wash [OPTIONS] <COMMAND> [ARGUMENTS]...

Every command is a program of its own: `wash build` runs `wash-build`.

Commands:
  new         Create a project from a template
  build       Build a WebAssembly component from a project
  dev         Build a component, serve it, and swap it in when its source changes
  completion  Print a completion script for a shell
  drain       Clean the caches that tools keep
  help        Print this help, or that of a command

Other commands found:
  frobnicate
  zap

Global options, passed on to the command:
  -C <DIR>                  Run as if started in this folder
  -o, --output <FORMAT>     How to print the result: text or json
  -l, --log-level <LEVEL>   The least important messages to show: error, warn, info, debug or trace
      --verbose             Show what happens in more detail
      --non-interactive     Never ask: every question is answered with its safe default
      --user-config <FILE>  The user configuration to read
      --color <WHEN>        When to colour the output: auto, always or never

Options:
      --list     Show every command found, what it does and where it is
  -h, --help     Print help
  -V, --version  Print the version

Where a command's program is searched, first one first:
  1. the folders in $WASH_EXEC_PATH, separated by colons
  2. the folder of wash itself, then ../libexec/wash and ../libexec beside it
  3. the folders in $PATH

Examples:
  wash new http-hello-world --name hello   Create a project
  wash -C hello build                      Build it from outside its folder
  wash -o json build                       The same, with the result as JSON
  wash help build                          What `wash build` can do
  wash --list                              Which commands there are, and where

Exit status:
  0    Done
  1    The answer could not be printed
  2    The command line is wrong
  126  The command's program was found but cannot be run
  127  There is no such command
  Once the command runs, its exit status is that of wash.

"#]]
    );
    for line in [["help"].as_slice(), &["--help"], &["-h"], &["help", "help"], &["-o", "json", "help"]] {
        assert_eq!(sandbox.wash().args(line).output().stdout(), help.stdout(), "{line:?}");
    }
}

#[test]
fn help_offers_only_what_is_installed() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-build");
    let help = sandbox.wash().output();
    let commands = help.stdout().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> = commands.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["build", "completion", "drain", "help"]);
    assert!(!help.stdout().contains("Other commands"));
}

#[test]
fn help_of_completion() {
    let sandbox = Sandbox::new();
    let help = sandbox.wash().args(["help", "completion"]).output();
    assert_data_eq!(
        help.stdout(),
        str![[r#"
Print a completion script for a shell

Usage: wash completion <SHELL>

Arguments:
  <SHELL>  One of bash, elvish, fish, powershell, zsh

Examples:
  source <(wash completion bash)                               In bash, for this session
  wash completion zsh > ~/.zfunc/_wash                         In zsh, with ~/.zfunc in $fpath
  wash completion fish > ~/.config/fish/completions/wash.fish  In fish, for good

Exit status:
  0    Done
  2    The shell is missing or unknown

"#]]
    );
    assert_eq!(sandbox.wash().args(["completion", "--help"]).output().stdout(), help.stdout());
}

#[test]
fn help_of_drain() {
    let sandbox = Sandbox::new();
    let help = sandbox.wash().args(["help", "drain"]).output();
    assert!(help.stdout().contains("Usage: wash drain <CACHE>"), "{}", help.stdout());
    assert_eq!(sandbox.wash().args(["drain", "--help"]).output().stdout(), help.stdout());
}

#[test]
fn draining_is_left_to_the_tools() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-oci");
    sandbox.tool("path/wash-host");
    let one = sandbox.wash().args(["-o", "text", "drain", "oci"]).output();
    assert_eq!(one.stdout(), "bin/wash-oci\n-o\ntext\ncache\nclean\n");
    let all = sandbox.wash().args(["drain", "all"]).output();
    assert_eq!(all.stdout(), "oci: bin/wash-oci\ncache\nclean\nhost: path/wash-host\ncache\nclear\n");
    sandbox.script("bin/wash-oci", "echo '{\"success\": true}'");
    sandbox.script("path/wash-host", "echo '{\"success\": true}'");
    let json = sandbox.wash().args(["drain", "all", "-o", "json"]).output();
    assert!(json.stdout().contains(r#""result": {"success": true}"#), "{}", json.stdout());
    sandbox.script("path/wash-host", "exit 3");
    assert!(sandbox.wash().args(["drain", "all"]).output().stderr(3).contains("`host` could not be drained"));
    assert!(sandbox.wash().args(["drain", "moat"]).output().stderr(2).contains("possible values: all, host, oci, wit"));
    assert!(sandbox.wash().args(["drain"]).output().stderr(2).contains("needs the name of a cache"));
}

#[test]
fn list() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-new");
    sandbox.tool("libexec/wash-build");
    sandbox.tool("path/wash-zap");
    // Hidden by the one in the libexec folder.
    sandbox.tool("path/wash-build");
    let outcome = sandbox.wash().args(["--list"]).output();
    assert_data_eq!(
        sandbox.redact(outcome.stdout().as_bytes()),
        str![[r#"
build  Build a WebAssembly component from a project  [ROOT]/libexec/wash-build
new    Create a project from a template              [ROOT]/bin/wash-new
zap                                                  [ROOT]/path/wash-zap

"#]]
    );
}

#[test]
fn list_as_json() {
    let sandbox = Sandbox::new();
    sandbox.tool("bin/wash-dev");
    sandbox.tool("path/wash-a\"b\\c\n");
    let outcome = sandbox.wash().args(["--list", "-o", "json"]).output();
    assert_data_eq!(
        sandbox.redact(outcome.stdout().as_bytes()),
        str![[r#"
{
  "message": "2 commands found",
  "success": true,
  "data": {
    "tools": [
      {
        "name": "a\"b\\c\n",
        "summary": "",
        "path": "[ROOT]/path/wash-a\"b\\c\n"
      },
      {
        "name": "dev",
        "summary": "Build a component, serve it, and swap it in when its source changes",
        "path": "[ROOT]/bin/wash-dev"
      }
    ]
  }
}

"#]]
        .raw()
    );
}

#[test]
fn version() {
    let sandbox = Sandbox::new();
    let version = env!("CARGO_PKG_VERSION");
    for flag in ["--version", "-V"] {
        assert_eq!(sandbox.wash().args([flag]).output().stdout(), format!("wash {version}\n"));
    }
    let outcome = sandbox.wash().args(["-ojson", "--version"]).output();
    let expected = format!(
        "{{\n  \"message\": \"wash {version}\",\n  \"success\": true,\n  \"data\": {{\n    \"version\": \"{version}\"\n  }}\n}}\n"
    );
    assert_eq!(outcome.stdout(), expected);
}

#[test]
fn completion_scripts() {
    let sandbox = Sandbox::new();
    let scripts = [
        ("bash", "wash.bash"),
        ("elvish", "wash.elv"),
        ("fish", "wash.fish"),
        ("powershell", "_wash.ps1"),
        ("zsh", "_wash"),
    ];
    for (shell, file_name) in scripts {
        let script =
            fs::read_to_string(format!("{}/../../completions/{file_name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(sandbox.wash().args(["completion", shell]).output().stdout(), script, "{shell}");
    }
    let outcome = sandbox.wash().args(["completion", "-o", "json", "fish"]).output();
    assert!(outcome.stdout().contains(r#""shell": "fish","#));
}

#[test]
fn completion_for_an_unknown_shell() {
    let sandbox = Sandbox::new();
    assert_data_eq!(
        sandbox.wash().args(["completion", "fihs"]).output().stderr(2),
        str![[r#"
error: unknown shell: `fihs`
hint: possible values: bash, elvish, fish, powershell, zsh
hint: `wash completion fish`

"#]]
    );
    assert_data_eq!(
        sandbox.wash().args(["completion"]).output().stderr(2),
        str![[r#"
error: `wash completion` needs the name of a shell
hint: possible values: bash, elvish, fish, powershell, zsh

"#]]
    );
}

#[test]
fn a_closed_pipe_counts_as_done() {
    let sandbox = Sandbox::new();
    for flag in ["--help", "--list", "--version"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let outcome = sandbox.wash().args([flag]).stdout(writer).output();
        assert_eq!((outcome.code(), outcome.output.stderr.as_slice()), (Some(0), b"".as_slice()), "{flag}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_does_not() {
    let sandbox = Sandbox::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let outcome = sandbox.wash().args(["--version"]).stdout(full).output();
    assert_data_eq!(
        outcome.stderr(1),
        str![[r#"
error: cannot write to stdout
  caused by: No space left on device (os error 28)

"#]]
    );
}
