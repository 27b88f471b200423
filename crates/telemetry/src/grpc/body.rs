//! The bodies of a call. That of an answer is watched to its end: the call's code stands in its trailers. Messages
//! are counted both ways as they pass.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use battlearena_proto::Failure;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use super::call::{Call, code_in};
use super::framing::Messages;
use super::status;

/// A body that knows which call it ends, and how long it may take.
pub struct MeasuredBody {
    inner: Body,
    call: Option<Call>,
    messages: Messages,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl MeasuredBody {
    pub(super) fn new(inner: Body, call: Call, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        let messages = call.answers();
        Self { inner, call: Some(call), messages, deadline }
    }

    /// Wraps a whole answer; the code of one without a body stands in its headers.
    pub(super) fn wrap(
        response: http::Response<Body>,
        mut call: Call,
        deadline: Option<Pin<Box<Sleep>>>,
    ) -> http::Response<Self> {
        let (parts, body) = response.into_parts();
        if let Some(code) = code_in(&parts.headers) {
            call.end(code);
        }
        http::Response::from_parts(parts, Self::new(body, call, deadline))
    }

    fn end(&mut self, code: Code) {
        if let Some(mut call) = self.call.take() {
            call.end(code);
        }
    }
}

impl HttpBody for MeasuredBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { inner, call, .. } = &mut *self;
        let mut poll = || next_frame(inner, context);
        let frame = match call {
            Some(call) => call.step(poll),
            None => poll(),
        };
        match frame {
            Poll::Ready(frame) => {
                match &frame {
                    Some(Ok(frame)) => {
                        self.messages.see(frame);
                        if let Some(code) = frame.trailers_ref().and_then(code_in) {
                            self.end(code);
                        }
                    }
                    Some(Err(status)) => {
                        let code = status.code();
                        self.end(code);
                    }
                    // An end without trailers: the code was in the headers, or the peer broke off.
                    None => drop(self.call.take()),
                }
                Poll::Ready(frame)
            }
            Poll::Pending => match self.deadline.as_mut().map(|deadline| deadline.as_mut().poll(context)) {
                Some(Poll::Ready(())) => {
                    self.end(Code::DeadlineExceeded);
                    Poll::Ready(Some(Err(Failure::deadline_exceeded().into())))
                }
                Some(Poll::Pending) | None => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The next frame of a body; when what makes it panics, the call ends as one that failed.
fn next_frame(body: &mut Body, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
    let frame = catch_unwind(AssertUnwindSafe(|| HttpBody::poll_frame(Pin::new(&mut *body), context)));
    frame.unwrap_or_else(|_panic| {
        // What is left half changed is dropped: nobody sees it.
        *body = Body::empty();
        let status = status(Failure::internal("the method panicked"));
        Poll::Ready(Some(Ok(Frame::trailers(status.into_http::<Body>().into_parts().0.headers))))
    })
}

/// A request whose messages are counted.
pub(super) fn counted(request: http::Request<Body>, call: &Call) -> http::Request<Body> {
    request.map(|inner| Body::new(CountedBody { inner, messages: call.requests() }))
}

struct CountedBody {
    inner: Body,
    messages: Messages,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.messages.see(frame);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
