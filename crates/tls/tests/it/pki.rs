//! Authorities, certificates, and a folder to put them in.

use std::path::{Path, PathBuf};

use battlearena_tls::rustls::pki_types::CertificateDer;
use battlearena_tls::{Settings, Tls};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// Years in which a certificate is valid: from the first of one January to the first of another.
pub(crate) type Years = (i32, i32);

pub(crate) const VALID: Years = (2020, 2090);

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Issued {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

/// A folder of PEM files.
pub(crate) struct Folder(TempDir);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(&[], VALID);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A certificate for `localhost`, to serve and to call with.
    pub(crate) fn issue(&self) -> Issued {
        self.issue_for(&["localhost"], VALID)
    }

    pub(crate) fn issue_for(&self, names: &[&str], years: Years) -> Issued {
        let mut params = params(names, years);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }
}

fn params(names: &[&str], (from, to): Years) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces a file as deployments do: by renaming a new one.
    pub(crate) fn put(&self, name: &str, text: &str) -> PathBuf {
        let (fresh, path) = (self.path("fresh"), self.path(name));
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, &path).unwrap();
        path
    }

    /// Puts a certificate and its key where [`Folder::serving`] looks for them.
    pub(crate) fn put_issued(&self, issued: &Issued) {
        self.put("tls.crt", &issued.certificate.pem());
        self.put("tls.key", &issued.key.serialize_pem());
    }

    /// Settings with a certificate.
    pub(crate) fn serving(&self) -> Settings {
        Settings {
            tls_certificate: Some(self.path("tls.crt")),
            tls_key: Some(self.path("tls.key")),
            ..Settings::default()
        }
    }
}

/// A process that has a certificate of this authority.
pub(crate) fn server(folder: &Folder, authority: &Authority) -> Tls {
    folder.put_issued(&authority.issue());
    Tls::load(&folder.serving()).unwrap()
}

/// A process that trusts this authority, and has no certificate.
pub(crate) fn client(folder: &Folder, authority: &Authority) -> Tls {
    Tls::load(&trusting(&folder.put("ca.crt", &authority.pem()))).unwrap()
}

pub(crate) fn trusting(ca: &Path) -> Settings {
    Settings { tls_ca: Some(ca.to_owned()), ..Settings::default() }
}
