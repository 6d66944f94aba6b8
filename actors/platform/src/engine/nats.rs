//! The connection to NATS. It is opened once, comes back by itself for ever, and may be opened before
//! the server is there.

use std::{path::PathBuf, time::Duration};

use async_nats::{Client, ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::engine::limits::{NATS_PAUSE_MS, NATS_PAUSE_MS_MAX};

/// How a NATS server is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsSettings {
    /// One URL, or several with commas between them; `tls://` speaks TLS. They may name a user and a
    /// password, or a token.
    pub url: String,
    /// Goes before what the URLs say.
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

/// The pause before the connection is tried again.
fn pause(attempts: usize) -> Duration {
    Duration::from_millis(NATS_PAUSE_MS.saturating_mul(1 << attempts.min(5)).min(NATS_PAUSE_MS_MAX))
}

/// Who this node is, by what its URLs say.
#[derive(Debug, PartialEq, Eq)]
enum Identity {
    User { name: String, password: String },
    Token(String),
}

/// The servers, and what the first URL that says who this node is says of it. The client would not read
/// that itself, and shows addresses in its log: so it stands in none of them any more.
fn servers(urls: &str) -> Result<(Vec<ServerAddr>, Option<Identity>), std::io::Error> {
    let (mut servers, mut identity) = (Vec::new(), None);
    for url in urls.split(',') {
        let url = url.trim();
        if url.is_empty() {
            // The client would take it for a server without a name.
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "an address is missing"));
        }
        let server = url.parse::<ServerAddr>()?;
        identity = identity.or_else(|| identity_in(&server));
        let mut url = server.into_inner();
        // What has no host has no user either.
        if url.set_username("").is_ok() {
            let _ = url.set_password(None);
        }
        servers.push(ServerAddr::from_url(url)?);
    }
    Ok((servers, identity))
}

fn identity_in(server: &ServerAddr) -> Option<Identity> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let name = plain(server.username()?);
    Some(match server.password() {
        Some(password) => Identity::User { name, password: plain(password) },
        // As every client of NATS reads it.
        None => Identity::Token(name),
    })
}

/// Opens the connection under a name that operators see. Answers at once, also while NATS is away.
pub async fn connect_nats(settings: &NatsSettings, name: &str) -> Result<Client, NatsError> {
    let (servers, identity) = servers(&settings.url).map_err(NatsError::Url)?;
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
    } else if let Some(identity) = identity {
        options = match identity {
            Identity::User { name, password } => options.user_and_password(name, password),
            Identity::Token(token) => options.token(token),
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(urls: &str) -> (Vec<String>, Option<Identity>) {
        let (servers, identity) = servers(urls).unwrap();
        (servers.iter().map(|server| server.as_url_str().to_owned()).collect(), identity)
    }

    fn user(name: &str, password: &str) -> Option<Identity> {
        Some(Identity::User { name: name.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn urls_say_who_a_node_is_and_do_not_keep_it() {
        assert_eq!(read("nats://a:4222"), (vec!["nats://a:4222".to_owned()], None));
        assert_eq!(read("nats://node:12e34@a"), (vec!["nats://a".to_owned()], user("node", "12e34")));
        let (servers, identity) = read("tls://a, tls://node:c%40rp%2Fri+ver@b:4222,nats://other:one@c");
        assert_eq!(servers, ["tls://a", "tls://b:4222", "nats://c"]);
        assert_eq!(identity, user("node", "c@rp/ri+ver"));
        assert_eq!(read("nats://s3cret@a").1, Some(Identity::Token("s3cret".to_owned())));
        for wrong in ["http://a", "nats://a:port", "nats://a,,nats://b", ","] {
            assert!(super::servers(wrong).is_err(), "{wrong}");
        }
    }
}
