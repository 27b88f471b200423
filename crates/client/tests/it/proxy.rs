//! A network that breaks on demand: passes connections on to a server, cuts them all, refuses new ones.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use battlearena_runtime::CancellationToken;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The running proxy; it ends with the value.
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct State {
    /// Where connections go; without it they are closed at once.
    target: Option<SocketAddr>,
    connections: JoinSet<()>,
    stalled: CancellationToken,
}

impl Proxy {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { target: Some(target), ..State::default() }));
        let (mut server, shared) = (JoinSet::new(), state.clone());
        server.spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut state = shared.lock().unwrap();
                let Some(target) = state.target else { continue };
                let stalled = state.stalled.clone();
                state.connections.spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else { return };
                    near.set_nodelay(true).unwrap();
                    far.set_nodelay(true).unwrap();
                    let copy = tokio::io::copy_bidirectional(&mut near, &mut far);
                    if stalled.run_until_cancelled(copy).await.is_none() {
                        // Nothing passes any more, and nobody is told.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { url, state, _server: server }
    }

    /// Cuts every connection, in the middle of whatever is under way.
    pub(crate) fn cut(&self) {
        self.state.lock().unwrap().connections.abort_all();
    }

    /// Passes nothing on any more, in either direction, and closes nothing. New connections are as good as ever.
    pub(crate) fn stall(&self) {
        std::mem::take(&mut self.state.lock().unwrap().stalled).cancel();
    }

    /// From now on connections go there, or nowhere.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        self.state.lock().unwrap().target = target;
    }
}
