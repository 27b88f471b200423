//! What can be wrong with settings and files. Every message names the setting; none holds a part of a key.

use std::path::PathBuf;

use battlearena_runtime::SecretFileError;
use jiff::Timestamp;
use rustls::pki_types::pem;

/// Why TLS cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Half of what belongs together.
    #[error("{set} is set, but {missing} is not")]
    Missing {
        /// The setting that is there.
        set: &'static str,
        /// The setting that it needs.
        missing: &'static str,
    },
    /// A file cannot be used.
    #[error("cannot use {} of {setting}", path.display())]
    File {
        /// Which setting names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Problem,
    },
    /// The library that does the work refuses, whatever the settings.
    #[error("TLS cannot be set up")]
    Library(#[source] rustls::Error),
    /// An `https://` address is to be called, and nobody says whom to trust.
    #[error("the system has no certificate authorities to trust; {setting} names others")]
    NoAuthorities {
        /// The setting that helps.
        setting: &'static str,
    },
    /// In production, a service on another machine would be called without TLS.
    #[error(
        "{setting} is {address}, which would be called without TLS: in production, give it an https:// address, \
             or set {allow} where the network between services is encrypted by something else"
    )]
    Plaintext {
        /// The setting that names the service.
        setting: &'static str,
        /// As it was set.
        address: String,
        /// The setting that lets it pass.
        allow: &'static str,
    },
    /// An address that cannot be called.
    #[error("{setting} must look like http://host:port or https://host:port, not {address}")]
    Address {
        /// The setting that gives it.
        setting: &'static str,
        /// As it was set.
        address: String,
    },
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The system does not give it.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// Broken text.
    #[error("it is not PEM")]
    Pem(#[source] pem::Error),
    /// No certificate in it.
    #[error("it holds no certificate")]
    NoCertificate,
    /// No key in it.
    #[error("it holds no private key that is not encrypted")]
    NoKey,
    /// Not a certificate.
    #[error("it is not an X.509 certificate")]
    Encoding(#[source] x509_cert::der::Error),
    /// Too old.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Too new.
    #[error("it is not valid before {0}")]
    NotYetValid(Timestamp),
    /// The certificate or its key cannot be used.
    #[error("it cannot be used")]
    Unusable(#[source] rustls::Error),
    /// The key of another certificate.
    #[error("it is not the key of the certificate")]
    Mismatch,
    /// A private key that cannot be read, or that lies open.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// Nobody can be checked with these authorities.
    #[error("its authorities cannot be used")]
    Authorities(#[source] rustls::server::VerifierBuilderError),
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
