//! The way to the collector: OTLP over gRPC or HTTP, plain or over TLS. Both are driven by the main runtime and by the
//! batch processor's own thread, never by a worker of actix.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol as OtlpProtocol, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;
use tonic::transport::{Certificate, ClientTlsConfig};

use super::environment::{Plan, Protocol};

/// The variables do not make an exporter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TracesError {
    #[error("the span exporter could not be built")]
    Exporter(#[from] ExporterBuildError),
    #[error("no certificate to trust can be read from {place}")]
    Certificate {
        place: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// The exporter that the plan asks for. Endpoint, headers and compression are read by the crate. Nothing connects yet.
pub(super) fn exporter(plan: &Plan, runtime: Handle) -> Result<SpanExporter, TracesError> {
    let exporter = match plan.protocol {
        Protocol::Grpc => {
            let exporter = SpanExporter::builder().with_tonic().with_timeout(plan.timeout);
            match plan.is_secure {
                true => exporter.with_tls_config(tonic_tls(plan)?).build(),
                false => exporter.build(),
            }
        }
        Protocol::Http => {
            let connector = HttpsConnectorBuilder::new().with_tls_config(rustls_config(plan)?);
            let connector = connector.https_or_http().enable_http1().build();
            let client = OnRuntime { client: HyperClient::new(connector, plan.timeout, None), runtime };
            let exporter = SpanExporter::builder().with_http().with_http_client(client);
            exporter.with_protocol(OtlpProtocol::HttpBinary).with_timeout(plan.timeout).build()
        }
    };
    Ok(exporter?)
}

fn tonic_tls(plan: &Plan) -> Result<ClientTlsConfig, TracesError> {
    let config = ClientTlsConfig::new();
    Ok(match &plan.certificate {
        None => config.with_native_roots(),
        Some(path) => {
            let pem = std::fs::read(path).map_err(|source| unreadable(path, source))?;
            config.ca_certificate(Certificate::from_pem(pem))
        }
    })
}

fn rustls_config(plan: &Plan) -> Result<ClientConfig, TracesError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = match &plan.certificate {
        Some(path) if plan.is_secure => config.with_root_certificates(trusted(path)?),
        None if plan.is_secure => {
            config.with_native_roots().map_err(|source| unreadable("the system's store", source))?
        }
        _ => config.with_root_certificates(RootCertStore::empty()),
    };
    Ok(config.with_no_client_auth())
}

fn trusted(path: &str) -> Result<RootCertStore, TracesError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|source| unreadable(path, source))? {
        store.add(certificate.map_err(|source| unreadable(path, source))?)?;
    }
    Ok(store)
}

fn unreadable(place: &str, source: impl std::error::Error + Send + Sync + 'static) -> TracesError {
    TracesError::Certificate { place: place.to_owned(), source: Box::new(source) }
}

/// An HTTP client for the batch processor's thread, which has no runtime of its own.
#[derive(Debug)]
struct OnRuntime {
    client: HyperClient<HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>>,
    runtime: Handle,
}

#[tonic::async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        TokioContext::new(self.client.send_bytes(request), self.runtime.clone()).await
    }
}
