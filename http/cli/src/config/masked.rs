//! Settings as they may be shown: without their secrets.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Config;

const MASK: &str = "***";

pub(super) fn masked(config: &Config) -> String {
    toml::to_string(&table(config)).unwrap_or_default()
}

/// Every key with its value as text, secrets masked; for comparisons and log lines.
pub(super) fn flat(config: &Config) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (section, value) in table(config) {
        if let Value::Table(keys) = value {
            all.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value.to_string())));
        } else {
            all.insert(section, value.to_string());
        }
    }
    all
}

fn table(config: &Config) -> Table {
    let mut table = Table::try_from(config).unwrap_or_default();
    for (_, section) in table.iter_mut() {
        let Value::Table(keys) = section else { continue };
        for (key, value) in keys.iter_mut() {
            let Value::String(text) = value else { continue };
            if is_secret(key) && !text.is_empty() {
                MASK.clone_into(text);
            } else {
                *text = without_passwords(text);
            }
        }
    }
    table
}

fn is_secret(key: &str) -> bool {
    key.ends_with("_key")
        || ["password", "secret", "token"].iter().any(|word| key.contains(word) && !key.contains("ttl"))
}

/// One URL, or several with commas between them. A comma that no URL follows is a part of the one before.
fn without_passwords(text: &str) -> String {
    let mut urls: Vec<String> = Vec::new();
    for part in text.split(',') {
        match urls.last_mut() {
            Some(url) if !part.contains("://") => {
                url.push(',');
                url.push_str(part);
            }
            Some(_) | None => urls.push(part.to_owned()),
        }
    }
    urls.iter().map(|url| without_password(url)).collect::<Vec<_>>().join(",")
}

/// A URL with its password, and with any query parameter that names one, masked.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    // A password may hold what should stand encoded in a URL: rather too much is masked.
    let host = rest.rfind('@').unwrap_or(0);
    let (authority, tail) =
        rest.split_at(rest[host..].find(['/', '?', '#']).map_or(rest.len(), |at| host + at));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{MASK}@{host}"),
            // A lone user part is a token for NATS.
            None => format!("{MASK}@{host}"),
        },
        None => authority.to_owned(),
    };
    let tail = match tail.split_once('?') {
        Some((path, query)) => {
            let mask = |pair: &str| match pair.split_once('=') {
                Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
                Some(_) | None => pair.to_owned(),
            };
            format!("{path}?{}", query.split('&').map(mask).collect::<Vec<_>>().join("&"))
        }
        None => tail.to_owned(),
    };
    format!("{scheme}://{authority}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    #[test]
    fn no_secret_is_shown() {
        let mut sources = Sources { folder: "/nonexistent".into(), ..Sources::default() };
        for (name, value) in [
            ("DATABASE_URL", "postgres://shop:pa55word@db:5432/shop?sslmode=require&sslpassword=pa55word"),
            ("NATS_URL", "nats://pa55word@nats:4222,tls://node:pa55word,pa55word@nats"),
            ("REDIS_URL", "redis://:pa55word@redis:6379/0"),
            ("STAMPEDE_AUTH__SIGNING_KEY", "pa55word-pa55word-pa55word-pa55word"),
        ] {
            sources.variables.insert(name.into(), value.into());
        }
        let config = Config::load(&sources).unwrap();
        let shown = config.masked();
        assert!(
            shown.contains("postgres://shop:***@db:5432/shop?sslmode=require&sslpassword=***"),
            "{shown}"
        );
        assert!(shown.contains("nats://***@nats:4222,tls://node:***@nats"), "{shown}");
        assert!(shown.contains("redis://:***@redis:6379/0"), "{shown}");
        assert!(shown.contains("signing_key = \"***\""), "{shown}");
        assert!(!shown.contains("pa55word"), "{shown}");
    }

    #[test]
    fn a_password_that_is_not_encoded_is_not_shown_either() {
        for (url, shown) in [
            ("postgres://shop:p/a#55@db/shop", "postgres://shop:***@db/shop"),
            (
                "postgres://shop:p@ss?55@db/shop?sslmode=require",
                "postgres://shop:***@db/shop?sslmode=require",
            ),
            ("postgres://db/shop", "postgres://db/shop"),
        ] {
            assert_eq!(without_passwords(url), shown);
        }
        let unset = Config::load(&Sources { folder: "/nonexistent".into(), ..Sources::default() }).unwrap();
        assert!(unset.masked().contains("signing_key = \"\""), "an unset secret is shown as unset");
        assert!(unset.masked().contains("access_token_ttl_seconds = 900"));
    }
}
