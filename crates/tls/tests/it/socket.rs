//! A connection that leaves actix after its HTTP handshake, as sockets do: accepted by one runtime, served by another.

use std::net::SocketAddr;

use actix_codec::{Framed, FramedParts};
use actix_http::h1::Codec;
use actix_http::{HttpService, Request};
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt as _, fn_service};
use battlearena_runtime::Tasks;
use battlearena_tls::{Detached, Settings, Stream, Tls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::pki::{Authority, Folder, client, server};
use crate::support::{PATIENCE, connect};

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// Larger than any buffer on the way.
const LARGE: usize = 3 << 20;

struct Upgraded {
    connection: Detached,
    early: Vec<u8>,
}

/// An HTTP server that gives away what asks for an upgrade.
fn start(tls: &Tls, tasks: &Tasks) -> (SocketAddr, ServerHandle, mpsc::Receiver<Upgraded>) {
    let (sender, upgraded) = mpsc::channel(1);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.http_acceptor();
    let server = Server::build().workers(1).disable_signals().listen("http", listener, move || {
        let sender = sender.clone();
        let upgrade = fn_service(move |(_, framed): (Request, Framed<Stream, Codec>)| {
            let sender = sender.clone();
            async move {
                let FramedParts { io, read_buf, .. } = framed.into_parts();
                sender.send(Upgraded { connection: io.detach()?, early: read_buf.to_vec() }).await.unwrap();
                Ok::<_, actix_web::Error>(())
            }
        });
        let answer = fn_service(async |_: Request| Ok::<_, actix_http::Error>(actix_http::Response::ok()));
        acceptor.clone().connections().and_then(HttpService::build().upgrade(upgrade).finish(answer))
    });
    let server = server.unwrap().run();
    let handle = server.handle();
    tasks.spawn("http", async move { server.await.unwrap() });
    (address, handle, upgraded)
}

/// Sends back everything, until the other side is done.
async fn echo(Upgraded { connection, early }: Upgraded) {
    let mut stream = connection.attach().unwrap();
    assert!(stream.peer().address.unwrap().ip().is_loopback());
    stream.write_all(SWITCHED).await.unwrap();
    stream.write_all(&early).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = reader.read(&mut bytes).await.unwrap();
        if count == 0 {
            break;
        }
        writer.write_all(&bytes[..count]).await.unwrap();
        writer.flush().await.unwrap();
    }
    writer.shutdown().await.unwrap();
}

/// Talks through an upgraded connection.
async fn talk(stream: impl AsyncRead + AsyncWrite) {
    let said: Vec<u8> = (0..LARGE).map(|place| (place % 251) as u8).collect();
    let (mut reader, mut writer) = tokio::io::split(stream);
    // What comes in one piece with the handshake is not lost.
    let sending = async {
        writer.write_all(&[REQUEST, b"early"].concat()).await.unwrap();
        writer.write_all(&said).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (end, ()) = tokio::join!(reader.read_to_end(&mut heard), sending);
    end.unwrap();
    assert_eq!(heard.len(), SWITCHED.len() + b"early".len() + LARGE);
    assert!(heard == [SWITCHED, b"early", &said].concat());
}

/// Actix accepts on threads of its own; this test's runtime goes on with the connection.
async fn moves(tls: &Tls) -> (Tasks, ServerHandle, SocketAddr) {
    let tasks = Tasks::new();
    let (address, handle, mut upgraded) = start(tls, &tasks);
    tasks.spawn("socket", async move { echo(upgraded.recv().await.unwrap()).await });
    (tasks, handle, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_connection_moves_to_another_runtime() {
    let (folder, authority) = (Folder::new(), Authority::new("ours"));
    let (tasks, handle, address) = moves(&server(&folder, &authority)).await;
    let config = client(&folder, &authority).client().unwrap();
    let stream = connect(address, config, "localhost").await.unwrap();
    tokio::time::timeout(PATIENCE, talk(stream)).await.unwrap();
    handle.stop(false).await;
    tasks.stop(PATIENCE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_connection_moves_to_another_runtime() {
    let (tasks, handle, address) = moves(&Tls::load(&Settings::default()).unwrap()).await;
    let stream = TcpStream::connect(address).await.unwrap();
    tokio::time::timeout(PATIENCE, talk(stream)).await.unwrap();
    handle.stop(false).await;
    tasks.stop(PATIENCE).await.unwrap();
}
