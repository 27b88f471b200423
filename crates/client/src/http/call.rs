//! A call as a value: what is sent, how often, and what kind of answer it gets. Sends nothing itself, so that the same
//! call can be held, changed and sent again.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::retry::Patience;

/// One request of the gateway's API, answered by an `A`. The functions of [`calls`](crate::calls) make them.
#[must_use = "a call does nothing until it is sent"]
pub struct Call<A> {
    pub(super) method: Method,
    pub(super) route: &'static str,
    pub(super) path: Cow<'static, str>,
    pub(super) idempotency_key: Option<String>,
    pub(super) body: Bytes,
    pub(super) patience: Patience,
    answer: PhantomData<fn() -> A>,
}

impl<A> Call<A> {
    /// A question to a route, which is asked until it is answered.
    pub fn get(route: &'static str) -> Self {
        Self {
            method: Method::GET,
            route,
            path: Cow::Borrowed(route),
            idempotency_key: None,
            body: Bytes::new(),
            patience: Patience::UntilAnswered,
            answer: PhantomData,
        }
    }

    /// A change by a route, with a random idempotency key of its own, which is sent until it is answered: however often it
    /// arrives, it is made once.
    pub fn post(route: &'static str, body: &impl Serialize) -> Self {
        Self { method: Method::POST, ..Self::change(route, body) }
    }

    /// A change of a part, in the same way.
    pub fn patch(route: &'static str, body: &impl Serialize) -> Self {
        Self { method: Method::PATCH, ..Self::change(route, body) }
    }

    /// A removal, in the same way.
    pub fn delete(route: &'static str, body: &impl Serialize) -> Self {
        Self { method: Method::DELETE, ..Self::change(route, body) }
    }

    fn change(route: &'static str, body: &impl Serialize) -> Self {
        // What the requests of this crate are made of, numbers and text, can always be written.
        let body = serde_json::to_vec(body).unwrap_or_default().into();
        let key = format!("{:032x}", rand::random::<u128>());
        Self { idempotency_key: Some(key), body, ..Self::get(route) }
    }

    /// The same call with a value for the first `{…}` of the route that has none, encoded as one segment of a path.
    pub fn with(mut self, value: impl Display) -> Self {
        if let (Some(begin), Some(end)) = (self.path.find('{'), self.path.find('}')) {
            let segment = Segment(&value.to_string()).to_string();
            self.path.to_mut().replace_range(begin..=end, &segment);
        }
        self
    }

    /// The same call with a query, which is encoded already.
    pub fn with_query(mut self, query: impl Display) -> Self {
        self.path = format!("{}?{query}", self.path).into();
        self
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

/// Without the body, which may hold a password.
impl<A> fmt::Debug for Call<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.method, self.path)
    }
}

/// Text as one segment of a path: everything but RFC 3986's unreserved characters is percent-encoded.
struct Segment<'a>(&'a str);

impl Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                write!(f, "{}", byte as char)
            }
            other => write!(f, "%{other:02X}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_within_its_segment() {
        assert_eq!(Segment("lobby-1_a.b~").to_string(), "lobby-1_a.b~");
        assert_eq!(Segment("a/b?c é{}").to_string(), "a%2Fb%3Fc%20%C3%A9%7B%7D");
    }

    #[test]
    fn a_route_is_filled_from_the_left() {
        let call = Call::<()>::get("/a/{one}/b/{two}").with("{x}").with(7).with("nowhere").with_query("c=d");
        assert_eq!((call.route, &*call.path), ("/a/{one}/b/{two}", "/a/%7Bx%7D/b/7?c=d"));
    }
}
