//! TLS in front of a server that does not speak it, as a balancer would put it there.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::{certificates::Certificates, stampede::Stampede};

/// Takes connections in TLS and passes on what comes through them. It ends when dropped.
pub struct TlsFront {
    port: u16,
    certificates: Certificates,
    accepting: AbortHandle,
}

impl TlsFront {
    /// Starts one in front of this server, with a certificate for 127.0.0.1.
    pub async fn before(server: &Stampede) -> Self {
        let upstream = server.url().trim_start_matches("http://").parse().expect("a server has an address");
        let certificates = Certificates::make();
        let acceptor = TlsAcceptor::from(Arc::new(config(&certificates)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let accepting = tokio::spawn(accept(listener, acceptor, upstream)).abort_handle();
        Self { port, certificates, accepting }
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The file of the authority that signed its certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.certificates.authority()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn config(certificates: &Certificates) -> ServerConfig {
    let [certificate, key] = certificates.server();
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate can be read");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key can be read");
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows the usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's")
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, upstream: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust the certificate ends here.
            let Ok(mut inside) = acceptor.accept(stream).await else { return };
            let Ok(mut outside) = TcpStream::connect(upstream).await else { return };
            // Whichever side ends it, the other sees the end.
            let _ended = copy_bidirectional(&mut inside, &mut outside).await;
        });
    }
}
