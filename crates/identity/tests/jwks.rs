//! The fetcher against a real HTTP server: it learns, survives bad answers, and follows a rotation that a token tells
//! of.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use battlearena_identity::jwks::{Pace, follow};
use battlearena_identity::keys::{FolderRules, KeyRing, PublicKeys, create_key};
use battlearena_identity::token::VerifierOptions;
use battlearena_identity::{Caller, Player, Refusal, Revocations, SessionId, Signer, Verifier};
use battlearena_proto::PlayerId;
use battlearena_runtime::Tasks;
use battlearena_tls::{Settings, Tls};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the server answers, and how often it has.
#[derive(Default)]
struct Answer {
    text: String,
    given: usize,
}

impl Answer {
    fn change(this: &Mutex<Self>, text: String) {
        *this.lock().unwrap() = Self { text, given: 0 };
    }

    async fn is_given_twice(this: &Mutex<Self>) {
        // The first may have been on its way; the second says that the client was done with the first.
        until("the answer is given", || this.lock().unwrap().given >= 2).await;
    }
}

async fn serve(listener: TcpListener, answer: Arc<Mutex<Answer>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        let _read = stream.read(&mut request).await;
        let text = {
            let mut answer = answer.lock().unwrap();
            answer.given += 1;
            answer.text.clone()
        };
        let _written = stream.write_all(text.as_bytes()).await;
    }
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn keys_are_learned_kept_and_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let ring = Arc::new(KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, now).unwrap());
    let signer = Signer::new(ring.clone(), Duration::from_secs(300));
    let document = || http("200 OK", &serde_json::to_string(&ring.public_keys().document()).unwrap());
    let token = || {
        let player = Player {
            id: PlayerId(1),
            session: SessionId(1),
            name: "ada".into(),
            tier: battlearena_proto::Tier::Free,
        };
        signer.for_player(&player, Timestamp::now()).unwrap().text
    };

    let answer = Arc::new(Mutex::new(Answer::default()));
    Answer::change(&answer, http("503 Service Unavailable", ""));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
    let tasks = Tasks::new();
    let stop = tasks.token();
    tasks.spawn("server", {
        let (answer, stop) = (answer.clone(), stop.clone());
        async move {
            tokio::select! { () = serve(listener, answer) => {}, () = stop.cancelled() => {} }
        }
    });
    let keys = PublicKeys::empty();
    let short = Duration::from_millis(5);
    // Polls so rarely that only a token's unknown key can be the reason for a second document.
    let pace = Pace { poll: Duration::from_secs(3600), gap: short, first: short, ..Pace::default() };
    let client = Tls::load(&Settings::default()).unwrap().fetcher(64 * 1024);
    let following = follow(url, client, keys.clone(), pace, stop);
    tasks.spawn("jwks", following);

    let verifier = Verifier::new(keys.clone(), Revocations::new(), VerifierOptions::default());
    let verify = || verifier.verify(token().expose(), Timestamp::now());
    for bad in [
        http("404 Not Found", ""),
        http("200 OK", "<html>"),
        http("200 OK", r#"{"keys":[]}"#),
        http("200 OK", &format!(r#"{{"keys":[],"pad":"{}"}}"#, "x".repeat(100_000))),
    ] {
        Answer::change(&answer, bad);
        Answer::is_given_twice(&answer).await;
        assert_eq!(verify(), Err(Refusal::NoKeysYet));
    }
    Answer::change(&answer, document());
    until("the keys are known", || keys.are_known()).await;
    assert!(matches!(verify(), Ok(Caller::Player(_))));

    // The gateway rotates; its next token makes the others ask. What it says by mistake takes nothing away.
    let old = token();
    Answer::change(&answer, http("200 OK", r#"{"keys":[]}"#));
    create_key(folder.path()).unwrap();
    ring.reload(Timestamp::now()).unwrap();
    assert_eq!(verify(), Err(Refusal::WrongKey));
    Answer::is_given_twice(&answer).await;
    assert!(verifier.verify(old.expose(), Timestamp::now()).is_ok());
    Answer::change(&answer, document());
    until("the new key is known", || verify().is_ok()).await;
    assert!(verifier.verify(old.expose(), Timestamp::now()).is_ok());
    tasks.stop(Duration::from_secs(10)).await.unwrap();
}
