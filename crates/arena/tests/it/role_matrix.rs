//! The role matrix over the wire: every route, RPC and socket command of a running platform in required mode, and every
//! sort of caller with every sort of credential. What must become of each is written by hand; a door that is served, or
//! stands in the contracts, and has no line is missed by its name.

mod callers;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use battlearena_identity::Door;
use battlearena_identity::policy::TABLE;
use battlearena_proto::FILE_DESCRIPTOR_SET;
use futures::{StreamExt as _, stream};
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};
use tonic::Code;

use self::callers::{Caller, Crowd, Holder, Shows, Verdict, Who, body, parts};
use self::table::{Guests, HTTP, OPERATIONS, RPC, commands};
use crate::door::forge::Forge;
use crate::door::member::Member;
use crate::door::rpc::{call, channel, keys_are_known};
use crate::door::socket::{Heard, Socket};
use crate::door::{Answer, UNKNOWN, eventually};
use crate::exposition;
use crate::scrape::SERVICES;
use crate::stage::Stage;

/// What came out otherwise than it must.
type Wrong = Mutex<Vec<String>>;

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_comes_as_far_as_it_must_at_every_door() {
    let stage = Stage::start(|_| {}).await;
    every_door_has_a_line(&stage).await;
    let crowd = crowd(&stage).await;
    let wrong = Wrong::default();
    let mut asked = http(&stage, &crowd, &wrong).await;
    asked += rpcs(&stage, &crowd, &wrong).await;
    asked += sockets(&stage, &crowd, &wrong).await;
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {asked}:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{asked} callers at {} doors", HTTP.len() + RPC.len() + commands("", 0).len());
    assert!(stage.stop().await.status.success());
}

/// Makes the keys, and exchanges them for tokens.
async fn crowd(stage: &Stage) -> Crowd {
    let exchange = async |key: &str| {
        let request = stage.http.post(stage.url("gateway", "/api/keys/token")).bearer_auth(key);
        Answer::to(request).await
    };
    let holder = async |role: &str| {
        let create = || stage.keys(&["create", "--role", role, "--name", "test"]);
        let (key, revoked) = (create(), create());
        stage.keys(&["revoke", parts(&revoked).0]);
        eventually("the end of a key", async || (exchange(&revoked).await.status == 401).then_some(())).await;
        let token = exchange(&key).await.good()["access_token"].as_str().unwrap().to_owned();
        Holder { key, revoked, token }
    };
    let (game_server, operator) = (holder("game-server").await, holder("operator").await);
    let forge = Forge::inside(&stage.secrets().join("signing-keys"), &operator.token);
    let service_key = fs::read_to_string(stage.secrets().join("service.key")).unwrap().trim().to_owned();
    keys_are_known(stage, &format!("Bearer {}", operator.token)).await;
    Crowd { forge, game_server, operator, service_key }
}

/// Compares what is there with the lines, both ways.
async fn every_door_has_a_line(stage: &Stage) {
    let names = |doors: &[(&str, Guests)]| doors.iter().map(|(door, _)| (*door).to_owned()).collect();
    let routes: BTreeSet<String> = names(HTTP);
    let methods: BTreeSet<String> = RPC.iter().map(|(door, ..)| (*door).to_owned()).collect();
    let commands: BTreeSet<String> =
        commands("", 0).iter().map(|command| command["type"].as_str().unwrap().to_owned()).collect();
    for service in SERVICES {
        let scrape = stage.metrics(service, "").await;
        let served = exposition::series(&scrape, "http_requests_in_progress").into_iter();
        let served = served.map(|(labels, _)| format!("{} {}", labels["method"], labels["endpoint"]));
        // What every service serves for operations is not measured.
        let measured = routes.iter().filter(|route| !OPERATIONS.contains(&route.as_str()));
        let expected = measured.filter(|route| services_of(route).contains(&service)).cloned();
        same(service, served.filter(|door| !door.ends_with(" unmatched")).collect(), expected.collect());
        let served = exposition::series(&scrape, "grpc_server_started_total").into_iter();
        let served =
            served.map(|(labels, _)| format!("{}/{}", labels["grpc_service"], labels["grpc_method"]));
        // Health and reflection are measured from their first call on.
        let is_ours = |door: &String| door.starts_with("battlearena.");
        let expected = RPC.iter().filter(|(_, services, _)| services.contains(&service));
        let expected = expected.map(|(door, ..)| (*door).to_owned()).filter(is_ours).collect();
        same(service, served.filter(is_ours).collect(), expected);
    }
    let scrape = stage.metrics("socket-gateway", "").await;
    let heard = exposition::series(&scrape, "websocket_message_processing_seconds_count").into_iter();
    let heard = heard.map(|(labels, _)| labels["kind"].clone());
    same("the socket", heard.filter(|kind| kind != "refused").collect(), commands.clone());

    let document = Answer::to(stage.http.get(stage.url("gateway", "/openapi.json"))).await.good();
    let paths = document["paths"].as_object().unwrap().iter();
    let documented = paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let documented: BTreeSet<String> = documented.chain(["GET /ws".to_owned()]).collect();
    same("/openapi.json", documented, routes.clone());
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let contracts = files.iter().flat_map(|file| file.service.iter().map(move |service| (file, service)));
    let contracts = contracts.flat_map(|(file, service)| {
        let name = format!("{}.{}", file.package(), service.name());
        service.method.iter().map(move |method| format!("{name}/{}", method.name()))
    });
    let ours = methods.iter().filter(|method| method.starts_with("battlearena.")).cloned();
    same("the contracts", contracts.collect(), ours.collect());
    let policy = TABLE.iter().map(|entry| match entry.door {
        Door::Socket(command) => format!("socket {command}"),
        Door::Http(..) | Door::Rpc(_) => entry.door.to_string(),
    });
    let commands = commands.iter().map(|command| format!("socket {command}"));
    same("the policy", policy.collect(), routes.into_iter().chain(methods).chain(commands).collect());
}

#[track_caller]
fn same(place: &str, found: BTreeSet<String>, expected: BTreeSet<String>) {
    let missing: Vec<_> = found.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{place} has doors without a line in this test's table: {missing:?}");
    assert!(gone.is_empty(), "{place} has not what this test's table has: {gone:?}");
}

/// The services that serve a route.
fn services_of(route: &str) -> &'static [&'static str] {
    match route {
        "GET /ws" => &["socket-gateway"],
        operation if OPERATIONS.contains(&operation) => &SERVICES,
        _ => &["gateway"],
    }
}

async fn http(stage: &Stage, crowd: &Crowd, wrong: &Wrong) -> usize {
    let doors = HTTP.iter().enumerate().flat_map(|(place, (door, guests))| {
        services_of(door).iter().map(move |service| (format!("{service}-{place}"), *service, *door, guests))
    });
    stream::iter(doors)
        .map(|(name, service, door, guests)| async move {
            let itself = Member::join(stage, &format!("itself-{name}"), Value::Null).await;
            let another = Member::join(stage, &format!("another-{name}"), Value::Null).await;
            let match_id =
                if door.contains("/matches/") { begin_match(stage, crowd, itself.id).await } else { 0 };
            let callers = crowd.at(guests, &itself, &another);
            for caller in &callers {
                let (method, path) = door.split_once(' ').unwrap();
                let path = path
                    .replace("{player_id}", &itself.id.to_string())
                    .replace("{match_id}", &match_id.to_string())
                    .replace("{room}", "lobby")
                    .replace("{file}", "index.css");
                let request =
                    stage.http.request(method.parse::<Method>().unwrap(), stage.url(service, &path));
                // A refresh token is good once, and everybody shows one in turn.
                let fresh = match door {
                    "POST /api/players/refresh" => Some(itself.again(stage).await),
                    _ => None,
                };
                let request = match body(door, fresh.as_ref().unwrap_or(&itself), match_id) {
                    Some(body) => request.json(&body),
                    None => request,
                };
                let request = match caller.authorization() {
                    Some(authorization) => request.header("authorization", authorization),
                    None => request,
                };
                let answer = Answer::to(request).await;
                compare(wrong, &format!("{service} {door}"), caller, guests, http_verdict(&answer));
            }
            callers.len()
        })
        .buffer_unordered(4)
        .fold(0, async |sum, asked| sum + asked)
        .await
}

/// A match that the player has just begun.
async fn begin_match(stage: &Stage, crowd: &Crowd, player: i64) -> i64 {
    let request = stage.http.post(stage.url("gateway", "/api/matches/start"));
    let request = request.bearer_auth(&crowd.game_server.token);
    let body = json!({"match_type": "solo", "player_ids": [player]});
    Answer::to(request.json(&body)).await.good()["match_id"].as_i64().unwrap()
}

/// What an answer means. Who is turned away is told so in one way; who is let in may be told anything that does not
/// leave open whether the door was reached.
fn http_verdict(answer: &Answer) -> Result<Verdict, String> {
    let error = &answer.json()["error"];
    let told = (error["code"].as_str(), answer.headers.contains_key("www-authenticate"));
    match answer.status {
        401 if told == (Some("unauthenticated"), true) => Ok(Verdict::Unknown),
        403 if told == (Some("forbidden"), false) => Ok(Verdict::Forbidden),
        200..=299 | 409 | 422 => Ok(Verdict::In),
        // What is not there was looked for.
        404 if error["message"] != "no such route" => Ok(Verdict::In),
        // A socket begins with a handshake.
        426 => Ok(Verdict::In),
        _ => Err(format!("{} {}", answer.status, answer.text)),
    }
}

async fn rpcs(stage: &Stage, crowd: &Crowd, wrong: &Wrong) -> usize {
    let itself = Member::join(stage, "itself-rpc", Value::Null).await;
    let another = Member::join(stage, "another-rpc", Value::Null).await;
    let mut asked = 0;
    for (door, services, guests) in RPC {
        for service in *services {
            let channel = channel(stage, service);
            for caller in crowd.with_tokens_at(guests, &itself, &another) {
                let answer = call(&channel, door, caller.authorization().as_deref()).await;
                let verdict = match answer.map_err(|status| (status.code(), status.message().to_owned())) {
                    Err((Code::Unauthenticated, message)) if message == UNKNOWN => Ok(Verdict::Unknown),
                    Err((Code::PermissionDenied, _)) => Ok(Verdict::Forbidden),
                    Ok(()) | Err((Code::InvalidArgument | Code::NotFound, _)) => Ok(Verdict::In),
                    Err(other) => Err(format!("{other:?}")),
                };
                compare(wrong, &format!("{service} {door}"), &caller, guests, verdict);
                asked += 1;
            }
        }
    }
    asked
}

async fn sockets(stage: &Stage, crowd: &Crowd, wrong: &Wrong) -> usize {
    let itself = Member::join(stage, "itself-socket", Value::Null).await;
    let another = Member::join(stage, "another-socket", Value::Null).await;
    let bystander = Member::join(stage, "bystander", Value::Null).await;
    drop(Socket::enter(stage, &itself.access).await);
    // A socket looks at no line of guests: what it is about is decided by the first two commands.
    let (_, nobodys) = HTTP.iter().find(|(door, _)| *door == "DELETE /api/players/{player_id}").unwrap();
    let mut asked = 0;
    for caller in crowd.with_tokens_at(nobodys, &itself, &another) {
        let shown = caller.credential.clone().unwrap_or_default();
        for command in commands(&shown, bystander.id) {
            let name = command["type"].as_str().unwrap().to_owned();
            let mut socket = Socket::open(stage).await;
            if name == "refresh" {
                // Who is in shows what another caller brought.
                socket.hello(&itself.access).await;
            } else if name != "hello" && caller.who != Who::Nobody {
                socket.hello(&shown).await;
            }
            let verdict = match socket.ask(command).await {
                Heard::Frame(frame) if frame["type"] != "error" => Ok(Verdict::In),
                Heard::Frame(frame) => match frame["code"].as_str().unwrap() {
                    // Nobody has joined anything.
                    "conflict" => Ok(Verdict::In),
                    "forbidden" => Ok(Verdict::Forbidden),
                    "unauthenticated" => closed(&mut socket).await,
                    _ => Err(frame.to_string()),
                },
                Heard::End(4001) => Ok(Verdict::Unknown),
                Heard::End(code) => Err(format!("closed with {code}")),
            };
            let expected = at_the_socket(&name, &caller);
            note(wrong, &format!("the socket's {name}"), &caller, expected, verdict);
            asked += 1;
        }
    }
    asked
}

/// What must become of a command.
fn at_the_socket(command: &str, caller: &Caller) -> Verdict {
    match (command, caller.who, caller.shows) {
        (_, Who::Nobody, _) | (_, _, Shows::Nothing | Shows::Bad(_)) => Verdict::Unknown,
        (_, Who::Itself, _) => Verdict::In,
        // A connection stays whose it was.
        ("refresh", Who::Another, _) => Verdict::Forbidden,
        (_, Who::Another, _) => Verdict::In,
        // The key of the services is no token.
        (_, Who::Service, _) => Verdict::Unknown,
        ("hello" | "refresh", Who::GameServer | Who::Operator, _) => Verdict::Forbidden,
        // Who was not let in is not known.
        (_, Who::GameServer | Who::Operator, _) => Verdict::Unknown,
    }
}

/// Who is not known is shown out.
async fn closed(socket: &mut Socket) -> Result<Verdict, String> {
    match socket.end().await {
        4001 => Ok(Verdict::Unknown),
        code => Err(format!("closed with {code}")),
    }
}

fn compare(wrong: &Wrong, door: &str, caller: &Caller, guests: &Guests, verdict: Result<Verdict, String>) {
    note(wrong, door, caller, caller.expected(guests), verdict);
}

fn note(wrong: &Wrong, door: &str, caller: &Caller, expected: Verdict, verdict: Result<Verdict, String>) {
    if verdict.as_ref() != Ok(&expected) {
        let Caller { who, shows, .. } = caller;
        let line = format!("{door}: {who:?} with {shows:?} must be {expected:?}, and is {verdict:?}");
        wrong.lock().unwrap().push(line);
    }
}
