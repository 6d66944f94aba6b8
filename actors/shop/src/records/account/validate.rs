//! What may become an account.

use std::fmt;

use stampede_kernel::{FieldError, FieldErrors};

use super::common_passwords;
use crate::records::account::limits::{
    EMAIL_BYTES_MAX, EMAIL_LOCAL_BYTES_MAX, PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PHONE_CHARS_MAX,
    PHONE_CHARS_MIN, USERNAME_CHARS_MAX, USERNAME_CHARS_MIN,
};

/// The domain of the accounts of load tests; nobody can receive mail there.
pub(super) const LOAD_DOMAIN: &str = "load.invalid";
/// The name of the first administrator.
pub(super) const ADMIN_NAME: &str = "admin";

/// What somebody writes to get an account.
#[derive(Clone)]
pub struct NewAccount {
    /// 3 to 32 letters, digits, `_`, `-` and `.`.
    pub username: String,
    /// At most 254 bytes.
    pub email: String,
    /// At least 8 characters, at most 1024 bytes, and none of the most common ones.
    pub password: String,
    /// An optional `+`, then 5 to 20 digits, spaces and `-`.
    pub phone: Option<String>,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount").field("username", &self.username).finish_non_exhaustive()
    }
}

impl NewAccount {
    /// Everything that is wrong with it.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut errors = FieldErrors::new();
        username(&mut errors, &self.username);
        errors.require(!is_reserved(&self.username), "username", "reserved", "is kept for the shop itself");
        email_of_stranger(&mut errors, &self.email);
        password(&mut errors, &self.password);
        let same = self.password.to_lowercase() == self.username.to_lowercase();
        errors.require(!same, "password", "too_common", "must not be the username");
        if let Some(text) = &self.phone {
            phone(&mut errors, text);
        }
        errors.finish()
    }
}

/// Whether a stranger may not register this name: `admin` and `load-1`, `load-2`...
fn is_reserved(name: &str) -> bool {
    let name = name.to_lowercase();
    let of_load =
        name.strip_prefix("load-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    name == ADMIN_NAME || of_load
}

pub(super) fn username(errors: &mut FieldErrors, text: &str) {
    let length = text.chars().count();
    let sized = (USERNAME_CHARS_MIN..=USERNAME_CHARS_MAX).contains(&length);
    errors.require(sized, "username", "length", "must have 3 to 32 characters");
    let plain =
        text.chars().all(|char| char.is_alphabetic() || char.is_ascii_digit() || "_-.".contains(char));
    errors.require(plain, "username", "characters", "must have letters, digits, '_', '-' and '.' only");
}

pub(super) fn email(errors: &mut FieldErrors, text: &str) {
    errors.require(text.len() <= EMAIL_BYTES_MAX, "email", "too_long", "must have at most 254 bytes");
    errors.require(is_plausible_email(text), "email", "format", "must be an e-mail address");
}

/// An address that somebody gives himself.
pub(super) fn email_of_stranger(errors: &mut FieldErrors, text: &str) {
    email(errors, text);
    let of_load = text.to_lowercase().ends_with(&format!("@{LOAD_DOMAIN}"));
    errors.require(!of_load, "email", "reserved", "is kept for the shop itself");
}

/// Whether mail could be sent there. Only sending some proves it, so this refuses little.
fn is_plausible_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let clean = |part: &str| {
        !part.chars().any(|char| char.is_control() || char.is_whitespace() || "@<>()[],;:\\\"".contains(char))
    };
    let dotted = |part: &str| !part.split('.').any(str::is_empty);
    let label = |label: &str| {
        label.chars().all(|char| char.is_alphanumeric() || char == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    local.len() <= EMAIL_LOCAL_BYTES_MAX
        && clean(local)
        && dotted(local)
        && dotted(domain)
        && domain.split('.').all(label)
}

pub(super) fn phone(errors: &mut FieldErrors, text: &str) {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let plain = digits.chars().all(|char| char.is_ascii_digit() || char == ' ' || char == '-');
    let sized = (PHONE_CHARS_MIN..=PHONE_CHARS_MAX).contains(&digits.len());
    let telling = digits.chars().any(|char| char.is_ascii_digit());
    errors.require(
        plain && sized && telling,
        "phone",
        "format",
        "must be '+' or nothing, then 5 to 20 digits, spaces and '-'",
    );
}

pub(super) fn password(errors: &mut FieldErrors, text: &str) {
    let long_enough = text.chars().count() >= PASSWORD_CHARS_MIN;
    errors.require(long_enough, "password", "too_short", "must have at least 8 characters");
    errors.require(text.len() <= PASSWORD_BYTES_MAX, "password", "too_long", "must have at most 1024 bytes");
    errors.require_line(text, "password");
    errors.require(
        !common_passwords::contains(text),
        "password",
        "too_common",
        "must not be one of the most common passwords",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> NewAccount {
        NewAccount {
            username: "li.wei_88".into(),
            email: "li.wei@example.com".into(),
            password: "correct horse battery".into(),
            phone: Some("+86 138-0013-8000".into()),
        }
    }

    fn faults(account: &NewAccount) -> Vec<(String, &'static str)> {
        let errors = account.validate().err().unwrap_or_default();
        errors.into_iter().map(|error| (error.field, error.code)).collect()
    }

    #[test]
    fn ordinary_accounts_are_taken() {
        assert_eq!(faults(&sample()), []);
        for username in ["abc", "王小明", "Zoë-2", "load-testing", "administrator"] {
            assert_eq!(faults(&NewAccount { username: username.into(), ..sample() }), [], "{username}");
        }
        for email in ["a@b", "user+tag@mail.example.co", "李@例子.中国"] {
            assert_eq!(faults(&NewAccount { email: email.into(), ..sample() }), [], "{email}");
        }
        assert_eq!(faults(&NewAccount { password: "长密码也可以用的".into(), ..sample() }), []);
        assert_eq!(faults(&NewAccount { password: "p".repeat(1_024), ..sample() }), []);
        assert_eq!(faults(&NewAccount { phone: None, ..sample() }), []);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (username, code) in [
            ("ab", "length"),
            (&"x".repeat(33), "length"),
            ("a b c", "characters"),
            ("a@b.c", "characters"),
            ("nul\0nul", "characters"),
            ("Admin", "reserved"),
            ("LOAD-17", "reserved"),
        ] {
            let given = NewAccount { username: username.into(), ..sample() };
            assert_eq!(faults(&given), [("username".to_owned(), code)], "{username:?}");
        }
        for (email, code) in [
            ("nobody", "format"),
            ("@example.com", "format"),
            ("a@", "format"),
            ("a b@example.com", "format"),
            ("a@-example.com", "format"),
            ("a..b@example.com", "format"),
            ("a@example.com\0", "format"),
            ("me@load.invalid", "reserved"),
        ] {
            let given = NewAccount { email: email.into(), ..sample() };
            assert_eq!(faults(&given), [("email".to_owned(), code)], "{email:?}");
        }
        for (password, code) in [
            ("short", "too_short"),
            (&"x".repeat(1_025), "too_long"),
            ("Password123", "too_common"),
            ("li.wei_88", "too_common"),
            ("with\0zero-byte", "characters"),
        ] {
            let given = NewAccount { password: password.into(), ..sample() };
            assert_eq!(faults(&given), [("password".to_owned(), code)], "{password:?}");
        }
        for phone in ["1234", "+", "------", "12345678901234567890 1", "123456x"] {
            let given = NewAccount { phone: Some(phone.into()), ..sample() };
            assert_eq!(faults(&given), [("phone".to_owned(), "format")], "{phone:?}");
        }
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let given = NewAccount {
            username: "x".into(),
            email: "x".into(),
            password: "x".into(),
            phone: Some("x".into()),
        };
        let fields: Vec<_> = faults(&given).into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["username", "email", "password", "password", "phone"]);
    }

    #[test]
    fn a_password_is_never_shown() {
        assert!(!format!("{:?}", sample()).contains("horse"));
    }
}
