//! The connection to NATS. It is opened once, comes back by itself for ever, and may be opened before
//! the server is there.

use std::{path::PathBuf, time::Duration};

use async_nats::{Client, ConnectOptions, ServerAddr};

/// How a NATS server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsSettings {
    /// One URL, or several with commas between them; `tls://` speaks TLS.
    pub url: String,
    pub user: String,
    pub password: String,
    /// A file with a user's JWT and seed.
    pub credentials: PathBuf,
    /// A file with the certificates of authorities to trust beside the system's.
    pub tls_ca: PathBuf,
    /// This node's own certificate and key.
    pub tls_certificate: PathBuf,
    pub tls_key: PathBuf,
}

/// Why there is no connection, nor will be.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("nats.url is not a NATS address such as nats://host:4222")]
    Url(#[source] std::io::Error),
    #[error("the credentials in {path} cannot be used")]
    Credentials { path: PathBuf, source: std::io::Error },
    #[error("the connection to NATS cannot be set up")]
    Connect(#[source] async_nats::ConnectError),
}

/// The pause before the connection is tried again; it grows to a second.
fn pause(attempts: usize) -> Duration {
    const FIRST_MS: u64 = 50;
    const LONGEST_MS: u64 = 1_000;
    Duration::from_millis(FIRST_MS.saturating_mul(1 << attempts.min(5)).min(LONGEST_MS))
}

/// Opens the connection under a name that operators see. Answers at once, also while NATS is away.
pub async fn connect_nats(settings: &NatsSettings, name: &str) -> Result<Client, NatsError> {
    let servers = settings.url.split(',').map(|url| url.trim().parse::<ServerAddr>());
    let servers = servers.collect::<Result<Vec<_>, _>>().map_err(NatsError::Url)?;
    let mut options = ConnectOptions::new()
        .name(name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(pause)
        .event_callback(|event| async move {
            if matches!(event, async_nats::Event::Connected) {
                tracing::info!("NATS answers");
            } else if matches!(event, async_nats::Event::Disconnected) {
                tracing::warn!("NATS is away");
            } else {
                tracing::debug!(%event, "NATS");
            }
        });
    if !settings.user.is_empty() {
        options = options.user_and_password(settings.user.clone(), settings.password.clone());
    }
    let set = |path: &PathBuf| !path.as_os_str().is_empty();
    if set(&settings.credentials) {
        let path = settings.credentials.clone();
        options = options
            .credentials_file(&path)
            .await
            .map_err(|source| NatsError::Credentials { path, source })?;
    }
    if set(&settings.tls_ca) {
        options = options.add_root_certificates(settings.tls_ca.clone());
    }
    if set(&settings.tls_certificate) {
        options = options.add_client_certificate(settings.tls_certificate.clone(), settings.tls_key.clone());
    }
    options.connect(servers).await.map_err(NatsError::Connect)
}
