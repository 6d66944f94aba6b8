//! Certificates of an authority that nobody else knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority, and what it has signed: a server's certificate for this machine's own address, and a
/// client's. The files go when it is dropped.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes an authority and has it sign.
    #[must_use]
    pub fn make() -> Self {
        let folder = tempfile::Builder::new().prefix("stampede-ca-").tempdir().expect("a temporary folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate can be signed");
        let certificates = Self { folder };
        write(&certificates.authority(), &issuer.pem());
        for (name, files) in [("127.0.0.1", certificates.server()), ("node", certificates.client())] {
            let key = KeyPair::generate().expect("a key can be made");
            let names = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
            let certificate = names.signed_by(&key, &issuer).expect("a certificate can be signed");
            write(&files[0], &certificate.pem());
            write(&files[1], &key.serialize_pem());
        }
        certificates
    }

    /// The file of the authority's own certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The files of a server's certificate and key.
    #[must_use]
    pub fn server(&self) -> [PathBuf; 2] {
        ["server.pem", "server.key"].map(|name| self.folder.path().join(name))
    }

    /// The files of a client's certificate and key.
    #[must_use]
    pub fn client(&self) -> [PathBuf; 2] {
        ["client.pem", "client.key"].map(|name| self.folder.path().join(name))
    }

    /// What a node has to be told to trust a broker, and to be trusted by it.
    #[must_use]
    pub fn of_a_node(&self) -> [(String, String); 3] {
        let [certificate, key] = self.client();
        [("TLS_CA", self.authority()), ("TLS_CERTIFICATE", certificate), ("TLS_KEY", key)]
            .map(|(name, file)| (format!("STAMPEDE_NATS__{name}"), file.to_string_lossy().into_owned()))
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
}
