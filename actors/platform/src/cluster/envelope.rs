//! What surrounds a message between nodes: its version, its sender, and a seal.
//!
//! The seal is an HMAC over the subject and the message, under a key that only nodes have: whoever can
//! reach the broker can still not give an order. A message is dated and numbered by its sender, so that
//! one that was caught cannot be sent again.

use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{HeaderMap, Message};
use dashmap::DashMap;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use stampede_kernel::Timestamp;

use crate::{
    cluster::limits::{CLOCK_SKEW_MS_MAX, HEADERS_BYTES_MAX, PAYLOAD_BYTES_MIN, SENDERS_KNOWN_MAX},
    engine::clock,
};

/// The version that this program writes. It reads this one and those before it.
const VERSION: u32 = 1;
const SEAL: &str = "Stampede-Seal";

/// A message between nodes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<T> {
    pub v: u32,
    /// The sender: its node's name and a number of this life.
    pub from: String,
    pub at: Timestamp,
    /// Grows with every message of this sender on one subject.
    pub number: u64,
    pub body: T,
}

/// Why a message is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    Unsealed,
    Forged,
    Unreadable,
    /// Of a version that is newer than this program.
    Newer,
    /// Too old, or from a clock that is wrong.
    Stale,
    /// It was heard before.
    Repeated,
}

impl Rejected {
    /// The metric's label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Rejected::Unsealed => "unsealed",
            Rejected::Forged => "forged",
            Rejected::Unreadable => "unreadable",
            Rejected::Newer => "newer",
            Rejected::Stale => "stale",
            Rejected::Repeated => "repeated",
        }
    }
}

/// Bytes of a payload that the broker takes beside its headers.
pub fn payload_max(client: &async_nats::Client) -> usize {
    // Zero as long as it was never reached.
    client.server_info().max_payload.max(PAYLOAD_BYTES_MIN) - HEADERS_BYTES_MAX
}

/// Seals this node's messages and opens others'.
pub struct Seal {
    key: Hmac<Sha256>,
    from: String,
    next: AtomicU64,
    /// The last number heard of a sender on a subject.
    heard: DashMap<(String, String), u64>,
}

impl Seal {
    /// A seal by a secret that all nodes share, for the sender `from`.
    #[must_use]
    pub fn new(secret: &[u8], from: &str) -> Option<Self> {
        // A key of its own, so that a seal says nothing about what else the secret signs.
        let mut derived = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        derived.update(b"stampede messages between nodes");
        let key = Hmac::new_from_slice(&derived.finalize().into_bytes()).ok()?;
        Some(Self { key, from: from.to_owned(), next: AtomicU64::new(1), heard: DashMap::new() })
    }

    /// The name under which this node sends.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// A message ready to be sent on a subject.
    pub fn close(&self, subject: &str, body: impl Serialize) -> (HeaderMap, bytes::Bytes) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let envelope = Envelope { v: VERSION, from: self.from.clone(), at: clock::now(), number, body };
        // What travels always has a JSON form; an empty message would only be refused.
        let payload = serde_json::to_vec(&envelope).unwrap_or_default();
        let mut headers = HeaderMap::new();
        let seal = self.mac(subject, &payload).finalize().into_bytes();
        headers.insert(SEAL, data_encoding::HEXLOWER.encode(&seal).as_str());
        (headers, payload.into())
    }

    /// Messages ready to be sent on a subject, each with how many of the bodies are in it: as many as the
    /// broker takes. One that is too large by itself is refused there.
    pub fn close_all<T: Serialize>(
        &self,
        subject: &str,
        bodies: &[T],
        bytes_max: usize,
    ) -> Vec<(usize, HeaderMap, bytes::Bytes)> {
        let (headers, payload) = self.close(subject, bodies);
        if payload.len() <= bytes_max || bodies.len() < 2 {
            return vec![(bodies.len(), headers, payload)];
        }
        let (first, second) = bodies.split_at(bodies.len() / 2);
        let mut messages = self.close_all(subject, first, bytes_max);
        messages.extend(self.close_all(subject, second, bytes_max));
        messages
    }

    /// Opens a message that arrived, each once.
    pub fn open<T: DeserializeOwned>(&self, message: &Message) -> Result<Envelope<T>, Rejected> {
        let envelope = self.open_again(message)?;
        if clock::now().since(envelope.at).abs() > CLOCK_SKEW_MS_MAX {
            return Err(Rejected::Stale);
        }
        self.hear(&envelope.from, message.subject.as_str(), envelope.number)?;
        Ok(envelope)
    }

    /// Opens a message that may have waited, and may come again.
    pub fn open_again<T: DeserializeOwned>(&self, message: &Message) -> Result<Envelope<T>, Rejected> {
        let given =
            message.headers.as_ref().and_then(|headers| headers.get(SEAL)).ok_or(Rejected::Unsealed)?;
        let given =
            data_encoding::HEXLOWER.decode(given.as_str().as_bytes()).map_err(|_| Rejected::Forged)?;
        self.mac(message.subject.as_str(), &message.payload)
            .verify_slice(&given)
            .map_err(|_| Rejected::Forged)?;
        let head: Envelope<serde::de::IgnoredAny> =
            serde_json::from_slice(&message.payload).map_err(|_| Rejected::Unreadable)?;
        if head.v > VERSION {
            return Err(Rejected::Newer);
        }
        serde_json::from_slice(&message.payload).map_err(|_| Rejected::Unreadable)
    }

    fn hear(&self, from: &str, subject: &str, number: u64) -> Result<(), Rejected> {
        if self.heard.len() > SENDERS_KNOWN_MAX {
            // Older messages of theirs are stale by their date.
            self.heard.clear();
        }
        let mut last = self.heard.entry((from.to_owned(), subject.to_owned())).or_insert(0);
        if number <= *last {
            return Err(Rejected::Repeated);
        }
        *last = number;
        Ok(())
    }

    fn mac(&self, subject: &str, payload: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(subject.as_bytes());
        mac.update(b"\n");
        mac.update(payload);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_is_larger_than_the_broker_takes() {
        let seal = Seal::new(b"a secret", "node-1").unwrap();
        let bodies: Vec<String> = (0..10).map(|number| number.to_string().repeat(700)).collect();
        let messages = seal.close_all("subject", &bodies, 3_000);
        let mut heard = Vec::new();
        for (count, _, payload) in messages {
            assert!(payload.len() <= 3_000, "{}", payload.len());
            let envelope: Envelope<Vec<String>> = serde_json::from_slice(&payload).unwrap();
            assert_eq!(envelope.body.len(), count);
            heard.extend(envelope.body);
        }
        assert_eq!(heard, bodies, "in their order");
        let whole = seal.close_all("subject", &bodies, 100_000);
        assert_eq!(whole.len(), 1);
        // What is too large by itself is for the broker to refuse.
        assert_eq!(seal.close_all("subject", &bodies[..1], 100).len(), 1);
    }
}
