//! gRPC ports that check callers.

use battlearena_tls::rustls::HandshakeKind;
use battlearena_tls::rustls::client::Resumption;
use battlearena_tls::{Settings, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pki::{Authority, Folder, Issued, client};
use crate::support::{GrpcServer, HttpsServer, ask, connect, health};

/// A process of the cluster: it has a certificate, takes callers of the authority only, and trusts it.
fn member(issued: &Issued, authority: &Authority) -> Tls {
    let folder = Folder::new();
    folder.put_issued(issued);
    let ca = Some(folder.put("ca.crt", &authority.pem()));
    Tls::load(&Settings { tls_client_ca: ca.clone(), tls_ca: ca, ..folder.serving() }).unwrap()
}

#[tokio::test]
async fn only_callers_of_the_authority_get_in() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let mut grpc = GrpcServer::start(&member(&ours.issue(), &ours)).await;
    let url = grpc.url("https");

    let issued = ours.issue();
    let caller = member(&issued, &ours);
    health(&caller, &url).await.unwrap();
    assert_eq!(&*grpc.peers.recv().await.unwrap().certificate.unwrap(), issued.certificate.der());

    // Nothing to show, a certificate of another authority, and of another one with the same name.
    health(&client(&Folder::new(), &ours), &url).await.unwrap_err();
    health(&member(&theirs.issue(), &ours), &url).await.unwrap_err();
    health(&member(&Authority::new("ours").issue(), &ours), &url).await.unwrap_err();
    grpc.peers.try_recv().unwrap_err();
    health(&caller, &url).await.unwrap();
    grpc.stop().await;
}

#[actix_web::test]
async fn sessions_are_not_taken_up_again_where_callers_are_checked() {
    let ours = Authority::new("ours");
    let server = member(&ours.issue(), &ours);
    let (https, grpc) = (HttpsServer::start(&server), GrpcServer::start(&server).await);
    let mut config = member(&ours.issue(), &ours).client().unwrap();
    // Our own clients never try.
    config.resumption = Resumption::default();
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = connect(https.address, config.clone(), "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        ask(&mut stream).await.unwrap();
    }
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::default();
    for _ in 0..2 {
        let mut stream = connect(grpc.address, config.clone(), "localhost").await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        // The server's first frame comes after what it has to say about sessions.
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        stream.read_u8().await.unwrap();
    }
    https.stop().await;
    grpc.stop().await;
}

#[actix_web::test]
async fn http_ports_stay_open_to_clients_without_a_certificate() {
    let ours = Authority::new("ours");
    let https = HttpsServer::start(&member(&ours.issue(), &ours));
    let config = client(&Folder::new(), &ours).client().unwrap();
    ask(&mut connect(https.address, config, "localhost").await.unwrap()).await.unwrap();
    https.stop().await;
}
