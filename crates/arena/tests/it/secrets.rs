//! A whole run in required mode, with everything that is secret in it: nothing of that is in a log, in what a program
//! says, or in the arguments of a process, which every user of the machine can read.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rand::random;
use serde_json::{Value, json};

use crate::door::member::{Member, post};
use crate::door::socket::{Heard, Socket};
use crate::door::{Answer, PATIENCE, eventually};
use crate::log_hygiene::address_in;
use crate::platform::processes;
use crate::scrape::SERVICES;
use crate::stage::{PASSWORD, Stage};

/// How our tokens and keys begin, Argon2's hashes, and what stands in a file with a key. None of these is part of a word.
const MARKS: [&str; 6] = ["rt_", "ak_", "svc_", "eyJ", "$argon2", "PRIVATE KEY"];

/// Letters in a row that only a hash or a secret has: ids of traces have 32.
const LONG: usize = 40;

/// What may be so long: names of metrics, of files and of our own code in messages have more than hexadecimal digits.
fn is_hexadecimal(word: &str) -> bool {
    word.len() >= LONG && word.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// The secrets that this test has seen, word by word.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    /// Remembers a secret, and gives it back.
    fn note(&mut self, secret: impl Into<String>) -> String {
        let secret = secret.into();
        assert!(secret.len() >= 12, "too short to be told from other text: {secret}");
        self.0.push(secret.clone());
        secret
    }

    fn note_session(&mut self, member: &Member) {
        for secret in [&member.device, &member.access, &member.refresh] {
            self.note(secret);
        }
    }

    /// Every line of every file in a folder.
    fn note_files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.note_files(&path);
            } else {
                let text = fs::read_to_string(path).unwrap();
                text.lines().filter(|line| !line.starts_with("-----")).for_each(|line| drop(self.note(line)));
            }
        }
    }

    /// What of all this is in a text. The text itself is not shown: it is long.
    fn told_by(&self, text: &str) -> Option<String> {
        let mut known = self.0.iter().filter(|secret| text.contains(*secret));
        known.next().cloned().or_else(|| mark_in(text)).or_else(|| address_in(text).map(str::to_owned))
    }
}

/// The first word that looks like a secret.
fn mark_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-$ ".contains(c)) || c == ' ');
    let looks = |word: &&str| MARKS.iter().any(|mark| word.starts_with(mark)) || is_hexadecimal(word);
    let key = text.contains("PRIVATE KEY").then(|| "PRIVATE KEY".to_owned());
    words.filter(|word| !word.is_empty()).find(looks).map(str::to_owned).or(key)
}

#[test]
fn secrets_are_recognised() {
    let hash = "0f".repeat(20);
    for secret in ["\"rt_abc\"", "Bearer ak_x_y", "key=svc_1", "token: eyJhbGc.x.y", "$argon2id$v=19", &hash]
    {
        assert!(mark_in(secret).is_some(), "{secret}");
    }
    for harmless in ["start_match", "task_ended", "0af7651916cd43dd8448eb211c80319c", "the key was revoked"] {
        assert_eq!(mark_in(harmless), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_run_tells_no_secret() {
    // More than is written without a word: what explains a single case, and every request.
    let mut stage = Stage::start(|command| {
        command.env("ARENA_LOG", "debug").env("ARENA_ACCESS_LOG", "true");
    })
    .await;
    let mut seen = Seen(vec![PASSWORD.to_owned()]);
    seen.note_files(&stage.secrets());
    let operator = seen.note(stage.keys(&["create", "--role", "operator", "--name", "ops"]));

    let mut simulator = stage.simulator(&["--seed", "5", "--rate", "80", "--duration", "10s"]);
    simulator.args(["--players", "50", "--socket-players", "10", "--mistakes", "20", "--heartbeats"]);
    simulator.args(["--timeout", "2s", "--give-up", "10s"]).env("ARENA_LOG_FORMAT", "json");
    let simulator = simulator.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();

    live(&stage, &mut seen, &operator).await;
    let processes: Vec<String> = processes().into_iter().map(|process| process.command).collect();
    let played =
        processes.iter().any(|command| command.contains("simulate") && command.contains("game-server.key"));
    assert!(played, "the simulator does not run");
    for command in processes {
        assert!(seen.0.iter().all(|secret| !command.contains(secret)), "a secret among arguments: {command}");
    }
    // What fails is told of, with what led to it.
    stage.kill_database().await;
    fail(&stage, &mut seen, &operator).await;
    stage.start_database().await;
    eventually("the database again", async || {
        let request = stage.http.get(stage.url("gateway", "/api/players/1")).bearer_auth(&operator);
        (Answer::to(request).await.status == 200).then_some(())
    })
    .await;
    let output = tokio::task::spawn_blocking(|| simulator.wait_with_output().unwrap()).await.unwrap();

    let emails = stage.number("select count(*) from gateway.players where email like '%@%'").await;
    let said = stage.number("select count(*) from socket.messages").await;
    assert!(emails >= 50 && said >= 1, "{emails} addresses and {said} messages could have leaked");
    let ended = stage.stop().await;
    assert!(ended.status.success());
    let logs = SERVICES.iter().map(|service| (*service, ended.log(service)));
    let others = [("simulator", output.stderr), ("the summary", output.stdout)];
    let others = others.map(|(who, said)| (who, String::from_utf8(said).unwrap()));
    for (who, log) in logs.chain(others).chain([("arena up", ended.said.clone())]) {
        assert!(!log.is_empty(), "{who} says nothing");
        for line in log.lines() {
            assert_eq!(seen.told_by(line), None, "{who}: {line}");
        }
    }
}

/// What happens to an account in its life, mistakes included.
async fn live(stage: &Stage, seen: &mut Seen, operator: &str) {
    let name = "ada";
    let password = seen.note(format!("{name} has a password {:x}", random::<u64>()));
    let wrong = seen.note(format!("{name} guesses one {:x}", random::<u64>()));
    let newer = seen.note(format!("{name} changes to {:x}", random::<u64>()));
    let member = Member::join(stage, name, json!({"password": password})).await;
    seen.note_session(&member);
    let refused = post(stage, "/api/players/login", &json!({"username": name, "password": wrong})).await;
    assert_eq!(refused.status, 401);
    let known = post(stage, "/api/players/login", &json!({"username": name, "password": password})).await;
    let again = Member::of(&known.good(), name, &member.device);
    seen.note_session(&again);
    let renewed = again.renewed(stage).await;
    seen.note_session(&renewed);

    let mut socket = Socket::enter(stage, &renewed.access).await;
    let said = seen.note(format!("{name} says {:x}", random::<u64>()));
    assert!(matches!(socket.ask(json!({"type": "join", "room": "general"})).await, Heard::Frame(_)));
    let message = json!({"type": "message", "room": "general", "client_id": "1", "text": said});
    assert!(matches!(socket.ask(message).await, Heard::Frame(_)));

    let path = |rest: &str| format!("/api/players/{}{rest}", member.id);
    let tablet = seen.note(format!("{:032x}-tablet", random::<u128>()));
    let token = &renewed.access;
    let link = json!({"device_id": tablet, "current_password": password});
    authorized(stage, token, &path("/devices"), &link).await.good();
    authorized(stage, token, &path("/password"), &json!({"current_password": wrong, "new_password": newer}))
        .await;
    let change = json!({"current_password": password, "new_password": newer});
    authorized(stage, token, &path("/password"), &change).await.good();
    authorized(stage, operator, &path("/mute"), &json!({"reason": "too loud"})).await.good();
    seen.note(text(&authorized(stage, operator, "/api/keys/token", &json!({})).await.good()["access_token"]));

    // Where a credential does not belong.
    let forged = seen.note(format!("{token}x"));
    assert_eq!(authorized(stage, &forged, &path("/devices"), &json!({})).await.status, 401);
    let query = stage.url("gateway", &format!("{}?token={token}&key={operator}", path("")));
    Answer::to(stage.http.get(query)).await;
    let in_path = stage.url("gateway", &format!("/api/players/{token}"));
    assert_ne!(Answer::to(stage.http.get(in_path).bearer_auth(token)).await.status, 500);
    Answer::to(
        stage
            .http
            .post(stage.url("gateway", "/api/players/login"))
            .body(format!("{{\"password\": \"{newer}\"")),
    )
    .await;
    renewed.log_out(stage).await;
    assert_eq!(socket.end().await, 4009);
}

/// The same doors while the database is away: nothing but failures, which are told of.
async fn fail(stage: &Stage, seen: &mut Seen, operator: &str) {
    let password = seen.note(format!("in vain {:x}", random::<u64>()));
    let device = seen.note(format!("{:032x}-in-vain", random::<u128>()));
    let refresh = seen.note(format!("rt_{:032x}{:011x}", random::<u128>(), random::<u32>()));
    let posts = [
        (
            "/api/players/register",
            json!({"username": "eve", "email": "eve@players.test", "password": password}),
        ),
        ("/api/players/login", json!({"username": "ada", "password": password})),
        ("/api/players/login", json!({"device_id": device})),
        ("/api/players/refresh", json!({"refresh_token": refresh})),
        ("/api/players/logout", json!({"refresh_token": refresh})),
    ];
    for (path, body) in posts {
        let answer = tokio::time::timeout(PATIENCE, post(stage, path, &body)).await.unwrap();
        assert!(answer.status >= 400, "{path}: {answer:?}");
    }
    authorized(stage, operator, "/api/players/1/ban", &json!({"reason": "in vain"})).await;
}

async fn authorized(stage: &Stage, token: &str, path: &str, body: &Value) -> Answer {
    Answer::to(stage.http.post(stage.url("gateway", path)).bearer_auth(token).json(body)).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
