//! An object within a body.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A type that is read from an object only. By itself it would also take a list, for its members in
/// their order: a price could be read as a quantity.
#[derive(Debug, Clone, Copy)]
pub struct Object<T>(pub T);

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::json::read;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        quantity: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Lines {
        lines: Vec<Object<Line>>,
    }

    #[test]
    fn a_list_is_no_object() {
        let lines = read::<Lines>(br#"{"lines": [{"quantity": 2}]}"#).unwrap();
        assert_eq!(lines.lines[0].0.quantity, 2);
        for (body, field) in [
            (r#"{"lines": [[2]]}"#, "lines[0]"),
            (r#"{"lines": [2]}"#, "lines[0]"),
            (r#"{"lines": [{"quantity": 2, "price": 1}]}"#, "lines[0].price"),
            (r#"{"lines": [{"quantity": "2"}]}"#, "lines[0].quantity"),
            (r#"{"lines": [{}]}"#, "lines[0].quantity"),
        ] {
            let problem = read::<Lines>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.errors()[0].field, field, "{body}");
        }
    }
}
