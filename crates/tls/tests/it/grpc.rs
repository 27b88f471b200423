//! gRPC by tonic, over TLS and plain.

use battlearena_tls::{Settings, Tls};
use tokio::net::{TcpListener, TcpStream};

use crate::pki::{Authority, Folder, client, server};
use crate::support::{GrpcServer, chain, connect, health};

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_answered() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let mut grpc = GrpcServer::start(&server(&folder, &authority)).await;
    health(&client(&folder, &authority), &grpc.url("https")).await.unwrap();
    let peer = grpc.peers.recv().await.unwrap();
    assert!(peer.address.unwrap().ip().is_loopback());
    assert_eq!(peer.certificate, None);
    grpc.stop().await;
}

#[tokio::test]
async fn without_a_certificate_ports_are_plain() {
    let plain = Tls::load(&Settings::default()).unwrap();
    let mut grpc = GrpcServer::start(&plain).await;
    health(&plain, &grpc.url("http")).await.unwrap();
    assert!(grpc.peers.recv().await.unwrap().address.unwrap().ip().is_loopback());
    assert!(plain.http_server().is_none() && plain.http_acceptor().is_plain());
    // A client that insists on TLS does not fall back.
    let insisting = client(&Folder::new(), &Authority::new("ours"));
    health(&insisting, &grpc.url("https")).await.unwrap_err();
    grpc.stop().await;
}

#[tokio::test]
async fn plain_text_is_not_answered() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let grpc = GrpcServer::start(&server(&folder, &authority)).await;
    health(&client(&folder, &authority), &grpc.url("http")).await.unwrap_err();
    grpc.stop().await;
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let authority = Authority::new("ours");
    let grpc = GrpcServer::start(&server(&Folder::new(), &authority)).await;
    let stranger = client(&Folder::new(), &Authority::new("theirs"));
    let status = health(&stranger, &grpc.url("https")).await.unwrap_err();
    assert!(chain(&status).contains("UnknownIssuer"), "{}", chain(&status));
    grpc.stop().await;
}

#[tokio::test]
async fn who_never_speaks_holds_up_nobody() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let grpc = GrpcServer::start(&server(&folder, &authority)).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(grpc.address).await.unwrap());
    }
    health(&client(&folder, &authority), &grpc.url("https")).await.unwrap();
    drop(silent);
    grpc.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_bound() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let error = server(&folder, &authority).grpc_acceptor().accept(accepted).await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    drop(silent);
}

#[tokio::test]
async fn another_protocol_is_refused_in_the_handshake() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let grpc = GrpcServer::start(&server(&folder, &authority)).await;
    let mut config = client(&folder, &authority).client().unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let error = connect(grpc.address, config, "localhost").await.unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
    grpc.stop().await;
}

#[test]
fn endpoints_name_the_port_that_is_meant() {
    let tls = client(&Folder::new(), &Authority::new("ours"));
    let table = [
        ("https://match", "http://match:443/"),
        ("https://[::1]", "http://[::1]:443/"),
        ("https://match:9006", "http://match:9006/"),
        ("http://match:9006", "http://match:9006/"),
    ];
    for (address, endpoint) in table {
        assert_eq!(tls.dial(address).unwrap().0.uri().to_string(), endpoint);
    }
}

#[test]
fn addresses_need_a_scheme_and_a_host() {
    let tls = Tls::load(&Settings::default()).unwrap();
    for address in
        ["", "localhost:9006", "/path", "ftp://localhost", "unix:/tmp/socket", "http://", "https://:1"]
    {
        let error = tls.dial(address).map(drop).unwrap_err().to_string();
        assert!(error.ends_with(&format!("not {address}")), "{error}");
    }
}
