//! Component values as JSON, for programs to read.
//!
//! One way only: arguments are written in WAVE.

use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

/// The value as JSON.
pub(super) fn value(val: &Val) -> Value {
    match val {
        Val::Bool(value) => Value::Bool(*value),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) => (*value).into(),
        Val::U64(value) => (*value).into(),
        Val::Float32(value) => float(f64::from(*value)),
        Val::Float64(value) => float(*value),
        Val::Char(value) => Value::String(value.to_string()),
        Val::String(value) | Val::Enum(value) => Value::String(value.clone()),
        Val::List(items) | Val::FixedLengthList(items) | Val::Tuple(items) => items.iter().map(self::value).collect(),
        Val::Record(fields) => Value::Object(fields.iter().map(|(name, val)| (name.clone(), value(val))).collect()),
        Val::Flags(names) => names.iter().map(|name| Value::String(name.clone())).collect(),
        Val::Variant(case, None) => Value::String(case.clone()),
        Val::Variant(case, Some(payload)) => case_of(case, value(payload)),
        Val::Option(None) => Value::Null,
        // `some(none)` must not look like `none`.
        Val::Option(Some(some)) if matches!(**some, Val::Option(_)) => case_of("some", value(some)),
        Val::Option(Some(some)) => value(some),
        Val::Result(Ok(payload)) => case_of("ok", payload.as_deref().map_or(Value::Null, value)),
        Val::Result(Err(payload)) => case_of("err", payload.as_deref().map_or(Value::Null, value)),
        // Handles mean nothing outside of their instance.
        _ => Value::String("handle".to_string()),
    }
}

fn case_of(case: &str, payload: Value) -> Value {
    Value::Object(Map::from_iter([(case.to_string(), payload)]))
}

fn float(number: f64) -> Value {
    let text = || {
        Value::String(
            if number.is_nan() {
                "nan"
            } else if number > 0.0 {
                "inf"
            } else {
                "-inf"
            }
            .to_string(),
        )
    };
    Number::from_f64(number).map_or_else(text, Value::Number)
}
