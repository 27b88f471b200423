//! What a program adds to everything that its clients send, and what it is told of it: trace context and an observer.
//! This crate itself makes no spans and counts nothing.

use std::error::Error as _;
use std::fmt::Debug;
use std::sync::Arc;

use http::HeaderValue;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Response, Status};

/// Tells the W3C `traceparent` of the caller's current span; none outside of a trace.
pub type TraceContext = fn() -> Option<String>;

/// What the clients of a program share. By default they send no trace context and tell nobody.
#[derive(Debug, Clone, Default)]
pub struct Hooks {
    trace_context: Option<TraceContext>,
    observer: Option<Arc<dyn Observer>>,
}

/// Is told of everything that is sent, once each, when it is known what came of it. Called on the way of each attempt:
/// it must be quick.
pub trait Observer: Debug + Send + Sync {
    /// Something was sent.
    fn sent(&self, sent: Sent<'_>);
}

/// One thing that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent<'a> {
    /// An attempt of an HTTP request, the handshake of a socket among them.
    Request {
        /// GET or POST.
        method: &'a str,
        /// The route's template, such as `/api/players/{player_id}`.
        route: &'a str,
        /// How it was answered; none when no answer came, or none that could be read to its end.
        status: Option<u16>,
    },
    /// An attempt of a unary gRPC call.
    Rpc {
        /// `package.Service/Method`.
        method: &'a str,
        /// How the other side answered; none when no answer came.
        code: Option<Code>,
    },
    /// A frame of a socket, which has its answers in frames of their own.
    Command {
        /// Its `type`.
        kind: &'a str,
    },
}

impl Hooks {
    /// The same hooks, with trace context in every call: an HTTP header, a gRPC metadata entry, a field of a socket's
    /// command. It is asked for once a call, when the call begins; attempts after the first carry the same.
    #[must_use]
    pub fn with_trace_context(self, trace_context: TraceContext) -> Self {
        Self { trace_context: Some(trace_context), ..self }
    }

    /// The same hooks, with somebody who is told of everything that is sent.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Makes one attempt of a unary call with a generated client, under these hooks. `method` is its name,
    /// `package.Service/Method`.
    ///
    /// # Errors
    /// What the call returns.
    pub async fn call<M, A, F>(
        &self,
        method: &'static str,
        request: Request<M>,
        call: impl FnOnce(Request<M>) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.attempt(method, self.metadata().as_ref(), request, call).await
    }

    /// The same in the trace of a call that was begun before.
    pub(crate) async fn attempt<M, A, F>(
        &self,
        method: &'static str,
        traceparent: Option<&MetadataValue<Ascii>>,
        mut request: Request<M>,
        call: impl FnOnce(Request<M>) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        if let Some(traceparent) = traceparent {
            request.metadata_mut().insert("traceparent", traceparent.clone());
        }
        let mut watch = self.watch(Sent::Rpc { method, code: None });
        let result = call(request).await;
        let code = match &result {
            Ok(_) => Some(Code::Ok),
            // What this side makes up of a lost connection or a deadline has a source; what the other says has none.
            Err(status) => status.source().is_none().then_some(status.code()),
        };
        watch.became(Sent::Rpc { method, code });
        result
    }

    /// The trace context of the current span.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.trace_context.and_then(|trace_context| trace_context())
    }

    /// The same as a header's value.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.traceparent().and_then(|traceparent| traceparent.try_into().ok())
    }

    /// The same as gRPC's.
    pub(crate) fn metadata(&self) -> Option<MetadataValue<Ascii>> {
        self.traceparent().and_then(|traceparent| traceparent.try_into().ok())
    }

    /// Begins to watch something that is sent. Without another word it tells, at its end, what it was given first: an
    /// attempt that is dropped half-way was sent as well.
    pub(crate) fn watch<'a>(&'a self, sent: Sent<'a>) -> Watch<'a> {
        Watch { observer: self.observer.as_deref(), sent }
    }

    /// Tells of something of which no more can be learned.
    pub(crate) fn tell(&self, sent: Sent<'_>) {
        drop(self.watch(sent));
    }
}

/// Something that is being sent. Dropped, it tells the observer.
pub(crate) struct Watch<'a> {
    observer: Option<&'a dyn Observer>,
    sent: Sent<'a>,
}

impl<'a> Watch<'a> {
    /// What came of it.
    pub(crate) fn became(&mut self, sent: Sent<'a>) {
        self.sent = sent;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(observer) = self.observer {
            observer.sent(self.sent);
        }
    }
}
