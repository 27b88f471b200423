//! The name of one request: its trace id when it is traced, a random one otherwise. The caller sees it in the answer,
//! the operator in the log.

use std::future::Future;

use opentelemetry::trace::SpanContext;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// 16 bytes as 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; 32]);

impl RequestId {
    /// The id of the request that this task answers; a fresh one outside of any request.
    pub fn current() -> Self {
        CURRENT.try_with(|id| *id).unwrap_or_else(|_| Self::random())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // Hexadecimal digits are always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn of(span: Option<&SpanContext>) -> Self {
        span.map_or_else(Self::random, |span| Self::hex(span.trace_id().to_bytes()))
    }

    pub(crate) async fn scope<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }

    fn random() -> Self {
        Self::hex(rand::random())
    }

    fn hex(bytes: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |place: usize| DIGITS[usize::from(bytes[place / 2] >> (4 * (1 - place % 2)) & 0xf)];
        Self(std::array::from_fn(digit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_digits_in_order() {
        let bytes =
            [0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c];
        assert_eq!(RequestId::hex(bytes).as_str(), "0af7651916cd43dd8448eb211c80319c");
    }

    #[tokio::test]
    async fn a_request_keeps_its_id() {
        let id = RequestId::random();
        assert_eq!(id.scope(async { RequestId::current() }).await, id);
        assert_ne!(RequestId::current(), RequestId::current());
    }
}
