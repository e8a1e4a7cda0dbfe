//! Which layer wins, and that each value knows where it comes from.

use std::error::Error as _;

use washlib_config::{Config, ConfigError, Layer, Origin, Sourced, Warning};

use crate::workbench::Workbench;

fn origin_of(sourced: &Option<Sourced<String>>) -> String {
    let sourced = sourced.as_ref().unwrap();
    format!("{} from {}", sourced.value(), sourced.origin())
}

#[test]
fn higher_layers_win_key_by_key() {
    let workbench =
        Workbench::with_config("config.toml", "[build]\ncommand = 'project'\n\n[dev]\naddress = 'project'\n")
            .variable("WASH_DEV_ADDRESS", "variable");
    let user = workbench.write(
        "home/.config/wash/config.json",
        r#"{"build": {"command": "user"}, "dev": {"command": "user", "address": "user"}, "new": {"command": "user"}}"#,
    );
    let mut flags = Config::default();
    flags.new.command = Some(Sourced::from_flag("--command", "flag".to_owned()));
    let loaded = workbench.load_with(None, flags).unwrap();
    let config = loaded.config;
    assert_eq!(origin_of(&config.build.command), "project from .wash/config.toml line 2");
    assert_eq!(origin_of(&config.dev.command), format!("user from {} line 1", user.display()));
    assert_eq!(origin_of(&config.dev.address), "variable from environment variable WASH_DEV_ADDRESS");
    assert_eq!(origin_of(&config.new.command), "flag from --command");
    assert_eq!(config.version, None);
    let layers: Vec<Layer> = loaded.files.iter().map(washlib_config::ConfigFile::layer).collect();
    assert_eq!(layers, [Layer::User, Layer::Project]);
    let Some(Origin::File { file, line: 1, column: 40 }) = config.dev.command.map(|command| command.origin().clone())
    else {
        panic!("the user's file, where its key begins")
    };
    assert_eq!((file.path(), file.layer()), (user.as_path(), Layer::User));
}

#[test]
fn tables_merge_and_lists_are_replaced() {
    let workbench = Workbench::with_config(
        "config.yaml",
        "
build: {env: {A: project, B: project}}
dev: {wasm_proposals: [project]}
workload: {allowedHosts: [], config: {x: project}}
configs: {one: {inline: {K: project}}}
",
    );
    workbench.write(
        "home/.config/wash/config.yaml",
        "
build: {env: {B: user, C: user}}
dev: {wasm_proposals: [user, user]}
workload: {allowedHosts: [user], allowedIpNameLookups: [user]}
configs: {one: {inline: {L: user}}, two: {inline: {K: user}}}
",
    );
    let config = workbench.load().unwrap().config;
    let env: Vec<_> = config.build.env.iter().map(|(name, value)| (name.as_str(), value.value().as_str())).collect();
    assert_eq!(env, [("A", "project"), ("B", "project"), ("C", "user")]);
    assert_eq!(config.build.env["C"].origin().file().unwrap().layer(), Layer::User);
    assert_eq!(config.dev.wasm_proposals.unwrap().value(), &["project"]);
    let workload = config.workload.unwrap();
    assert!(workload.allowed_hosts.unwrap().value().is_empty());
    assert_eq!(workload.allowed_ip_name_lookups.unwrap().value(), &["user"]);
    // A named set is one value: half of another layer's set in it would surprise.
    assert_eq!(config.configs["one"].value().inline.keys().collect::<Vec<_>>(), ["K"]);
    assert!(config.configs.contains_key("two"));
}

#[test]
fn defaults_say_so() {
    let config = Workbench::new().load().unwrap().config;
    assert_eq!(config, Config::default());
    assert_eq!(*config.dev.address_or_default().value(), "127.0.0.1:8000");
    assert_eq!(*config.dev.address_or_default().origin(), Origin::Default);
    assert_eq!(*config.wit.wit_dir_or_default().value(), std::path::Path::new("./wit"));
    assert!(!config.wit.skip_fetch_or_default().value());

    let config = Workbench::with_config("config.yaml", "dev: {address: '[::1]:80'}\nwit: {skip_fetch: true}").load();
    let config = config.unwrap().config;
    assert_eq!(*config.dev.address_or_default().value(), "[::1]:80");
    assert_eq!(config.wit.skip_fetch_or_default().origin().line(), Some(2));
}

#[test]
fn development_falls_back_to_the_build() {
    let config =
        Workbench::with_config("config.yaml", "build: {command: b, component_path: b.wasm}\ndev: {command: d}");
    let config = config.load().unwrap().config;
    assert_eq!(config.dev_command().unwrap().value(), "d");
    assert_eq!(config.dev_component_path().unwrap().value(), std::path::Path::new("b.wasm"));
}

#[test]
fn the_named_user_file_replaces_the_usual_one() {
    let workbench = Workbench::new();
    workbench.write("home/.config/wash/config.yaml", "version: usual");
    let named = workbench.write("elsewhere/mine.toml", "version = 'named'");
    let config = workbench.load_with(Some(&named), Config::default()).unwrap().config;
    assert_eq!(origin_of(&config.version), format!("named from {} line 1", named.display()));

    let missing = workbench.path("elsewhere/none.yaml");
    let err = workbench.load_with(Some(&missing), Config::default()).unwrap_err();
    assert_eq!(err.to_string(), "cannot read the user configuration");
    assert!(err.source().unwrap().to_string().contains(missing.to_str().unwrap()));

    let odd = workbench.write("elsewhere/mine.conf", "");
    let err = workbench.load_with(Some(&odd), Config::default()).unwrap_err();
    assert!(matches!(err, ConfigError::UnknownFormat { .. }) && err.hint().is_some(), "{err}");
}

#[test]
fn xdg_config_home_replaces_the_one_in_home_if_it_is_absolute() {
    let workbench = Workbench::new();
    let xdg = workbench.path("xdg");
    let workbench = workbench.variable("XDG_CONFIG_HOME", xdg.to_str().unwrap());
    workbench.write("xdg/wash/config.yml", "version: xdg");
    workbench.write("home/.config/wash/config.yaml", "version: home");
    assert!(origin_of(&workbench.load().unwrap().config.version).starts_with("xdg from "));

    let workbench = Workbench::new().variable("XDG_CONFIG_HOME", "relative");
    workbench.write("home/.config/wash/config.yaml", "version: home");
    assert!(origin_of(&workbench.load().unwrap().config.version).starts_with("home from "));
}

#[test]
fn no_home_is_no_error() {
    for home in ["", "relative", "/nonexistent/home", "/dev/null"] {
        let workbench = Workbench::with_config("config.yaml", "version: project").variable("HOME", home);
        assert_eq!(workbench.load().unwrap().files.len(), 1, "{home:?}");
    }
}

#[test]
fn of_two_files_in_one_folder_the_first_counts_with_a_warning() {
    let workbench = Workbench::with_config("config.toml", "version = 'toml'");
    let json = workbench.write("project/.wash/config.json", r#"{"version": "json"}"#);
    let loaded = workbench.load().unwrap();
    assert!(origin_of(&loaded.config.version).starts_with("json from "));
    let toml = workbench.path("project/.wash/config.toml");
    assert_eq!(loaded.warnings, [Warning::IgnoredFile { used: json.clone(), ignored: toml.clone() }]);
    assert_eq!(
        loaded.warnings[0].to_string(),
        format!("{} is ignored because {} comes first", toml.display(), json.display())
    );
}

#[test]
fn set_keys_are_listed_with_their_origin() {
    let workbench = Workbench::with_config(
        "config.yaml",
        "
version: 1
dev:
  volumes:
    - {host_path: a, guest_path: b}
  environment: {A: b}
  wasm_proposals: []
workload:
  environment: {config: {A: b}}
  allowedHosts: []
configs:
  app: {file: a.env}
",
    )
    .variable("WASH_BUILD_COMMAND", "make");
    let keys = workbench.load().unwrap().config.set_keys();
    let listed: Vec<String> = keys.iter().map(|(key, origin)| format!("{key}: {origin}")).collect();
    assert_eq!(
        listed,
        [
            "version: .wash/config.yaml line 2",
            "build.command: environment variable WASH_BUILD_COMMAND",
            "dev.volumes: .wash/config.yaml line 4",
            "dev.environment: .wash/config.yaml line 6",
            "dev.wasm_proposals: .wash/config.yaml line 7",
            "workload.environment: .wash/config.yaml line 9",
            "workload.allowedHosts: .wash/config.yaml line 10",
            "configs.app: .wash/config.yaml line 12",
        ]
    );
}
