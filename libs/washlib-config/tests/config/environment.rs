//! Which environment variables configure something, and which must not.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use washlib_config::{Config, ConfigError, Environment, Loaded, Sources, Warning, load};

use crate::workbench::Workbench;

fn with(variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    variables.iter().fold(Workbench::new(), |workbench, (name, value)| workbench.variable(name, value)).load()
}

#[test]
fn a_section_is_an_inline_table_of_toml_or_an_object_of_json() {
    for value in [
        r#"{command="make", env={A="b"}}"#,
        r#"{ command = 'make', env.A = 'b' }"#,
        r#" {"command": "make", "env": {"A": "b"}} "#,
    ] {
        let config = with(&[("WASH_BUILD", value)]).unwrap().config;
        let command = config.build.command.unwrap();
        assert_eq!((command.value().as_str(), config.build.env["A"].value().as_str()), ("make", "b"), "{value}");
        assert_eq!(command.origin().to_string(), "environment variable WASH_BUILD");
    }
    let config = with(&[("WASH_WORKLOAD", r#"{allowedHosts=["*"]}"#), ("WASH_CONFIGS", r#"{a={file="x"}}"#)]).unwrap();
    assert!(config.config.workload.is_some() && config.config.configs.contains_key("a"));
}

#[test]
fn a_key_has_a_variable_of_its_own_which_beats_the_section() {
    let config = with(&[
        ("WASH_BUILD", r#"{command="section", component_path="section.wasm"}"#),
        ("WASH_BUILD_COMMAND", "key # = {"),
        ("WASH_DEV_ADDRESS", "127.0.0.1:1"),
        ("WASH_DEV_SERVICE", "true"),
        ("WASH_DEV_MAX_CONNECTIONS", "12"),
        ("WASH_DEV_SERVICE_PULL_POLICY", "never"),
        ("WASH_NEW_COMMAND", "true"),
        ("WASH_WIT_SKIP_FETCH", "1"),
        ("WASH_BUILD_ENV", r#"{A="b"}"#),
        ("WASH_DEV_WASM_PROPOSALS", r#"["gc"]"#),
    ])
    .unwrap()
    .config;
    assert_eq!(config.build.command.unwrap().value(), "key # = {");
    assert_eq!(config.build.component_path.unwrap().value().to_str(), Some("section.wasm"));
    assert_eq!(config.dev.address.unwrap().value(), "127.0.0.1:1");
    assert!(config.dev.service.unwrap().value());
    assert_eq!(config.dev.max_connections.unwrap().value(), &12);
    assert_eq!(config.new.command.unwrap().value(), "true");
    assert!(config.wit.skip_fetch_or_default().value());
    assert_eq!(config.build.env["A"].value(), "b");
    assert_eq!(config.dev.wasm_proposals.unwrap().value(), &["gc"]);
}

#[test]
fn other_peoples_variables_are_left_alone() {
    let loaded = with(&[
        ("WASH_VERSION", "2.7"),
        ("WASH_OCI_CA_PATHS", "/a,/b"),
        ("WASH_EXEC_PATH", "/usr/libexec"),
        ("WASH_COMPONENT_PATH", "/out.wasm"),
        ("WASH_HOST_PLUGINS", "id=a,file=b"),
        ("WASH_MAX_CONNECTIONS", "64"),
        ("WASH_BUILD_NUMBER", "7"),
        ("WASH_", "x"),
        ("BUILD_COMMAND", "x"),
        ("wash_build_command", "x"),
    ])
    .unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn a_section_that_is_no_table_is_ignored_with_a_warning() {
    let sections = ["BUILD", "CONFIGS", "DEV", "HOST", "NEW", "SECRETS", "WIT", "WORKLOAD"];
    for section in sections {
        for value in ["1", "foo", "true", "[1]"] {
            let variable = format!("WASH_{section}");
            let loaded = with(&[(&variable, value)]).unwrap();
            assert_eq!(loaded.config, Config::default());
            let [Warning::IgnoredVariable { variable: named, .. }] = &loaded.warnings[..] else {
                panic!("{variable}={value}: {:?}", loaded.warnings)
            };
            assert_eq!(**named, *variable);
            assert!(loaded.warnings[0].to_string().starts_with(&format!("environment variable {variable} is ignored")));
        }
    }
    let loaded = with(&[("WASH_BUILD_ENV", "A=b")]).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    // Empty is how a shell unsets.
    let loaded = with(&[("WASH_BUILD", ""), ("WASH_BUILD_COMMAND", " "), ("WASH_DEV_SERVICE", "")]).unwrap();
    assert_eq!((loaded.config, loaded.warnings.len()), (Config::default(), 0));
}

#[test]
fn a_variable_that_is_meant_but_wrong_is_an_error_that_names_it() {
    let cases = [
        (("WASH_BUILD", r#"{comand="x"}"#), "unknown key `build.comand` in environment variable WASH_BUILD"),
        (
            ("WASH_DEV_SERVICE", "perhaps"),
            "wrong type for `dev.service` in environment variable WASH_DEV_SERVICE: expected true or false, found text",
        ),
        (("WASH_DEV", r#"{address="x""#), "invalid TOML in environment variable WASH_DEV: "),
        (("WASH_DEV", "{\"address\":}"), "invalid TOML in environment variable WASH_DEV: "),
    ];
    for (variable, message) in cases {
        let err = with(&[variable]).unwrap_err().to_string();
        assert!(err.starts_with(message), "{err}");
    }
}

#[test]
fn a_value_that_is_not_text_is_ignored_with_a_warning() {
    let environment: Environment =
        [(OsString::from("WASH_BUILD_COMMAND"), OsStr::from_bytes(b"\xff").to_owned())].into_iter().collect();
    let sources = Sources { user_config: None, environment: &environment, flags: Config::default() };
    let loaded = load(&Workbench::new().project(), sources).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, [Warning::NotUtf8 { variable: "WASH_BUILD_COMMAND".into() }]);
}
