//! The gateway over HTTP: sends a [`Call`] over a pooled connection, again where that is safe, and reads the answer.
//! Light enough for a load generator: one copy of the body, shared by every attempt.

mod call;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use std::time::Duration;

use battlearena_proto::ErrorKind;

pub use call::Call;

use crate::credentials::Credentials;
use crate::error::{Error, Fault, Missed, refusal};
use crate::hooks::{Hooks, Sent};
use crate::retry::{Retry, Tried};
use crate::tls::Tls;

/// Shorter than the keep-alive of the gateway (5 s), so that no request goes out on a connection that is being closed:
/// a log-in that is lost that way is unknown for good.
const IDLE_CONNECTION: Duration = Duration::from_secs(3);
/// Answers are a few KiB.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// How much of an answer that cannot be read is shown, in characters.
const SHOWN: usize = 300;

/// A pool of connections to the gateway. Share it: a clone has the same pool.
#[derive(Debug, Clone)]
pub struct Gateway {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    scheme: Scheme,
    authority: Authority,
    retry: Retry,
    hooks: Hooks,
    credentials: Option<Credentials>,
}

/// The address is not of the form `http://host:port` or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address must look like http://host:port or https://host:port, not {0}")]
pub struct AddressError(pub(crate) String);

/// What became of a call, and what it took.
#[derive(Debug)]
pub struct Delivery<A> {
    /// The answer, or why there is none.
    pub result: Result<A, Error>,
    /// Attempts without an answer that may have been applied.
    pub lost: u32,
    /// Attempts after the first.
    pub retries: u32,
    /// How the last attempt was answered; none when it was not.
    pub status: Option<u16>,
}

impl<A> Delivery<A> {
    /// Nothing left, because there was nothing to show.
    fn unsent(error: Error) -> Self {
        Self { result: Err(error), lost: 0, retries: 0, status: None }
    }

    /// The same, which went on where another one ended.
    fn behind(self, earlier: &Self) -> Self {
        let (lost, retries) = (self.lost + earlier.lost, self.retries + earlier.retries + 1);
        Self { lost, retries, ..self }
    }
}

/// What every attempt of a call carries.
struct Headers {
    traceparent: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
}

/// What an attempt came to that was answered.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Gateway {
    /// A client of the gateway at `http://host:port` or `https://host:port`. It connects with the first call.
    ///
    /// # Errors
    /// The address is not of that form.
    pub fn new(address: &Uri, retry: Retry) -> Result<Self, AddressError> {
        let parts = address.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(AddressError(address.to_string()));
        };
        if ![Scheme::HTTP, Scheme::HTTPS].contains(&scheme) {
            return Err(AddressError(address.to_string()));
        }
        let client = client(&scheme, &Tls::default(), &retry);
        Ok(Self { client, scheme, authority, retry, hooks: Hooks::default(), credentials: None })
    }

    /// The same client with connections of its own, which speak TLS like this when the address says so.
    #[must_use]
    pub fn with_tls(self, tls: &Tls) -> Self {
        Self { client: client(&self.scheme, tls, &self.retry), ..self }
    }

    /// The same client under other hooks.
    #[must_use]
    pub fn with_hooks(self, hooks: Hooks) -> Self {
        Self { hooks, ..self }
    }

    /// The same client, on behalf of somebody: each call shows an access token, which is renewed in time.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// The same client on behalf of nobody.
    #[must_use]
    pub fn anonymous(self) -> Self {
        Self { credentials: None, ..self }
    }

    /// Sends a call and returns its answer.
    ///
    /// # Errors
    /// The platform refuses, or does not answer for as long as the call's patience lasts, or answers something else.
    pub async fn send<A: DeserializeOwned>(&self, call: Call<A>) -> Result<A, Error> {
        self.deliver(call).await.result
    }

    /// Sends a call, and tells how many attempts it took and how many of them may have been applied unanswered. Takes
    /// at most the time to give up plus one attempt's, and as long again when an access token has to be fetched for it.
    pub async fn deliver<A: DeserializeOwned>(&self, call: Call<A>) -> Delivery<A> {
        let Some(credentials) = &self.credentials else { return self.deliver_as(&call, None).await };
        let token = match credentials.token().await {
            Ok(token) => token,
            Err(error) => return Delivery::unsent(error),
        };
        let delivery = self.deliver_as(&call, Some(token.header())).await;
        if delivery.status != Some(StatusCode::UNAUTHORIZED.as_u16()) {
            return delivery;
        }
        // A call without proof changes nothing, so that it may be sent again with a better one.
        match credentials.after(&token).await {
            Ok(renewed) => self.deliver_as(&call, Some(renewed.header())).await.behind(&delivery),
            Err(_ended) => delivery,
        }
    }

    /// Sends a call with this `authorization` header, and renews nothing.
    pub(crate) async fn deliver_as<A: DeserializeOwned>(
        &self,
        call: &Call<A>,
        authorization: Option<&HeaderValue>,
    ) -> Delivery<A> {
        let headers = Headers { traceparent: self.hooks.header(), authorization: authorization.cloned() };
        let attempt = || self.attempt(call, &headers);
        let Tried { result, lost, retries } = self.retry.until_answered(call.patience, attempt).await;
        let (result, status) = match result {
            Ok(answer) => (answer.read(), Some(answer.status.as_u16())),
            Err(Missed { fault, status, .. }) => (Err(Error::Unanswered { fault, lost }), status),
        };
        Delivery { result, lost, retries, status }
    }

    /// Makes one attempt, which the observer is told of, however it ends.
    async fn attempt<A>(&self, call: &Call<A>, headers: &Headers) -> Result<Answer, Missed> {
        let sent = |status| Sent::Request { method: call.method.as_str(), route: call.route, status };
        let mut watch = self.hooks.watch(sent(None));
        let result = self.exchange(call, headers).await;
        watch.became(sent(match &result {
            Ok(answer) => Some(answer.status.as_u16()),
            Err(missed) => missed.status,
        }));
        result
    }

    async fn exchange<A>(&self, call: &Call<A>, headers: &Headers) -> Result<Answer, Missed> {
        let request = self.request(call, headers).map_err(|_unsendable| Fault::NotConnected)?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { Fault::NotConnected } else { Fault::Broken })?;
        let status = response.status();
        if let Some(kind) = not_now(status) {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let (wait, status) = (seconds.map(Duration::from_secs), Some(status.as_u16()));
            return Err(Missed { fault: Fault::NotNow(kind), wait, status });
        }
        let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await;
        let body = body.map_err(|_incomplete| Fault::Broken)?.to_bytes();
        Ok(Answer { status, body })
    }

    fn request<A>(&self, call: &Call<A>, headers: &Headers) -> http::Result<Request<Full<Bytes>>> {
        let Headers { traceparent, authorization } = headers;
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(PathAndQuery::try_from(call.path.as_ref())?);
        let mut request = Request::builder().method(call.method.clone()).uri(Uri::from_parts(uri)?);
        if call.method != Method::GET {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        if let Some(traceparent) = traceparent {
            request = request.header(HeaderName::from_static("traceparent"), traceparent);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(Full::new(call.body.clone()))
    }
}

fn client(scheme: &Scheme, tls: &Tls, retry: &Retry) -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(retry.attempt));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .build(tls.connector(scheme, "http/1.1", tcp))
}

impl Answer {
    fn read<A: DeserializeOwned>(&self) -> Result<A, Error> {
        if !self.status.is_success() {
            let refused = self.status.is_client_error().then(|| refusal(self.status.as_u16(), &self.body));
            return Err(match refused.flatten() {
                Some(refusal) => refusal.into(),
                None => self.unreadable("not the platform's error shape".to_owned()),
            });
        }
        // No content is the answer that says nothing: JSON's null.
        let body = if self.status == StatusCode::NO_CONTENT { b"null" } else { &self.body[..] };
        serde_json::from_slice(body).map_err(|error| self.unreadable(error.to_string()))
    }

    fn unreadable(&self, why: String) -> Error {
        let text = String::from_utf8_lossy(&self.body).chars().take(SHOWN).collect();
        Error::Unreadable { status: self.status.as_u16(), why, text }
    }
}

/// Statuses after which the same request may be answered in a moment.
fn not_now(status: StatusCode) -> Option<ErrorKind> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(ErrorKind::Throttled),
        StatusCode::INTERNAL_SERVER_ERROR => Some(ErrorKind::Internal),
        // A proxy that cannot reach the gateway says 502.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => Some(ErrorKind::Unavailable),
        StatusCode::GATEWAY_TIMEOUT => Some(ErrorKind::DeadlineExceeded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), body: Bytes::from_static(body.as_bytes()) }
    }

    #[test]
    fn an_answer_is_what_its_status_and_its_body_say() {
        assert_eq!(answer(200, "7").read::<i64>().unwrap(), 7);
        answer(204, "").read::<()>().unwrap();
        let refused = r#"{"error":{"code":"conflict","message":"over","request_id":"r"}}"#;
        let error = answer(409, refused).read::<i64>().unwrap_err();
        assert!(matches!(&error, Error::Refused(_)) && !error.may_have_been_applied());
        assert_eq!(error.kind(), ErrorKind::Conflict);
        for (status, body) in [(200, ""), (200, "{}"), (302, "7"), (404, "proxy"), (501, refused)] {
            let error = answer(status, body).read::<i64>().unwrap_err();
            assert!(matches!(&error, Error::Unreadable { .. }) && error.may_have_been_applied(), "{status}");
        }
    }

    #[test]
    fn addresses_need_a_scheme_that_is_known() {
        for address in ["ftp://localhost:8000", "/path", "localhost:8000"] {
            Gateway::new(&address.parse().unwrap(), Retry::default()).unwrap_err();
        }
    }
}
