//! What is refused at the start, and what is said about it.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use battlearena_runtime::Environment;
use battlearena_tls::{Settings, Tls};

use crate::pki::{Authority, Folder, VALID};
use crate::support::chain;

/// The whole reason why settings are refused.
fn refused(settings: &Settings) -> String {
    let error = Tls::load(settings).unwrap_err();
    chain(&error)
}

#[test]
fn half_of_what_belongs_together_is_refused() {
    let folder = Folder::new();
    let (certificate, key) = (Some(folder.path("tls.crt")), Some(folder.path("tls.key")));
    let alone = Settings { tls_certificate: certificate, ..Settings::default() };
    assert_eq!(
        refused(&alone),
        "--tls-certificate (ARENA_TLS_CERTIFICATE) is set, but --tls-key (ARENA_TLS_KEY) is not"
    );
    let alone = Settings { tls_key: key, ..Settings::default() };
    assert_eq!(
        refused(&alone),
        "--tls-key (ARENA_TLS_KEY) is set, but --tls-certificate (ARENA_TLS_CERTIFICATE) is not"
    );
    // Without a certificate the ports would be plain, and nobody would be checked.
    let alone = Settings { tls_client_ca: Some(folder.path("ca.crt")), ..Settings::default() };
    assert_eq!(
        refused(&alone),
        "--tls-client-ca (ARENA_TLS_CLIENT_CA) is set, but --tls-certificate (ARENA_TLS_CERTIFICATE) is not"
    );
}

#[test]
fn files_that_cannot_serve_are_refused_with_the_reason() {
    let authority = Authority::new("ours");
    let (good, other) = (authority.issue(), authority.issue());
    let (expired, early) = (
        authority.issue_for(&["localhost"], (2001, 2002)),
        authority.issue_for(&["localhost"], (2080, VALID.1)),
    );
    let (certificate, key) = (good.certificate.pem(), good.key.serialize_pem());
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cut = certificate.replace("-----END CERTIFICATE-----", "");
    let chain_with_expired = certificate.clone() + &expired.certificate.pem();
    let table = [
        (certificate.as_str(), other.key.serialize_pem(), "--tls-key", "not the key of the certificate"),
        (
            &expired.certificate.pem(),
            expired.key.serialize_pem(),
            "--tls-certificate",
            "it expired at 2002-01-01T00:00:00Z",
        ),
        (
            &early.certificate.pem(),
            early.key.serialize_pem(),
            "--tls-certificate",
            "not valid before 2080-01-01T00:00:00Z",
        ),
        (&chain_with_expired, key.clone(), "--tls-certificate", "it expired at"),
        ("", key.clone(), "--tls-certificate", "holds no certificate"),
        (&key, key.clone(), "--tls-certificate", "holds no certificate"),
        (&cut, key.clone(), "--tls-certificate", "not PEM"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key.clone(),
            "--tls-certificate",
            "not an X.509 certificate",
        ),
        (&certificate, String::new(), "--tls-key", "holds no private key"),
        (&certificate, certificate.clone(), "--tls-key", "holds no private key"),
        (&certificate, encrypted, "--tls-key", "holds no private key that is not encrypted"),
        (
            &certificate,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
            "--tls-key",
            "cannot be used",
        ),
    ];
    for (certificate, key, setting, reason) in table {
        let folder = Folder::new();
        folder.put("tls.crt", certificate);
        folder.put("tls.key", &key);
        let said = refused(&folder.serving());
        assert!(said.contains(setting) && said.contains(reason), "{reason}: {said}");
        assert!(
            !key.lines().any(|line| said.contains(line) && !line.is_empty()),
            "it tells of the key: {said}"
        );
    }
}

#[test]
fn files_that_are_not_there_are_refused() {
    let folder = Folder::new();
    let said = refused(&folder.serving());
    assert!(
        said.contains("tls.crt of --tls-certificate (ARENA_TLS_CERTIFICATE): it cannot be read: "),
        "{said}"
    );
    folder.put_issued(&Authority::new("ours").issue());
    let ca = Settings { tls_ca: Some(folder.path("missing")), ..Settings::default() };
    assert!(refused(&ca).contains("missing of --tls-ca (ARENA_TLS_CA): it cannot be read"));
    let callers = Settings { tls_client_ca: Some(folder.put("empty", "")), ..folder.serving() };
    assert!(
        refused(&callers).contains("empty of --tls-client-ca (ARENA_TLS_CLIENT_CA): it holds no certificate")
    );
    Tls::load(&folder.serving()).unwrap();
}

#[test]
fn a_key_that_others_can_read_is_refused_in_production() {
    let folder = Folder::new();
    folder.put_issued(&Authority::new("ours").issue());
    let production = Settings { environment: Environment::Production, ..folder.serving() };
    let set = |mode| std::fs::set_permissions(folder.path("tls.key"), Permissions::from_mode(mode)).unwrap();
    set(0o600);
    let tls = Tls::load(&production).unwrap();
    set(0o644);
    let said = refused(&production);
    assert!(
        said.contains("--tls-key (ARENA_TLS_KEY): ") && said.contains("(mode 644): chmod 600 it"),
        "{said}"
    );
    // So is one that takes the place of a good one; in development it is said in the log alone.
    tls.reload().unwrap_err();
    Tls::load(&folder.serving()).unwrap();
    folder.put("tls.key", &"x".repeat(8193));
    assert!(refused(&folder.serving()).contains("has more than 8192 bytes"));
}

#[test]
fn debug_output_holds_no_key() {
    let folder = Folder::new();
    let issued = Authority::new("ours").issue();
    folder.put_issued(&issued);
    let shown = format!("{:?}", Tls::load(&folder.serving()).unwrap());
    assert!(shown.contains("tls.key"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", issued.key.serialize_der())), "{shown}");
    assert!(shown.len() < 600, "{shown}");
}
