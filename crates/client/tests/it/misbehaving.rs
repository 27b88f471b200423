//! A server that does to each request what its script says next, and remembers what it was sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use battlearena_client::{Gateway, Hooks, Retry};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What is done to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// The connection ends without an answer.
    Drop,
    /// There is never an answer.
    Hang,
    /// This status, with `Retry-After` in seconds when it is given, and this body.
    Answer(u16, Option<u64>, &'static str),
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Bytes,
}

/// The running server; it ends with the value.
pub(crate) struct Misbehaving {
    address: String,
    sent: Arc<Mutex<Vec<Sent>>>,
    _server: JoinSet<()>,
}

#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Dropped;

impl Misbehaving {
    /// A server with a script; after its end every request hangs.
    pub(crate) async fn start(script: &[Deed]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::<Mutex<Vec<Sent>>>::default();
        let script = Arc::new(Mutex::new(script.iter().copied().collect::<VecDeque<_>>()));
        let (mut server, log) = (JoinSet::new(), sent.clone());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, script) = (log.clone(), script.clone());
                let service = service_fn(move |request| handle(request, log.clone(), script.clone()));
                connections.spawn(async move {
                    // A dropped answer is an error of the service: hyper closes the connection.
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, sent, _server: server }
    }

    /// A client with little patience: attempts of 300 ms, for two seconds.
    pub(crate) fn client(&self) -> Gateway {
        let retry = Retry { attempt: Duration::from_millis(300), give_up: Duration::from_secs(2) };
        Gateway::new(&self.address.parse().unwrap(), retry).unwrap()
    }

    /// The same client under hooks.
    pub(crate) fn client_under(&self, hooks: Hooks) -> Gateway {
        self.client().with_hooks(hooks)
    }

    /// Where it is for those who want a socket.
    pub(crate) fn socket_url(&self) -> String {
        format!("{}/ws", self.address.replace("http", "ws"))
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

async fn handle(
    request: Request<Incoming>,
    log: Arc<Mutex<Vec<Sent>>>,
    script: Arc<Mutex<VecDeque<Deed>>>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let header = |name| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let (key, traceparent) = (header("idempotency-key"), header("traceparent"));
    let (path, authorization) = (head.uri.path().to_owned(), header("authorization"));
    log.lock().unwrap().push(Sent { path, key, traceparent, authorization, body });
    let deed = script.lock().unwrap().pop_front().unwrap_or(Deed::Hang);
    match deed {
        Deed::Drop => Err(Dropped),
        Deed::Hang => match std::future::pending::<Infallible>().await {},
        Deed::Answer(status, retry_after, body) => {
            let mut response = Response::builder().status(status);
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds);
            }
            Ok(response.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap())
        }
    }
}
