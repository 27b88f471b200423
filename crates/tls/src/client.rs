//! What callers need. The certificate of this process is shown to whoever asks for one.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::Resumption;
use rustls::{ClientConfig, DEFAULT_VERSIONS};
use tonic::transport::Endpoint;
use tower::Service;

use crate::current::Current;
use crate::error::TlsError;
use crate::tls::Tls;

impl Tls {
    /// For any client: checks the other side against the authorities that are set, or those of the system. Names no
    /// protocol (ALPN).
    ///
    /// # Errors
    /// [`TlsError::NoAuthorities`].
    pub fn client(&self) -> Result<ClientConfig, TlsError> {
        self.current.trust_somebody()?;
        Ok(self.client.clone())
    }

    /// How to reach a gRPC service at `http://host:port` or `https://host:port`: set up the endpoint, and open it with
    /// `connect_with_connector_lazy`. Its connect timeout includes the handshake.
    ///
    /// # Errors
    /// [`TlsError::Address`], and for `https` those of [`Tls::client`].
    pub fn dial(&self, address: &str) -> Result<(Endpoint, Connector), TlsError> {
        let wrong = || TlsError::Address { address: address.to_owned() };
        let target: Uri = address.parse().map_err(|_| wrong())?;
        if target.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        let mut config = match target.scheme_str() {
            Some("http") => self.client.clone(),
            Some("https") => self.client()?,
            _ => return Err(wrong()),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = Connector { connector: HttpsConnector::from((http, config)), target: target.clone() };
        // Tonic refuses to leave an https address to a connector when it was built with TLS of its own.
        let plain = plain(&target).map_err(|_| wrong())?;
        Ok((Endpoint::from(plain).origin(target), connector))
    }
}

/// The same address without TLS; the port is the one that is meant.
fn plain(target: &Uri) -> Result<Uri, http::Error> {
    let mut parts = target.clone().into_parts();
    if target.scheme() == Some(&Scheme::HTTPS) && target.port().is_none() {
        let host = target.host().unwrap_or_default();
        parts.authority = Some(format!("{host}:443").parse()?);
    }
    parts.scheme = Some(Scheme::HTTP);
    Ok(Uri::from_parts(parts)?)
}

/// What every client starts from.
pub(crate) fn config(current: &Arc<Current>) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(current.provider.clone())
        .with_protocol_versions(DEFAULT_VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(current.clone())
        .with_client_cert_resolver(current.clone());
    // Each connection is checked by the authorities of its day.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Connects to one address, over TLS when that says so.
#[derive(Clone)]
pub struct Connector {
    connector: HttpsConnector<HttpConnector>,
    target: Uri,
}

impl Service<Uri> for Connector {
    type Response = <HttpsConnector<HttpConnector> as Service<Uri>>::Response;
    type Error = <HttpsConnector<HttpConnector> as Service<Uri>>::Error;
    type Future = <HttpsConnector<HttpConnector> as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        self.connector.call(self.target.clone())
    }
}
