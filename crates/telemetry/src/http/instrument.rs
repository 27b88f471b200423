//! The middleware around every route: span, metrics, deadline and request id. It must be the outermost one. Whatever
//! happens to a request is counted: an answer, an error, a panic, a deadline, a client that went away.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpResponse};
use battlearena_proto::Failure;
use battlearena_runtime::{Deadline, Readiness, deadline};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tracing::Instrument as _;

use super::observation::{Headers, Observation, server_span};
use super::routes::{Routes, UNMATCHED};
use super::{Deliberate, HttpFailure, RequestId, error_response, operations};
use crate::failures::Fault;
use crate::trace;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// What a stranger may have a request take: it holds a connection to the database while it waits.
const LONGEST: Duration = Duration::from_secs(60);

/// The middleware; wrap the app with it last, so that it is the outermost.
#[derive(Debug, Clone, Default)]
pub struct Instrument {
    known: Vec<(Method, &'static str)>,
    readiness: Readiness,
}

impl Instrument {
    /// Measures, traces and bounds every request but those of [`super::operations()`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers routes at zero, as method and pattern: an error rate cannot see a series appear.
    #[must_use]
    pub fn with_routes(mut self, routes: impl IntoIterator<Item = (Method, &'static str)>) -> Self {
        self.known.extend(routes);
        self
    }

    /// Closes connections once the process drains, so that clients go elsewhere.
    #[must_use]
    pub fn with_readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }
}

impl<S, B> Transform<S, ServiceRequest> for Instrument
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = InstrumentService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (routes, readiness) = (Routes::new(&self.known), self.readiness.clone());
        ready(Ok(InstrumentService { service, routes, readiness }))
    }
}

/// [`Instrument`] around the routes of one worker.
pub struct InstrumentService<S> {
    service: S,
    routes: Routes,
    readiness: Readiness,
}

impl<S, B> Service<ServiceRequest> for InstrumentService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let readiness = self.readiness.clone();
        if operations::PATHS.contains(&request.path()) {
            let answer = self.service.call(request);
            return Box::pin(async move {
                let mut response = answer.await?;
                close_when_draining(&readiness, response.response_mut().head_mut());
                Ok(response)
            });
        }
        // The path as routing will see it: decoded, unlike that of `request.match_pattern()` before routing.
        let pattern = request.resource_map().match_pattern(request.match_info().as_str());
        let route = self.routes.find(request.method(), pattern.as_deref().unwrap_or(UNMATCHED));
        let is_secure = request.app_config().secure();
        let span = server_span(&route, pattern.is_some(), request.path(), is_secure);
        // This is the public door: whoever calls is a stranger.
        trace::set_parent_from(&span, &Headers(request.headers()), true);
        if let Some(size) = declared_size(request.headers()) {
            route.received(size);
        }
        let observation = Observation::new(route, span.clone());
        let marks = Marks { id: observation.id(), is_traced: observation.is_traced(), readiness };
        let allowed = Deadline::after(allowed_time(request.headers()));
        let answer = answer(self.service.call(request), allowed);
        Box::pin(async move {
            let work = marks.id.scope(deadline::scope(allowed, answer)).instrument(span);
            match work.await {
                Ok(mut response) => {
                    observe(observation, response.response());
                    marks.put_on(response.response_mut());
                    Ok(response)
                }
                Err(Refusal { cause, mut response }) => {
                    observe(observation, &response);
                    marks.put_on(&mut response);
                    Err(InternalError::from_response(cause, response).into())
                }
            }
        })
    }
}

/// The end of a request that is answered.
fn observe<B: MessageBody>(observation: Observation, response: &HttpResponse<B>) {
    let status = response.status().as_u16();
    let fault = match response.extensions() {
        extensions if extensions.contains::<Deliberate>() => None,
        extensions => extensions.get().cloned().or_else(|| (status >= 500).then(Fault::unexplained)),
    };
    observation.answered(status, response.body().size(), fault);
}

/// Why there is no answer by the service itself, and the one to give in its place.
struct Refusal {
    cause: Error,
    response: HttpResponse,
}

/// Runs the rest of the app until the deadline. What it cannot answer is answered here, within the scope of the
/// request, so that the answer and the log carry its id.
async fn answer<B>(
    work: impl Future<Output = Result<ServiceResponse<B>, Error>>,
    allowed: Deadline,
) -> Result<ServiceResponse<B>, Refusal> {
    // The handler's state is dropped with it: nobody sees what a panic left half changed.
    let work = AssertUnwindSafe(work).catch_unwind();
    let cause = match allowed.bound(work).await {
        Some(Ok(Ok(response))) => return Ok(response),
        Some(Ok(Err(error))) => error,
        Some(Err(_panic)) => HttpFailure(Failure::internal("the handler panicked")).into(),
        None => HttpFailure(Failure::deadline_exceeded()).into(),
    };
    let response = match cause.as_error::<HttpFailure>() {
        Some(HttpFailure(failure)) => error_response(failure),
        None => cause.error_response(),
    };
    Err(Refusal { cause, response })
}

/// What every answer carries.
struct Marks {
    id: RequestId,
    is_traced: bool,
    readiness: Readiness,
}

impl Marks {
    fn put_on<B>(&self, response: &mut HttpResponse<B>) {
        if self.readiness.is_draining() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        let Ok(id) = HeaderValue::from_str(self.id.as_str()) else { return };
        if self.is_traced {
            response.headers_mut().insert(X_TRACE_ID, id.clone());
        }
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
}

/// The caller's deadline, in gRPC's notation, or the default; at most [`LONGEST`].
fn allowed_time(headers: &HeaderMap) -> Duration {
    let header = headers.get("grpc-timeout").and_then(|value| value.to_str().ok());
    header.and_then(deadline::parse_grpc_timeout).map_or(deadline::DEFAULT, |asked| asked.min(LONGEST))
}

/// The size of the body, when the client says it.
fn declared_size(headers: &HeaderMap) -> Option<u64> {
    match headers.get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => (!headers.contains_key(TRANSFER_ENCODING)).then_some(0),
    }
}

fn close_when_draining(readiness: &Readiness, head: &mut actix_web::dev::ResponseHead) {
    if readiness.is_draining() {
        head.set_connection_type(ConnectionType::Close);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, init_service};
    use actix_web::{App, web};

    use super::*;
    use crate::testing::scraped;

    #[actix_web::test]
    async fn an_encoded_path_is_counted_under_its_route() {
        let instrument = Instrument::new().with_routes([(Method::GET, "/spelt/{name}")]);
        let spelt = web::get().to(async || "fine");
        let app = init_service(App::new().route("/spelt/{name}", spelt).wrap(instrument)).await;
        for path in ["/spelt/a", "/%73pelt/a", "/%73%70%65%6C%74/%61", "/spel%74/a%2Fb", "/spelt/%2561"] {
            let answer = app.call(TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.unwrap().status(), 200, "{path}");
        }
        let count = |endpoint: &str| {
            scraped(&format!(r#"http_requests_total{{method="GET",endpoint="{endpoint}",status="200"}}"#))
        };
        assert_eq!(count("/spelt/{name}"), Some(5.0));
        assert_eq!(count(UNMATCHED), None);
    }
}
