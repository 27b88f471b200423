//! The gateway over HTTP: one call, tried again until it is answered where that is safe. It reports what
//! became of each attempt, and judges nothing.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use crate::config::Config;

/// Shorter than the keep-alive of the gateway (5 s), so that no request goes out on a connection that is
/// being closed: a log-in that is lost that way is unknown for good.
const IDLE_CONNECTION: Duration = Duration::from_secs(3);
/// Answers are a few KiB.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One request, as often as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: Cow<'static, str>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) patience: Patience,
}

/// Whether a call is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Whatever comes of the first attempt stands.
    Once,
    /// Tried again until it is answered or the time to give up has come.
    UntilAnswered,
}

/// What an attempt came to that was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What an attempt came to that does not count as answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The request never left.
    #[error("no connection")]
    NotConnected,
    /// The connection ended before the answer.
    #[error("connection broken")]
    Broken,
    /// The answer did not come in time.
    #[error("timed out")]
    TimedOut,
    /// 500, 503 or 504: the change may have been made or not.
    #[error("{}", .0.as_u16())]
    Unsettled(StatusCode),
}

impl Fault {
    fn may_have_been_applied(self) -> bool {
        self != Self::NotConnected
    }
}

/// What became of a call.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The answer, or what became of the last attempt.
    pub(crate) result: Result<Answer, Fault>,
    /// Attempts without an answer that may have been applied.
    pub(crate) lost: u32,
    /// Attempts after the first.
    pub(crate) retries: u32,
}

/// A pooled connection to the gateway.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    scheme: Scheme,
    authority: Authority,
    timeout: Duration,
    give_up: Duration,
}

impl Api {
    /// # Errors
    /// The address is not of the form `http://host:port`.
    pub(crate) fn new(config: &Config) -> anyhow::Result<Self> {
        let parts = config.url.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            anyhow::bail!("the gateway's address must look like http://host:port, not {}", config.url);
        };
        anyhow::ensure!(
            scheme == Scheme::HTTP,
            "only http:// addresses can be played against: {}",
            config.url
        );
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(config.timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(connector);
        Ok(Self { client, scheme, authority, timeout: config.timeout, give_up: config.give_up })
    }

    /// Sends a call, and again while its patience lasts; takes at most the time to give up plus one
    /// attempt's.
    pub(crate) async fn deliver(&self, call: Call) -> Delivery {
        let give_up_at = Instant::now() + self.give_up;
        let (mut lost, mut retries) = (0, 0);
        loop {
            let fault = match self.attempt(&call).await {
                Ok(answer) => return Delivery { result: Ok(answer), lost, retries },
                Err(fault) => fault,
            };
            lost += u32::from(fault.may_have_been_applied());
            let pause = pause_after(retries);
            if call.patience == Patience::Once || Instant::now() + pause >= give_up_at {
                return Delivery { result: Err(fault), lost, retries };
            }
            tokio::time::sleep(pause).await;
            retries += 1;
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Fault> {
        match tokio::time::timeout(self.timeout, self.exchange(call)).await {
            Ok(Ok(Answer { status, .. })) if is_unsettled(status) => Err(Fault::Unsettled(status)),
            Ok(result) => result,
            Err(_elapsed) => Err(Fault::TimedOut),
        }
    }

    async fn exchange(&self, call: &Call) -> Result<Answer, Fault> {
        let request = self.request(call).map_err(|_unsendable| Fault::NotConnected)?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| if error.is_connect() { Fault::NotConnected } else { Fault::Broken })?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await;
        let body = body.map_err(|_incomplete| Fault::Broken)?.to_bytes();
        Ok(Answer { status, body })
    }

    fn request(&self, call: &Call) -> http::Result<Request<Full<Bytes>>> {
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(PathAndQuery::try_from(call.path.as_ref())?);
        let mut request = Request::builder().method(call.method.clone()).uri(Uri::from_parts(uri)?);
        if call.method == Method::POST {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header(HeaderName::from_static("idempotency-key"), key);
        }
        request.body(Full::new(call.body.clone()))
    }
}

/// Statuses after which a change may have been made or not, so that only the same request again can tell.
fn is_unsettled(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Exponential, with jitter over its upper half, so that what failed together does not come back together.
fn pause_after(retries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << retries.min(16)).min(LONGEST_PAUSE);
    longest.mul_f64(rand::random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        for (retries, longest_millis) in [(0, 50), (1, 100), (4, 800), (6, 2000), (60, 2000)] {
            for _ in 0..100 {
                let pause = pause_after(retries).as_secs_f64() * 1000.0;
                let longest = f64::from(longest_millis);
                assert!((longest * 0.499..=longest * 1.001).contains(&pause), "{retries}: {pause}");
            }
        }
    }
}
