//! gRPC by tonic, over TLS and plain.

use std::io::ErrorKind;

use battlearena_tls::{Settings, Tls};
use futures::future::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

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
    assert!(plain.http_acceptor().is_plain() && plain.grpc_acceptor().is_plain());
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
    assert_eq!(error.kind(), ErrorKind::TimedOut);
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

#[tokio::test(start_paused = true)]
async fn silence_from_one_address_leaves_room_for_others() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let acceptor = server(&folder, &authority).grpc_acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connect = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let silent = socket.connect(address).await.unwrap();
        (silent, listener.accept().await.unwrap().0)
    };
    let (mut silent, mut handshakes) = (Vec::new(), FuturesUnordered::new());
    for _ in 0..257 {
        let (client, accepted) = connect([127, 0, 0, 1]).await;
        silent.push(client);
        handshakes.push(acceptor.accept(accepted));
    }
    // The clock stands still while one of them can go on: only the one too many has ended.
    let ended = handshakes.next().await.unwrap().err().unwrap();
    assert_eq!(ended.kind(), ErrorKind::QuotaExceeded);
    let (_elsewhere, accepted) = connect([127, 0, 0, 2]).await;
    assert!(acceptor.accept(accepted).now_or_never().is_none(), "it waits for the client");
    while let Some(ended) = handshakes.next().await {
        assert_eq!(ended.err().unwrap().kind(), ErrorKind::TimedOut);
    }
    // Over, they count no more.
    let (_again, accepted) = connect([127, 0, 0, 1]).await;
    assert!(acceptor.accept(accepted).now_or_never().is_none());
}
