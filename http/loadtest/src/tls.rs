//! TLS to servers whose address is `https://`: rustls over ring, as to PostgreSQL, NATS and Redis.

use std::sync::Arc;

use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, crypto::ring};

/// Why no server can be spoken to in TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "no certificate authority is trusted here ({cause}); SSL_CERT_FILE may name a file of certificates"
    )]
    NoneTrusted { cause: String },
    #[error("TLS could not be set up")]
    Config(#[from] rustls::Error),
}

/// The certificate authorities that are trusted: the system's, or instead of them those that the
/// environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name.
pub(crate) fn authorities() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    // Systems carry odd certificates; those that can be used are enough.
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let cause = found.errors.first().map_or("this system has none".to_owned(), ToString::to_string);
        return Err(TlsError::NoneTrusted { cause });
    }
    Ok(authorities)
}

/// A client's settings that trust these authorities.
pub(crate) fn config(authorities: RootCertStore) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities).with_no_client_auth())
}
