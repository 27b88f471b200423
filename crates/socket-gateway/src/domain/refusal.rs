//! Why a command is not carried out, as its client is told: the error frames of the protocol.

use jiff::Timestamp;

use super::answer::Answer;

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) id: Option<String>,
    pub(crate) field: Option<&'static str>,
    pub(crate) client_id: Option<String>,
    /// When what is refused will be allowed again.
    pub(crate) until: Option<Timestamp>,
}

macro_rules! error_codes {
    ($($name:ident = $word:literal $close:expr;)+) => {
        /// The codes of error frames.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum ErrorCode { $($name,)+ }

        impl ErrorCode {
            /// Every word, in order.
            pub(crate) const WORDS: &[&str] = &[$($word,)+];

            /// The word in the frame.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The code with which the connection is closed after it, if it is.
            pub(crate) fn close_code(self) -> Option<u16> {
                match self { $(Self::$name => $close,)+ }
            }
        }
    };
}

error_codes! {
    Malformed = "malformed" Some(4000);
    Unauthenticated = "unauthenticated" Some(4001);
    UnsupportedProtocol = "unsupported_protocol" Some(4002);
    UnknownCommand = "unknown_command" Some(4004);
    Throttled = "throttled" Some(4029);
    PayloadTooLarge = "payload_too_large" Some(1009);
    UnsupportedData = "unsupported_data" Some(1003);
    InvalidUtf8 = "invalid_utf8" Some(1007);
    ProtocolError = "protocol_error" Some(1002);
    Invalid = "invalid" None;
    Forbidden = "forbidden" None;
    Conflict = "conflict" None;
    Unavailable = "unavailable" None;
    Internal = "internal" None;
}

impl ErrorCode {
    /// Whether it is the platform's fault, and not the client's.
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Unavailable | Self::Internal)
    }
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: &str) -> Self {
        Self { code, message: message.to_owned(), id: None, field: None, client_id: None, until: None }
    }

    pub(crate) fn invalid(field: &'static str, message: &str) -> Self {
        Self::new(ErrorCode::Invalid, message).with_field(field)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(ErrorCode::Unauthenticated, message)
    }

    /// Of a message whose author must not speak, for a time or for good.
    pub(crate) fn muted(until: Option<Timestamp>) -> Self {
        Self { until, ..Self::new(ErrorCode::Forbidden, "you are muted") }
    }

    pub(crate) fn with_field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    pub(crate) fn with_client_id(self, client_id: &str) -> Self {
        Self { client_id: Some(client_id.to_owned()), ..self }
    }

    pub(crate) fn with_id(self, id: Option<&str>) -> Self {
        Self { id: id.map(str::to_owned), ..self }
    }

    /// The frame's text.
    pub(crate) fn to_text(&self) -> Vec<u8> {
        let Self { code, message, id, field, client_id, until } = self;
        let (id, client_id) = (id.as_deref(), client_id.as_deref());
        let (code, field, until) = (code.as_str(), *field, *until);
        Answer::Error { id, code, message, field, client_id, until }.to_text()
    }
}
