//! Thousands of broken documents: each is accepted or refused, and no answer is a panic or an endless wait.

use std::path::Path;
use std::time::{Duration, Instant};

use washlib_config::{Config, Environment, Origin, Project, Sources, load};

use crate::workbench::Workbench;

/// A small generator whose numbers are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

const SEEDS: [(&str, &str); 3] = [
    (
        "config.yaml",
        "# c\nversion: 2.10\nbuild:\n  command: |\n    make é\n  env: &b {A: \"x\\u0041\", 'B': !!str 1}\ndev:\n  environment: {<<: *b, C: ~x}\n  components:\n  - name: a\n    poolSize: 0x1F\n  - {name: 🦀, config: {? k : v}}\nwit: { sources: {\"wasi:http\": a}, skip_fetch: false }\n...\n",
    ),
    (
        "config.json",
        "{\"version\": \"2.10\", \"build\": {\"env\": {\"A\": -1.5e3, \"\\u00e9\": true}, \"command\": null},\n \"dev\": {\"components\": [{\"name\": \"🦀\", \"poolSize\": 31}], \"service\": false}}\n",
    ),
    (
        "config.toml",
        "version = 2.10 # c\n[build]\nenv = { A = 0x1F, \"é\" = '''x''', C = 1 }\ncommand = \"\"\"\na\\\n b\"\"\"\n[[dev.components]]\nname = \"🦀\"\npoolSize = 1_0\n[workload]\nconfig.at = 2024-01-01T00:00:00Z\nallowedHosts = [\"*\", 'a']\n",
    ),
];

const FRAGMENTS: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "- ",
    "|\n",
    ">-\n",
    "!!int ",
    "!x ",
    "%YAML 1.2\n",
    "---\n",
    "...\n",
    "#",
    "\n",
    "\r",
    "\t",
    "\\",
    "\\u",
    "\0",
    "é",
    "\u{feff}",
    "\u{85}",
    "= ",
    "\"\"\"",
    "[[",
];

/// One to four changes: bytes dropped, doubled, moved, replaced or put in.
fn mutate(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let copy = bytes[at..end].to_vec();
                let target = random.below(bytes.len() + 1);
                bytes.splice(target..target, copy);
            }
            2 => bytes.truncate(at),
            3 if at < bytes.len() => bytes[at] = u8::try_from(random.below(130)).unwrap(),
            _ => {
                let fragment = FRAGMENTS[random.below(FRAGMENTS.len())];
                bytes.splice(at..at, fragment.bytes());
            }
        }
    }
    bytes
}

#[test]
fn no_document_makes_it_panic_or_hang() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for (file_name, seed) in SEEDS {
        Config::parse(Path::new(file_name), seed).unwrap();
        let (mut accepted, mut refused) = (0, 0);
        for _ in 0..4000 {
            // Other bytes than UTF-8 are refused before a parser sees them.
            let text = String::from_utf8_lossy(&mutate(&mut random, seed)).into_owned();
            match Config::parse(Path::new(file_name), &text) {
                Ok(_) => accepted += 1,
                Err(err) => {
                    refused += 1;
                    assert!(err.origin().and_then(Origin::line).is_some_and(|line| line >= 1), "{err}\n{text}");
                }
            }
        }
        // A generator that only makes rubbish or only copies tries nothing.
        assert!(accepted > 50 && refused > 1000, "{file_name}: {accepted} accepted, {refused} refused");
    }
}

#[test]
fn no_variable_makes_it_panic() {
    let project: Project = Workbench::new().project();
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    for _ in 0..4000 {
        let bytes = mutate(&mut random, r#"{ command = "a", env = { "é" = 1, B = [true] } }"#);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let environment: Environment =
            [("WASH_BUILD", text.clone()), ("WASH_BUILD_ENV", text.clone()), ("WASH_DEV_SERVICE", text)]
                .into_iter()
                .collect();
        // Accepted or refused: both are answers.
        let _ = load(&project, Sources { user_config: None, environment: &environment, flags: Config::default() });
    }
}

/// Large documents in the shapes that make parsers slow: what is quadratic takes minutes here, all else milliseconds.
#[test]
fn a_large_document_is_answered_soon() {
    let size = 256 * 1024;
    let shapes = [
        ("config.yaml", "{a,"),
        ("config.yaml", "[1,"),
        ("config.yaml", "- \n"),
        ("config.yaml", "? "),
        ("config.yaml", "a: "),
        ("config.yaml", "a:\n "),
        ("config.yaml", "&a "),
        ("config.yaml", "\""),
        ("config.yaml", "x"),
        ("config.yaml", "x: y\n"),
        ("config.yaml", "#\n"),
        ("config.yaml", "%"),
        ("config.yaml", "!"),
        ("config.yaml", "|\n"),
        ("config.yaml", "[x, "),
        ("config.yaml", "\t"),
        ("config.json", "["),
        ("config.json", "{\"a\":"),
        ("config.json", "\\"),
        ("config.json", " "),
        ("config.toml", "["),
        ("config.toml", "a."),
        ("config.toml", "a=["),
        ("config.toml", "a={a="),
        ("config.toml", "'"),
        ("config.toml", "[[a]]\n"),
        ("config.toml", "\n"),
    ];
    for (file_name, shape) in shapes {
        for head in ["", "{\"build\": {\"env\": [", "build = { env = ["] {
            let text = format!("{head}{}", shape.repeat((size - head.len()) / shape.len()));
            let started = Instant::now();
            let _ = Config::parse(Path::new(file_name), &text);
            let took = started.elapsed();
            assert!(took < Duration::from_secs(30), "{took:?} for {head}{shape}… in {file_name}");
        }
    }
}
