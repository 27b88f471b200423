//! Reads PEM files and refuses what could not serve: nothing in here is used before all of it was checked.

use std::path::Path;
use std::sync::Arc;

use battlearena_runtime::{Environment, SecretFile};
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::time::Time;

use crate::error::{Problem, TlsError};
use crate::settings::{CA, CERTIFICATE, CLIENT_CA, KEY, Settings};

/// A certificate chain with its key.
pub(crate) struct Identity {
    pub(crate) key: Arc<CertifiedKey>,
    /// When the first certificate of the chain expires.
    pub(crate) expires: Timestamp,
}

/// A file, and the setting that names it.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    setting: &'static str,
    path: &'a Path,
}

/// Every file that is set.
pub(crate) fn all(settings: &Settings) -> impl Iterator<Item = &Path> {
    let Settings { tls_certificate, tls_key, tls_client_ca, tls_ca, allow_plaintext: _, environment: _ } =
        settings;
    [tls_certificate, tls_key, tls_client_ca, tls_ca].into_iter().flatten().map(AsRef::as_ref)
}

/// The certificate of this process and its key.
pub(crate) fn identity(settings: &Settings, provider: &CryptoProvider) -> Result<Option<Identity>, TlsError> {
    let missing = |set, missing| Err(TlsError::Missing { set, missing });
    let (certificate, key) = match (&settings.tls_certificate, &settings.tls_key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => return missing(CERTIFICATE, KEY),
        (None, Some(_)) => return missing(KEY, CERTIFICATE),
        (None, None) if settings.tls_client_ca.is_some() => return missing(CLIENT_CA, CERTIFICATE),
        (None, None) => return Ok(None),
    };
    let certificate = File { setting: CERTIFICATE, path: certificate };
    let chain = certificate.certificates()?;
    let expires = expiry(&chain, Timestamp::now()).map_err(|problem| certificate.error(problem))?;
    let key = File { setting: KEY, path: key };
    let private_key = key.private_key(settings.environment)?;
    let certified = CertifiedKey::from_der(chain, private_key, provider).map_err(|error| {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => key.error(Problem::Mismatch),
            // The certificate was read already: what is left is a key of an unknown kind, or an exotic certificate.
            rustls::Error::InvalidCertificate(_) => certificate.error(Problem::Unusable(error)),
            other => key.error(Problem::Unusable(other)),
        }
    })?;
    Ok(Some(Identity { key: Arc::new(certified), expires }))
}

/// The authorities of callers.
pub(crate) fn client_ca(settings: &Settings) -> Option<File<'_>> {
    settings.tls_client_ca.as_deref().map(|path| File { setting: CLIENT_CA, path })
}

/// The authorities of the services that are called.
pub(crate) fn ca(settings: &Settings) -> Option<File<'_>> {
    settings.tls_ca.as_deref().map(|path| File { setting: CA, path })
}

/// The authorities that the system trusts. A few that cannot be read are left out.
pub(crate) fn system_authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(error = %error, "certificate authorities of the system cannot be read");
    }
    store.add_parsable_certificates(found.certs);
    store
}

impl File<'_> {
    pub(crate) fn error(self, problem: Problem) -> TlsError {
        TlsError::File { setting: self.setting, path: self.path.to_owned(), problem }
    }

    /// Its certificates as authorities.
    pub(crate) fn authorities(self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        for certificate in self.certificates()? {
            store.add(certificate).map_err(|error| self.error(Problem::Unusable(error)))?;
        }
        Ok(store)
    }

    /// At least one.
    fn certificates(self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let text = self.read()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        match found {
            Ok(certificates) if certificates.is_empty() => Err(self.error(Problem::NoCertificate)),
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(self.error(Problem::Pem(error))),
        }
    }

    fn private_key(self, environment: Environment) -> Result<PrivateKeyDer<'static>, TlsError> {
        let file = SecretFile::read(self.path).map_err(|error| self.error(Problem::Secret(error)))?;
        file.check_exposure(environment).map_err(|error| self.error(Problem::Secret(error)))?;
        PrivateKeyDer::from_pem_slice(file.text.expose().as_bytes()).map_err(|error| match error {
            pem::Error::NoItemsFound => self.error(Problem::NoKey),
            other => self.error(Problem::Pem(other)),
        })
    }

    fn read(self) -> Result<Vec<u8>, TlsError> {
        std::fs::read(self.path).map_err(|error| self.error(Problem::Unreadable(error)))
    }
}

/// When the first of a chain expires. All of it must be valid now: the other side checks the whole chain.
fn expiry(chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Timestamp, Problem> {
    let mut earliest = Timestamp::MAX;
    for certificate in chain {
        let certificate = Certificate::from_der(certificate).map_err(Problem::Encoding)?;
        let validity = certificate.tbs_certificate().validity();
        let (begins, ends) = (timestamp(validity.not_before), timestamp(validity.not_after));
        if now < begins {
            return Err(Problem::NotYetValid(begins));
        }
        if ends < now {
            return Err(Problem::Expired(ends));
        }
        earliest = earliest.min(ends);
    }
    Ok(earliest)
}

/// Both know years up to 9999; jiff leaves out the last hours, for the sake of time zones.
fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs());
    seconds.ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}
