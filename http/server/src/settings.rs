//! The settings of the HTTP server, as the configuration holds them.

use serde::{Deserialize, Serialize};

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: String,
    /// 0 means one for each core.
    pub workers: u16,
    pub connections_max: u32,
    pub body_bytes_max: u32,
    pub head_timeout_ms: u32,
    pub body_timeout_ms: u32,
    pub handler_timeout_ms: u32,
    pub keep_alive_seconds: u32,
    pub shutdown_grace_seconds: u32,
    pub shutdown_delay_ms: u32,
    pub trusted_proxies: Vec<String>,
    pub hsts: bool,
}

/// Access tokens.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub signing_key: String,
    pub issuer: String,
    pub audience: String,
    pub access_token_ttl_seconds: u32,
}

/// Rate limits; taken up on reload.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub enabled: bool,
    pub api_per_second: u32,
    pub api_burst: u32,
    pub flash_per_second: u32,
    pub flash_burst: u32,
    pub login_per_second: u32,
    pub login_burst: u32,
    pub login_account_per_minute: u32,
    pub login_account_burst: u32,
    /// 0 means no limit for the whole node.
    pub node_per_second: u32,
    pub node_burst: u32,
}

/// Cross-origin requests from browsers.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub allowed_origins: Vec<String>,
}

/// Everything that the HTTP server is set up by.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpSettings {
    pub server: Server,
    pub auth: Auth,
    pub limits: Limits,
    pub cors: Cors,
    /// Whether traces are exported; else no spans are made.
    pub traced: bool,
}

/// The settings as they are shipped.
#[cfg(test)]
pub(crate) fn shipped() -> HttpSettings {
    #[derive(Deserialize)]
    struct File {
        server: Server,
        auth: Auth,
        limits: Limits,
        cors: Cors,
    }
    let file = include_str!("../../../config/default.toml");
    let File { server, auth, limits, cors } = toml::from_str(file).unwrap();
    HttpSettings { server, auth, limits, cors, traced: false }
}
