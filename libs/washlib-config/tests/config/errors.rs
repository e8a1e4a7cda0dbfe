//! Errors name the file, the line, the key and what was probably meant.

use washlib_config::{ConfigError, Origin};

use crate::workbench::{Workbench, refusal};

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_known_key_in_every_format() {
    let cases = [
        ("config.yaml", "build:\n  comand: make\n", 2),
        ("config.yml", "\n\nbuild: {comand: make}\n", 3),
        ("config.json", "{\n  \"build\": {\n\n    \"comand\": \"make\"\n  }\n}", 4),
        ("config.toml", "[build]\n# why\ncomand = \"make\"\n", 3),
        ("config.toml", "build.comand = \"make\"", 1),
    ];
    for (file_name, text, line) in cases {
        let err = refusal(file_name, text);
        assert_eq!(err.to_string(), format!("unknown key `build.comand` in .wash/{file_name} line {line}"));
        assert_eq!(err.hint().as_deref(), Some("did you mean `command`?"));
        let ConfigError::UnknownKey { origin: Origin::File { file, .. }, known, .. } = err else { panic!("{err:?}") };
        assert!(file.path().is_absolute() && file.path().ends_with(format!("project/.wash/{file_name}")));
        assert_eq!(known, ["command", "env", "component_path"]);
    }
}

#[test]
fn unknown_keys_are_found_on_every_level() {
    let cases = [
        ("biuld: {}", "biuld", Some("build")),
        ("build: {component-path: a}", "build.component-path", Some("component_path")),
        ("dev: {volumes: [{host_path: a, guestpath: b}]}", "dev.volumes[0].guestpath", Some("guest_path")),
        (
            "dev: {components: [{name: a}, {name: b, allowedhost: []}]}",
            "dev.components[1].allowedhost",
            Some("allowedHosts"),
        ),
        ("workload: {environment: {configForm: []}}", "workload.environment.configForm", Some("configFrom")),
        ("configs: {my.app: {fromenv: []}}", "configs.\"my.app\".fromenv", Some("fromEnv")),
        // In another section than the one it belongs to.
        ("command: make", "command", Some("build.command")),
        ("build: {address: x}", "build.address", Some("dev.address")),
        ("build: {skipFetch: true}", "build.skipFetch", Some("wit.skip_fetch")),
        ("build: {zebra: 1}", "build.zebra", None),
    ];
    for (text, path, meant) in cases {
        let err = refusal("config.yaml", text);
        let ConfigError::UnknownKey { key, nearest, .. } = &err else { panic!("{text}: {err:?}") };
        assert_eq!((key.as_str(), nearest.as_deref()), (path, meant), "{text}");
    }
    let hint = refusal("config.yaml", "build: {zebra: 1}").hint();
    assert_eq!(hint.as_deref(), Some("known keys here: command, env, component_path"));
}

#[test]
fn a_key_set_twice_is_refused_in_every_format_and_casing() {
    let cases = [
        ("config.yaml", "build:\n  command: a\n  command: b\n", "build.command", 3, 2),
        ("config.yaml", "build:\n  component_path: a\n  componentPath: b\n", "build.componentPath", 3, 2),
        ("config.yaml", "build:\n  env:\n    A: 1\n    A: 2\n", "build.env.A", 4, 3),
        ("config.yaml", "build: {}\nbuild: {}\n", "build", 2, 1),
        ("config.json", "{\"build\": {\n\"command\": \"a\",\n\"command\": \"b\"}}", "build.command", 3, 2),
        ("config.json", "{\"build\": {\"env\": {\n\"A\": 1,\n\"\\u0041\": 2}}}", "build.env.A", 3, 2),
        ("config.toml", "[build]\ncomponent_path = 'a'\ncomponentPath = 'b'\n", "build.componentPath", 3, 2),
    ];
    for (file_name, text, key, line, first) in cases {
        let err = refusal(file_name, text);
        let place = format!(".wash/{file_name} line");
        assert_eq!(
            err.to_string(),
            format!("duplicate key `{key}` in {place} {line}: it is already set in {place} {first}")
        );
    }
    // TOML's own rule, told by its parser.
    let err = refusal("config.toml", "[build]\ncommand = 'a'\ncommand = 'b'\n");
    assert_eq!(err.to_string(), "invalid TOML in .wash/config.toml line 3 column 1: duplicate key");
}

#[test]
fn a_wrong_type_names_what_was_expected_and_found() {
    let cases = [
        ("build: {command: [a]}", "wrong type for `build.command`", "expected text, found a list"),
        ("build: make", "wrong type for `build`", "expected a table, found text"),
        ("build: {env: [a]}", "wrong type for `build.env`", "expected a table, found a list"),
        ("build: {env: {A: }}", "wrong type for `build.env.A`", "expected text, found nothing"),
        ("build: {component_path: {}}", "wrong type for `build.component_path`", "expected a path, found a table"),
        ("dev: {service: yes}", "wrong type for `dev.service`", "expected true or false, found text"),
        ("dev: {service: 1}", "wrong type for `dev.service`", "expected true or false, found the number 1"),
        (
            "dev: {max_connections: -1}",
            "wrong type for `dev.max_connections`",
            "expected a whole number from 0 to 4294967295, found the number -1",
        ),
        (
            "dev: {max_connections: '8'}",
            "wrong type for `dev.max_connections`",
            "expected a whole number from 0 to 4294967295, found text",
        ),
        (
            "dev: {service_ports: [{name: a, port: 65536}]}",
            "wrong type for `dev.service_ports[0].port`",
            "expected a whole number from 0 to 65535, found the number 65536",
        ),
        ("dev: {components: [hello]}", "wrong type for `dev.components[0]`", "expected a table, found text"),
        ("dev: {volumes: [null]}", "wrong type for `dev.volumes[0]`", "expected a table, found nothing"),
        ("dev: {wasm_proposals: a}", "wrong type for `dev.wasm_proposals`", "expected a list, found text"),
        ("- a", "wrong type of document", "expected a table, found a list"),
        ("hello", "wrong type of document", "expected a table, found text"),
    ];
    for (text, what, why) in cases {
        let err = refusal("config.yaml", text);
        assert_eq!(err.to_string(), format!("{what} in .wash/config.yaml line 1: {why}"), "{text}");
    }
    let err = refusal("config.toml", "[dev]\nservice = 2024-01-01\n");
    assert!(err.to_string().ends_with("line 2: expected true or false, found a date"), "{err}");
}

#[test]
fn a_missing_key_and_an_unknown_word_are_named() {
    let err = refusal("config.yaml", "dev:\n  host_interfaces:\n    - namespace: wasi\n");
    assert_eq!(err.to_string(), "missing key `dev.host_interfaces[0].package` in .wash/config.yaml line 3");

    let err = refusal("config.yaml", "dev:\n  service_pull_policy: alway\n");
    assert_eq!(
        err.to_string(),
        "invalid value `alway` for `dev.service_pull_policy` in .wash/config.yaml line 2: \
         expected always, ifNotPresent, never"
    );
    assert_eq!(err.hint().as_deref(), Some("did you mean `always`?"));
    let err = refusal("config.yaml", "host: {hostPlugins: [{id: a, ports: [{name: a, port: 1, bind: here}]}]}");
    assert!(err.to_string().contains("expected an IP address"), "{err}");
}

#[test]
fn malformed_text_names_line_column_and_reason() {
    let cases = [
        ("config.yaml", "build:\n  command: a: b\n", "YAML", 2),
        ("config.yaml", "build:\n\tcommand: a\n", "YAML", 2),
        ("config.yaml", "build: [a\n", "YAML", 2),
        ("config.yaml", "build: \"a\n", "YAML", 1),
        ("config.yaml", "build: {}\n---\nbuild: {}\n", "YAML", 2),
        ("config.yaml", "build: *nobody\n", "YAML", 1),
        ("config.yaml", "build: !env HOME\n", "YAML", 1),
        ("config.yaml", "build: &self {env: *self}\n", "YAML", 1),
        ("config.yaml", "? [a]\n: b\n", "YAML", 1),
        ("config.yaml", "build:\n  <<: a\n", "YAML", 2),
        ("config.json", "", "JSON", 1),
        ("config.json", "{\n  \"build\": {},\n}", "JSON", 3),
        ("config.json", "{\n  \"version\": \"\\ud800\"\n}", "JSON", 2),
        ("config.json", "{\"version\": 1e999}", "JSON", 1),
        ("config.json", "// no\n{}", "JSON", 1),
        ("config.toml", "[build\n", "TOML", 1),
        ("config.toml", "a = 1\nb = = 2\n", "TOML", 2),
        ("config.toml", "[build]\ncommand = make\n", "TOML", 2),
    ];
    for (file_name, text, format, line) in cases {
        let err = refusal(file_name, text);
        let start = format!("invalid {format} in .wash/{file_name} line {line} column ");
        let message = err.to_string();
        assert!(message.starts_with(&start), "{text:?}: {message}");
        let ConfigError::Syntax { reason, origin, .. } = err else { panic!("{text:?}: {message}") };
        assert!(!reason.is_empty() && !reason.contains('\n'), "{text:?}: {reason}");
        assert!(origin.column().is_some_and(|column| column >= 1), "{text:?}");
    }
}

#[test]
fn columns_count_characters() {
    for (file_name, text) in [
        ("config.yaml", "build: {\"é🦀\": 1}"),
        ("config.json", "{\"build\": {\"é🦀\": 1, \"x\": 2}}"),
        ("config.toml", "build = { \"é🦀\" = 1 }"),
    ] {
        let err = refusal(file_name, text);
        let byte = text.find("\"é").unwrap();
        assert_eq!(err.origin().unwrap().column(), u32::try_from(byte + 1).ok(), "{file_name}");
    }
    let err = refusal("config.json", "{\"version\": \"é🦀\", \"x\": 2}");
    assert_eq!(err.origin().unwrap().column(), Some(19));
    let err = refusal("config.toml", "build = { command = \"é🦀\", x = 2 }");
    assert_eq!(err.origin().unwrap().column(), Some(27));
    // Past the blocks that the search for a column is done in.
    let err = refusal("config.json", &format!("{{\"version\": \"{}\", \"x\": 2}}", "é".repeat(1000)));
    assert_eq!(err.origin().unwrap().column(), Some(1017));
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let err = refusal("config.yaml", &bomb);
    assert!(err.to_string().ends_with("its aliases unfold to too much"), "{err}");

    // One long text, many times over.
    let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 100_000].join(","));
    let err = refusal("config.yaml", &bomb);
    assert!(err.to_string().ends_with("its aliases unfold to too much"), "{err}");
}

#[test]
fn aliases_do_not_nest_deeper_than_what_is_written_out() {
    // Each anchor adds fifty levels to the one before: unfolded, they would exhaust the stack.
    let mut bomb = "a0: &a0 x\n".to_owned();
    for level in 1..150 {
        let (open, close) = ("[".repeat(50), "]".repeat(50));
        bomb.push_str(&format!("a{level}: &a{level} {open}*a{}{close}\n", level - 1));
    }
    let err = refusal("config.yaml", &bomb);
    assert!(err.to_string().ends_with("line 3 column 59: nested more than 64 levels deep"), "{err}");
}

#[test]
fn what_no_configuration_looks_like_is_refused_early() {
    for (file_name, text) in [
        ("config.yaml", "[".repeat(100_000)),
        ("config.yaml", "- ".repeat(100_000)),
        ("config.json", "[".repeat(100_000)),
        ("config.json", format!("{}{}", "[".repeat(100), "]".repeat(100))),
        ("config.toml", format!("a = {}", "[".repeat(100_000))),
        ("config.toml", format!("{}b = 1", "a.".repeat(100_000))),
    ] {
        let err = refusal(file_name, &text);
        assert!(matches!(err, ConfigError::Syntax { .. }), "{file_name}: {err}");
    }
    let err = refusal("config.yaml", &format!("# {}\n", "x".repeat(1024 * 1024)));
    assert!(matches!(err, ConfigError::TooLarge { limit: 1_048_576, .. }), "{err}");
    assert!(err.to_string().ends_with("config.yaml is larger than 1048576 bytes"), "{err}");

    let workbench = Workbench::new();
    workbench.write("project/.wash/config.yaml", b"version: 1\nbuild: \xff\n");
    let err = workbench.load().unwrap_err();
    assert!(err.to_string().ends_with(".wash/config.yaml is not valid UTF-8: line 2 holds other bytes"), "{err}");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let workbench = Workbench::new();
    let path = workbench.write("project/.wash/config.yaml", "");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::net::UnixListener::bind(&path).unwrap();
    let err = workbench.load().unwrap_err();
    assert_eq!(err.to_string(), format!("{} is not a regular file", path.display()));
}

#[test]
fn texts_that_may_be_secret_are_not_in_messages() {
    for text in
        ["secrets: {db: {inline: hunter2}}", "wit: {registries: [{url: a, token: [hunter2]}]}", "secrets: hunter2"]
    {
        let err = refusal("config.yaml", text);
        assert!(!format!("{err} {err:?}").contains("hunter2"), "{err:?}");
    }
}
