//! What must not stand in a log line: passwords, tokens, card and phone numbers.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};

/// What stands in their place.
pub const MASK: &str = "***";

/// Parts of names of fields whose values are never shown.
const SECRET_NAMES: [&str; 9] =
    ["password", "passwd", "token", "authorization", "phone", "card", "secret", "cookie", "signing_key"];

/// Whether a field of this name is never shown.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

struct Patterns {
    bearer: Regex,
    jwt: Regex,
    named: Regex,
    url: Regex,
    mobile: Regex,
    international: Regex,
    digits: Regex,
}

#[expect(clippy::panic, reason = "the patterns are constants, compiled by every test that logs")]
fn pattern(text: &str) -> Regex {
    match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => panic!("a pattern is wrong: {error}"),
    }
}

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns {
    bearer: pattern(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"),
    jwt: pattern(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    // name=value, name: value and "name":"value", also within longer names such as card_number.
    named: pattern(concat!(
        r#"(?i)([A-Za-z0-9_]*(?:password|passwd|token|authorization|phone|card|secret|signing_key)[A-Za-z0-9_]*"#,
        r#"\\?"?\s*[:=]\s*)((?:Some\()?\\?"(?:[^"\\]|\\[^"])*\\?"|[^\s,;&}\])"]+)"#
    )),
    url: pattern(r"([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/@]+@"),
    mobile: pattern(
        r"(^|[^A-Za-z0-9+._-])((?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4})($|[^A-Za-z0-9_-])",
    ),
    international: pattern(r"(^|[^A-Za-z0-9])\+[1-9][0-9]{0,2}[ -]?(?:[0-9][ -]?){6,13}[0-9]"),
    digits: pattern(r"[0-9](?:[ -]?[0-9]){14,18}"),
});

/// The text without what must not be shown.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    let patterns = &*PATTERNS;
    let mut masked = Cow::Borrowed(text);
    replace(&mut masked, &patterns.bearer, |found| format!("{} {MASK}", &found[1]));
    replace(&mut masked, &patterns.jwt, |_| MASK.to_owned());
    replace(&mut masked, &patterns.named, |found| format!("{}{MASK}", &found[1]));
    replace(&mut masked, &patterns.url, |found| format!("{}:{MASK}@", &found[1]));
    replace(&mut masked, &patterns.mobile, |found| format!("{}{MASK}{}", &found[1], &found[3]));
    replace(&mut masked, &patterns.international, |found| format!("{}{MASK}", &found[1]));
    replace(&mut masked, &patterns.digits, |found| {
        if is_card(&found[0]) { MASK.to_owned() } else { found[0].to_owned() }
    });
    masked
}

fn replace(text: &mut Cow<'_, str>, pattern: &Regex, with: impl Fn(&Captures<'_>) -> String) {
    if let Cow::Owned(changed) = pattern.replace_all(text, |found: &Captures<'_>| with(found)) {
        *text = Cow::Owned(changed);
    }
}

/// Luhn's check, which card numbers pass and most other numbers do not.
fn is_card(text: &str) -> bool {
    let digits = text.bytes().rev().filter(u8::is_ascii_digit).map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(place, digit)| if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_inside_a_text_are_masked() {
        for (text, masked) in [
            ("sent Bearer abc.def-ghi now", "sent Bearer *** now"),
            ("authorization: Bearer abcdefgh", "authorization: *** ***"),
            ("token is eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "token is ***"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "***"),
            ("password=hunter2, user=bob", "password=***, user=bob"),
            (r#"{"password":"hunter 2","user":"bob"}"#, r#"{"password":***,"user":"bob"}"#),
            (r#"Login { login: "bob", password: "hunter 2" }"#, r#"Login { login: "bob", password: *** }"#),
            ("call +86 138 0013 8000 now", "call *** now"),
            ("call 13800138000 now", "call *** now"),
            ("(138-0013-8000)", "(***)"),
            ("+44 20 7946 0958", "***"),
            ("paid with 4111 1111 1111 1111", "paid with ***"),
            ("paid with 4111111111111111.", "paid with ***."),
            ("postgres://shop:hunter2@db/shop", "postgres://shop:***@db/shop"),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn what_operators_need_stays() {
        for text in [
            "order 20261120ABCDEFGHJKMN placed",
            "user 0192f0c1-7c1a-7000-8000-138001380001 logged in",
            "took 1795161600123 ms since 1970",
            "listening on http://127.0.0.1:8080",
            "2026-11-20T08:00:00.123Z",
            "4111 1111 1111 1112 units",
        ] {
            assert_eq!(mask(text), text);
        }
    }

    #[test]
    fn fields_are_secret_by_their_names() {
        for name in [
            "password",
            "new_password",
            "access_token",
            "Authorization",
            "phone",
            "card_number",
            "client_secret",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["user_id", "status", "message", "sku_id"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
