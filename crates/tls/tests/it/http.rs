//! HTTPS by actix-web.

use battlearena_tls::rustls::version::{TLS12, TLS13};
use battlearena_tls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pki::{Authority, Folder, client, server};
use crate::support::{HttpsServer, PATIENCE, ask, connect, shown};

#[actix_web::test]
async fn a_client_that_trusts_the_authority_is_answered() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let https = HttpsServer::start(&server(&folder, &authority));
    let mut config = client(&folder, &authority).client().unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut stream = connect(https.address, config, "localhost").await.unwrap();
    ask(&mut stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    https.stop().await;
}

#[actix_web::test]
async fn both_versions_of_today_are_spoken() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let https = HttpsServer::start(&server(&folder, &authority));
    let speaking = |version: &'static SupportedProtocolVersion| {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut stream = connect(https.address, speaking(version), "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(name));
        ask(&mut stream).await.unwrap();
    }
    https.stop().await;
}

#[actix_web::test]
async fn plain_text_is_not_answered() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let https = HttpsServer::start(&server(&folder, &authority));
    let mut plain = TcpStream::connect(https.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The connection ends, by an alert or a reset.
    let end = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "{end:?} {answer:?}");
    https.stop().await;
}

#[actix_web::test]
async fn a_client_refuses_an_unknown_authority_and_another_name() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let https = HttpsServer::start(&server(&folder, &authority));
    let stranger = client(&Folder::new(), &Authority::new("ours")).client().unwrap();
    let error = connect(https.address, stranger, "localhost").await.unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer") || error.contains("BadSignature"), "{error}");
    let friend = client(&folder, &authority).client().unwrap();
    let error = connect(https.address, friend.clone(), "gateway").await.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    // Nothing but the name was wrong.
    let stream = connect(https.address, friend, "localhost").await.unwrap();
    assert!(!shown(&stream).is_empty());
    drop(stream);
    https.stop().await;
}
