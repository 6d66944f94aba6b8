//! The settings: their types, where they come from, and which of them a running server takes up.
//!
//! Every key stands in `config/default.toml`, which is also the schema: a key that is not there is
//! refused, in a file and in the environment alike. The binary carries copies of the files, so that
//! it runs anywhere.

mod filter;
mod live;
mod load;
mod masked;

use serde::{Deserialize, Serialize};
use stampede_domain::stock::limits::PAY_WITHIN_SECONDS_MAX;
use stampede_platform::engine::NatsSettings;
use stampede_server::limits::{ACCESS_TOKEN_SECONDS_MAX, SIGNING_KEY_BYTES_MIN};

pub use stampede_server::settings::{Auth, Cors, HttpSettings, Limits, Server};

pub use live::{Change, Live, log};
pub use load::{ConfigError, Sources};

/// Which of the files under `config/` applies when none is named.
pub const ENVIRONMENT_DEFAULT: &str = "development";

/// Bytes of a node's name at most.
const NODE_BYTES_MAX: usize = 64;

/// Every setting, checked.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `development`, `production` or the name of a file of the operator's own under `config/`.
    pub environment: String,
    pub server: Server,
    pub database: Database,
    pub data: Data,
    pub cluster: Cluster,
    pub nats: Nats,
    pub redis: Redis,
    pub auth: Auth,
    pub limits: Limits,
    pub telemetry: Telemetry,
    pub cors: Cors,
    pub admin: Admin,
    pub flash: Flash,
    pub faults: Faults,
}

/// The shop's database.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Empty means the embedded Postgres.
    pub url: String,
    pub connections_max: u32,
}

/// The data folder.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub dir: std::path::PathBuf,
}

/// This node among others.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Empty means the host's name.
    pub node: String,
}

/// The NATS server that links nodes; an empty URL means none.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    pub url: String,
    pub user: String,
    pub password: String,
    pub credentials: std::path::PathBuf,
    pub tls_ca: std::path::PathBuf,
    pub tls_certificate: std::path::PathBuf,
    pub tls_key: std::path::PathBuf,
    pub replicas: u8,
}

/// The Redis through which nodes share their rate limits; an empty URL means none.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: String,
    /// Empty means the authorities that the system trusts.
    pub tls_ca: std::path::PathBuf,
}

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub level: Level,
    pub filter: String,
    pub format: Format,
    pub otlp_endpoint: String,
    pub sample_ratio: f64,
}

/// The least important kind of log line that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// As it is written in a filter directive.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Console,
    Json,
}

/// What administrators may do.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub load_users: bool,
}

/// Defaults of flash sales.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Flash {
    pub pay_within_seconds: u32,
}

/// Fault injection.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    pub enabled: bool,
}

impl Cluster {
    /// This node's name: as set, else the host's, as far as a name can hold it.
    #[must_use]
    pub fn name(&self) -> String {
        if !self.node.is_empty() {
            return self.node.clone();
        }
        let host =
            std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"));
        let name: String = host.unwrap_or_default().trim().chars().take(NODE_BYTES_MAX).collect();
        let name: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
        if name.is_empty() { "node-1".to_owned() } else { name }
    }
}

impl Nats {
    /// How the server is reached; none if there is none.
    #[must_use]
    pub fn settings(&self) -> Option<NatsSettings> {
        (!self.url.is_empty()).then(|| NatsSettings {
            url: self.url.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            credentials: self.credentials.clone(),
            tls_ca: self.tls_ca.clone(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
        })
    }
}

/// What [`is_listen_address`] takes, for messages.
pub const LISTEN_ADDRESS: &str = "an address and a port, such as \"127.0.0.1:8080\"";

/// Whether a server could listen there.
#[must_use]
pub fn is_listen_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl Config {
    /// The settings that `sources` amount to.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        load::load(sources)
    }

    /// What sets up the HTTP server.
    #[must_use]
    pub fn http(&self) -> HttpSettings {
        HttpSettings {
            server: self.server.clone(),
            auth: self.auth.clone(),
            limits: self.limits.clone(),
            cors: self.cors.clone(),
            traced: !self.telemetry.otlp_endpoint.is_empty(),
        }
    }

    /// As TOML, with every secret as `***`.
    #[must_use]
    pub fn masked(&self) -> String {
        masked::masked(self)
    }

    /// The settings that must be at least 1.
    fn counts(&self) -> [(&'static str, u32); 16] {
        [
            ("server.connections_max", self.server.connections_max),
            ("server.body_bytes_max", self.server.body_bytes_max),
            ("server.head_timeout_ms", self.server.head_timeout_ms),
            ("server.body_timeout_ms", self.server.body_timeout_ms),
            ("server.handler_timeout_ms", self.server.handler_timeout_ms),
            ("database.connections_max", self.database.connections_max),
            ("auth.access_token_ttl_seconds", self.auth.access_token_ttl_seconds),
            ("limits.api_per_second", self.limits.api_per_second),
            ("limits.api_burst", self.limits.api_burst),
            ("limits.flash_per_second", self.limits.flash_per_second),
            ("limits.flash_burst", self.limits.flash_burst),
            ("limits.login_per_second", self.limits.login_per_second),
            ("limits.login_burst", self.limits.login_burst),
            ("limits.login_account_per_minute", self.limits.login_account_per_minute),
            ("limits.login_account_burst", self.limits.login_account_burst),
            ("flash.pay_within_seconds", self.flash.pay_within_seconds),
        ]
    }

    /// What the types cannot say; the error is the key and what is expected of it.
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if let Some((key, _)) = self.counts().iter().find(|(_, value)| *value == 0) {
            return Err((key, "a number of at least 1"));
        }
        if self.auth.access_token_ttl_seconds > ACCESS_TOKEN_SECONDS_MAX {
            return Err(("auth.access_token_ttl_seconds", "at most 86400, which is a day"));
        }
        if !is_listen_address(&self.server.listen) {
            return Err(("server.listen", LISTEN_ADDRESS));
        }
        if self.flash.pay_within_seconds > PAY_WITHIN_SECONDS_MAX {
            return Err(("flash.pay_within_seconds", "at most 604800, which is a week"));
        }
        if self
            .server
            .trusted_proxies
            .iter()
            .any(|network| stampede_server::middleware::Network::parse(network).is_none())
        {
            return Err(("server.trusted_proxies", "addresses or networks, such as [\"10.0.0.0/8\"]"));
        }
        let url = &self.database.url;
        if !url.is_empty() && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(("database.url", "a URL such as postgres://user:password@host/name"));
        }
        let node = &self.cluster.node;
        if node.len() > NODE_BYTES_MAX || !node.bytes().all(is_of_a_name) {
            return Err(("cluster.node", "at most 64 letters, digits, - and _"));
        }
        if self.nats.tls_certificate.as_os_str().is_empty() != self.nats.tls_key.as_os_str().is_empty() {
            return Err(("nats.tls_key", "given if nats.tls_certificate is, and only then"));
        }
        if !(1..=5).contains(&self.nats.replicas) {
            return Err(("nats.replicas", "a number from 1 to 5"));
        }
        let (url, with_ca) = (&self.redis.url, !self.redis.tls_ca.as_os_str().is_empty());
        if !url.is_empty() && !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(("redis.url", "a URL such as redis://user:password@host:6379"));
        }
        if with_ca && !url.starts_with("rediss://") {
            return Err(("redis.tls_ca", "a file only where redis.url is a rediss:// URL"));
        }
        let key = &self.auth.signing_key;
        if !key.is_empty() && key.len() < SIGNING_KEY_BYTES_MIN {
            return Err(("auth.signing_key", "at least 32 bytes"));
        }
        if self.auth.issuer.is_empty() {
            return Err(("auth.issuer", "a text that is not empty"));
        }
        if self.auth.audience.is_empty() {
            return Err(("auth.audience", "a text that is not empty"));
        }
        if self.telemetry.directives().is_err() {
            return Err(("telemetry.filter", "directives such as \"stampede=debug,sqlx=warn\""));
        }
        let endpoint = &self.telemetry.otlp_endpoint;
        if !endpoint.is_empty() && !endpoint.starts_with("http://") {
            return Err(("telemetry.otlp_endpoint", "a URL such as http://localhost:4318"));
        }
        if !(0.0..=1.0).contains(&self.telemetry.sample_ratio) {
            return Err(("telemetry.sample_ratio", "a number from 0.0 to 1.0"));
        }
        if self.cors.allowed_origins.iter().any(|origin| !is_origin(origin)) {
            return Err(("cors.allowed_origins", "origins such as [\"https://shop.example\"], or [\"*\"]"));
        }
        if self.environment == "production" && self.faults.enabled {
            return Err(("faults.enabled", "false in production"));
        }
        Ok(())
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', ' ']))
}
