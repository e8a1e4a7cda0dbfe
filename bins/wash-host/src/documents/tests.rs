//! Documents good and bad, and what is said about each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::path::Path;

use wash_runtime::oci::client::PullPolicy;
use wash_runtime::types::{VolumeType, WorkloadStartRequest};

use super::{Documents, Later, RegistryImage, Settings};
use crate::startable::Reading;

fn read(text: &str) -> Result<Documents, String> {
    let mut documents = Documents::default();
    documents.read_text(Path::new("hello.yaml"), text).map_err(|err| match err.hint() {
        Some(hint) => format!("{err} | {hint}"),
        None => err.to_string(),
    })?;
    Ok(documents)
}

/// Starts with files that exist: any image named `app` or `svc`.
fn resolve(text: &str) -> Result<(Vec<WorkloadStartRequest>, Vec<String>), String> {
    resolve_with(text, Settings::default())
}

fn resolve_with(text: &str, mut settings: Settings) -> Result<(Vec<WorkloadStartRequest>, Vec<String>), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), b"bytes").unwrap();
    for image in ["app", "svc"] {
        settings.files.insert(image.to_owned(), file.path().to_owned());
    }
    let (requests, warnings) = read(text)?.resolve(&settings).map_err(|err| match err.hint() {
        Some(hint) => format!("{err} | {hint}"),
        None => err.to_string(),
    })?;
    let requests = requests.into_iter().map(|startable| startable.request).collect();
    Ok((requests, warnings.iter().map(ToString::to_string).collect()))
}

fn error(text: &str) -> String {
    resolve(text).expect_err("the document should be refused")
}

/// A `Workload` with these lines in its `spec`.
fn workload(spec: &str) -> String {
    let mut text =
        "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Workload\nmetadata: {name: hello}\nspec:\n".to_owned();
    for line in spec.lines() {
        text += &format!("  {line}\n");
    }
    text
}

/// A component with these lines beside its image.
fn component(lines: &str) -> String {
    let mut spec = "components:\n- name: http\n  image: app\n".to_owned();
    for line in lines.lines() {
        spec += &format!("  {line}\n");
    }
    workload(&spec)
}

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_deployment_with_everything() {
    let (requests, warnings) = resolve(include_str!("testdata/deployment.yaml")).unwrap();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.workload_id, "shop/front");
    let workload = &request.workload;
    assert_eq!((workload.namespace.as_str(), workload.name.as_str()), ("shop", "front"));
    assert_eq!(workload.annotations, map(&[("team", "blue"), ("note", "template")]));
    let [http, helper] = workload.components.as_slice() else { panic!("{workload:?}") };
    assert_eq!((http.name.as_str(), http.pool_size, http.max_invocations), ("http", 10, 1000));
    let resources = &http.local_resources;
    assert_eq!(
        resources.environment,
        map(&[("LEVEL", "secret"), ("REGION", "second"), ("ONLY", "inline"), ("TOKEN", "plain"), ("BINARY", "text")])
    );
    assert_eq!(resources.config, map(&[("greeting", "hello")]));
    assert_eq!(resources.allowed_hosts, ["api.example.com", "*.s3.amazonaws.com"]);
    assert_eq!((resources.memory_limit_mb, resources.cpu_limit), (64, 500));
    assert_eq!(resources.volume_mounts.len(), 1);
    assert!(resources.volume_mounts[0].read_only);
    assert_eq!(helper.local_resources.allowed_hosts, ["helper.example.com"]);
    assert_eq!(workload.service.as_ref().unwrap().max_restarts, 3);
    assert!(matches!(workload.volumes[0].volume_type, VolumeType::EmptyDir(_)));
    let names: Vec<_> = workload.host_interfaces.iter().map(|entry| (entry.to_string(), entry.name.clone())).collect();
    assert_eq!(names[0], ("wasi:keyvalue/atomics,store@0.2.0-draft".to_owned(), Some("cache".to_owned())));
    assert_eq!(names[2], ("wasi:http/incoming-handler".to_owned(), None));
    assert_eq!(workload.host_interfaces[0].config, map(&[("backend", "in-memory"), ("url", "secret")]));
    assert_eq!(workload.host_interfaces[2].config["host"], "shop.example");
    let told = warnings.join("\n");
    for part in [
        "hello.yaml:8: `spec.replicas` asks for 3",
        "`spec.deployPolicy`",
        "`spec.template.spec.hostSelector`",
        "`spec.kubernetes.service`",
        "`status`",
        "`spec.template.spec.hostInterfaces[2].config.address` has no effect",
        "`kind` Service (v1) means nothing",
    ] {
        assert!(told.contains(part), "`{part}` should be in:\n{told}");
    }
    assert_eq!(warnings.len(), 7, "{told}");
}

#[test]
fn kinds_and_lists() {
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"A": "1"}},
        {"apiVersion": "runtime.wasmcloud.dev/v1alpha1", "kind": "WorkloadReplicaSet", "metadata": {"name": "one"},
         "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"components": [{"name": "x", "image": "app",
          "localResources": {"environment": {"configFrom": [{"name": "c"}]}}}]}}}}]}"#;
    let (requests, warnings) = resolve(list).unwrap();
    assert_eq!(requests[0].workload.components[0].local_resources.environment, map(&[("A", "1")]));
    assert_eq!(warnings, [""; 0]);
    let none = component("").replace("kind: Workload\n", "kind: WorkloadDeployment\n");
    assert_eq!(error(&none), "hello.yaml:4: field `spec.template` is missing");
    let zero = "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadReplicaSet\nmetadata: {name: z}\nspec:\n  replicas: 0\n  template: {spec: {components: [{name: a, image: app}]}}\n";
    let (requests, warnings) = resolve(zero).unwrap();
    assert!(requests.is_empty());
    assert_eq!(warnings, ["hello.yaml:1: WorkloadReplicaSet `z` asks for no replica and is not started"]);
    assert!(read("").unwrap().resolve(&Settings::default()).unwrap().0.is_empty());
    assert!(read("---\n---\n# nothing\n").is_ok());
}

#[test]
fn artifacts_give_images() {
    let text = |artifact: &str| {
        format!(
            "apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: Artifact\nmetadata: {{name: {artifact}}}\nspec: {{image: app}}\n---\n\
             apiVersion: runtime.wasmcloud.dev/v1alpha1\nkind: WorkloadDeployment\nmetadata: {{name: d}}\nspec:\n  artifacts: [{{name: http, artifactFrom: {{name: hello}}}}]\n  template: {{spec: {{components: [{{name: http, image: 'ghcr.io/x/y:1'}}]}}}}\n"
        )
    };
    assert_eq!(&resolve(&text("hello")).unwrap().0[0].workload.components[0].bytes[..], b"bytes");
    assert_eq!(
        error(&text("other")),
        "hello.yaml:10: there is no Artifact `default/hello` among the documents | there is: default/other"
    );
}

fn wanted(text: &str, settings: &Settings) -> Vec<RegistryImage> {
    read(text).unwrap().registry_images(settings).map_err(|err| err.to_string()).unwrap().0
}

#[test]
fn images_of_registries_are_wanted_with_policy_and_credentials() {
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: mine}\nstringData: {.dockerconfigjson: '{}'}\n";
    let text = workload(
        "components:\n- {name: a, image: 'ghcr.io/x/y:1', imagePullPolicy: Always, imagePullSecret: {name: mine}}\n\
         - {name: b, image: 'ghcr.io/x/z', imagePullSecret: {name: other}}\n- {name: c, image: app.wasm}\n\
         - {name: d, image: app}",
    ) + secret;
    let settings = Settings {
        pull_policy: Some(PullPolicy::Never),
        files: [("app.wasm".to_owned(), "x".into()), ("app".to_owned(), "x".into())].into(),
        ..Settings::default()
    };
    let images = wanted(&text, &settings);
    let told: Vec<_> = images.iter().map(|image| (image.reference.to_string(), image.policy)).collect();
    assert_eq!(
        told,
        [("ghcr.io/x/y:1".to_owned(), PullPolicy::Always), ("ghcr.io/x/z:latest".to_owned(), PullPolicy::Never)]
    );
    assert_eq!(images[0].secret, Some(("default".to_owned(), "mine".to_owned())));
    assert_eq!(images[1].secret, None);
    let on_demand = Settings { reading: Reading::OnDemand, ..settings };
    let (now, later) = read(&text).unwrap().registry_images(&on_demand).unwrap();
    assert!(now.is_empty() && later == Later::Images);
    let empty = text.replace(".dockerconfigjson", ".other");
    let err = read(&empty).unwrap().registry_images(&on_demand).unwrap_err().to_string();
    assert!(err.contains("names the Secret `mine`, which has no text `.dockerconfigjson`"), "{err}");
}

#[test]
fn images_that_are_neither_files_nor_references_are_refused() {
    let err = error(&workload("components: [{name: a, image: 'ghcr.io/X/y:1'}]"));
    assert!(
        err.contains("hello.yaml:5: `spec.components[0].image` is neither a file nor a reference in a registry"),
        "{err}"
    );
    for image in ["file:none.wasm", "./none.wasm", "/none.wasm", "file:///none.wasm"] {
        let err = error(&workload(&format!("components: [{{name: a, image: '{image}'}}]")));
        assert!(err.starts_with("hello.yaml:5: cannot read the component in `spec.components[0].image`"), "{err}");
    }
}

#[test]
fn an_image_is_relative_to_its_document() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("app.wasm"), b"here").unwrap();
    for image in ["file:app.wasm", "./app.wasm", "app.wasm", "../x/../app.wasm"] {
        let folder = if image.starts_with("..") { folder.path().join("x") } else { folder.path().to_owned() };
        fs_err::create_dir_all(&folder).unwrap();
        let path = folder.join("w.yaml");
        fs_err::write(&path, workload(&format!("components: [{{name: a, image: {image}}}]"))).unwrap();
        let (requests, _) = Documents::load(&[path]).unwrap().resolve(&Settings::default()).unwrap();
        assert_eq!(&requests[0].request.workload.components[0].bytes[..], b"here", "{image}");
    }
}

#[test]
fn host_paths_need_permission() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs_err::create_dir_all(root.join("data/below")).unwrap();
    fs_err::create_dir(root.join("data-2")).unwrap();
    std::os::unix::fs::symlink("/", root.join("data/out")).unwrap();
    std::os::unix::fs::symlink(root.join("nowhere"), root.join("data/dangling")).unwrap();
    let asking = |path: &str| {
        workload(&format!(
            "volumes: [{{name: v, hostPath: {{path: '{}'}}}}]\ncomponents: [{{name: a, image: app}}]",
            path.replace('@', root.to_str().unwrap())
        ))
    };
    let settings = || Settings { allowed_host_paths: vec![root.join("data")], ..Settings::default() };
    let (requests, _) = resolve_with(&asking("@/data/below"), settings()).unwrap();
    let VolumeType::HostPath(path) = &requests[0].workload.volumes[0].volume_type else { panic!("{requests:?}") };
    assert_eq!(Path::new(&path.local_path), root.join("data/below"));
    assert!(resolve_with(&asking("@/data/not/yet"), settings()).is_ok());
    for (path, part) in [
        ("@", "no --allow-host-path covers"),
        ("@/data-2", "no --allow-host-path covers"),
        ("@/data/out/etc", "no --allow-host-path covers"),
        ("@/data/../data-2", "without `..`"),
        ("data", "absolute path"),
        ("@/data/dangling", "cannot be used"),
    ] {
        let err = resolve_with(&asking(path), settings()).expect_err(path);
        assert!(err.contains("hello.yaml:5: `spec.volumes[0].hostPath.path`") && err.contains(part), "{path}: {err}");
    }
    let err = error(&asking("@/data"));
    assert!(err.ends_with(&format!("`--allow-host-path {}` allows it", root.join("data").display())), "{err}");
}

#[test]
fn roots_of_backends_need_permission_and_flags_do_not() {
    let entry = |config: &str| {
        component("")
            + &format!(
                "  hostInterfaces: [{{namespace: wasi, package: keyvalue, interfaces: [store], config: {config}}}]\n"
            )
    };
    assert!(error(&entry("{backend: filesystem, root: /}")).contains("--allow-host-path"));
    let flag = || Settings {
        default_backends: [(
            ("wasi", "keyvalue"),
            [("backend", "filesystem"), ("root", "/any")].map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        )]
        .into(),
        ..Settings::default()
    };
    let (requests, _) = resolve_with(&entry("{}"), flag()).unwrap();
    assert_eq!(requests[0].workload.host_interfaces[0].config, map(&[("backend", "filesystem"), ("root", "/any")]));
    let (requests, _) = resolve_with(&entry("{backend: in-memory}"), flag()).unwrap();
    assert_eq!(requests[0].workload.host_interfaces[0].config, map(&[("backend", "in-memory")]));
}

#[test]
fn faults_name_the_line_and_the_field() {
    for (text, message) in [
        ("{", "hello.yaml:2:1: "),
        ("- a\n", "hello.yaml:1: field `(document)` must be a table, not a list"),
        ("a: b\n", "hello.yaml:1: field `apiVersion` is missing"),
        (&workload("component: []"), "hello.yaml:5: unknown field `spec.component` | did you mean `components`?"),
        (&workload("{}"), "hello.yaml:4: `spec` must have components or a service"),
        (&component("imag: x"), "hello.yaml:8: unknown field `spec.components[0].imag` | did you mean `image`?"),
        (
            &component("poolSize: ten"),
            "hello.yaml:8: field `spec.components[0].poolSize` must be a whole number, not text",
        ),
        (
            &component("poolSize: 3000000000"),
            "hello.yaml:8: field `spec.components[0].poolSize` must be a whole number, not the number 3000000000",
        ),
        (
            &component("localResources: {environment: {config: {PORT: 80}}}"),
            "hello.yaml:8: field `spec.components[0].localResources.environment.config.PORT` must be text, not a number | put the value in quotes",
        ),
        (
            &component("localResources: {environment: {A: b}}"),
            "hello.yaml:8: unknown field `spec.components[0].localResources.environment.A` | known fields here: config, configFrom, secretFrom",
        ),
        (&component("image: again"), "hello.yaml:8: field `spec.components[0].image` stands twice, first in line 7"),
        (
            &component("imagePullPolicy: Sometimes"),
            "hello.yaml:8: `Sometimes` in `spec.components[0].imagePullPolicy` is not one of Always, IfNotPresent, Never",
        ),
        (
            &component("allowedHosts: [a]\nlocalResources: {allowedHosts: [b]}"),
            "hello.yaml:8: `spec.components[0].allowedHosts` stands in `spec.components[0].localResources.allowedHosts` as well",
        ),
        (
            &component("localResources: {volumeMounts: [{name: v, mountPath: /x}]}"),
            "hello.yaml:8: `spec.components[0].localResources.volumeMounts[0].name` names the volume `v`, which `volumes` does not have",
        ),
        (
            &component("localResources: {volumeMounts: [{name: v, mountPath: x}]}"),
            "hello.yaml:8: `x` in `spec.components[0].localResources.volumeMounts[0].mountPath` is not an absolute path without `..`",
        ),
        (
            &component("localResources: {environment: {secretFrom: [{name: s}]}}"),
            "hello.yaml:8: there is no Secret `default/s` among the documents | add a document of kind Secret with the name `default/s` to the file",
        ),
        (
            &workload("components: [{name: a, image: app}, {name: a, image: app}]"),
            "hello.yaml:5: `spec.components[1].name` is `a`, as that of another component is",
        ),
        (
            &workload("components: [{name: a, image: app}]\nvolumes: [{name: V, ephemeral: {}}]"),
            "hello.yaml:6: `V` in `spec.volumes[0].name` is not a name of lower-case letters, digits and hyphens",
        ),
        (
            &workload("components: [{name: a, image: app}]\nvolumes: [{name: v, emptyDir: {}}]"),
            "hello.yaml:6: unknown field `spec.volumes[0].emptyDir` | known fields here: name, ephemeral, hostPath",
        ),
        (
            &workload("components: [{name: a, image: app}]\nvolumes: [{name: v}]"),
            "hello.yaml:6: `spec.volumes[0]` must be `ephemeral: {}` or `hostPath`",
        ),
        (
            &component("").replace("v1alpha1", "v1"),
            "hello.yaml:1: `runtime.wasmcloud.dev/v1` in `apiVersion` is not runtime.wasmcloud.dev/v1alpha1",
        ),
        (
            &component("").replace("kind: Workload", "kind: Worklaod"),
            "hello.yaml:2: there is no kind `Worklaod` in runtime.wasmcloud.dev/v1alpha1 | did you mean `Workload`?",
        ),
        (
            &component("").replace("runtime.wasmcloud.dev/v1alpha1", "v1"),
            "hello.yaml:1: `v1` in `apiVersion` is not runtime.wasmcloud.dev/v1alpha1",
        ),
        (
            &component("").replace("name: hello", "name: Hello"),
            "hello.yaml:3: `Hello` in `metadata.name` is not a DNS name of lower-case letters, digits, hyphens and dots",
        ),
        (
            &(component("") + "---\n" + &component("")),
            "hello.yaml:9: Workload `hello` stands a second time, first in hello.yaml:1",
        ),
    ] {
        let err = error(text);
        assert!(err.starts_with(message), "{err}\nshould start with\n{message}");
    }
}

#[test]
fn naming_rules_of_host_interfaces() {
    let entries = |entries: &str| component("") + "  hostInterfaces:\n" + entries;
    let entry = |more: &str| format!("  - {{namespace: wasi, package: keyvalue, interfaces: [store]{more}}}\n");
    assert!(resolve(&entries(&entry(""))).is_ok());
    assert!(resolve(&entries(&(entry(", name: a") + &entry(", name: b")))).is_ok());
    for (text, message) in [
        (
            entry(", name: a") + &entry(""),
            "hello.yaml:10: `spec.hostInterfaces[1]` needs a `name`, because there are 2 entries of wasi:keyvalue",
        ),
        (
            entry(", name: a") + &entry(", name: a"),
            "hello.yaml:10: `spec.hostInterfaces[1].name` is `a`, as that of another wasi:keyvalue entry is",
        ),
        (
            entry(", name: -a"),
            "hello.yaml:9: `-a` in `spec.hostInterfaces[0].name` is not a name such as `cache-2`: [a-z0-9][a-z0-9-]*",
        ),
        (entry(", name: A"), "hello.yaml:9: `A` in"),
        (entry(", name: ''"), "hello.yaml:9: `spec.hostInterfaces[0].name` must not be empty"),
        (
            entry(", version: '0.2'"),
            "hello.yaml:9: `0.2` in `spec.hostInterfaces[0].version` is not a whole version such as 0.2.0",
        ),
        (
            "  - {namespace: wasi, package: http, interfaces: []}\n".to_owned(),
            "hello.yaml:9: `spec.hostInterfaces[0].interfaces` must name at least one interface",
        ),
        (
            "  - {namespace: wasi, package: http, interfaces: ['wasi:http/types']}\n".to_owned(),
            "hello.yaml:9: `wasi:http/types` in `spec.hostInterfaces[0].interfaces[0]` is not a name such as",
        ),
    ] {
        let err = error(&entries(&text));
        assert!(err.starts_with(message), "{err}\nshould start with\n{message}");
    }
}

#[test]
fn secrets_stay_secret() {
    let secret = |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{data}\n");
    let using = || "---\n".to_owned() + &component("localResources: {environment: {secretFrom: [{name: s}]}}");
    for data in ["data: {password: hunter2!}", "data: {password: [hunter2]}", "stringData: {password: {hunter2: x}}"] {
        let err = error(&secret(data));
        assert!(!err.contains("hunter2"), "{err}");
        assert!(err.starts_with("hello.yaml:4: ") && err.contains("password"), "{err}");
    }
    let err = error(&(secret("data: {password: /v8=}") + &using()));
    assert_eq!(err, "hello.yaml:1: key `password` of Secret `s` is not text");
    // Bytes that nobody uses as text are fine.
    assert!(resolve(&(secret("data: {password: /v8=}") + "---\n" + &component(""))).is_ok());
}

#[test]
fn metadata_is_read_leniently() {
    let text = component("").replace(
        "metadata: {name: hello}",
        "metadata: {name: hello, uid: 3, generation: 4, managedFields: [{a: b}], labels: {a: b}, ownerReferences: []}",
    );
    assert_eq!(resolve(&text).unwrap().0.len(), 1);
}

#[test]
fn hostile_documents_are_errors() {
    let mut bomb = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let aliases = format!("*a{}, ", level - 1).repeat(9);
        bomb += &format!("b{level}: &a{level} [{aliases}]\n");
    }
    assert!(error(&bomb).contains("unfold to too much"));
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        format!("{}1", "- ".repeat(100_000)),
        "a: &a [*a]".to_owned(),
        "a: !!binary x".to_owned(),
        "? [a]\n: b\n".to_owned(),
        "\u{0}".to_owned(),
        "%YAML 9.9\n---\na".to_owned(),
        "\u{feff}a".to_owned(),
        component(&format!("poolSize: {}", "9".repeat(10_000))),
        component("localResources: {environment: {config: 5}}"),
    ] {
        assert!(resolve(&text).is_err(), "{:.80}", text);
    }
    // The anchors of one document mean nothing in the next.
    assert!(error("a: &x 1\n---\nb: *x\n").starts_with("hello.yaml:"));
    let mut lists = "{}".to_owned();
    for _ in 0..12 {
        lists = format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{lists}]}}"#);
    }
    assert!(error(&lists).contains("nests lists too deep"));
}

/// Every prefix and many a mutation of a good document is read or refused, and nothing else.
#[test]
fn mutations_never_panic() {
    let good = include_str!("testdata/deployment.yaml");
    for (end, _) in good.char_indices() {
        _ = read(&good[..end]).map(|documents| documents.resolve(&Settings::default()));
    }
    let mut random = 0x2545_F491_4F6C_DD1Du64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    let pieces = [
        "",
        ":",
        "- ",
        "{",
        "}",
        "[",
        "]",
        "&a ",
        "*a",
        "\n",
        "  ",
        "null",
        "'",
        "\"",
        "|",
        "!!str ",
        "<<: ",
        "0x",
        "~",
        "\u{1F600}",
    ];
    for _ in 0..3_000 {
        let mut bytes = good.as_bytes().to_vec();
        for _ in 0..=next(4) {
            let (start, length) = (next(bytes.len()), next(12));
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, pieces[next(pieces.len())].bytes());
        }
        _ = read(&String::from_utf8_lossy(&bytes)).map(|documents| documents.resolve(&Settings::default()));
    }
}
