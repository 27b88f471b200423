//! The HTTP port: handshakes, and what is served beside them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;

use crate::support::Gateway;

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

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_served_beside_sockets() {
    let gateway = Gateway::start().await;
    let mut client = gateway.player(1).await;
    client.join("lobby").await;
    client.chat("lobby", "a", "hi").await;
    assert_eq!(gateway.get("/livez").await.status(), 200);
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
