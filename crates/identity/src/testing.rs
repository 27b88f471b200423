//! A gateway's tokens without a gateway: keys, their document on a port, and whoever shows them. For tests of services.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails")]

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use battlearena_proto::PlayerId;
use battlearena_runtime::{CancellationToken, Tasks};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::caller::{Key, Player, SessionId};
use crate::credential::ServiceKey;
use crate::keys::{FolderRules, KeyRing};
use crate::scope::{Role, Scopes};
use crate::settings::Settings;
use crate::token::Signer;

/// Issues tokens that services with [`Issuer::settings`] take. Its port closes when it is dropped.
pub struct Issuer {
    signer: Signer,
    ring: Arc<KeyRing>,
    service_key: ServiceKey,
    url: String,
    _folder: TempDir,
    _tasks: Tasks,
    stop: CancellationToken,
}

impl Issuer {
    /// Makes a key and serves its document on a port of loopback.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ring = KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, Timestamp::now());
        let ring = Arc::new(ring.expect("a key"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("a bound port");
        let (tasks, stop) = (Tasks::new(), CancellationToken::new());
        let (served, stopped) = (ring.clone(), stop.clone());
        tasks.spawn("jwks", async move {
            tokio::select! { () = serve(listener, served) => {}, () = stopped.cancelled() => {} }
        });
        Self {
            signer: Signer::new(ring.clone(), Duration::from_secs(300)),
            ring,
            service_key: ServiceKey::generate(),
            url: format!("http://{address}/.well-known/jwks.json"),
            _folder: folder,
            _tasks: tasks,
            stop,
        }
    }

    /// The settings of a service in required mode.
    pub fn settings(&self) -> Settings {
        Settings::required(self.service_key.secret().clone(), &self.url)
    }

    /// What signs, with the keys that are served.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The keys that are served.
    pub fn ring(&self) -> &Arc<KeyRing> {
        &self.ring
    }

    /// The `authorization` of a service.
    pub fn service(&self) -> HeaderValue {
        HeaderValue::from_str(self.service_key.authorization().expose()).expect("a header")
    }

    /// The `authorization` of a player in a session.
    pub fn player(&self, id: i64, session: i64) -> HeaderValue {
        let player = Player {
            id: PlayerId(id),
            session: SessionId(session),
            name: "ada".into(),
            tier: battlearena_proto::Tier::Free,
        };
        bearer(self.signer.for_player(&player, Timestamp::now()).expect("a token").text.expose())
    }

    /// The `authorization` of a game server with the scopes of its role.
    pub fn game_server(&self, id: &str) -> HeaderValue {
        self.game_server_with(id, Role::GameServer.scopes())
    }

    /// The `authorization` of a game server with some scopes.
    pub fn game_server_with(&self, id: &str, scopes: Scopes) -> HeaderValue {
        let key = Key { id: id.into(), scopes };
        bearer(self.signer.for_game_server(&key, Timestamp::now()).expect("a token").text.expose())
    }

    /// The `authorization` of an operator with the scopes of its role.
    pub fn operator(&self, id: &str) -> HeaderValue {
        let key = Key { id: id.into(), scopes: Role::Operator.scopes() };
        bearer(self.signer.for_operator(&key, Timestamp::now()).expect("a token").text.expose())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn bearer(token: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Bearer {token}")).expect("a header")
}

async fn serve(listener: TcpListener, ring: Arc<KeyRing>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _read = stream.read(&mut request).await;
        let document = serde_json::to_string(&ring.public_keys().document()).expect("a document");
        let length = document.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}");
        let _written = stream.write_all(answer.as_bytes()).await;
    }
}
