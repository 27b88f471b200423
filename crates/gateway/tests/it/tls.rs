//! The API over TLS: what browsers are told then, and how idle connections end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use battlearena_gateway::{App, migrator};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;
use battlearena_tls::rustls::pki_types::ServerName;
use battlearena_tls::{Settings, Tls};
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::config;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate for this machine, which is its own authority.
fn certified(folder: &Path) -> Settings {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let put = |name: &str, text: String| {
        std::fs::write(folder.join(name), text).unwrap();
        Some(folder.join(name))
    };
    let (tls_certificate, tls_key) = (put("tls.crt", certificate.pem()), put("tls.key", key.serialize_pem()));
    Settings { tls_ca: tls_certificate.clone(), tls_certificate, tls_key, ..Settings::default() }
}

/// The head of an answer, on a connection that stays.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: arena\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = Vec::new();
    let complete = async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse::<usize>().unwrap() {
                    return head.to_owned();
                }
            }
            assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{text}");
        }
    };
    tokio::time::timeout(PATIENCE, complete).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_stay_with_tls_by_who_speaks_it() {
    battlearena_telemetry::start_for_tests();
    let url = TestDatabase::create(&[migrator().unwrap()]).await.url;
    let folder = tempfile::tempdir().unwrap();
    let encrypted = certified(folder.path());
    for tls in [Settings::default(), encrypted] {
        let is_encrypted = tls.tls_certificate.is_some();
        let app = App::build(battlearena_gateway::Config { tls: tls.clone(), ..config(&url) }).await.unwrap();
        let (address, tasks, stop) = (app.http_addr(), Tasks::new(), CancellationToken::new());
        let stopped = stop.clone();
        tasks.spawn("gateway", async move { app.run(stopped).await.unwrap() });
        let plain = TcpStream::connect(address).await.unwrap();
        let mut stream: Box<dyn Both> = if is_encrypted {
            let connector = TlsConnector::from(Arc::new(Tls::load(&tls).unwrap().client().unwrap()));
            let name = ServerName::try_from("127.0.0.1").unwrap();
            Box::new(connector.connect(name, plain).await.unwrap())
        } else {
            Box::new(plain)
        };
        for path in ["/livez", "/nothing", "/api/players/abc"] {
            let head = ask(&mut stream, path).await;
            let told = head.contains("\r\nstrict-transport-security: max-age=63072000");
            assert_eq!(told, is_encrypted, "{path}: {head}");
        }
        // A connection that waits for another request does not hold up the end.
        stop.cancel();
        let mut rest = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(rest.is_empty());
        tasks.stop(PATIENCE).await.unwrap();
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Both for S {}
