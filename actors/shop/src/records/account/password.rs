//! Hashing passwords, on a bounded number of cores.

use std::{num::NonZero, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::records::account::limits::HASH_WAITERS_MAX;

/// OWASP's parameters for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A hash of nothing anybody knows, with the parameters above: what the password of an unknown user
/// is compared with, so that the answer takes as long.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c3RhbXBlZGUtZHVtbXktMQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes passwords on as many threads as there are cores. So a crowd that signs in cannot take more
/// memory than that, and those beyond the waiting limit are sent away at once.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    /// Those who run or wait.
    admitted: Arc<Semaphore>,
    /// Those who run.
    running: Arc<Semaphore>,
}

/// Why no password was hashed.
#[derive(Debug, thiserror::Error)]
pub enum Unhashed {
    #[error("too many passwords are being checked")]
    Busy,
    #[error("the password could not be hashed")]
    Failed(#[source] argon2::password_hash::Error),
}

impl Default for PasswordHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl PasswordHasher {
    /// One thread for every core and the default waiting limit.
    #[must_use]
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_limits(cores, HASH_WAITERS_MAX)
    }

    /// `running` at once, and `waiting` more.
    #[must_use]
    pub fn with_limits(running: usize, waiting: usize) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
        }
    }

    /// A hash for the table, with a salt of its own. Hold no database connection meanwhile.
    pub async fn hash(&self, password: &str) -> Result<String, Unhashed> {
        let password = password.to_owned();
        self.run(move || {
            let salt = SaltString::generate(&mut OsRng);
            let hash = argon2()?.hash_password(password.as_bytes(), &salt)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` is the one that was hashed. Without a hash, or with one that no password
    /// has, it takes the same time to say no. Hold no database connection meanwhile.
    pub async fn verify(&self, password: &str, hash: Option<String>) -> Result<bool, Unhashed> {
        let password = password.to_owned();
        self.run(move || {
            let known = hash.as_deref().and_then(|hash| PasswordHash::new(hash).ok());
            let is_known = known.is_some();
            let hash = known.map_or_else(|| PasswordHash::new(DUMMY_HASH), Ok)?;
            match argon2()?.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(is_known),
                Err(argon2::password_hash::Error::Password) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, Unhashed>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| Unhashed::Busy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| Unhashed::Busy)?;
        // The permits go with the work, which runs to its end even if the caller goes away.
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) = (admitted, running);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permits);
            done
        });
        done.await.map_err(|_| Unhashed::Busy)?.map_err(Unhashed::Failed)
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_verifies() -> Result<(), Unhashed> {
        let hasher = PasswordHasher::new();
        let hash = hasher.hash("correct horse").await?;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("correct horse", Some(hash.clone())).await?);
        assert!(!hasher.verify("correct mule", Some(hash)).await?);
        Ok(())
    }

    #[tokio::test]
    async fn no_password_fits_an_unknown_user() -> Result<(), Unhashed> {
        let hasher = PasswordHasher::new();
        assert!(!hasher.verify("", None).await?);
        assert!(!hasher.verify("!", Some("!".into())).await?);
        let dummy = PasswordHash::new(DUMMY_HASH).map_err(Unhashed::Failed)?;
        let params = Params::try_from(&dummy).map_err(Unhashed::Failed)?;
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(dummy.hash.map(|hash| hash.len()), Some(Params::DEFAULT_OUTPUT_LEN));
        Ok(())
    }

    #[tokio::test]
    async fn those_beyond_the_waiting_limit_are_sent_away() {
        let hasher = PasswordHasher::with_limits(1, 1);
        let (first, second, third) =
            tokio::join!(hasher.hash("a password"), hasher.hash("a password"), hasher.hash("a password"));
        assert!(first.is_ok() && second.is_ok());
        assert!(matches!(third, Err(Unhashed::Busy)));
    }
}
