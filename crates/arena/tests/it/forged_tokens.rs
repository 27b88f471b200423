//! Forged tokens at every wire of a running platform: none comes in, all are told the same, and nothing in what they are
//! told says how a token is checked, or with what.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::Channel;

use crate::door::forge::{Forge, claims_of, during, unsigned, with, with_shared_secret};
use crate::door::member::Member;
use crate::door::rpc::{self, call, keys_are_known};
use crate::door::socket::{Heard, Socket};
use crate::door::{Answer, UNKNOWN, counted};
use crate::stage::Stage;

/// Words that would tell how a token is checked, or what went wrong inside.
const TOLD_TALES: [&str; 20] = [
    "jwt",
    "jws",
    "ed25519",
    "eddsa",
    "dalek",
    "signature",
    "base64",
    "serde",
    "utf-8",
    "expired",
    "issuer",
    "audience",
    "caused by",
    "panicked",
    "at line",
    "column",
    "actix",
    "hyper",
    "tonic",
    "rustls",
];

/// A megabyte.
const HUGE: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn no_forged_token_comes_in_and_none_is_told_why() {
    let stage = Stage::start(|_| {}).await;
    let ada = Member::join(&stage, "ada", Value::Null).await;
    let operator = operator(&stage).await;
    let forge = Forge::inside(&stage.secrets().join("signing-keys"), &operator);
    keys_are_known(&stage, &format!("Bearer {operator}")).await;
    drop(Socket::enter(&stage, &ada.access).await);
    let profile = format!("/api/players/{}", ada.id);
    at_the_gateway(&stage, &profile, &forge, &ada.access).await;
    at_the_gateway(&stage, "/api/stats/players", &forge, &operator).await;
    for (service, method) in rpc::SERVICES {
        over_grpc(&stage, service, method, &forge, &operator).await;
    }
    over_a_socket(&stage, &forge, &ada.access).await;
    for service in ["gateway", "match", "analytics", "socket-gateway"] {
        for reason in ["expired", "malformed"] {
            let refused = counted(&stage, service, "credential_refusals_total", ("reason", reason)).await;
            assert!(refused >= 1.0, "{service}: {reason}");
        }
    }
    assert!(stage.stop().await.status.success());
}

/// The token of an operator.
async fn operator(stage: &Stage) -> String {
    let key = stage.keys(&["create", "--role", "operator", "--name", "test"]);
    let request = stage.http.post(stage.url("gateway", "/api/keys/token")).bearer_auth(key);
    Answer::to(request).await.good()["access_token"].as_str().unwrap().to_owned()
}

/// Tokens that differ from a good one in a single thing each, with what that is.
fn forgeries(forge: &Forge, good: &str) -> Vec<(&'static str, String)> {
    let (header, claims) = (forge.header(), claims_of(good));
    let outside = forge.outside();
    let public = forge.public();
    let algorithm = |name: &str| with(header.clone(), &[("alg", json!(name))]);
    let claiming = |changes: &[(&str, Value)]| forge.token(&with(claims.clone(), changes));
    let [first, second, third] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let hex: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("another key", outside.token(&claims)),
        ("another key, and its own id", {
            let unknown =
                with(header.clone(), &[("kid", json!("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"))]);
            outside.sign(&unknown, &claims)
        }),
        ("an id that nobody has", forge.sign(&with(header.clone(), &[("kid", json!("nobody"))]), &claims)),
        ("no id", forge.sign(&with(header.clone(), &[("kid", Value::Null)]), &claims)),
        ("alg none", unsigned(&algorithm("none"), &claims)),
        ("alg None, with a signature", forge.sign(&algorithm("None"), &claims)),
        ("HS256 with the public key", with_shared_secret(&algorithm("HS256"), &claims, &public)),
        ("HS256 with its text", with_shared_secret(&algorithm("HS256"), &claims, hex.as_bytes())),
        ("EdDSA in name, HS256 in fact", with_shared_secret(&header, &claims, &public)),
        ("a key in the header", {
            let jwk =
                json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
            outside.sign(&with(header.clone(), &[("jwk", jwk)]), &claims)
        }),
        ("another type", forge.sign(&with(header.clone(), &[("typ", json!("JWT"))]), &claims)),
        ("expired", forge.token(&during(claims.clone(), -200, -1))),
        ("future", forge.token(&during(claims.clone(), 60, 200))),
        ("a life of a year", forge.token(&during(claims.clone(), -1, 31_536_000))),
        ("no end", claiming(&[("exp", Value::Null)])),
        ("another audience", claiming(&[("aud", json!("another-platform"))])),
        ("several audiences", claiming(&[("aud", json!(["battlearena", "another-platform"]))])),
        ("another issuer", claiming(&[("iss", json!("another-platform"))])),
        ("another role", claiming(&[("role", json!("service"))])),
        ("truncated by a letter", good[..good.len() - 1].to_owned()),
        ("truncated by half", good[..good.len() / 2].to_owned()),
        ("without its signature", format!("{first}.{second}.")),
        ("without its claims", format!("{first}..{third}")),
        ("with another's claims", {
            let [_, other, _] = outside
                .token(&during(claims.clone(), 0, 250))
                .split('.')
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap();
            format!("{first}.{other}.{third}")
        }),
        ("in four parts", format!("{good}.{third}")),
        ("padded", format!("{good}==")),
        ("nonsense", "nonsense".to_owned()),
        ("nothing", String::new()),
        ("two kilobytes of claims", claiming(&[("extra", json!("x".repeat(2048)))])),
    ]
}

async fn at_the_gateway(stage: &Stage, path: &str, forge: &Forge, good: &str) {
    let ask = async |token: &str| {
        let request = stage.http.get(stage.url("gateway", path));
        Answer::to(request.header("authorization", format!("Bearer {token}"))).await
    };
    // What is forged without a fault comes in: the faults are what is refused.
    assert_eq!(ask(good).await.status, 200);
    assert_eq!(ask(&forge.token(&claims_of(good))).await.status, 200);
    for (what, token) in forgeries(forge, good) {
        let answer = ask(&token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer", "{what}");
        let mut body = answer.json();
        let id = body["error"].as_object_mut().unwrap().remove("request_id").unwrap();
        assert_eq!(body, json!({"error": {"code": "unauthenticated", "message": UNKNOWN}}), "{what}");
        assert_eq!(answer.headers["x-request-id"], id.as_str().unwrap(), "{what}");
        tells_no_tales(what, &format!("{:?}", answer.headers));
    }
    // The server takes no header of that size. It hangs up while we still talk, and its answer may be lost with that.
    if let Some(head) = shout(stage, path).await {
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
        tells_no_tales("a megabyte", &head);
    }
    assert_eq!(ask(good).await.status, 200);
}

/// What the gateway says to a token of a megabyte, if that is heard.
async fn shout(stage: &Stage, path: &str) -> Option<String> {
    let stream = TcpStream::connect(stage.address("--gateway-http")).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let token = "x".repeat(HUGE);
    let head = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\r\n");
    let talking = async { writer.write_all(head.as_bytes()).await };
    let mut heard = Vec::new();
    let listening = async { reader.read_to_end(&mut heard).await };
    let (_cut_short, _reset) = tokio::join!(talking, listening);
    (!heard.is_empty()).then(|| String::from_utf8(heard).unwrap())
}

async fn over_grpc(stage: &Stage, service: &str, method: &str, forge: &Forge, good: &str) {
    let channel = rpc::channel(stage, service);
    let ask_over = async |channel: &Channel, token: &str| {
        let answer = call(channel, method, Some(&format!("Bearer {token}"))).await;
        answer.err().map_or((Code::Ok, String::new(), String::new()), |status| {
            (status.code(), status.message().to_owned(), format!("{status:?}"))
        })
    };
    let ask = async |token: &str| ask_over(&channel, token).await;
    for token in [good, &forge.token(&claims_of(good))] {
        let (code, message, _) = ask(token).await;
        assert!([Code::Ok, Code::NotFound, Code::InvalidArgument].contains(&code), "{service}: {message}");
    }
    for (what, token) in forgeries(forge, good) {
        let (code, message, all) = ask(&token).await;
        assert_eq!((code, message.as_str()), (Code::Unauthenticated, UNKNOWN), "{service}, {what}: {all}");
        tells_no_tales(what, &all);
    }
    // A megabyte of header ends the connection here (GOAWAY, ENHANCE_YOUR_CALM), whether that is still heard or not; the
    // next one is as good as ever.
    let (code, _, all) = ask(&"x".repeat(HUGE)).await;
    let cut_off =
        [Code::ResourceExhausted, Code::Unknown, Code::Unavailable, Code::Internal, Code::Cancelled];
    assert!(cut_off.contains(&code), "{service}: {all}");
    let next = rpc::channel(stage, service);
    assert_eq!(ask_over(&next, "nonsense").await.0, Code::Unauthenticated, "{service}");
}

async fn over_a_socket(stage: &Stage, forge: &Forge, good: &str) {
    drop(Socket::enter(stage, &forge.token(&claims_of(good))).await);
    for (what, token) in forgeries(forge, good) {
        let mut socket = Socket::open(stage).await;
        let Heard::Frame(mut frame) = socket.hello(&token).await else { panic!("{what}: no answer") };
        frame.as_object_mut().unwrap().remove("id");
        let expected = json!({"type": "error", "code": "unauthenticated", "message": UNKNOWN});
        assert_eq!((frame, socket.end().await), (expected, 4001), "{what}");
        // In a socket that is open, it ends it.
        let mut socket = Socket::enter(stage, good).await;
        let heard = socket.ask(json!({"type": "refresh", "token": token})).await;
        assert!(
            matches!(&heard, Heard::Frame(frame) if frame["code"] == "unauthenticated"),
            "{what}: {heard:?}"
        );
        assert_eq!(socket.end().await, 4001, "{what}");
    }
    let mut socket = Socket::open(stage).await;
    let heard = socket.hello(&"x".repeat(HUGE)).await;
    // It is cut while it is still sending, and may not get to read why.
    assert!(
        matches!(&heard, Heard::Frame(frame) if frame["code"] == "payload_too_large")
            || matches!(heard, Heard::End(1006 | 1009)),
        "{heard:?}"
    );
}

#[track_caller]
fn tells_no_tales(what: &str, told: &str) {
    let told = told.to_lowercase();
    let tale = TOLD_TALES.iter().find(|tale| told.contains(*tale));
    assert!(tale.is_none(), "{what}: {tale:?} in {told}");
}
