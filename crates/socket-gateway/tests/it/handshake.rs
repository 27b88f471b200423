//! The HTTP port: handshakes, and what is served beside them.

use battlearena_identity::testing::Issuer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Gateway, eventually};

/// The status line of the answer to a handshake with this head.
async fn status(gateway: &Gateway, head: &str) -> String {
    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let request = format!("{head}\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_handshake_is_refused_in_http() {
    let gateway = Gateway::start().await;
    assert_eq!(gateway.get("/ws").await.status(), 426);
    assert_eq!(gateway.get("/nothing").await.status(), 404);
    let without_a_key = "GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 13";
    assert_eq!(status(&gateway, without_a_key).await, "HTTP/1.1 400 Bad Request");
    let of_old =
        "GET /ws HTTP/1.1\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(status(&gateway, of_old).await, "HTTP/1.1 400 Bad Request");
    let stream = TcpStream::connect(gateway.http).await.unwrap();
    let elsewhere = client_async(format!("ws://{}/elsewhere", gateway.http), stream).await;
    assert!(matches!(elsewhere, Err(Error::Http(answer)) if answer.status() == 404));
    gateway.connect().await;
    // Handshakes are requests, too.
    let requests = async |endpoint: &str, status: u16| {
        let series =
            format!("http_requests_total{{method=\"GET\",endpoint=\"{endpoint}\",status=\"{status}\"}}");
        gateway.scraped(&series).await
    };
    for (endpoint, status, least) in
        [("/ws", 101, 1.0), ("/ws", 400, 2.0), ("/ws", 426, 1.0), ("unmatched", 404, 2.0)]
    {
        assert!(requests(endpoint, status).await >= least, "{endpoint} {status}");
    }
}

/// The answer to a good handshake with these headers besides.
async fn shake_hands(gateway: &Gateway, headers: &[(&str, &str)]) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.http).await.unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway.http
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    (stream, String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase())
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_come_from_our_own_pages_or_those_that_are_named() {
    let gateway =
        Gateway::start_with(|config| config.allowed_origins = vec!["https://game.example".to_owned()]).await;
    let own = format!("http://{}", gateway.http);
    for (origin, status) in [
        (own.as_str(), "101"),
        ("https://game.example", "101"),
        ("https://evil.example", "403"),
        ("null", "403"),
    ] {
        let (_, answer) = shake_hands(&gateway, &[("Origin", origin)]).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{origin}: {answer}");
    }
    assert!(gateway.scraped(r#"websocket_handshakes_refused_total{reason="origin"}"#).await >= 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_opens_so_many_sockets_and_those_behind_a_proxy_are_told_apart() {
    let issuer = Issuer::start().await;
    let gateway = Gateway::start_with(|config| {
        config.identity = issuer.settings();
        config.identity.trusted_proxies = 1;
        (config.connects_per_minute, config.connects_burst) = (1, 2);
    })
    .await;
    // What a client writes itself stands to the left of what the proxy saw.
    let from = async |address: &str| {
        shake_hands(&gateway, &[("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", address)]).await.1
    };
    for _ in 0..2 {
        assert!(from("198.51.100.1").await.starts_with("http/1.1 101 "));
    }
    let refused = from("198.51.100.1").await;
    assert!(refused.starts_with("http/1.1 429 ") && refused.contains("\r\nretry-after: "), "{refused}");
    assert!(from("198.51.100.2").await.starts_with("http/1.1 101 "));
    // Behind a proxy, an entry that says loopback is a client like any other.
    for status in ["101", "101", "429"] {
        assert!(from("127.0.0.1").await.starts_with(&format!("http/1.1 {status} ")), "{status}");
    }
    assert!(gateway.scraped(r#"throttled_requests_total{limit="connect"}"#).await >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_is_turned_away_at_once() {
    let gateway = Gateway::start_with(|config| config.most_connections = 2).await;
    let (first, _second) = (gateway.player(1).await, gateway.player(2).await);
    let (_, refused) = shake_hands(&gateway, &[]).await;
    assert!(refused.starts_with("http/1.1 503 ") && refused.contains("\r\nretry-after: 5\r\n"), "{refused}");
    assert!(gateway.scraped("requests_shed_total").await >= 1.0);
    first.vanish();
    eventually(async || shake_hands(&gateway, &[]).await.1.starts_with("http/1.1 101 ").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served_beside_sockets() {
    let gateway = Gateway::start().await;
    let mut client = gateway.player(1).await;
    client.join("lobby").await;
    client.chat("lobby", "a", "hi").await;
    let livez = gateway.get("/livez").await;
    assert_eq!(
        (livez.status().as_u16(), &livez.headers()["x-content-type-options"]),
        (200, &"nosniff".parse().unwrap())
    );
    assert_eq!(gateway.get("/health").await.status(), 200);
    let text = gateway.get("/metrics").await.text().await.unwrap();
    for name in [
        "websocket_connections_active",
        "websocket_connections_total",
        "websocket_messages_total",
        "websocket_message_processing_seconds",
        "websocket_delivery_seconds",
        "websocket_send_queue_dropped_total",
        "websocket_slow_consumers_total",
        "active_users",
        "messages_total",
    ] {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
    }
    assert!(gateway.scraped(r#"websocket_messages_total{direction="in",kind="join"}"#).await >= 1.0);
    assert!(gateway.scraped(r#"websocket_message_processing_seconds_count{kind="message"}"#).await >= 1.0);
    assert!(gateway.scraped("messages_total").await >= 1.0);
}
