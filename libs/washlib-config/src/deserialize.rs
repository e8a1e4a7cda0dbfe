//! From the tree of any format to typed values, with errors that name the key, its place and the nearest known key.
//!
//! Knows no key by itself: the schema declares its tables with [`section!`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::error::ConfigError;
use crate::node::{Entry, Location, Node, NodeKind};
use crate::origin::{Origin, Source, Sourced};
use crate::schema;

/// Where in which source a value stands, and the keys that lead to it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    source: &'a Source,
    location: Location,
    parent: Option<(&'a Place<'a>, Segment<'a>)>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(crate) fn root(source: &'a Source) -> Self {
        Self { source, location: Location::START, parent: None }
    }

    fn entry(&'a self, entry: &'a Entry) -> Self {
        Self { source: self.source, location: entry.location, parent: Some((self, Segment::Key(&entry.key))) }
    }

    pub(crate) fn item(&'a self, index: usize, node: &Node) -> Self {
        Self { source: self.source, location: node.location, parent: Some((self, Segment::Index(index))) }
    }

    fn origin(&self) -> Origin {
        self.source.origin(self.location)
    }

    /// The keys from the root to here, such as `dev.components[0].name`.
    fn key(&self) -> String {
        let Some((parent, segment)) = self.parent else { return String::new() };
        match segment {
            Segment::Key(key) => parent.key_of(key),
            Segment::Index(index) => format!("{}[{index}]", parent.key()),
        }
    }

    /// The keys from the root to a key in this table.
    fn key_of(&self, key: &str) -> String {
        let is_plain = !key.is_empty() && !key.contains(['.', '[', '"', '`']) && !key.contains(char::is_whitespace);
        let key = if is_plain { Cow::Borrowed(key) } else { Cow::Owned(format!("{key:?}")) };
        let parent = self.key();
        if parent.is_empty() { key.into_owned() } else { format!("{parent}.{key}") }
    }

    /// The error for a value of a type that the key does not take.
    pub(crate) fn wrong_type(&self, node: &Node, expected: impl Into<String>) -> ConfigError {
        let expected = expected.into();
        let found = node.describe(&expected);
        ConfigError::WrongType { key: self.key(), origin: self.source.origin(node.location), expected, found }
    }

    /// The error for a value of the right type that is none of `expected`.
    pub(crate) fn invalid_value(&self, node: &Node, value: &str, expected: &[&str]) -> ConfigError {
        ConfigError::InvalidValue {
            key: self.key(),
            origin: self.source.origin(node.location),
            value: value.to_owned(),
            expected: expected.join(", "),
            nearest: nearest(value, expected.iter().copied()).map(str::to_owned),
        }
    }
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name in snake case.
    pub(crate) snake: &'static str,
    /// Which of its two spellings is the published one.
    pub(crate) casing: Casing,
    /// Whether its value is a single one.
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Casing {
    Snake,
    Camel,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    Single,
    Compound,
}

impl Key {
    /// The published spelling.
    pub(crate) fn name(&self) -> Cow<'static, str> {
        match self.casing {
            Casing::Snake => Cow::Borrowed(self.snake),
            Casing::Camel => Cow::Owned(camel_case(self.snake)),
        }
    }

    fn is_spelled(&self, key: &str) -> bool {
        key == self.snake || key == camel_case(self.snake)
    }
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// One spelling for what people take for the same name: case and separators are left out.
pub(crate) fn normalized(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The candidate that a person probably meant by what was written.
pub fn nearest<'c>(written: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // A key of any length is unknown at once; comparing it would take its length squared.
    const LONGEST_COMPARED: usize = 64;
    let written = normalized(written);
    if written.len() > LONGEST_COMPARED {
        return None;
    }
    candidates
        .filter_map(|candidate| {
            let known = normalized(candidate);
            let distance = strsim::damerau_levenshtein(&written, &known);
            (distance <= (written.len().max(known.len()) / 3).max(1)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A table with known keys. Implemented by [`section!`] alone.
pub(crate) trait Section: Default {
    const KEYS: &'static [Key];

    fn read(fields: &mut Fields<'_>) -> Result<Self, ConfigError>;

    fn combine(self, lower: Self) -> Self;

    /// For each key that is set, where; in the order of the schema.
    fn set_keys(&self) -> Vec<(Key, Origin)>;
}

/// Reads a table: every key in it must be one of the section's, and stand in it once.
pub(crate) fn read_section<S: Section>(node: &Node, place: &Place<'_>) -> Result<S, ConfigError> {
    let NodeKind::Table(entries) = &node.kind else { return Err(place.wrong_type(node, "a table")) };
    let mut slots: Vec<Option<&Entry>> = vec![None; S::KEYS.len()];
    for entry in entries {
        let Some(index) = S::KEYS.iter().position(|key| key.is_spelled(&entry.key)) else {
            return Err(unknown_key(entry, place, S::KEYS));
        };
        if let Some(first) = slots[index].replace(entry) {
            return Err(duplicate_key(first, entry, place));
        }
    }
    S::read(&mut Fields { slots: slots.into_iter(), keys: S::KEYS.iter(), place })
}

fn unknown_key(entry: &Entry, place: &Place<'_>, keys: &[Key]) -> ConfigError {
    let known: Vec<String> = keys.iter().map(|key| key.name().into_owned()).collect();
    let nearest = nearest(&entry.key, known.iter().map(String::as_str))
        .map(str::to_owned)
        .or_else(|| schema::path_of_key(&normalized(&entry.key), normalized));
    ConfigError::UnknownKey {
        key: place.key_of(&entry.key),
        origin: place.source.origin(entry.location),
        nearest,
        known,
    }
}

fn duplicate_key(first: &Entry, second: &Entry, place: &Place<'_>) -> ConfigError {
    ConfigError::DuplicateKey {
        key: place.key_of(&second.key),
        origin: place.source.origin(second.location),
        first: Box::new(place.source.origin(first.location)),
    }
}

/// The values of a table in the order of its keys.
pub(crate) struct Fields<'a> {
    slots: std::vec::IntoIter<Option<&'a Entry>>,
    keys: std::slice::Iter<'static, Key>,
    place: &'a Place<'a>,
}

impl Fields<'_> {
    /// The value of the next key.
    pub(crate) fn next<F: Field>(&mut self) -> Result<F, ConfigError> {
        let key = self.keys.next();
        match self.slots.next().flatten() {
            // An empty value is how YAML writes a key that is not set.
            Some(entry) if !entry.node.is_null() => F::present(&entry.node, &self.place.entry(entry)),
            _ => F::absent().ok_or_else(|| ConfigError::MissingKey {
                key: self.place.key_of(&key.map(Key::name).unwrap_or_default()),
                origin: self.place.origin(),
            }),
        }
    }
}

/// What may stand behind a key of a [`Section`].
pub(crate) trait Field: Sized {
    const SHAPE: Shape;

    /// The value of a key that is not there; none where it must be.
    fn absent() -> Option<Self>;

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError>;

    fn combine(self, lower: Self) -> Self;

    /// Where the value, or the first part of it, was set.
    fn origin(&self) -> Option<Origin>;
}

impl<T: Value> Field for Option<Sourced<T>> {
    const SHAPE: Shape = T::SHAPE;

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        Sourced::present(node, place).map(Some)
    }

    fn combine(self, lower: Self) -> Self {
        self.or(lower)
    }

    fn origin(&self) -> Option<Origin> {
        self.as_ref().map(|sourced| sourced.origin().clone())
    }
}

/// A key that must be there.
impl<T: Value> Field for Sourced<T> {
    const SHAPE: Shape = T::SHAPE;

    fn absent() -> Option<Self> {
        None
    }

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        Ok(Self::new(T::read(node, place)?, place.origin()))
    }

    fn combine(self, _lower: Self) -> Self {
        self
    }

    fn origin(&self) -> Option<Origin> {
        Some(Self::origin(self).clone())
    }
}

/// A table with keys of the user's choice, merged key by key.
impl<T: Value> Field for BTreeMap<String, Sourced<T>> {
    const SHAPE: Shape = Shape::Compound;

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn present(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError> {
        let NodeKind::Table(entries) = &node.kind else { return Err(place.wrong_type(node, "a table")) };
        let mut firsts: BTreeMap<&str, &Entry> = BTreeMap::new();
        let mut values = Self::new();
        for entry in entries {
            if let Some(first) = firsts.insert(&entry.key, entry) {
                return Err(duplicate_key(first, entry, place));
            }
            values.insert(entry.key.clone(), Sourced::present(&entry.node, &place.entry(entry))?);
        }
        Ok(values)
    }

    fn combine(self, lower: Self) -> Self {
        let mut combined = lower;
        combined.extend(self);
        combined
    }

    fn origin(&self) -> Option<Origin> {
        self.values().next().map(|sourced| sourced.origin().clone())
    }
}

/// A value by itself.
pub(crate) trait Value: Sized {
    const SHAPE: Shape;

    fn read(node: &Node, place: &Place<'_>) -> Result<Self, ConfigError>;
}

/// Declares a table of the configuration: its keys in the casing they are published in, their types and their meaning.
///
/// Every key is accepted in snake case and in camel case; one that is not listed is an error.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $casing:ident $name:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::deserialize::Section for $name {
            const KEYS: &'static [$crate::deserialize::Key] = &[
                $( $crate::deserialize::Key {
                    snake: stringify!($field),
                    casing: $crate::deserialize::Casing::$casing,
                    shape: <$type as $crate::deserialize::Field>::SHAPE,
                }, )*
            ];

            fn read(
                fields: &mut $crate::deserialize::Fields<'_>,
            ) -> Result<Self, $crate::error::ConfigError> {
                Ok(Self { $( $field: fields.next()?, )* })
            }

            fn combine(self, lower: Self) -> Self {
                Self { $( $field: $crate::deserialize::Field::combine(self.$field, lower.$field), )* }
            }

            fn set_keys(&self) -> Vec<($crate::deserialize::Key, $crate::origin::Origin)> {
                let origins = [ $( $crate::deserialize::Field::origin(&self.$field), )* ];
                Self::KEYS.iter().copied().zip(origins).filter_map(|(key, origin)| Some((key, origin?))).collect()
            }
        }

        impl $crate::deserialize::Value for $name {
            const SHAPE: $crate::deserialize::Shape = $crate::deserialize::Shape::Compound;

            fn read(
                node: &$crate::node::Node,
                place: &$crate::deserialize::Place<'_>,
            ) -> Result<Self, $crate::error::ConfigError> {
                $crate::deserialize::read_section(node, place)
            }
        }

        impl $crate::deserialize::Field for $name {
            const SHAPE: $crate::deserialize::Shape = $crate::deserialize::Shape::Compound;

            fn absent() -> Option<Self> {
                Some(Self::default())
            }

            fn present(
                node: &$crate::node::Node,
                place: &$crate::deserialize::Place<'_>,
            ) -> Result<Self, $crate::error::ConfigError> {
                $crate::deserialize::read_section(node, place)
            }

            fn combine(self, lower: Self) -> Self {
                $crate::deserialize::Section::combine(self, lower)
            }

            fn origin(&self) -> Option<$crate::origin::Origin> {
                $crate::deserialize::Section::set_keys(self).into_iter().next().map(|(_, origin)| origin)
            }
        }
    };
}
pub(crate) use section;
