//! What was loaded last, looked up by every handshake. Configurations share it, and so a reload reaches them all.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::error::{Problem, TlsError};
use crate::files;
use crate::settings::{CA, Settings};

/// What the files said when they were read last, all at once.
pub(crate) struct Loaded {
    certificate: Option<Arc<CertifiedKey>>,
    expires: Option<Timestamp>,
    /// Checks callers.
    callers: Option<Arc<dyn ClientCertVerifier>>,
    /// Checks the services that are called, when their authorities are set.
    services: Option<Arc<WebPkiServerVerifier>>,
}

/// The current state.
pub(crate) struct Current {
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) loaded: ArcSwap<Loaded>,
    /// Checks by the authorities of the system, once it is known that somebody needs them.
    system: OnceLock<Arc<WebPkiServerVerifier>>,
}

impl Loaded {
    /// Reads and checks every file that is set.
    pub(crate) fn read(settings: &Settings, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let identity = files::identity(settings, provider)?;
        let callers = files::client_ca(settings)
            .map(|file| {
                let roots = Arc::new(file.authorities()?);
                WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|error| file.error(Problem::Authorities(error)))
            })
            .transpose()?;
        let services = files::ca(settings)
            .map(|file| {
                let roots = Arc::new(file.authorities()?);
                WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                    .build()
                    .map_err(|error| file.error(Problem::Authorities(error)))
            })
            .transpose()?;
        let (certificate, expires) = identity.map(|identity| (identity.key, identity.expires)).unzip();
        Ok(Self { certificate, expires, callers, services })
    }

    pub(crate) fn has_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    pub(crate) fn checks_callers(&self) -> bool {
        self.callers.is_some()
    }

    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

impl Current {
    pub(crate) fn new(provider: Arc<CryptoProvider>, loaded: Loaded) -> Self {
        Self { provider, loaded: ArcSwap::from_pointee(loaded), system: OnceLock::new() }
    }

    /// Makes sure that services can be checked.
    pub(crate) fn trust_somebody(&self) -> Result<(), TlsError> {
        if self.loaded.load().services.is_some() || self.system.get().is_some() {
            return Ok(());
        }
        let roots = Arc::new(files::system_authorities());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|_empty| TlsError::NoAuthorities { setting: CA })?;
        self.system.get_or_init(|| verifier);
        Ok(())
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("expires", &self.loaded.load().expires).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.loaded.load().certificate.clone()
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.loaded.load().certificate.clone()
    }

    fn has_certs(&self) -> bool {
        self.loaded.load().has_certificate()
    }
}

impl ServerCertVerifier for Current {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let loaded = self.loaded.load();
        let verifier = loaded.services.as_ref().or(self.system.get());
        verifier.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Only for ports that check callers: it refuses everybody while no authority of callers is loaded.
impl ClientCertVerifier for Current {
    /// None: a caller has one certificate to show, and hints borrowed from here could not be exchanged.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let loaded = self.loaded.load();
        let verifier = loaded.callers.as_ref();
        verifier.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?.verify_client_cert(
            end_entity,
            intermediates,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
