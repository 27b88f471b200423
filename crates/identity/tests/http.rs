//! The guard in front of an actix app: who comes in, who does not, and what those are told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpResponse, web};
use battlearena_identity::caller::{Caller, Key};
use battlearena_identity::credential::ApiKey;
use battlearena_identity::gatekeeper::ApiKeys;
use battlearena_identity::http::Guard;
use battlearena_identity::testing::Issuer;
use battlearena_identity::{Gatekeeper, Revocations, Role, SessionId, Settings};
use battlearena_proto::{ErrorKind, Failure, PlayerId};
use battlearena_runtime::Environment;
use battlearena_runtime::{Readiness, Tasks};
use battlearena_telemetry::http::{HttpFailure, Instrument, Operations, not_found, operations};
use futures::future::BoxFuture;
use http::HeaderValue;
use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};

/// Somebody far away.
const FAR: &str = "203.0.113.9:4000";

/// An app of some routes of the platform, and of one that the policy does not know.
async fn app(
    gatekeeper: &Arc<Gatekeeper>,
) -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
    let shown = Operations { readiness: Readiness::new(), service: "test" };
    let whoever = async |caller: Caller| HttpResponse::Ok().body(caller.name());
    let own = async |caller: Caller, id: web::Path<i64>| -> Result<HttpResponse, HttpFailure> {
        caller.own(PlayerId(*id))?;
        Ok(HttpResponse::Ok().finish())
    };
    init_service(
        App::new()
            .configure(|config| operations(config, shown))
            .route("/", web::get().to(whoever))
            .route("/api/leaderboard", web::get().to(whoever))
            .route("/api/players/{player_id}", web::get().to(own))
            .route("/api/players/{player_id}/ban", web::post().to(whoever))
            .route("/api/matches/start", web::post().to(whoever))
            .route("/api/secrets", web::get().to(whoever))
            .default_service(not_found())
            .wrap(Guard::new(gatekeeper.clone()))
            .wrap(Instrument::new()),
    )
    .await
}

/// What came back.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

async fn ask(
    app: &impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>,
    request: TestRequest,
) -> Answer {
    let response = match app.call(request.to_request()).await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap_or_default();
    Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path).peer_addr(address("127.0.0.1:4000"))
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

trait As {
    fn by(self, credential: &HeaderValue) -> Self;
}

impl As for TestRequest {
    fn by(self, credential: &HeaderValue) -> Self {
        self.insert_header((AUTHORIZATION, credential.as_bytes()))
    }
}

/// A gatekeeper that knows the keys of an issuer.
fn gatekeeper(issuer: &Issuer, change: impl FnOnce(&mut Settings)) -> Gatekeeper {
    let mut settings = issuer.settings();
    change(&mut settings);
    Gatekeeper::with_keys(&settings, issuer.ring().public_keys().clone()).unwrap()
}

#[actix_web::test]
async fn each_comes_as_far_as_the_table_says() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |_| {}));
    let app = app(&guarded).await;
    let (ada, server) = (issuer.player(7, 1), issuer.game_server("gs"));
    let post = |path: &str| TestRequest::post().uri(path).peer_addr(address("127.0.0.1:4000"));
    for (request, status) in [
        (get("/api/leaderboard").by(&ada), 200),
        (get("/api/players/7").by(&ada), 200),
        (get("/api/players/8").by(&ada), 403),
        (get("/api/players/8").by(&server), 200),
        (post("/api/matches/start").by(&server), 200),
        (post("/api/matches/start").by(&ada), 403),
        (post("/api/matches/start").by(&issuer.service()), 403),
        (post("/api/players/7/ban").by(&server), 403),
        (post("/api/players/7/ban").by(&issuer.operator("op")), 200),
        // A route without a line in the table is closed to everybody.
        (get("/api/secrets").by(&issuer.operator("op")), 403),
        (get("/api/nowhere").by(&ada), 404),
        (get("/api/nowhere"), 404),
        (get("/livez"), 200),
    ] {
        assert_eq!(ask(&app, request).await.status, status);
    }
    assert_eq!(ask(&app, get("/api/leaderboard").by(&ada)).await.body, "player:7");
    let wrong_method = ask(&app, post("/api/leaderboard").by(&ada)).await;
    assert_eq!(
        (wrong_method.status, wrong_method.headers.get(ALLOW).unwrap().as_bytes()),
        (405, &b"GET"[..])
    );
}

#[actix_web::test]
async fn who_shows_nothing_good_is_told_nothing() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |_| {}));
    let app = app(&guarded).await;
    let good = issuer.player(7, 1);
    let stranger = Issuer::start().await;
    let megabyte = format!("Bearer {}", "a".repeat(1_000_000));
    for bad in [
        stranger.player(7, 1),
        stranger.service(),
        HeaderValue::from_static("Basic YWRhOnB3"),
        HeaderValue::from_static(""),
        HeaderValue::from_bytes(b"Bearer \xff").unwrap(),
        HeaderValue::from_str(&megabyte).unwrap(),
        HeaderValue::from_str(&format!("Bearer {}", ApiKey::generate().text().expose())).unwrap(),
    ] {
        let answer = ask(&app, get("/api/leaderboard").by(&bad)).await;
        assert_eq!(answer.status, 401, "{bad:?}");
        assert_eq!(answer.headers.get(WWW_AUTHENTICATE).unwrap(), "Bearer");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"]["message"], "a valid access token is needed");
        assert_eq!(body["error"].as_object().unwrap().len(), 3, "{body}");
    }
    assert_eq!(ask(&app, get("/api/leaderboard")).await.status, 401);
    let twice = get("/api/leaderboard").append_header((AUTHORIZATION, good.as_bytes()));
    assert_eq!(ask(&app, twice.append_header((AUTHORIZATION, good.as_bytes()))).await.status, 401);
    // Nobody asks at a public door, not even whoever brings something bad.
    assert_eq!(ask(&app, get("/").by(&stranger.player(7, 1))).await.body, "anonymous");
    // Locked out from one moment to the next.
    let until = Timestamp::now() + Duration::from_secs(300);
    assert_eq!(ask(&app, get("/api/leaderboard").by(&good)).await.status, 200);
    guarded.revocations().revoke_session(SessionId(1), until);
    assert_eq!(ask(&app, get("/api/leaderboard").by(&good)).await.status, 401);
    assert_eq!(ask(&app, get("/api/leaderboard").by(&issuer.player(7, 2))).await.status, 200);
}

#[actix_web::test]
async fn refusals_are_told_with_who_what_and_why() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |_| {}));
    let app = app(&guarded).await;
    // Who only forgot to log in is not told of.
    ask(&app, get("/api/leaderboard")).await;
    ask(&app, get("/api/leaderboard").by(&Issuer::start().await.player(7, 1))).await;
    let post = TestRequest::post().uri("/api/matches/start").peer_addr(address("127.0.0.1:4000"));
    ask(&app, post.by(&issuer.player(7, 1))).await;
    ask(&app, get("/api/secrets").by(&issuer.player(8, 1))).await;
    // Who is known comes first. What the table does not know is not written down in the caller's words.
    for expected in [
        ("player:7", "POST /api/matches/start", "forbidden"),
        ("player:8", "unknown", "forbidden"),
        ("anonymous", "GET /api/leaderboard", "wrong_key"),
    ] {
        let told = guarded.next_refusal().await;
        assert_eq!((told.caller.as_str(), told.door.as_str(), told.reason.as_str()), expected);
    }
}

#[actix_web::test]
async fn an_address_is_throttled_and_a_key_that_is_known_is_not() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| {
        (settings.address_requests, settings.trusted_proxies) = (2, 1);
    }));
    let app = app(&guarded).await;
    let from = |client: &str| get("/").insert_header(("x-forwarded-for", client));
    for _ in 0..4 {
        assert_eq!(ask(&app, from("6.6.6.6, 203.0.113.9")).await.status, 200);
    }
    // Whatever it claims of others before it.
    let refused = ask(&app, from("7.7.7.7, 203.0.113.9")).await;
    assert_eq!((refused.status, refused.headers.get(RETRY_AFTER).unwrap().as_bytes()), (429, &b"1"[..]));
    assert_eq!(ask(&app, from("203.0.113.10")).await.status, 200);
    let server = issuer.game_server("gs");
    let serve = |client: &str| from(client).uri("/api/leaderboard").by(&server);
    // Its token is looked at first, and that counts.
    assert_eq!(ask(&app, serve("203.0.113.9")).await.status, 429);
    assert_eq!(ask(&app, serve("203.0.113.11")).await.status, 200);
    for _ in 0..20 {
        assert_eq!(ask(&app, serve("203.0.113.9")).await.status, 200);
        let service = from("203.0.113.9").uri("/api/leaderboard").by(&issuer.service());
        assert_eq!(ask(&app, service).await.status, 200);
    }
    // Behind a proxy nobody is loopback because a header says so.
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask(&app, from("127.0.0.1")).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 429]);
}

#[actix_web::test]
async fn in_development_loopback_has_no_limit() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| settings.address_requests = 1));
    let app = app(&guarded).await;
    for _ in 0..10 {
        assert_eq!(ask(&app, get("/")).await.status, 200);
    }
}

#[actix_web::test]
async fn whoever_makes_up_credentials_pays_before_they_are_looked_up() {
    let issuer = Issuer::start().await;
    let keys = Arc::new(OneKey::new(ApiKey::generate()));
    let guarded = gatekeeper(&issuer, |settings| settings.address_requests = 1).with_api_keys(keys.clone());
    let guarded = Arc::new(guarded);
    let app = app(&guarded).await;
    let far = |text: &str, place: &str| {
        let bearer = HeaderValue::from_str(&format!("Bearer {text}")).unwrap();
        get("/api/leaderboard").peer_addr(address(place)).by(&bearer)
    };
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask(&app, far(ApiKey::generate().text().expose(), FAR)).await.status);
    }
    assert_eq!(statuses, [401, 401, 429, 429, 429]);
    assert_eq!(keys.looked_up.load(Ordering::Relaxed), 2);
    // The same for a token, be it good: its signature was not looked at before.
    let token = issuer.player(7, 1);
    let asking = get("/api/leaderboard").peer_addr(address(FAR)).by(&token);
    assert_eq!(ask(&app, asking).await.status, 429);
    // A key that is remembered comes in from there all the same.
    let good = keys.key.text().expose().to_owned();
    for (place, status) in [(FAR, 429), ("203.0.113.10:1", 200), (FAR, 200), (FAR, 200)] {
        assert_eq!(ask(&app, far(&good, place)).await.status, status, "{place}");
    }
    assert_eq!(keys.looked_up.load(Ordering::Relaxed), 3);
}

#[actix_web::test]
async fn in_production_loopback_is_an_address_like_any_other() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| {
        settings.address_requests = 1;
        settings.environment = Environment::Production;
    }));
    let app = app(&guarded).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask(&app, get("/")).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[actix_web::test]
async fn an_account_is_throttled_wherever_it_comes_from() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| settings.account_requests = 1));
    let app = app(&guarded).await;
    let mut statuses = Vec::new();
    for session in 1..=3 {
        let peer = address(&format!("203.0.113.{session}:1"));
        let request = get("/api/leaderboard").peer_addr(peer).by(&issuer.player(7, session));
        statuses.push(ask(&app, request).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(ask(&app, get("/api/leaderboard").by(&issuer.player(8, 9))).await.status, 200);
}

/// What a handler says when it has begun, and what it waits for.
#[derive(Default)]
struct Gate {
    entered: Notify,
    leave: Notify,
}

#[actix_web::test]
async fn what_does_not_fit_is_turned_away_at_once_but_probes_are_answered() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| settings.requests_in_flight = 1));
    let gate = web::Data::new(Gate::default());
    let hold = async |gate: web::Data<Gate>| {
        gate.entered.notify_one();
        gate.leave.notified().await;
        HttpResponse::Ok().finish()
    };
    let shown = Operations { readiness: Readiness::new(), service: "test" };
    let app = init_service(
        App::new()
            .app_data(gate.clone())
            .configure(|config| operations(config, shown))
            .route("/", web::get().to(hold))
            .wrap(Guard::new(guarded))
            .wrap(Instrument::new()),
    )
    .await;
    let others = async {
        gate.entered.notified().await;
        let shed = ask(&app, get("/")).await;
        assert_eq!((shed.status, shed.headers.contains_key(RETRY_AFTER)), (503, true));
        assert_eq!(ask(&app, get("/livez")).await.status, 200);
        gate.leave.notify_one();
    };
    let (first, ()) = tokio::join!(ask(&app, get("/")), others);
    assert_eq!(first.status, 200);
    gate.leave.notify_one();
    assert_eq!(ask(&app, get("/")).await.status, 200, "the place is free again");
}

#[actix_web::test]
async fn one_address_holds_only_a_part_of_the_places() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(gatekeeper(&issuer, |settings| {
        (settings.requests_in_flight, settings.trusted_proxies) = (16, 1);
    }));
    let gate = web::Data::new((Semaphore::new(0), Notify::new()));
    // Held as by a client whose body comes slowly.
    let hold = async |gate: web::Data<(Semaphore, Notify)>| {
        let (entered, leave) = gate.get_ref();
        entered.add_permits(1);
        leave.notified().await;
        HttpResponse::Ok().finish()
    };
    let app = init_service(
        App::new()
            .app_data(gate.clone())
            .route("/", web::get().to(hold))
            .route("/docs", web::get().to(HttpResponse::Ok))
            .wrap(Guard::new(guarded))
            .wrap(Instrument::new()),
    )
    .await;
    let from = |path: &str, client: &str| get(path).insert_header(("x-forwarded-for", client));
    let others = async {
        gate.0.acquire_many(2).await.unwrap().forget();
        let refused = ask(&app, from("/docs", "203.0.113.9")).await;
        assert_eq!((refused.status, refused.headers.contains_key(RETRY_AFTER)), (429, true));
        assert_eq!(ask(&app, from("/docs", "203.0.113.10")).await.status, 200);
        gate.1.notify_waiters();
    };
    let held = || ask(&app, from("/", "203.0.113.9"));
    let (first, second, ()) = tokio::join!(held(), held(), others);
    assert_eq!((first.status, second.status), (200, 200));
    assert_eq!(ask(&app, from("/docs", "203.0.113.9")).await.status, 200, "its places are free again");
}

#[actix_web::test]
async fn in_open_mode_everybody_is_let_in_but_where_operators_alone_go() {
    let mut settings = Settings::open();
    (settings.address_requests, settings.account_requests) = (1, 1);
    let guarded = Arc::new(Gatekeeper::new(&settings).unwrap());
    assert!(guarded.credential().is_none());
    let app = app(&guarded).await;
    for _ in 0..5 {
        assert_eq!(ask(&app, get("/api/leaderboard").peer_addr(address(FAR))).await.body, "open");
    }
    let rubbish = HeaderValue::from_static("Bearer rubbish");
    assert_eq!(ask(&app, get("/api/players/8").by(&rubbish)).await.status, 200);
    let ban = TestRequest::post().uri("/api/players/7/ban");
    assert_eq!(ask(&app, ban).await.status, 403);
    assert_eq!(ask(&app, get("/api/secrets")).await.status, 403);
}

/// One key that is good, and is remembered once it was looked up.
struct OneKey {
    key: ApiKey,
    looked_up: AtomicUsize,
    is_remembered: AtomicBool,
}

impl OneKey {
    fn new(key: ApiKey) -> Self {
        Self { key, looked_up: AtomicUsize::new(0), is_remembered: AtomicBool::new(false) }
    }

    fn holder(&self, key: &ApiKey) -> Option<Caller> {
        let caller = Caller::GameServer(Key { id: "gs".into(), scopes: Role::GameServer.scopes() });
        key.matches(&self.key.hash()).then_some(caller)
    }
}

impl ApiKeys for OneKey {
    fn caller<'a>(&'a self, key: &'a ApiKey) -> BoxFuture<'a, Result<Caller, Failure>> {
        self.looked_up.fetch_add(1, Ordering::Relaxed);
        let unknown = || Failure::new(ErrorKind::Unauthenticated, "a valid access token is needed");
        let found = self.holder(key).ok_or_else(unknown);
        self.is_remembered.fetch_or(found.is_ok(), Ordering::Relaxed);
        Box::pin(async move { found })
    }

    fn remembered(&self, key: &ApiKey) -> Option<Caller> {
        self.holder(key).filter(|_| self.is_remembered.load(Ordering::Relaxed))
    }
}

#[actix_web::test]
async fn an_api_key_is_taken_where_keys_are_known() {
    let issuer = Issuer::start().await;
    let key = ApiKey::generate();
    let bearer = |key: &ApiKey| HeaderValue::from_str(&format!("Bearer {}", key.text().expose())).unwrap();
    let good = bearer(&key);
    let guarded = Arc::new(gatekeeper(&issuer, |_| {}).with_api_keys(Arc::new(OneKey::new(key))));
    let app = app(&guarded).await;
    assert_eq!(ask(&app, get("/api/leaderboard").by(&good)).await.body, "game_server:gs");
    assert_eq!(ask(&app, get("/api/leaderboard").by(&bearer(&ApiKey::generate()))).await.status, 401);
    let nonsense = HeaderValue::from_static("Bearer ak_nonsense");
    assert_eq!(ask(&app, get("/api/leaderboard").by(&nonsense)).await.status, 401);
    let until = Timestamp::now() + Duration::from_secs(300);
    let revocations: &Revocations = guarded.revocations();
    revocations.revoke_key("gs", until);
    assert_eq!(ask(&app, get("/api/leaderboard").by(&good)).await.status, 401);
}

#[actix_web::test]
async fn tokens_wait_for_the_keys_and_required_mode_for_a_service_key() {
    let issuer = Issuer::start().await;
    let guarded = Arc::new(Gatekeeper::new(&issuer.settings()).unwrap());
    let app = app(&guarded).await;
    let asking = || get("/api/leaderboard").by(&issuer.player(7, 1));
    assert_eq!(ask(&app, asking()).await.status, 503);
    let tasks = Tasks::new();
    let tls = battlearena_tls::Tls::load(&battlearena_tls::Settings::default()).unwrap();
    guarded.start_learning_keys(&tasks, &tls).unwrap();
    let learned = async {
        while ask(&app, asking()).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), learned).await.unwrap();
    tasks.stop(Duration::from_secs(5)).await.unwrap();

    let without = Settings { auth: issuer.settings().auth, ..Settings::open() };
    let error = Gatekeeper::new(&without).unwrap_err().to_string();
    assert!(error.contains("ARENA_SERVICE_KEY"), "{error}");
    let weak = Settings::required("changeme".parse().unwrap(), "");
    let error = Gatekeeper::new(&weak).unwrap_err().to_string();
    assert!(error.contains("ARENA_SERVICE_KEY") && !error.contains("changeme"), "{error}");
}
