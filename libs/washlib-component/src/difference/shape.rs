//! The structure of types and functions as numbers: equal structure, equal number, whichever file it is in.
//!
//! Says nothing about what differs.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use wit_parser::{Function, Handle, Resolve, Type, TypeDefKind, TypeId, TypeOwner};

/// The structures of all types of a file.
pub(crate) struct Shapes<'a> {
    resolve: &'a Resolve,
    types: HashMap<TypeId, u64>,
}

impl<'a> Shapes<'a> {
    pub(crate) fn new(resolve: &'a Resolve) -> Self {
        let mut shapes = Self { resolve, types: HashMap::with_capacity(resolve.types.len()) };
        // A type stands behind those that it is made of, so none needs another that is not there yet.
        for (id, _) in resolve.types.iter() {
            shapes.of_type(id);
        }
        shapes
    }

    pub(crate) fn of_type(&mut self, id: TypeId) -> u64 {
        if let Some(shape) = self.types.get(&id) {
            return *shape;
        }
        let mut hasher = DefaultHasher::new();
        match &self.resolve.types[id].kind {
            // Two names for one type are one structure.
            TypeDefKind::Type(ty) => {
                let shape = self.of_value(ty);
                self.types.insert(id, shape);
                return shape;
            }
            TypeDefKind::Resource => self.resource(id).hash(&mut hasher),
            kind => self.hash_kind(kind, &mut hasher),
        }
        let shape = hasher.finish();
        self.types.insert(id, shape);
        shape
    }

    pub(crate) fn of_function(&mut self, function: &Function) -> u64 {
        let mut hasher = DefaultHasher::new();
        function.kind.is_async().hash(&mut hasher);
        for param in &function.params {
            param.name.hash(&mut hasher);
            self.of_value(&param.ty).hash(&mut hasher);
        }
        function.result.map(|ty| self.of_value(&ty)).hash(&mut hasher);
        hasher.finish()
    }

    fn of_value(&mut self, ty: &Type) -> u64 {
        match ty {
            Type::Id(id) => self.of_type(*id),
            primitive => {
                let mut hasher = DefaultHasher::new();
                std::mem::discriminant(primitive).hash(&mut hasher);
                hasher.finish()
            }
        }
    }

    fn of_values<'b>(&mut self, types: impl IntoIterator<Item = &'b Type>) -> Vec<u64> {
        types.into_iter().map(|ty| self.of_value(ty)).collect()
    }

    fn hash_kind(&mut self, kind: &TypeDefKind, hasher: &mut DefaultHasher) {
        std::mem::discriminant(kind).hash(hasher);
        match kind {
            TypeDefKind::Record(record) => {
                for field in &record.fields {
                    (&field.name, self.of_value(&field.ty)).hash(hasher);
                }
            }
            TypeDefKind::Variant(variant) => {
                for case in &variant.cases {
                    (&case.name, case.ty.map(|ty| self.of_value(&ty))).hash(hasher);
                }
            }
            TypeDefKind::Enum(kinds) => kinds.cases.iter().for_each(|case| case.name.hash(hasher)),
            TypeDefKind::Flags(flags) => flags.flags.iter().for_each(|flag| flag.name.hash(hasher)),
            TypeDefKind::Handle(handle) => {
                let (Handle::Own(id) | Handle::Borrow(id)) = handle;
                std::mem::discriminant(handle).hash(hasher);
                self.of_type(*id).hash(hasher);
            }
            TypeDefKind::Tuple(tuple) => self.of_values(&tuple.types).hash(hasher),
            TypeDefKind::Result(result) => {
                [result.ok, result.err].map(|ty| ty.map(|ty| self.of_value(&ty))).hash(hasher);
            }
            TypeDefKind::Option(ty) | TypeDefKind::List(ty) | TypeDefKind::Type(ty) => self.of_value(ty).hash(hasher),
            TypeDefKind::Map(key, value) => self.of_values([key, value]).hash(hasher),
            TypeDefKind::FixedLengthList(ty, length) => (self.of_value(ty), length).hash(hasher),
            TypeDefKind::Future(ty) | TypeDefKind::Stream(ty) => ty.map(|ty| self.of_value(&ty)).hash(hasher),
            TypeDefKind::Resource | TypeDefKind::Unknown => {}
        }
    }

    /// What tells a resource from others: where it is defined, without the version.
    fn resource(&self, id: TypeId) -> (String, Option<&'a str>) {
        let definition = &self.resolve.types[id];
        let owner = match definition.owner {
            TypeOwner::Interface(interface) => {
                let interface = &self.resolve.interfaces[interface];
                let package = interface.package.map(|package| &self.resolve.packages[package].name);
                let package = package.map(|name| format!("{}:{}", name.namespace, name.name)).unwrap_or_default();
                match &interface.name {
                    Some(name) => format!("{package}/{name}"),
                    // An interface without a name is the world's own.
                    None => String::new(),
                }
            }
            TypeOwner::World(_) | TypeOwner::None => String::new(),
        };
        (owner, definition.name.as_deref())
    }
}
