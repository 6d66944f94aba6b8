//! A body in JSON, as a type. A member that the type does not have is refused, even where the type's
//! author forgot to say so.

use std::{future::Future, ops::Deref, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};
use stampede_kernel::Code;

use super::body;
use crate::{
    decode_error::{expected, out_of_range},
    limits::FIELD_ERRORS_MAX,
    problem::{FieldError, Problem},
};

/// What no body at all counts as: many requests say everything in their address, or may leave out all.
pub(super) const EMPTY: &[u8] = b"{}";

/// The body, read and checked.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T> Deref for Json<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = body::json(request.clone(), payload.take());
        Box::pin(async move { read(&body.await?).map(Self) })
    }
}

/// Reads a type from the body that was sent, which may be none.
pub(super) fn read<T: DeserializeOwned>(sent: &[u8]) -> Result<T, Problem> {
    if sent.is_empty() {
        // Not the fields are missing but the body.
        return parse(EMPTY).map_err(|_| Problem::new(Code::Malformed).detail("The body is missing."));
    }
    parse(sent)
}

/// Reads a type from JSON: `malformed` if it is none, `invalid_request` if it is another type's.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Code::Malformed).detail("The body is not in UTF-8."))?;
    if text.contains("\\u0000") {
        refuse_nul(text)?;
    }
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(no_object(text));
    }
    let mut unknown = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = serde_ignored::deserialize(&mut deserializer, |path| {
        if unknown.len() < FIELD_ERRORS_MAX {
            unknown.push(FieldError::new(clean(&path.to_string()), "unknown", "There is no such field."));
        }
    });
    let parsed = parsed.and_then(|value: T| deserializer.end().map(|()| value));
    match parsed {
        Ok(value) if unknown.is_empty() => Ok(value),
        Ok(_) => Err(Problem::invalid(unknown)),
        Err(error) => Err(explain::<T>(text, &error)),
    }
}

/// `items.0.quantity`, with `?` for wrappers, as the contract writes paths: `items[0].quantity`.
fn clean(path: &str) -> String {
    let mut clean = String::new();
    for part in path.split('.').filter(|part| *part != "?") {
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            clean.push('[');
            clean.push_str(part);
            clean.push(']');
        } else {
            if !clean.is_empty() {
                clean.push('.');
            }
            clean.push_str(part);
        }
    }
    clean
}

/// Every body is an object: a list would be taken for an object's members in the order of the type. What
/// is nested too deeply to be read counts as malformed.
fn no_object(text: &str) -> Problem {
    match serde_json::from_str::<Value>(text) {
        Ok(_) => Problem::field("", "format", "Expected an object."),
        Err(error) => malformed(&error),
    }
}

fn malformed(error: &serde_json::Error) -> Problem {
    let place = format!("The body is not JSON (line {}, column {}).", error.line(), error.column());
    Problem::new(Code::Malformed).detail(place)
}

/// What is wrong, with its place; reads the text once more, to learn the path.
fn explain<T: DeserializeOwned>(text: &str, error: &serde_json::Error) -> Problem {
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => return malformed(error),
        Category::Data => {}
    }
    // The type refused a member before the rest was read, which may be no JSON.
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return malformed(&error);
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => Problem::new(Code::InvalidRequest),
        Err(error) => {
            let path = error.path().to_string();
            Problem::invalid(vec![field_error(&path, &error.inner().to_string())])
        }
    }
}

/// A reader's message, as a field's error. The message may quote the value; what is told does not.
pub(super) fn field_error(path: &str, message: &str) -> FieldError {
    let path = if path == "." { "" } else { path };
    let named = |field: &str| match path {
        "" => field.to_owned(),
        _ if path == field || path.ends_with(&format!(".{field}")) => path.to_owned(),
        _ => format!("{path}.{field}"),
    };
    let quoted = message.split('`').nth(1).unwrap_or_default();
    if message.starts_with("missing field") {
        return FieldError::new(named(quoted), "required", "The field is required.");
    }
    if message.starts_with("unknown field") {
        return FieldError::new(named(quoted), "unknown", "There is no such field.");
    }
    if message.starts_with("duplicate field") {
        return FieldError::new(named(quoted), "duplicate", "The field is given twice.");
    }
    // The place within the text is of no use to a program that built it from fields.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let code = if out_of_range(message) { "out_of_range" } else { "format" };
    FieldError::new(path, code, format!("Expected {}.", expected(message)))
}

/// No text may hold U+0000: no database column takes it. Called when the escape occurs at all, since it
/// may stand behind an escaped backslash.
fn refuse_nul(text: &str) -> Result<(), Problem> {
    // What is not JSON is told apart by the caller.
    let Ok(value) = serde_json::from_str::<Value>(text) else { return Ok(()) };
    match nul(&value, String::new()) {
        Some(path) => Err(Problem::field(path, "characters", "The text holds the character U+0000.")),
        None => Ok(()),
    }
}

/// The path of a text or a member's name that holds U+0000.
fn nul(value: &Value, path: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| nul(item, format!("{path}[{index}]")))
        }
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if name.contains('\0') {
                return Some(path.clone());
            }
            nul(member, if path.is_empty() { name.clone() } else { format!("{path}.{name}") })
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Without `deny_unknown_fields`, on purpose.
    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        items: Vec<Line>,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Line {
        quantity: u32,
    }

    fn refusal(body: &[u8]) -> (&'static str, Vec<(String, String)>) {
        match parse::<Order>(body) {
            Ok(order) => panic!("accepted {order:?}"),
            Err(problem) => {
                let errors = problem.errors().iter().map(|e| (e.field.clone(), e.code.to_string()));
                (problem.code().as_str(), errors.collect())
            }
        }
    }

    #[test]
    fn what_fits_the_type_is_read() {
        let order = parse::<Order>(r#"{"items":[{"quantity":2}],"note":"\\u0000 is a text"}"#.as_bytes());
        let expected = Order { items: vec![Line { quantity: 2 }], note: Some("\\u0000 is a text".into()) };
        assert_eq!(order.unwrap(), expected);
    }

    #[test]
    fn no_body_is_an_object_without_members() {
        #[derive(Debug, Deserialize)]
        struct Reason {
            reason: Option<String>,
        }
        assert_eq!(read::<Reason>(b"").unwrap().reason, None);
        let missing = read::<Order>(b"").unwrap_err();
        assert_eq!(missing.code(), Code::Malformed);
        assert!(format!("{missing:?}").contains("The body is missing."), "{missing:?}");
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            &b"{"[..],
            b"{\"items\":[]} more",
            b"nope",
            b"{\"note\":\"\xff\"}",
            b"{\"items\":[],\"note\":\"\xed\xa0\x80\"}",
            b"{\"items\":[],\"note\":\"a\x00b\"}",
            b"{\"items\":[],\"note\":\"\\ud800\"}",
            b"{\"items\":[],\"note\":\"\\udc00\\ud800\"}",
            format!("{{\"items\":[],\"note\":{deep}}}").as_bytes(),
        ] {
            let (code, _) = refusal(body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let accepted =
                if shown.contains("[[[") { ["malformed", "invalid_request"] } else { ["malformed"; 2] };
            assert!(accepted.contains(&code), "{shown}: {code}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (body, field, code) in [
            (r#"{}"#, "items", "required"),
            (r#"{"items":[{}]}"#, "items[0].quantity", "required"),
            (r#"{"items":[{"quantity":"two"}]}"#, "items[0].quantity", "format"),
            (r#"{"items":[{"quantity":-1}]}"#, "items[0].quantity", "out_of_range"),
            (r#"{"items":[{"quantity":1.5}]}"#, "items[0].quantity", "format"),
            (r#"{"items":[{"quantity":1,"price":"0.01"}]}"#, "items[0].price", "unknown"),
            (r#"{"items":[],"price":{"deep":[1]}}"#, "price", "unknown"),
            (r#"{"items":[],"items":[]}"#, "items", "duplicate"),
            (r#"{"items":[],"note":"a\u0000b"}"#, "note", "characters"),
            (r#"{"items":[],"x":[{"y":"\u0000"}]}"#, "x[0].y", "characters"),
            (r#"{"items":[],"\u0000":1}"#, "", "characters"),
            (r#"[]"#, "", "format"),
            (r#"[[{"quantity":1}],null]"#, "", "format"),
            (r#"7"#, "", "format"),
        ] {
            let (refused, errors) = refusal(body.as_bytes());
            assert_eq!(refused, "invalid_request", "{body}");
            assert_eq!(errors, [(field.to_owned(), code.to_owned())], "{body}");
        }
    }

    #[test]
    fn a_value_is_never_quoted_back() {
        let problem = parse::<Order>(br#"{"items":"hunter2, expected hunter2"}"#).unwrap_err();
        assert_eq!(problem.errors()[0].detail, "Expected a list.");
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
}
