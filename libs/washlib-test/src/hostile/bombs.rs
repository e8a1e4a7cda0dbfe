//! Small binaries that ask for much: stack, memory or time.

use super::binary::{self, component, core, i32_const, list, module, number, section};

/// A binary with a name for the test's report.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// What it tries.
    pub name: String,
    /// The binary.
    pub bytes: Vec<u8>,
}

impl Specimen {
    fn new(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), bytes }
    }
}

/// All of them. None is larger than 16 MB.
pub fn bombs() -> Vec<Specimen> {
    let mut bombs = vec![
        Specimen::new("instance types nested 1,000 deep", nested_types(INSTANCE_TYPE, 1_000)),
        Specimen::new("component types nested 1,000 deep", nested_types(COMPONENT_TYPE, 1_000)),
        Specimen::new("instance types nested 1,000,000 deep", nested_types(INSTANCE_TYPE, 1_000_000)),
        Specimen::new("components nested 5,000 deep", nested_components(5_000)),
        Specimen::new("components that instantiate each other twice, 40 deep", doubling(40)),
        Specimen::new("a component that instantiates what it is given, 40 deep", passed_on(40)),
        Specimen::new("2,000 core modules", component_of(component::MODULE, &module(&[]), 2_000)),
        Specimen::new("2,000 components", component_of(component::COMPONENT, &binary::component(&[]), 2_000)),
        Specimen::new("900 memories of 16 MiB with two bytes", component_of(component::MODULE, &sparse_memory(), 900)),
        Specimen::new("90,000 tables of a million entries", component_of(component::MODULE, &tables(100), 900)),
        Specimen::new("a type chain 1,000 long", type_chain(1_000)),
        Specimen::new("a type that doubles 40 times", type_doubling(40)),
        Specimen::new("types of a million exports, imported 1,000 times", wide_imports()),
        Specimen::new("1,000 functions of 50,000 locals", functions(1_000, &many_locals())),
        Specimen::new("1,000,000 nested blocks", functions(1, &nested_blocks(1_000_000))),
        Specimen::new("a table of 1,000,000 branches", functions(1, &branch_table(1_000_000))),
        Specimen::new("a name of 16,000,000 bytes", long_name(16_000_000)),
        Specimen::new("1,000 names of 90,000 bytes", many_long_names(90)),
    ];
    bombs.extend(huge_counts());
    bombs
}

/// The opcode of component types.
const COMPONENT_TYPE: u8 = 0x41;
/// The opcode of instance types.
const INSTANCE_TYPE: u8 = 0x42;

/// A component with a type in a type in a type: `kind` is the opcode of component types or of instance types.
pub fn nested_types(kind: u8, depth: usize) -> Vec<u8> {
    let mut content = number(1);
    for _ in 1..depth {
        // One declaration, and it is a type.
        content.extend([kind, 1, 1]);
    }
    content.extend([kind, 0]);
    binary::component(&[section(component::TYPE, &content)])
}

/// A component in a component in a component, `depth` of them around the innermost.
pub fn nested_components(depth: usize) -> Vec<u8> {
    let mut bytes = binary::component(&[]);
    for _ in 0..depth {
        bytes = binary::component(&[section(component::COMPONENT, &bytes)]);
    }
    bytes
}

fn component_of(id: u8, part: &[u8], number: usize) -> Vec<u8> {
    binary::component(&vec![section(id, part); number])
}

/// Two instances of a component with two instances of a component: 2 to the power of `depth` core instances.
fn doubling(depth: usize) -> Vec<u8> {
    let mut text = "(component\n(component $c0 (core module $m) (core instance (instantiate $m)))\n".to_string();
    for level in 1..=depth {
        let below = level - 1;
        text +=
            &format!("(component $c{level} (instance (instantiate $c{below})) (instance (instantiate $c{below})))\n");
    }
    from_text(&format!("{text}(instance (instantiate $c{depth})))"))
}

/// The same, with components that are handed in.
fn passed_on(depth: usize) -> Vec<u8> {
    let mut text = "(component
        (component $twice (import \"c\" (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))
        (component $c0 (core module $m) (core instance (instantiate $m)))\n"
        .to_string();
    for level in 1..=depth {
        let below = level - 1;
        text += &format!("(component $c{level} (instance (instantiate $twice (with \"c\" (component $c{below})))))\n");
    }
    from_text(&format!("{text}(instance (instantiate $c{depth})))"))
}

/// One byte at either end of a memory.
fn sparse_memory() -> Vec<u8> {
    let memory = [vec![0], number(256)].concat();
    let byte = |at| [vec![0], i32_const(at), number(1), vec![b'x']].concat();
    module(&[list(core::MEMORY, &[memory]), list(core::DATA, &[byte(0), byte((16 << 20) - 2)])])
}

/// Tables whose last entry is a function.
fn tables(count: usize) -> Vec<u8> {
    let entries = 1 << 20;
    let table = [vec![0x70, 0], number(entries)].concat();
    let element = |table| {
        let function_kind = 0;
        [vec![2], number(table), i32_const(entries - 1), vec![function_kind], number(1), number(0)].concat()
    };
    module(&[
        list(core::TYPE, &[vec![0x60, 0, 0]]),
        list(core::FUNCTION, &[number(0)]),
        list(core::TABLE, &vec![table; count]),
        list(core::ELEMENT, &(0..count).map(element).collect::<Vec<_>>()),
        list(core::CODE, &[vec![2, 0, 0x0b]]),
    ])
}

/// A list of lists of lists.
fn type_chain(length: usize) -> Vec<u8> {
    let mut types = vec![vec![0x70, 0x7d]];
    types.extend((1..length).map(|index| [vec![0x70], number(index - 1)].concat()));
    binary::component(&[list(component::TYPE, &types)])
}

/// A pair of pairs of pairs.
fn type_doubling(length: usize) -> Vec<u8> {
    let mut types = vec![vec![0x6f, 2, 0x7d, 0x7d]];
    types.extend((1..length).map(|index| [vec![0x6f, 2], number(index - 1), number(index - 1)].concat()));
    binary::component(&[list(component::TYPE, &types)])
}

/// Instances of 1,000 instances of 1,000 functions each, imported again and again.
fn wide_imports() -> Vec<u8> {
    let functions: String = (0..1_000).map(|index| format!("(export \"f{index}\" (func))")).collect();
    let instances: String = (0..900).map(|index| format!("(export \"i{index}\" (instance (type 0)))")).collect();
    let mut text = format!(
        "(component (type $f (instance {functions}))\n(type $i (instance (alias outer 1 $f (type)) {instances}))\n"
    );
    for index in 0..1_000 {
        text += &format!("(import \"i{index}\" (instance (type $i)))\n");
    }
    from_text(&(text + ")"))
}

/// A component with one module of functions that have this body.
fn functions(count: usize, body: &[u8]) -> Vec<u8> {
    let code = [number(body.len()), body.to_vec()].concat();
    let module = module(&[
        list(core::TYPE, &[vec![0x60, 0, 0]]),
        list(core::FUNCTION, &vec![number(0); count]),
        list(core::CODE, &vec![code; count]),
    ]);
    binary::component(&[section(component::MODULE, &module)])
}

fn many_locals() -> Vec<u8> {
    [number(1), number(50_000), vec![0x7f, 0x0b]].concat()
}

fn nested_blocks(depth: usize) -> Vec<u8> {
    [number(0), [0x02, 0x40].repeat(depth), vec![0x0b; depth + 1]].concat()
}

fn branch_table(targets: usize) -> Vec<u8> {
    [number(0), vec![0x41, 0, 0x0e], number(targets), vec![0; targets + 1], vec![0x0b]].concat()
}

fn long_name(length: usize) -> Vec<u8> {
    let import = [vec![0], number(length), vec![b'a'; length], vec![1, 0]].concat();
    binary::component(&[list(10, &[import])])
}

fn many_long_names(count: usize) -> Vec<u8> {
    let import = |index: usize| {
        let name = format!("a{index}-{}", "b".repeat(90_000));
        [vec![0], number(name.len()), name.into_bytes(), vec![1, 0]].concat()
    };
    let function_type = list(component::TYPE, &[vec![0x40, 0, 1, 0]]);
    binary::component(&[function_type, list(10, &(0..count).map(import).collect::<Vec<_>>())])
}

/// Sections that announce more than there is.
fn huge_counts() -> Vec<Specimen> {
    let counts = [1_000_000, 100_000_000, usize::try_from(u32::MAX).expect("32 bits")];
    let mut specimens = Vec::new();
    for count in counts {
        for id in 0..14 {
            let section = section(id, &number(count));
            let in_module = section_in_module(&section);
            specimens.push(Specimen::new(format!("{count} items in section {id}"), binary::component(&[section])));
            specimens.push(Specimen::new(format!("{count} items in section {id} of a module"), in_module));
        }
        for opcode in [0x40, 0x41, 0x42, 0x6d, 0x6e, 0x6f, 0x71, 0x72] {
            let content = [number(1), vec![opcode], number(count)].concat();
            let bytes = binary::component(&[section(component::TYPE, &content)]);
            specimens.push(Specimen::new(format!("{count} parts of the type {opcode:#x}"), bytes));
        }
    }
    specimens
}

fn section_in_module(section_of_module: &[u8]) -> Vec<u8> {
    binary::component(&[section(component::MODULE, &module(&[section_of_module.to_vec()]))])
}

fn from_text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text should be well-formed")
}
