//! A real socket-gateway for one test, behind a network that may cut connections.

use std::net::SocketAddr;

use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_socket_gateway::{App, Config, migrator};
use battlearena_storage::testing::TestDatabase;
use clap::Parser;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::Channel;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

/// A running service. It stops with the value.
pub(crate) struct Sockets {
    /// Where players connect.
    pub(crate) url: String,
    pub(crate) rooms: RealtimeServiceClient<Channel>,
    stop: CancellationToken,
    _tasks: Tasks,
    _network: JoinSet<()>,
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Sockets {
    /// A service whose connections break after so many bytes to the client.
    pub(crate) async fn start(cut_after_bytes: u64) -> Self {
        battlearena_telemetry::start_for_tests();
        let database = TestDatabase::create(&[migrator().unwrap()]).await.url;
        let nobody = "http://127.0.0.1:9";
        let line = [
            "x",
            "--auth",
            "open",
            "--http",
            "127.0.0.1:0",
            "--grpc",
            "127.0.0.1:0",
            "--event-log-url",
            nobody,
        ];
        let config = Cli::parse_from([&line[..], &["--database-url", &database]].concat()).config;
        let app = App::build(config).await.unwrap();
        let (http, grpc) = (app.http_addr(), format!("http://{}", app.grpc_addr()));
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let token = stop.clone();
        tasks.spawn("socket-gateway", async move { app.run(token).await.unwrap() });
        let rooms = RealtimeServiceClient::new(Channel::from_shared(grpc).unwrap().connect_lazy());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let mut network = JoinSet::new();
        network.spawn(pass_on(listener, http, cut_after_bytes));
        Self { url, rooms, stop, _tasks: tasks, _network: network }
    }
}

async fn pass_on(listener: TcpListener, target: SocketAddr, cut_after_bytes: u64) {
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let mut far = TcpStream::connect(target).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let ((mut from_near, mut to_near), (from_far, mut to_far)) = (near.split(), far.split());
            let mut from_far = from_far.take(cut_after_bytes);
            // Whichever ends first, both sides are closed.
            tokio::select! {
                _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
                _ = tokio::io::copy(&mut from_far, &mut to_near) => {}
            }
        });
    }
}
