//! A call as a value: what is sent, how often, and what kind of answer it gets. Sends nothing itself, so that the same
//! call can be held, changed and sent again.

use std::borrow::Cow;
use std::marker::PhantomData;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::retry::Patience;

/// One request of the gateway's API, answered by an `A`. The functions of [`calls`](crate::calls) make them.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call<A> {
    pub(super) method: Method,
    pub(super) path: Cow<'static, str>,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Bytes,
    pub(super) patience: Patience,
    answer: PhantomData<fn() -> A>,
}

impl<A> Call<A> {
    /// A question, which is asked until it is answered.
    pub fn get(path: impl Into<Cow<'static, str>>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            idempotency_key: None,
            body: Bytes::new(),
            patience: Patience::UntilAnswered,
            answer: PhantomData,
        }
    }

    /// A change with a random idempotency key of its own, which is sent until it is answered: however often it arrives,
    /// it is made once.
    pub fn post(path: impl Into<Cow<'static, str>>, body: &impl Serialize) -> Self {
        // What the requests of this crate are made of, numbers and text, can always be written.
        let body = serde_json::to_vec(body).unwrap_or_default().into();
        let key = format!("{:032x}", rand::random::<u128>());
        Self { method: Method::POST, idempotency_key: Some(key), body, ..Self::get(path) }
    }

    /// The same call, sent once: whatever comes of it stands.
    pub fn once(self) -> Self {
        Self { patience: Patience::Once, ..self }
    }

    /// The same call with another idempotency key (1 to 255 visible ASCII characters), for a caller that remembers its
    /// keys across a restart.
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { idempotency_key: Some(key.into()), ..self }
    }

    /// The same call without an idempotency key: each attempt that arrives counts.
    pub fn without_key(self) -> Self {
        Self { idempotency_key: None, ..self }
    }

    /// The same call with other bytes as its body, such as bytes that must be refused.
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// The idempotency key.
    pub fn key(&self) -> Option<&str> {
        self.idempotency_key.as_deref()
    }

    /// The body, as it is sent.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
