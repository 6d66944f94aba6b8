//! What a reader of JSON, of a query or of settings expected, in words for people. The readers speak of
//! Rust's types and quote the value, which may be a secret; what is told does neither.

use std::borrow::Cow;

/// What a reader's message says it expected.
#[must_use]
pub fn expected(message: &str) -> Cow<'static, str> {
    if message.starts_with("UUID parsing failed") {
        return "an id".into();
    }
    // A value may hold these words too, but it stands before what was expected.
    match message.rsplit_once("expected ") {
        Some((_, "i64")) if out_of_range(message) => "a whole number of at most 18 digits".into(),
        Some((_, kind)) => in_words(kind.trim_end()),
        None => parsed(message).into(),
    }
}

/// Whether the value was of the right kind, but too small or too large for it.
#[must_use]
pub fn out_of_range(message: &str) -> bool {
    message.starts_with("invalid value: integer") || message.starts_with("number too ")
}

/// What serde calls the kinds of values.
fn in_words(kind: &str) -> Cow<'static, str> {
    let words = match kind {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of 0 or more",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "str" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if kind.starts_with("struct ") => "an object",
        _ if kind.contains("UUID") => "an id",
        // Lists of names, and what our own readers say.
        _ => return kind.to_owned().into(),
    };
    words.into()
}

/// What the standard library says of texts that it could not read.
fn parsed(message: &str) -> &'static str {
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "a whole number in digits"
        }
        "number too large to fit in target type" => "a smaller whole number",
        "number too small to fit in target type" => "a larger whole number",
        "invalid float literal" | "cannot parse float from empty string" => "a number",
        "provided string was not `true` or `false`" => "true or false",
        _ => "another value",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, de::DeserializeOwned};
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only its type matters")]
        quantity: i64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Side {
        Left,
        Right,
    }

    /// What was expected where a type is read from `json`, and whether the value was out of range.
    fn read<T: DeserializeOwned + std::fmt::Debug>(json: &str) -> (String, bool) {
        let error = serde_json::from_str::<T>(json).unwrap_err().to_string();
        let message = error.rsplit_once(" at line ").map_or(error.as_str(), |(message, _)| message);
        (expected(message).into_owned(), out_of_range(message))
    }

    #[test]
    fn kinds_are_said_in_words_that_need_no_rust() {
        let word = |words: &str| (words.to_owned(), false);
        assert_eq!(read::<i64>(r#""two""#), word("a whole number"));
        let many_digits = ("a whole number of at most 18 digits".to_owned(), true);
        assert_eq!(read::<i64>("18446744073709551615"), many_digits);
        assert_eq!(read::<u32>("1.5"), word("a whole number from 0 to 4294967295"));
        assert_eq!(read::<u32>("-1"), ("a whole number from 0 to 4294967295".to_owned(), true));
        assert_eq!(read::<f64>("true"), word("a number"));
        assert_eq!(read::<bool>("1"), word("true or false"));
        assert_eq!(read::<String>("1"), word("a text"));
        assert_eq!(read::<Vec<i64>>("{}"), word("a list"));
        assert_eq!(read::<BTreeMap<String, i64>>(r#""x""#), word("an object"));
        assert_eq!(read::<Line>("7"), word("an object"));
        assert_eq!(read::<Line>("[]"), word("an object"));
        assert_eq!(read::<Uuid>(r#""xyz""#), word("an id"));
        assert_eq!(read::<Uuid>("7"), word("an id"));
        assert_eq!(read::<Side>(r#""up""#), word("`left` or `right`"));
    }

    #[test]
    fn a_value_is_not_told_even_if_it_speaks_like_a_reader() {
        for value in ["hunter2, expected hunter2", "expected hunter2"] {
            assert_eq!(read::<u16>(&format!("{value:?}")).0, "a whole number from 0 to 65535");
        }
        assert_eq!(expected("the password hunter2 is wrong"), "another value");
    }

    #[test]
    fn numbers_in_texts_are_said_in_words_too() {
        for (text, words) in [
            ("two", "a whole number in digits"),
            ("", "a whole number in digits"),
            ("99999999999", "a smaller whole number"),
        ] {
            let error = text.parse::<u32>().unwrap_err().to_string();
            assert_eq!(expected(&error), words, "{text}");
        }
        assert_eq!(expected(&"x".parse::<f64>().unwrap_err().to_string()), "a number");
        assert_eq!(expected(&"x".parse::<bool>().unwrap_err().to_string()), "true or false");
    }
}
