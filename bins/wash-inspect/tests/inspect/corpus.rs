//! The WIT that is printed, against the library calls that `wasm-tools component wit` makes, over components that nobody
//! wrote; and files that are broken at random.
//!
//! `cargo xtask bench inspect` compares with the program itself.

use arbitrary::Unstructured;
use washlib_test::Sandbox;
use wit_component::{
    ComponentEncoder, DecodedWasm, StringEncoding, WitPrinter, dummy_module, embed_component_metadata,
};
use wit_parser::ManglingAndAbi;

use crate::fixtures::inspect;

/// A small generator whose numbers are the same in every run (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.next() >> 56).unwrap()).collect()
    }
}

/// What `wasm-tools component wit` prints.
fn expected(bytes: &[u8]) -> Option<String> {
    let decoded = std::panic::catch_unwind(|| wit_component::decode(bytes)).ok()?.ok()?;
    Some(printed(&decoded))
}

fn printed(decoded: &DecodedWasm) -> String {
    let (resolve, main) = (decoded.resolve(), decoded.package());
    let others: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(resolve, main, &others).unwrap();
    printer.output.to_string()
}

fn compare(sandbox: &Sandbox, bytes: &[u8], what: &str) -> bool {
    sandbox.write("case.wasm", bytes);
    let output = inspect(sandbox, &["case.wasm"]);
    match expected(bytes) {
        Some(expected) => {
            assert_eq!(output.stdout, expected, "{what}");
            assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{what}");
            true
        }
        None => {
            assert_eq!(output.code, Some(1), "{what}: {}", output.stderr);
            assert!(!output.stderr.contains("panicked"), "{what}: {}", output.stderr);
            false
        }
    }
}

#[test]
fn random_worlds_as_packages_and_components() {
    let sandbox = Sandbox::new();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut compared = 0;
    for number in 0..60 {
        let bytes = random.bytes(2_000);
        let Ok(package) = wit_smith::smith(&wit_smith::Config::default(), &mut Unstructured::new(&bytes)) else {
            continue;
        };
        compared += usize::from(compare(&sandbox, &package, &format!("package {number}")));
        let Ok(DecodedWasm::WitPackage(resolve, id)) = wit_component::decode(&package) else { continue };
        for world in resolve.packages[id].worlds.values().take(2) {
            let mut module = dummy_module(&resolve, *world, ManglingAndAbi::Standard32);
            embed_component_metadata(&mut module, &resolve, *world, StringEncoding::UTF8).unwrap();
            let Ok(component) = ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode())
            else {
                continue;
            };
            compared += usize::from(compare(&sandbox, &component, &format!("component {number}")));
        }
    }
    assert!(compared > 60, "{compared}");
}

#[test]
fn random_components() {
    let sandbox = Sandbox::new();
    let mut random = Random(0xD1B5_4A32_D192_ED03);
    let mut compared = 0;
    for number in 0..60 {
        let bytes = random.bytes(1_500);
        let Ok(component) = Unstructured::new(&bytes).arbitrary::<wasm_smith::Component>() else { continue };
        compared += usize::from(compare(&sandbox, &component.to_bytes(), &format!("component {number}")));
    }
    assert!(compared > 5, "{compared}");
}

#[test]
fn broken_files_end_in_order_whatever_is_asked() {
    let sandbox = Sandbox::new();
    let mut random = Random(0xA076_1D64_78BD_642F);
    let whole = crate::fixtures::component(crate::fixtures::WIT);
    let other = crate::fixtures::package(crate::fixtures::WIT);
    let mut refused = 0;
    for number in 0..60 {
        let mut bytes = if number % 2 == 0 { whole.clone() } else { other.clone() };
        for _ in 0..=random.next() % 3 {
            let position = usize::try_from(random.next() % bytes.len() as u64).unwrap();
            match random.next() % 3 {
                0 => bytes[position] ^= 1 << (random.next() % 8),
                1 => drop(bytes.drain(position..(position + 5).min(bytes.len()))),
                _ => bytes.truncate(position.max(9)),
            }
        }
        sandbox.write("case.wasm", &bytes);
        let commands: [&[&str]; 5] = [
            &["-o", "json", "case.wasm"],
            &["diff", "case.wasm", "case.wasm"],
            &["check", "case.wasm", "--host", "wash"],
            &["size", "case.wasm"],
            &["graph", "case.wasm"],
        ];
        let command = commands[number % commands.len()];
        let output = inspect(&sandbox, command);
        assert!(matches!(output.code, Some(0 | 1)), "{number} {command:?}: {:?} {}", output.code, output.stderr);
        assert!(!output.stderr.contains("panicked"), "{number} {command:?}: {}", output.stderr);
        refused += usize::from(output.code == Some(1));
    }
    assert!(refused > 20, "{refused}");
}
