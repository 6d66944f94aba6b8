//! Where settings come from, one layer over the other, and what is wrong with them.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use stampede_server::decode_error::expected;
use toml::{Table, Value};

use super::{Config, ENVIRONMENT_DEFAULT};

const DEFAULT: &str = include_str!("../../../../config/default.toml");
const EMBEDDED: [(&str, &str); 2] = [
    ("development", include_str!("../../../../config/development.toml")),
    ("production", include_str!("../../../../config/production.toml")),
];

/// The variables that engines are usually named by, and the keys that they set.
const ENGINE_VARIABLES: [(&str, &str); 3] =
    [("DATABASE_URL", "database.url"), ("NATS_URL", "nats.url"), ("REDIS_URL", "redis.url")];

/// Where to look for settings.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file given with `--config`.
    pub file: Option<PathBuf>,
    /// The folder that may hold `default.toml` and a file for each environment.
    pub folder: PathBuf,
    /// The process's environment.
    pub variables: BTreeMap<String, String>,
    /// Settings from the command line, as (option, key, value); they override everything.
    pub options: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// The working folder's `config/`, this process's environment, and the file from `--config`.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { file, folder: PathBuf::from("config"), variables, options: Vec::new() }
    }
}

/// Why there are no settings in force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{origin} could not be read")]
    Read { origin: String, source: std::io::Error },
    #[error("there is no setting {variable}; perhaps {meant} is meant, with two underscores")]
    Misspelt { variable: String, meant: String },
    #[error("{origin} is not TOML: {message}")]
    Syntax { origin: String, message: String },
    #[error("{origin}: there is no setting {key}")]
    Unknown { origin: String, key: String },
    #[error("{origin}: {key} is wrong, expected {expected}")]
    Wrong { origin: String, key: String, expected: String },
    #[error(
        "there is no environment {name}: neither config/{name}.toml nor one of development and production"
    )]
    NoEnvironment { name: String },
}

/// The merged settings so far, and where each came from.
struct Layers {
    merged: Table,
    origins: BTreeMap<String, String>,
}

pub(super) fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut layers = Layers { merged: Table::new(), origins: BTreeMap::new() };
    layers.merged.insert("environment".into(), Value::String(ENVIRONMENT_DEFAULT.into()));
    layers.schema(&parse(DEFAULT, "default.toml")?);
    let default = sources.folder.join("default.toml");
    if let Some(table) = read_if_there(&default)? {
        layers.add(table, &default.display().to_string())?;
    }

    let own = sources.file.as_deref().map(read).transpose()?;
    let named = own.as_ref().and_then(|table| table.get("environment")).and_then(Value::as_str);
    let variable = sources.variables.get("STAMPEDE_ENVIRONMENT").map(String::as_str);
    let environment = variable.or(named).unwrap_or(ENVIRONMENT_DEFAULT).to_owned();
    let (table, origin) = environment_file(sources, &environment)?;
    layers.add(table, &origin)?;
    if let (Some(table), Some(file)) = (own, &sources.file) {
        layers.add(table, &file.display().to_string())?;
    }
    layers.merged.insert("environment".into(), Value::String(environment));

    for (variable, key) in ENGINE_VARIABLES {
        if let Some(value) = sources.variables.get(variable) {
            layers.set(key, value, variable)?;
        }
    }
    for (variable, value) in &sources.variables {
        // Without the double underscore it is no setting: Kubernetes injects STAMPEDE_PORT and the like
        // for a service of that name.
        let Some(name) = variable.strip_prefix("STAMPEDE_") else { continue };
        if !name.contains("__") {
            layers.refuse_misspelt(variable, name)?;
            continue;
        }
        let key = name.to_ascii_lowercase().replace("__", ".");
        layers.set(&key, value, variable)?;
    }
    for (option, key, value) in &sources.options {
        layers.set(key, value, option)?;
    }
    layers.finish()
}

/// The file for an environment: the operator's own, else the copy in the binary.
fn environment_file(sources: &Sources, name: &str) -> Result<(Table, String), ConfigError> {
    let sane = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !sane || name == "default" {
        return Err(ConfigError::NoEnvironment { name: name.to_owned() });
    }
    let path = sources.folder.join(format!("{name}.toml"));
    if let Some(table) = read_if_there(&path)? {
        return Ok((table, path.display().to_string()));
    }
    match EMBEDDED.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok((parse(text, name)?, format!("{name}.toml"))),
        None => Err(ConfigError::NoEnvironment { name: name.to_owned() }),
    }
}

fn parse(text: &str, origin: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| ConfigError::Syntax {
        origin: origin.to_owned(),
        message: where_and_what(text, &error),
    })
}

/// The parser's own text would quote the line, which may hold a secret.
fn where_and_what(text: &str, error: &toml::de::Error) -> String {
    let mut message = error.message().to_owned();
    if let Some(span) = error.span() {
        let line = text.get(..span.start).map_or(0, |before| before.matches('\n').count()) + 1;
        let _written = write!(message, " (line {line})");
    }
    message
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let origin = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { origin: origin.clone(), source })?;
    parse(&text, &origin)
}

fn read_if_there(path: &Path) -> Result<Option<Table>, ConfigError> {
    if path.is_file() { read(path).map(Some) } else { Ok(None) }
}

impl Layers {
    /// Takes the defaults, which also say which keys there are.
    fn schema(&mut self, defaults: &Table) {
        for (section, value) in defaults {
            self.merged.insert(section.clone(), value.clone());
        }
    }

    /// Puts a file's settings over what is there.
    fn add(&mut self, table: Table, origin: &str) -> Result<(), ConfigError> {
        for (section, value) in table {
            let unknown = |key: String| ConfigError::Unknown { origin: origin.to_owned(), key };
            match (self.merged.get_mut(&section), value) {
                (Some(Value::Table(known)), Value::Table(given)) => {
                    for (key, value) in given {
                        let name = format!("{section}.{key}");
                        let slot = known.get_mut(&key).ok_or_else(|| unknown(name.clone()))?;
                        if !same_kind(slot, &value) {
                            return Err(wrong(origin, &name, slot));
                        }
                        *slot = value;
                        self.origins.insert(name, origin.to_owned());
                    }
                }
                (Some(Value::Table(_)), _) => {
                    return Err(ConfigError::Wrong {
                        origin: origin.to_owned(),
                        key: section,
                        expected: "a section".to_owned(),
                    });
                }
                (Some(slot), value) => {
                    if !same_kind(slot, &value) {
                        return Err(wrong(origin, &section, slot));
                    }
                    *slot = value;
                    self.origins.insert(section, origin.to_owned());
                }
                (None, _) => return Err(unknown(section)),
            }
        }
        Ok(())
    }

    /// Refuses a variable that would be a setting if its section were set apart by two underscores.
    fn refuse_misspelt(&self, variable: &str, name: &str) -> Result<(), ConfigError> {
        let name = name.to_ascii_lowercase();
        let meant = self.merged.iter().find_map(|(section, keys)| {
            let key = name.strip_prefix(section.as_str())?.strip_prefix('_')?;
            keys.get(key)?;
            Some(format!("STAMPEDE_{section}__{key}").to_ascii_uppercase())
        });
        match meant {
            Some(meant) => Err(ConfigError::Misspelt { variable: variable.to_owned(), meant }),
            None => Ok(()),
        }
    }

    /// Sets one key from a text, which is read as what the key's default is.
    fn set(&mut self, key: &str, text: &str, origin: &str) -> Result<(), ConfigError> {
        let unknown = || ConfigError::Unknown { origin: origin.to_owned(), key: key.to_owned() };
        let (section, name) = key.split_once('.').ok_or_else(unknown)?;
        let known = self.merged.get_mut(section).and_then(Value::as_table_mut).ok_or_else(unknown)?;
        let slot = known.get_mut(name).ok_or_else(unknown)?;
        let value = match slot {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
            Value::Float(_) => text.trim().parse().ok().map(Value::Float),
            Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
            Value::Array(_) => Some(Value::Array(list(text))),
            Value::Datetime(_) | Value::Table(_) => None,
        };
        *slot = value.ok_or_else(|| wrong(origin, key, slot))?;
        self.origins.insert(key.to_owned(), origin.to_owned());
        Ok(())
    }

    fn finish(self) -> Result<Config, ConfigError> {
        let origin = |key: &str| self.origins.get(key).cloned().unwrap_or_else(|| "default.toml".to_owned());
        let config: Config = serde_path_to_error::deserialize(self.merged.clone()).map_err(|error| {
            let key = error.path().to_string();
            let key = key.split_once('[').map_or(key.as_str(), |(list, _)| list);
            ConfigError::Wrong {
                origin: origin(key),
                key: key.to_owned(),
                expected: expected(error.inner().message()).into_owned(),
            }
        })?;
        config.check().map_err(|(key, expected)| ConfigError::Wrong {
            origin: origin(key),
            key: key.to_owned(),
            expected: expected.to_owned(),
        })?;
        Ok(config)
    }
}

/// A list from the environment: `a,b`, or as TOML writes it.
fn list(text: &str) -> Vec<Value> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let items = text.split(',').map(|item| item.trim().trim_matches('"')).filter(|item| !item.is_empty());
    items.map(|item| Value::String(item.to_owned())).collect()
}

fn same_kind(known: &Value, given: &Value) -> bool {
    // A whole number is good enough where one with a fraction is meant.
    known.same_type(given) || (known.is_float() && given.is_integer())
}

fn wrong(origin: &str, key: &str, known: &Value) -> ConfigError {
    let expected = match known {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list of texts",
        Value::Datetime(_) => "a moment",
        Value::Table(_) => "a section",
    };
    ConfigError::Wrong { origin: origin.to_owned(), key: key.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Format;

    fn sources(variables: &[(&str, &str)]) -> Sources {
        Sources {
            folder: PathBuf::from("/nonexistent"),
            variables: variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Sources::default()
        }
    }

    fn refused(sources: &Sources) -> String {
        match Config::load(sources) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn later_layers_override_earlier_ones() {
        let folder = std::env::temp_dir().join(format!("stampede-config-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("own.toml");
        std::fs::write(folder.join("default.toml"), "[server]\nworkers = 1\n[limits]\napi_burst = 1")
            .unwrap();
        std::fs::write(folder.join("staging.toml"), "[server]\nworkers = 2\n[limits]\nflash_burst = 2")
            .unwrap();
        std::fs::write(&file, "environment = \"staging\"\n[server]\nworkers = 3\nbody_timeout_ms = 3")
            .unwrap();
        let mut sources = sources(&[
            ("STAMPEDE_SERVER__WORKERS", "4"),
            ("STAMPEDE_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
            ("DATABASE_URL", "postgres://a@b/c"),
            ("STAMPEDE_PORT", "tcp://10.0.0.1:80"),
        ]);
        sources.folder = folder.clone();
        sources.file = Some(file);
        let config = Config::load(&sources).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(config.environment, "staging");
        assert_eq!(config.server.workers, 4);
        assert_eq!(config.server.body_timeout_ms, 3);
        assert_eq!((config.limits.api_burst, config.limits.flash_burst), (1, 2));
        assert_eq!(config.limits.api_per_second, 100);
        assert_eq!(config.server.trusted_proxies, ["10.0.0.0/8", "::1"]);
        assert_eq!(config.database.url, "postgres://a@b/c");
    }

    #[test]
    fn production_has_its_own_file_in_the_binary() {
        let config = Config::load(&sources(&[("STAMPEDE_ENVIRONMENT", "production")])).unwrap();
        assert_eq!(config.telemetry.format, Format::Json);
        assert!(!config.admin.load_users);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key_its_origin_and_what_was_expected() {
        for (variable, value, parts) in [
            (
                "STAMPEDE_LIMITS__API_BRUST",
                "1",
                ["limits.api_brust", "STAMPEDE_LIMITS__API_BRUST", "no setting"],
            ),
            ("STAMPEDE_NOPE__X", "1", ["nope.x", "STAMPEDE_NOPE__X", "no setting"]),
            (
                "STAMPEDE_SERVER__WORKERS",
                "two",
                ["server.workers", "STAMPEDE_SERVER__WORKERS", "whole number"],
            ),
            ("STAMPEDE_SERVER__WORKERS", "-1", ["server.workers", "STAMPEDE_SERVER__WORKERS", "0 to 65535"]),
            (
                "STAMPEDE_LIMITS__ENABLED",
                "yes",
                ["limits.enabled", "STAMPEDE_LIMITS__ENABLED", "true or false"],
            ),
            (
                "STAMPEDE_LIMITS__API_BURST",
                "0",
                ["limits.api_burst", "STAMPEDE_LIMITS__API_BURST", "at least 1"],
            ),
            ("STAMPEDE_TELEMETRY__LEVEL", "loud", ["telemetry.level", "STAMPEDE_TELEMETRY__LEVEL", "`info`"]),
            (
                "STAMPEDE_AUTH__SIGNING_KEY",
                "short",
                ["auth.signing_key", "STAMPEDE_AUTH__SIGNING_KEY", "32 bytes"],
            ),
            (
                "STAMPEDE_SERVER__LISTEN",
                "here",
                ["server.listen", "STAMPEDE_SERVER__LISTEN", "127.0.0.1:8080"],
            ),
            (
                "STAMPEDE_CORS__ALLOWED_ORIGINS",
                "shop",
                ["cors.allowed_origins", "ALLOWED_ORIGINS", "https://"],
            ),
            (
                "STAMPEDE_SERVER__LISTEN",
                ":8080",
                ["server.listen", "STAMPEDE_SERVER__LISTEN", "127.0.0.1:8080"],
            ),
            (
                "STAMPEDE_FLASH__PAY_WITHIN_SECONDS",
                "604801",
                ["flash.pay_within_seconds", "STAMPEDE_FLASH__PAY_WITHIN_SECONDS", "a week"],
            ),
            (
                "STAMPEDE_LIMITS_API_BURST",
                "1",
                ["no setting", "STAMPEDE_LIMITS_API_BURST", "STAMPEDE_LIMITS__API_BURST"],
            ),
            ("DATABASE_URL", "mysql://x", ["database.url", "DATABASE_URL", "postgres://"]),
            ("REDIS_URL", "http://x", ["redis.url", "REDIS_URL", "redis://"]),
            ("STAMPEDE_REDIS__TLS_CA", "ca.pem", ["redis.tls_ca", "STAMPEDE_REDIS__TLS_CA", "rediss://"]),
        ] {
            let error = refused(&sources(&[(variable, value)]));
            for part in parts {
                assert!(error.contains(part), "{variable}={value}: {error:?} names {part:?}");
            }
        }
    }

    #[test]
    fn a_bad_file_is_named_and_never_quoted() {
        let file = std::env::temp_dir().join(format!("stampede-config-{}.toml", uuid::Uuid::new_v4()));
        for (text, part) in [
            ("[auth]\nsigning_kee = \"hush-hush\"", "auth.signing_kee"),
            ("[auth]\nsigning_key = \"hush-hush", "line 2"),
            ("[server]\nworkers = \"hush-hush\"", "server.workers"),
            ("server = \"hush-hush\"", "section"),
            ("[auth]\nsigning_key = \"hush-hush\"", "32 bytes"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = refused(&Sources { file: Some(file.clone()), ..sources(&[]) });
            assert!(error.contains(part) && error.contains("stampede-config-"), "{text:?}: {error:?}");
            assert!(!error.contains("hush"), "{error:?}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(refused(&Sources { file: Some(file), ..sources(&[]) }).contains("could not be read"));
        assert!(refused(&sources(&[("STAMPEDE_ENVIRONMENT", "../etc")])).contains("no environment"));
    }
}
