//! npm, make, Go and Python projects: which programs run, with which arguments. Stand-ins play the toolchains.

use crate::workbench::Workbench;

const WORLD: &str = "package test:greeter;\nworld greeter { export greet: func(); }\n";
const PACKAGE: &str = r#"{"name": "hello", "scripts": {"build": "jco componentize"}}"#;
const LEAVES_DIST: &str = "mkdir -p dist && /bin/cp ../fixtures/component.wasm dist/hello.wasm";

fn toolchain(workbench: &Workbench) -> String {
    let output = workbench.build(["-o", "json"]).assert_success();
    output.json()["data"]["toolchain"].as_str().unwrap().to_owned()
}

#[test]
fn the_lock_file_names_the_package_manager() {
    for (lock, manager) in
        [("package-lock.json", "npm"), ("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun")]
    {
        let workbench = Workbench::new().stand_in(manager, LEAVES_DIST);
        workbench.write("package.json", PACKAGE);
        workbench.write(lock, "");
        assert_eq!(toolchain(&workbench), "npm");
        assert_eq!(workbench.calls(), [manager, "run", "build"]);
    }
}

#[test]
fn without_a_lock_file_npm_it_is() {
    let workbench = Workbench::new().stand_in("npm", LEAVES_DIST);
    workbench.write("package.json", PACKAGE);
    workbench.write("src/deep/x.ts", "");
    let output = workbench.build_in("hello/src/deep").assert_success();
    assert_eq!(output.stdout, format!("{}\n", workbench.path("dist/hello.wasm").display()));
    assert_eq!(workbench.calls(), ["npm", "run", "build"]);
    output.assert_stderr_has("     Running `npm run build`\n");
}

#[test]
fn a_package_without_a_build_script_says_so() {
    for package in [r#"{"name": "hello"}"#, r#"{"scripts": {"test": "true"}}"#, r#"{"scripts": {"build": 1}}"#, "[]"] {
        let workbench = Workbench::new().stand_in("npm", "exit 9");
        workbench.write("package.json", package);
        workbench
            .build_in("hello")
            .assert_code(1)
            .assert_stderr_has("error: package.json has no `build` script")
            .assert_stderr_has("hint: add a `build` script, or set `build.command` in .wash/config.yaml");
        assert_eq!(workbench.calls(), [""; 0]);
    }
}

#[test]
fn a_package_file_that_is_no_json_says_where() {
    let workbench = Workbench::new();
    workbench.write("package.json", "{\n  \"scripts\": {\n");
    workbench.build_in("hello").assert_code(1).assert_stderr_has("package.json is no JSON").assert_stderr_has("line 3");
}

#[test]
fn packages_that_are_not_installed_are_not_installed_silently() {
    for (lock, manager) in [("package-lock.json", "npm"), ("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn")] {
        for key in ["dependencies", "devDependencies"] {
            let workbench = Workbench::new().stand_in(manager, LEAVES_DIST);
            workbench.write(
                "package.json",
                PACKAGE.replace("{\"name\"", &format!("{{\"{key}\": {{\"a\": \"1\"}}, \"name\"")),
            );
            workbench.write(lock, "");
            workbench
                .build_in("hello")
                .assert_code(1)
                .assert_stderr_has("error: the project's packages are not installed")
                .assert_stderr_has(&format!("hint: run `{manager} install`\n"));
            assert_eq!(workbench.calls(), [""; 0]);
            workbench.write("node_modules/a/index.js", "");
            assert_eq!(toolchain(&workbench), "npm");
        }
    }
}

/// The packages of a workspace are installed in its root.
#[test]
fn packages_installed_above_the_project_count() {
    let workbench = Workbench::new().stand_in("npm", LEAVES_DIST);
    workbench.write("package.json", r#"{"scripts": {"build": "x"}, "dependencies": {"a": "1"}}"#);
    workbench.sandbox().write("node_modules/a/index.js", "");
    assert_eq!(toolchain(&workbench), "npm");
}

/// Yarn can install without a folder `node_modules`; `yarn install` was once the hint for ever.
#[test]
fn yarns_plug_and_play_counts_as_installed() {
    let workbench = Workbench::new().stand_in("yarn", LEAVES_DIST);
    workbench.write("package.json", r#"{"scripts": {"build": "x"}, "dependencies": {"a": "1"}}"#);
    workbench.write("yarn.lock", "");
    workbench.write(".pnp.cjs", "");
    assert_eq!(toolchain(&workbench), "npm");
    assert_eq!(workbench.calls(), ["yarn", "run", "build"]);
}

#[test]
fn a_makefile_is_made() {
    for file in ["Makefile", "GNUmakefile"] {
        let workbench = Workbench::new();
        // Beside a Makefile, the manifest of a language says less about the build.
        workbench.write("go.mod", "module hello\n");
        workbench.write(file, "all:\n\tcp ../fixtures/component.wasm $(WASH_COMPONENT_PATH)\n\nother:\n\texit 9\n");
        assert_eq!(toolchain(&workbench), "make");
        assert!(workbench.path("hello.wasm").exists());
    }
}

/// What builds a project also finds it: the two once had lists of their own.
#[test]
fn a_makefile_alone_is_a_project() {
    for file in ["GNUmakefile", "makefile", "Makefile"] {
        let workbench = Workbench::new();
        workbench.write(file, "all:\n\tcp ../fixtures/component.wasm $(WASH_COMPONENT_PATH)\n");
        assert_eq!(toolchain(&workbench), "make");
    }
}

#[test]
fn a_go_project_is_generated_and_built_by_tinygo() {
    let workbench =
        Workbench::new().stand_in("go", "").stand_in("tinygo", "/bin/cp ../fixtures/component.wasm hello.wasm");
    workbench.write("go.mod", "module hello\n");
    workbench.write("main.go", "package main\n");
    workbench.write("wit/world.wit", WORLD);
    assert_eq!(toolchain(&workbench), "tinygo");
    #[rustfmt::skip]
    let expected = [
        "go", "generate", "./...",
        "tinygo", "build", "-target", "wasip2", "-wit-package", "./wit", "-wit-world", "greeter",
        "-o", "hello.wasm", "./",
    ];
    assert_eq!(workbench.calls(), expected);
}

#[test]
fn a_go_project_without_wit_names_no_world_and_keeps_to_the_configured_path() {
    let workbench = Workbench::new()
        .stand_in("go", "")
        .stand_in("tinygo", "mkdir -p build && /bin/cp ../fixtures/component.wasm build/out.wasm");
    workbench.write("go.mod", "module hello\n");
    workbench.write(".wash/config.yaml", "build:\n  component_path: build/out.wasm\n");
    assert_eq!(toolchain(&workbench), "tinygo");
    let expected = ["go", "generate", "./...", "tinygo", "build", "-target", "wasip2", "-o", "build/out.wasm", "./"];
    assert_eq!(workbench.calls(), expected);
}

#[test]
fn a_failed_step_ends_the_build() {
    let workbench = Workbench::new().stand_in("go", "exit 3").stand_in("tinygo", "exit 0");
    workbench.write("go.mod", "module hello\n");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("error: the build command `go generate ./...` failed: exit code 3");
    assert_eq!(workbench.calls(), ["go", "generate", "./..."]);
}

#[test]
fn a_wit_folder_with_several_worlds_or_none_says_so() {
    let several = format!("{WORLD}world second {{}}\n");
    for (wit, code, problem) in [
        (several.as_str(), 1, "the WIT package defines several worlds"),
        ("package test:greeter;\ninterface i {}\n", 1, "the WIT package defines no world"),
        // Seen already when dependencies are looked for.
        ("package test:greeter;\nworld {\n", 2, "world.wit:2"),
    ] {
        let workbench = Workbench::new().stand_in("go", "").stand_in("tinygo", "");
        workbench.write("go.mod", "module hello\n");
        workbench.write("wit/world.wit", wit);
        workbench.build_in("hello").assert_code(code).assert_stderr_has(problem);
        assert_eq!(workbench.calls(), [""; 0]);
    }
}

/// Packages that are not there yet do not keep the world's name from being read. An included world once counted as the
/// project's own.
#[test]
fn a_world_is_found_without_its_dependencies() {
    let workbench = Workbench::new().stand_in("componentize-py", "/bin/cp ../fixtures/component.wasm hello.wasm");
    workbench.write("app.py", "");
    workbench.write("requirements.txt", "");
    workbench.write(".wash/config.yaml", "wit:\n  skip_fetch: true\n");
    workbench.write(
        "wit/world.wit",
        "package test:greeter;\nworld greeter { include wasi:cli/imports@0.2.0; export wasi:http/incoming-handler@0.2.0; }\n",
    );
    assert_eq!(toolchain(&workbench), "componentize-py");
    let expected = ["componentize-py", "-d", "wit", "-w", "greeter", "componentize", "app", "-o", "hello.wasm"];
    assert_eq!(workbench.calls(), expected);
}

#[test]
fn a_python_project_is_componentized() {
    for manifest in ["pyproject.toml", "requirements.txt"] {
        for module in ["app.py", "app/__init__.py"] {
            let workbench =
                Workbench::new().stand_in("componentize-py", "/bin/cp ../fixtures/component.wasm hello.wasm");
            workbench.write(manifest, "");
            workbench.write(module, "");
            workbench.write("wit/world.wit", WORLD);
            assert_eq!(toolchain(&workbench), "componentize-py");
            let expected = ["componentize-py", "-d", "wit", "-w", "greeter", "componentize", "app", "-o", "hello.wasm"];
            assert_eq!(workbench.calls(), expected);
        }
    }
}

#[test]
fn a_python_project_that_lacks_something_says_what() {
    let workbench = Workbench::new();
    workbench.write("pyproject.toml", "");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("a Python component's code is expected in the module `app`")
        .assert_stderr_has("hint: create app.py");
    workbench.write("app.py", "");
    workbench
        .build_in("hello")
        .assert_code(1)
        .assert_stderr_has("a Python component needs a WIT world")
        .assert_stderr_has("hint: create wit/world.wit");
}

#[test]
fn a_toolchain_that_is_not_installed_says_how_to_get_it() {
    for (manifest, files, program, hint) in [
        ("package.json", &[][..], "npm", "install Node.js: see https://nodejs.org"),
        ("go.mod", &[], "go", "install Go: see https://go.dev/doc/install"),
        ("pyproject.toml", &["app.py", "wit/world.wit"], "componentize-py", "run `pip install componentize-py`"),
        ("Makefile", &[], "make", "install `make`, or add its folder to PATH"),
    ] {
        let workbench = Workbench::new().with_variable("PATH", "/nonexistent");
        workbench.write(manifest, PACKAGE);
        for file in files {
            workbench.write(file, WORLD);
        }
        workbench
            .build_in("hello")
            .assert_code(1)
            .assert_stderr_has(&format!("error: the program `{program}` was not found"))
            .assert_stderr_has(&format!("hint: {hint}\n"));
    }
}
