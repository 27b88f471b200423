//! What callers need. The certificate of this process is shown to whoever asks for one.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use battlearena_telemetry::grpc::{InstrumentedChannel, connect_by};
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
use crate::settings::ALLOW_PLAINTEXT;
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

    /// A channel to the gRPC service whose address (`http://host:port` or `https://host:port`) a setting gives, such as
    /// `--match-url (ARENA_GATEWAY_MATCH_URL)`. It connects with its first call.
    ///
    /// # Errors
    /// Those of [`Tls::check`].
    pub fn connect(&self, setting: &'static str, address: &str) -> Result<InstrumentedChannel, TlsError> {
        let target = self.check(setting, address)?;
        let mut config = self.client.clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let connector = Connector { connector: HttpsConnector::from((http, config)), target: target.clone() };
        // Tonic refuses to leave an https address to a connector when it was built with TLS of its own.
        let plain = plain(&target).map_err(|_| TlsError::Address { setting, address: address.to_owned() })?;
        Ok(connect_by(Endpoint::from(plain).origin(target), connector))
    }

    /// Whether the service whose address a setting gives may be called, and can be checked.
    ///
    /// # Errors
    /// [`TlsError::Address`], [`TlsError::Plaintext`], [`TlsError::NoAuthorities`].
    pub fn check(&self, setting: &'static str, address: &str) -> Result<Uri, TlsError> {
        let target = self.target(setting, address)?;
        let may_be_plain = self.settings.allow_plaintext || !self.settings.environment.is_production();
        if may_be_plain || target.scheme() == Some(&Scheme::HTTPS) || is_here(&target) {
            return Ok(target);
        }
        Err(TlsError::Plaintext { setting, address: address.to_owned(), allow: ALLOW_PLAINTEXT })
    }

    /// An address that can be called.
    pub(crate) fn target(&self, setting: &'static str, address: &str) -> Result<Uri, TlsError> {
        let wrong = || TlsError::Address { setting, address: address.to_owned() };
        let target: Uri = address.parse().map_err(|_| wrong())?;
        if target.host().is_none_or(str::is_empty) {
            return Err(wrong());
        }
        match target.scheme_str() {
            Some("http") => {}
            Some("https") => self.current.trust_somebody()?,
            _ => return Err(wrong()),
        }
        Ok(target)
    }
}

/// Whether what is said to it stays on this machine.
fn is_here(target: &Uri) -> bool {
    let host = target.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
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
struct Connector {
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

#[cfg(test)]
mod tests {
    use battlearena_runtime::Environment;

    use super::*;
    use crate::settings::Settings;

    const SETTING: &str = "--match-url (ARENA_GATEWAY_MATCH_URL)";

    #[test]
    fn in_production_nothing_leaves_the_machine_in_the_clear() {
        let settings = Settings { environment: Environment::Production, ..Settings::default() };
        let tls = Tls::load(&settings).unwrap();
        for here in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://127.1.2.3"] {
            tls.check(SETTING, here).unwrap();
        }
        for elsewhere in
            ["http://match:9006", "http://10.0.0.7:1", "http://[::2]:1", "http://localhost.example"]
        {
            let said = tls.check(SETTING, elsewhere).unwrap_err().to_string();
            assert!(said.contains(SETTING) && said.contains(elsewhere), "{said}");
            assert!(said.contains("--allow-plaintext (ARENA_ALLOW_PLAINTEXT)"), "{said}");
            let allowed = Settings { allow_plaintext: true, ..settings.clone() };
            Tls::load(&allowed).unwrap().check(SETTING, elsewhere).unwrap();
            Tls::load(&Settings::default()).unwrap().check(SETTING, elsewhere).unwrap();
        }
    }

    #[test]
    fn endpoints_name_the_port_that_is_meant() {
        let table = [
            ("https://match", "http://match:443/"),
            ("https://[::1]", "http://[::1]:443/"),
            ("https://match:9006", "http://match:9006/"),
            ("http://match:9006", "http://match:9006/"),
        ];
        for (address, endpoint) in table {
            assert_eq!(plain(&address.parse().unwrap()).unwrap().to_string(), endpoint);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_the_name_of_its_setting() {
        let tls = Tls::load(&Settings::default()).unwrap();
        for bad in ["", "match:9006", "/path", "ftp://match", "unix:/tmp/socket", "http://", "https://:1"] {
            let said = tls.check(SETTING, bad).unwrap_err().to_string();
            assert!(said.starts_with(SETTING) && said.ends_with(&format!("not {bad}")), "{said}");
        }
    }
}
