//! TLS, the same for HTTP, gRPC and sockets: whom to trust, and what to show to who asks for a certificate. An address says
//! by its scheme (`https`, `wss`) that it is meant.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use http::uri::Scheme;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, DEFAULT_VERSIONS, RootCertStore, WantsVerifier};

/// How to speak TLS. By default with whom the system trusts, and with nothing to show. Clones share it.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<ClientConfig>>);

/// Certificates or keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or no PEM of the kind that is wanted.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// What is in the files does not fit together.
    #[error("TLS cannot be set up")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Trusts the authorities of a PEM file, and nobody else.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn trusting(authorities: &Path) -> Result<Self, TlsError> {
        Ok(trusting(authorities)?.with_no_client_auth().into())
    }

    /// The same, and shows a certificate (a chain in PEM, with its key): for ports that want one of every caller, as the
    /// gRPC ports of a platform may.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn mutual(authorities: &Path, certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = certificates(certificate)?;
        let private_key = PrivateKeyDer::from_pem_file(key).map_err(of_file(key))?;
        Ok(trusting(authorities)?.with_client_auth_cert(chain, private_key)?.into())
    }

    /// For sockets.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
        let config = self.0.as_ref();
        config.unwrap_or_else(|| SYSTEM.get_or_init(|| Arc::new(of_the_system()))).clone()
    }

    /// For addresses of a scheme, over `http/1.1` or `h2`.
    pub(crate) fn connector(
        &self,
        scheme: &Scheme,
        protocol: &str,
        mut tcp: HttpConnector,
    ) -> HttpsConnector<HttpConnector> {
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let is_meant = *scheme == Scheme::HTTPS;
        let mut config = if is_meant { (*self.config()).clone() } else { of(RootCertStore::empty()) };
        config.alpn_protocols = vec![protocol.into()];
        HttpsConnector::from((tcp, config))
    }
}

/// For programs with a configuration of their own. The protocols that it names (ALPN) are not looked at.
impl From<ClientConfig> for Tls {
    fn from(config: ClientConfig) -> Self {
        Self(Some(Arc::new(config)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Tls(given)" } else { "Tls(system)" })
    }
}

fn of_the_system() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    // Without any, every handshake fails with an unknown issuer, which says it as well.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    of(roots)
}

fn trusting(authorities: &Path) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots.add(certificate)?;
    }
    Ok(builder().with_root_certificates(roots))
}

fn of(roots: RootCertStore) -> ClientConfig {
    builder().with_root_certificates(roots).with_no_client_auth()
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(DEFAULT_VERSIONS);
    // It speaks the versions of today, so that there is always one.
    builder.unwrap_or_else(|_never| ClientConfig::builder())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(none) if none.is_empty() => Err(of_file(path)(pem::Error::NoItemsFound)),
        found => found.map_err(of_file(path)),
    }
}

fn of_file(path: &Path) -> impl Fn(pem::Error) -> TlsError {
    move |source| TlsError::File { path: path.to_owned(), source }
}
