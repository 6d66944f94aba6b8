//! Access tokens: the key that signs them, issuing, and the checks of every request.
//!
//! One algorithm (HS256), every claim checked. A token stands for a session (`sid`) until it expires;
//! this room holds no state. That a session was ended earlier is known to the accounts' revocations, and
//! asked for by the layer around every route.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    io::Write as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use rand::RngCore as _;
use serde::{Deserialize, Serialize};
use stampede_kernel::{Code, Digest, Timestamp, UserId};
use stampede_platform::cluster::limits::CLOCK_SKEW_MS_MAX;
use stampede_shop::{records::account::Role, services::Principal};
use uuid::Uuid;

use crate::{
    limits::{CLOCK_SKEW_SECONDS, SIGNING_KEY_BYTES_MIN, TOKEN_BYTES_MAX, VERIFIED_TOKENS_MAX},
    settings::Auth,
};

/// A signature of HS256 in base64.
const SIGNATURE_BYTES: usize = 43;

/// The file in the data folder that holds a generated key.
pub const SIGNING_KEY_FILE: &str = "signing.key";

/// Who sent a request, as its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    pub role: Role,
    /// The session that the token belongs to.
    pub session_id: Uuid,
    /// The token's own id.
    pub token_id: Uuid,
    /// Seconds since 1970.
    expires_at: u64,
    not_before: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    role: Role,
    sid: Uuid,
    jti: Uuid,
    iat: u64,
    nbf: u64,
    exp: u64,
    iss: String,
    aud: String,
}

/// Issues and verifies access tokens.
pub struct Signer {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    header: Header,
    issuer: String,
    audience: String,
    ttl_seconds: u32,
    secret: Digest,
    /// Tells the remembered tokens of one signer from another's.
    id: u64,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why there is no key to sign with, or a token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    #[error("STAMPEDE_AUTH__SIGNING_KEY is not set; with a database by URL it must be, 32 bytes or more")]
    Demanded,
    #[error("the signing key has {0} bytes, but needs 32 or more")]
    Short(usize),
    #[error("the signing key in the data folder could not be read or written")]
    File(#[source] std::io::Error),
    #[error("a token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// An access token with its lifetime.
#[derive(Debug, Clone)]
pub struct Issued {
    pub access_token: String,
    pub expires_in_seconds: u32,
}

/// The key that the settings name, else one that is generated into the data folder. Without a data folder,
/// which only the embedded engine has, the settings must name one.
pub fn signing_key(auth: &Auth, data_folder: Option<&Path>) -> Result<Vec<u8>, SignerError> {
    if !auth.signing_key.is_empty() {
        return Ok(auth.signing_key.as_bytes().to_vec());
    }
    let folder = data_folder.ok_or(SignerError::Demanded)?;
    generated_key(folder).map_err(SignerError::File)
}

impl Signer {
    /// With a key of 32 bytes or more.
    pub fn new(key: &[u8], auth: &Auth) -> Result<Self, SignerError> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        if key.len() < SIGNING_KEY_BYTES_MIN {
            return Err(SignerError::Short(key.len()));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.set_issuer(&[&auth.issuer]);
        validation.set_audience(&[&auth.audience]);
        validation.validate_nbf = true;
        validation.leeway = CLOCK_SKEW_SECONDS;
        Ok(Self {
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
            header: Header::new(Algorithm::HS256),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            ttl_seconds: auth.access_token_ttl_seconds,
            secret: Digest::of(&[b"a secret beside the key", key]),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// What only nodes with this signing key know, and what does not give the key away.
    #[must_use]
    pub fn secret(&self) -> Digest {
        self.secret
    }

    /// A token for a user's session, valid from `now`.
    pub fn issue(
        &self,
        user_id: UserId,
        role: Role,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Issued, SignerError> {
        let from = now.as_millis().unsigned_abs() / 1_000;
        let claims = Claims {
            sub: user_id.0,
            role,
            sid: session_id,
            jti: Uuid::now_v7(),
            iat: from,
            nbf: from,
            exp: from + u64::from(self.ttl_seconds),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
        };
        let access_token =
            jsonwebtoken::encode(&self.header, &claims, &self.encoding).map_err(SignerError::Sign)?;
        Ok(Issued { access_token, expires_in_seconds: self.ttl_seconds })
    }

    /// Who a token speaks for; else `token_expired` or `unauthenticated`. A worker remembers what it
    /// has verified, since the same token comes with every request of a user.
    pub fn verify(&self, token: &str) -> Result<Caller, Code> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Code::Unauthenticated);
        }
        let now = jsonwebtoken::get_current_timestamp();
        if let Some(caller) = VERIFIED.with_borrow_mut(|verified| verified.find(self.id, token)) {
            return caller.valid_at(now);
        }
        let caller = self.verify_fully(token)?;
        VERIFIED.with_borrow_mut(|verified| verified.remember(token, caller));
        Ok(caller)
    }

    /// The checks themselves, remembering nothing.
    pub fn verify_fully(&self, token: &str) -> Result<Caller, Code> {
        let data =
            jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(refusal)?;
        let header = data.header;
        // A header that points to a key, or asks for something that is not understood here.
        if header.jku.is_some()
            || header.jwk.is_some()
            || header.x5u.is_some()
            || header.x5c.is_some()
            || header.crit.is_some()
            || header.enc.is_some()
            || header.zip.is_some()
        {
            return Err(Code::Unauthenticated);
        }
        let claims = data.claims;
        Ok(Caller {
            user_id: UserId(claims.sub),
            role: claims.role,
            session_id: claims.sid,
            token_id: claims.jti,
            expires_at: claims.exp,
            not_before: claims.nbf,
        })
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign, open enum: whatever else is wrong is one refusal"
)]
fn refusal(error: jsonwebtoken::errors::Error) -> Code {
    match error.kind() {
        ErrorKind::ExpiredSignature => Code::TokenExpired,
        _ => Code::Unauthenticated,
    }
}

impl Caller {
    /// On whose behalf a use case runs.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal { user: self.user_id, role: self.role }
    }

    /// When the token is certain not to be accepted any more, on any node.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let seconds = self.expires_at.saturating_add(CLOCK_SKEW_SECONDS);
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000);
        Timestamp::from_millis(millis).plus(CLOCK_SKEW_MS_MAX)
    }

    fn valid_at(self, now: u64) -> Result<Self, Code> {
        if now > self.expires_at.saturating_add(CLOCK_SKEW_SECONDS) {
            Err(Code::TokenExpired)
        } else if now + CLOCK_SKEW_SECONDS < self.not_before {
            Err(Code::Unauthenticated)
        } else {
            Ok(self)
        }
    }
}

thread_local! {
    static VERIFIED: RefCell<Verified> = RefCell::new(Verified::default());
}

/// Verified tokens, in two generations: when the newer is full, the older is forgotten.
#[derive(Default)]
struct Verified {
    signer: u64,
    secret: RandomState,
    newer: HashMap<Fingerprint, Caller>,
    older: HashMap<Fingerprint, Caller>,
}

/// What tells tokens apart: the whole signature, and a hash of what is signed. The hash is keyed by a
/// secret of this process, so that nobody can make other claims fit a signature that is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Fingerprint {
    signature: [u8; SIGNATURE_BYTES],
    signed: u64,
}

impl Verified {
    fn fingerprint(&self, token: &str) -> Option<Fingerprint> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = signature.as_bytes().try_into().ok()?;
        Some(Fingerprint { signature, signed: self.secret.hash_one(signed) })
    }

    fn find(&mut self, signer: u64, token: &str) -> Option<Caller> {
        if self.signer != signer {
            *self = Self { signer, ..Self::default() };
            return None;
        }
        let fingerprint = self.fingerprint(token)?;
        if let Some(caller) = self.newer.get(&fingerprint) {
            return Some(*caller);
        }
        let caller = self.older.remove(&fingerprint)?;
        self.keep(fingerprint, caller);
        Some(caller)
    }

    fn remember(&mut self, token: &str, caller: Caller) {
        if let Some(fingerprint) = self.fingerprint(token) {
            self.keep(fingerprint, caller);
        }
    }

    fn keep(&mut self, fingerprint: Fingerprint, caller: Caller) {
        if self.newer.len() >= VERIFIED_TOKENS_MAX {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(fingerprint, caller);
    }
}

/// Reads the generated key, or generates it on first use.
fn generated_key(folder: &Path) -> std::io::Result<Vec<u8>> {
    let path = folder.join(SIGNING_KEY_FILE);
    match std::fs::read(&path) {
        Ok(key) => return Ok(key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    std::fs::create_dir_all(folder)?;
    let mut key = vec![0_u8; SIGNING_KEY_BYTES_MIN];
    rand::rng().fill_bytes(&mut key);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::shipped;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn settings() -> Auth {
        shipped().auth
    }

    fn now() -> u64 {
        jsonwebtoken::get_current_timestamp()
    }

    fn claims() -> Value {
        json!({
            "sub": Uuid::now_v7(), "role": "user", "sid": Uuid::now_v7(), "jti": Uuid::now_v7(), "iat": now(),
            "nbf": now(), "exp": now() + 60, "iss": "stampede", "aud": "stampede",
        })
    }

    fn sign(header: &Header, claims: &Value, key: &[u8]) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).unwrap()
    }

    fn hs256() -> Header {
        Header::new(Algorithm::HS256)
    }

    #[test]
    fn what_is_issued_is_verified_and_remembered() {
        let signer = Signer::new(KEY, &settings()).unwrap();
        let (user, session) = (UserId(Uuid::now_v7()), Uuid::now_v7());
        let at = Timestamp::from_millis(i64::try_from(now()).unwrap() * 1_000);
        let issued = signer.issue(user, Role::Seller, session, at).unwrap();
        assert_eq!(issued.expires_in_seconds, 900);
        for _ in 0..2 {
            let caller = signer.verify(&issued.access_token).unwrap();
            assert_eq!((caller.user_id, caller.role, caller.session_id), (user, Role::Seller, session));
        }
        let other = Signer::new(b"another key of thirty-two bytes!", &settings()).unwrap();
        assert_eq!(
            other.verify(&issued.access_token),
            Err(Code::Unauthenticated),
            "remembered by another signer"
        );
    }

    #[test]
    fn a_remembered_token_expires_all_the_same() {
        let signer = Signer::new(KEY, &settings()).unwrap();
        let caller = signer.verify(&sign(&hs256(), &claims(), KEY)).unwrap();
        assert_eq!(caller.valid_at(now() + 61 + CLOCK_SKEW_SECONDS), Err(Code::TokenExpired));
        assert_eq!(caller.valid_at(now() - 60), Err(Code::Unauthenticated));
    }

    #[test]
    fn the_memory_of_tokens_is_bounded() {
        let mut verified = Verified::default();
        let caller =
            Signer::new(KEY, &settings()).unwrap().verify_fully(&sign(&hs256(), &claims(), KEY)).unwrap();
        let numbered = |n: usize| format!("a.b.{n:0SIGNATURE_BYTES$}");
        let all = VERIFIED_TOKENS_MAX * 5;
        for n in 0..all {
            verified.remember(&numbered(n), caller);
            assert!(verified.newer.len() + verified.older.len() <= VERIFIED_TOKENS_MAX * 2);
        }
        assert!(verified.find(0, &numbered(all - 1)).is_some());
        assert!(verified.find(0, &numbered(0)).is_none());
    }

    #[test]
    fn every_claim_is_checked() {
        let signer = Signer::new(KEY, &settings()).unwrap();
        assert!(signer.verify(&sign(&hs256(), &claims(), KEY)).is_ok(), "the claims are valid to begin with");
        for (claim, value, code) in [
            ("exp", json!(now() - 10), Code::TokenExpired),
            ("exp", json!("soon"), Code::Unauthenticated),
            ("nbf", json!(now() + 60), Code::Unauthenticated),
            ("iss", json!("elsewhere"), Code::Unauthenticated),
            ("aud", json!("elsewhere"), Code::Unauthenticated),
            ("role", json!("root"), Code::Unauthenticated),
            ("sub", json!("load-1"), Code::Unauthenticated),
        ] {
            let mut changed = claims();
            changed[claim] = value.clone();
            assert_eq!(signer.verify(&sign(&hs256(), &changed, KEY)), Err(code), "{claim} {value}");
        }
        for claim in ["sub", "role", "sid", "jti", "nbf", "exp", "iss", "aud"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(claim);
            assert_eq!(
                signer.verify(&sign(&hs256(), &without, KEY)),
                Err(Code::Unauthenticated),
                "no {claim}"
            );
        }
    }

    #[test]
    fn no_header_leads_to_another_key_or_algorithm() {
        let signer = Signer::new(KEY, &settings()).unwrap();
        let mut forged = vec![
            sign(&Header::new(Algorithm::HS384), &claims(), KEY),
            sign(&Header::new(Algorithm::HS512), &claims(), KEY),
            sign(&hs256(), &claims(), b"another key of thirty-two bytes!"),
            sign(&Header { jku: Some("https://evil.example/keys".into()), ..hs256() }, &claims(), KEY),
            sign(&Header { x5u: Some("https://evil.example/cert".into()), ..hs256() }, &claims(), KEY),
            sign(&Header { x5c: Some(vec!["AAAA".into()]), ..hs256() }, &claims(), KEY),
            String::new(),
            "a.b.c".to_owned(),
            "x".repeat(TOKEN_BYTES_MAX + 1),
        ];
        let good = sign(&hs256(), &claims(), KEY);
        let (head, rest) = good.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        // {"alg":"none"} and {"alg":"None","typ":"JWT"}
        for none in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJOb25lIiwidHlwIjoiSldUIn0"] {
            forged.push(format!("{none}.{payload}."));
            forged.push(format!("{none}.{payload}.{signature}"));
        }
        // The signature of a token that is remembered, under other claims.
        assert!(signer.verify(&good).is_ok());
        let other = sign(&hs256(), &claims(), KEY);
        forged.push(format!("{head}.{}.{signature}", other.split('.').nth(1).unwrap()));
        forged.push(format!("{head}.{payload}."));
        forged.push(format!("{head}.{payload}"));
        for token in forged {
            assert_eq!(signer.verify(&token), Err(Code::Unauthenticated), "{token}");
        }
    }

    #[test]
    fn a_key_is_generated_once_and_only_beside_the_embedded_engine() {
        let folder = std::env::temp_dir().join(format!("stampede-key-{}", Uuid::new_v4()));
        let auth = settings();
        let first = Signer::new(&signing_key(&auth, Some(&folder)).unwrap(), &auth).unwrap();
        let token =
            first.issue(UserId(Uuid::now_v7()), Role::User, Uuid::now_v7(), Timestamp::from_millis(0));
        let path = folder.join(SIGNING_KEY_FILE);
        assert_eq!(std::fs::read(&path).unwrap().len(), 32);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = Signer::new(&signing_key(&auth, Some(&folder)).unwrap(), &auth).unwrap();
        assert_eq!(
            again.verify(&token.unwrap().access_token),
            Err(Code::TokenExpired),
            "the same key, long ago"
        );
        std::fs::remove_dir_all(&folder).unwrap();

        assert!(matches!(signing_key(&auth, None), Err(SignerError::Demanded)));
        assert!(matches!(Signer::new(b"short", &auth), Err(SignerError::Short(5))));
    }
}
