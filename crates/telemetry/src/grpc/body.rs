//! The body of an answer, watched to its end: a call's code stands in its trailers.

use std::pin::Pin;
use std::task::{Context, Poll};

use battlearena_proto::Failure;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::body::Body;
use tonic::{Code, Status};

use super::call::{Call, code_in};

/// A body that knows which call it ends, and how long it may take.
pub struct MeasuredBody {
    inner: Body,
    call: Option<Call>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl MeasuredBody {
    pub(super) fn new(inner: Body, call: Call, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        Self { inner, call: Some(call), deadline }
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

impl http_body::Body for MeasuredBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => {
                match &frame {
                    Some(Ok(frame)) => {
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
