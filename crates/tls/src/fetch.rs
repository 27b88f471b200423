//! A client for small documents over HTTP/1.1: keys, probes, scrapes. Follows no redirect and keeps no connection. Sets no
//! deadline: whoever asks knows how long it may take.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::error::TlsError;
use crate::tls::Tls;

/// GETs documents. Clones are the same.
#[derive(Debug, Clone)]
pub struct Fetcher {
    tls: Tls,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    most_bytes: usize,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The status; a failure is an answer too.
    pub status: StatusCode,
    /// The document.
    pub body: Bytes,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address, or nobody to trust it by.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer.
    #[error("the request failed")]
    Unanswered(#[source] hyper_util::client::legacy::Error),
    /// The answer breaks off, or is larger than may be.
    #[error("the answer is not complete")]
    Incomplete(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Tls {
    /// A client for documents of at most so many bytes.
    pub fn fetcher(&self, most_bytes: usize) -> Fetcher {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = HttpsConnector::from((http, self.client.clone()));
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Fetcher { tls: self.clone(), client, most_bytes }
    }
}

impl Fetcher {
    /// GETs the document at `http://…` or `https://…`, with this `authorization`.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn get(&self, url: &str, authorization: Option<HeaderValue>) -> Result<Fetched, FetchError> {
        let target = self.tls.target("the address", url)?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = target;
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        let answer = self.client.request(request).await.map_err(FetchError::Unanswered)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), self.most_bytes).collect().await;
        Ok(Fetched { status, body: body.map_err(FetchError::Incomplete)?.to_bytes() })
    }
}
