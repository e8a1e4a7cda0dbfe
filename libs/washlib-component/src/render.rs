//! Functions and types as a line of WIT each.
//!
//! Named types are called by their name, whichever interface they come from; a signature that would be longer than any
//! tool writes ends in `…`.

use wit_parser::{Function, FunctionKind, Handle, Resolve, Type, TypeDefKind, TypeId};

/// The longest line, in bytes. Anonymous types may unfold to millions.
const MAX_LENGTH: usize = 4_000;

/// A function's type, for example `func(name: string) -> result<u32>`.
pub fn function_text(resolve: &Resolve, function: &Function) -> String {
    let mut line = Line::new(resolve);
    if function.kind.is_async() {
        line.push("async ");
    }
    line.push("func(");
    // A method's first parameter is the resource that it is a method of.
    let is_method = matches!(function.kind, FunctionKind::Method(_) | FunctionKind::AsyncMethod(_));
    for (position, param) in function.params.iter().skip(usize::from(is_method)).enumerate() {
        if position > 0 {
            line.push(", ");
        }
        line.push(&param.name);
        line.push(": ");
        line.value(&param.ty);
    }
    line.push(")");
    if let Some(result) = &function.result {
        line.push(" -> ");
        line.value(result);
    }
    line.finish()
}

/// A value's type, for example `list<u8>`.
pub fn value_text(resolve: &Resolve, ty: &Type) -> String {
    let mut line = Line::new(resolve);
    line.value(ty);
    line.finish()
}

/// What a named type stands for, for example `record { name: string }`.
pub fn type_text(resolve: &Resolve, id: TypeId) -> String {
    let mut line = Line::new(resolve);
    line.definition(&resolve.types[id].kind);
    line.finish()
}

struct Line<'a> {
    resolve: &'a Resolve,
    text: String,
}

impl<'a> Line<'a> {
    fn new(resolve: &'a Resolve) -> Self {
        Self { resolve, text: String::new() }
    }

    fn is_full(&self) -> bool {
        self.text.len() > MAX_LENGTH
    }

    fn push(&mut self, text: &str) {
        if !self.is_full() {
            self.text.push_str(text);
        }
    }

    fn finish(mut self) -> String {
        if self.is_full() {
            let mut end = MAX_LENGTH;
            while !self.text.is_char_boundary(end) {
                end -= 1;
            }
            self.text.truncate(end);
            self.text.push('…');
        }
        self.text
    }

    fn value(&mut self, ty: &Type) {
        if self.is_full() {
            return;
        }
        let id = match ty {
            Type::Id(id) => *id,
            primitive => return self.push(primitive_name(primitive)),
        };
        let definition = &self.resolve.types[id];
        match &definition.name {
            Some(name) => self.push(name),
            None => self.definition(&definition.kind),
        }
    }

    fn definition(&mut self, kind: &'a TypeDefKind) {
        match kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| (field.name.as_str(), Some(&field.ty)));
                self.block("record", fields);
            }
            TypeDefKind::Variant(variant) => {
                self.push("variant { ");
                for (position, case) in variant.cases.iter().enumerate() {
                    self.push(if position > 0 { ", " } else { "" });
                    self.push(&case.name);
                    if let Some(ty) = &case.ty {
                        self.brackets("", [ty]);
                    }
                }
                self.push(" }");
            }
            TypeDefKind::Enum(kinds) => self.block("enum", kinds.cases.iter().map(|case| (case.name.as_str(), None))),
            TypeDefKind::Flags(flags) => self.block("flags", flags.flags.iter().map(|flag| (flag.name.as_str(), None))),
            TypeDefKind::Resource => self.push("resource"),
            TypeDefKind::Handle(Handle::Own(id)) => self.value(&Type::Id(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => self.angle("borrow", [&Type::Id(*id)]),
            TypeDefKind::Tuple(tuple) => self.angle("tuple", tuple.types.iter()),
            TypeDefKind::Option(ty) => self.angle("option", [ty]),
            TypeDefKind::List(ty) => self.angle("list", [ty]),
            TypeDefKind::Map(key, value) => self.angle("map", [key, value]),
            TypeDefKind::FixedLengthList(ty, length) => {
                self.push("list<");
                self.value(ty);
                self.push(&format!(", {length}>"));
            }
            TypeDefKind::Future(ty) => self.optional("future", ty.as_ref()),
            TypeDefKind::Stream(ty) => self.optional("stream", ty.as_ref()),
            TypeDefKind::Result(result) => match (&result.ok, &result.err) {
                (None, None) => self.push("result"),
                (Some(ok), None) => self.angle("result", [ok]),
                (Some(ok), Some(err)) => self.angle("result", [ok, err]),
                (None, Some(err)) => {
                    self.push("result<_, ");
                    self.value(err);
                    self.push(">");
                }
            },
            TypeDefKind::Type(ty) => self.value(ty),
            TypeDefKind::Unknown => self.push("unknown"),
        }
    }

    fn block<'b>(&mut self, keyword: &str, entries: impl Iterator<Item = (&'b str, Option<&'b Type>)>) {
        self.push(keyword);
        self.push(" { ");
        for (position, (name, ty)) in entries.enumerate() {
            self.push(if position > 0 { ", " } else { "" });
            self.push(name);
            if let Some(ty) = ty {
                self.push(": ");
                self.value(ty);
            }
        }
        self.push(" }");
    }

    fn brackets<'b>(&mut self, name: &str, types: impl IntoIterator<Item = &'b Type>) {
        self.list(name, types, ["(", ")"]);
    }

    fn angle<'b>(&mut self, name: &str, types: impl IntoIterator<Item = &'b Type>) {
        self.list(name, types, ["<", ">"]);
    }

    fn list<'b>(&mut self, name: &str, types: impl IntoIterator<Item = &'b Type>, [open, close]: [&str; 2]) {
        self.push(name);
        self.push(open);
        for (position, ty) in types.into_iter().enumerate() {
            self.push(if position > 0 { ", " } else { "" });
            self.value(ty);
        }
        self.push(close);
    }

    fn optional(&mut self, name: &str, ty: Option<&Type>) {
        match ty {
            Some(ty) => self.angle(name, [ty]),
            None => self.push(name),
        }
    }
}

fn primitive_name(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        // Handled where types are looked up.
        Type::Id(_) => "type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_type() {
        let text = "package a:b;
            interface i {
                resource r { constructor(); m: func(a: u8) -> own<r>; s: static func(x: borrow<r>); }
                record rec { a: u8, b: option<string> }
                variant v { one, two(list<u8>), three(result<_, string>) }
                enum e { x, y }
                flags f { p, q }
                type t = tuple<rec, v, result<e, f>, result, result<u8>>;
                go: async func(s: stream<u8>, f: future, l: list<t, 4>) -> char;
            }";
        let decoded = crate::parse_wit("a.wit", text).unwrap();
        let resolve = &decoded.resolve;
        let (_, interface) = resolve.interfaces.iter().next().unwrap();
        let function = |name: &str| function_text(resolve, &interface.functions[name]);
        assert_eq!(function("go"), "async func(s: stream<u8>, f: future, l: list<t, 4>) -> char");
        assert_eq!(function("[method]r.m"), "func(a: u8) -> r");
        assert_eq!(function("[static]r.s"), "func(x: borrow<r>)");
        let ty = |name: &str| type_text(resolve, interface.types[name]);
        assert_eq!(ty("rec"), "record { a: u8, b: option<string> }");
        assert_eq!(ty("v"), "variant { one, two(list<u8>), three(result<_, string>) }");
        assert_eq!(ty("e"), "enum { x, y }");
        assert_eq!(ty("f"), "flags { p, q }");
        assert_eq!(ty("t"), "tuple<rec, v, result<e, f>, result, result<u8>>");
        assert_eq!(ty("r"), "resource");
    }

    #[test]
    fn a_type_that_unfolds_to_gigabytes_is_cut() {
        let mut resolve = Resolve::default();
        let mut ty = Type::U8;
        for _ in 0..60 {
            let kind = TypeDefKind::Tuple(wit_parser::Tuple { types: vec![ty, ty] });
            ty = Type::Id(resolve.types.alloc(wit_parser::TypeDef {
                name: None,
                kind,
                owner: wit_parser::TypeOwner::None,
                docs: Default::default(),
                stability: Default::default(),
                span: Default::default(),
                external_id: None,
            }));
        }
        let text = value_text(&resolve, &ty);
        assert!(text.ends_with('…') && text.len() < MAX_LENGTH + 10, "{}", text.len());
    }
}
