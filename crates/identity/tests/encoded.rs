//! The guard and routing read a path alike, however it is written: no spelling of a path leads around the table.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::sync::Arc;

use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpResponse, web};
use battlearena_identity::http::Guard;
use battlearena_identity::policy::TABLE;
use battlearena_identity::testing::Issuer;
use battlearena_identity::{Door, Gatekeeper};
use battlearena_telemetry::http::{Instrument, not_found};

/// Every route of the platform, written out before the patterns that would take them as well.
fn doors() -> Vec<(Method, &'static str, bool)> {
    let mut doors: Vec<_> = TABLE
        .iter()
        .filter_map(|entry| match entry.door {
            Door::Http(method, path) => Some((method.parse().unwrap(), path, entry.access.anybody)),
            Door::Rpc(_) | Door::Socket(_) => None,
        })
        .collect();
    doors.sort_by_key(|(_, path, _)| path.matches('{').count());
    doors
}

/// An app whose handlers all answer 200, and one more route that the table does not know.
async fn app() -> impl Service<actix_http::Request, Response = ServiceResponse, Error = Error> {
    let issuer = Issuer::start().await;
    let gatekeeper = Gatekeeper::with_keys(&issuer.settings(), issuer.ring().public_keys().clone()).unwrap();
    let mut app = App::new();
    for (method, path, _) in doors() {
        app = app.route(path, web::method(method).to(HttpResponse::Ok));
    }
    app = app.route("/api/secrets", web::get().to(HttpResponse::Ok));
    init_service(
        app.default_service(not_found()).wrap(Guard::new(Arc::new(gatekeeper))).wrap(Instrument::new()),
    )
    .await
}

/// What somebody who shows nothing is answered.
async fn ask(
    app: &impl Service<actix_http::Request, Response = ServiceResponse, Error = Error>,
    method: &Method,
    path: &str,
) -> u16 {
    let request = TestRequest::default().method(method.clone()).uri(path);
    let request = request.peer_addr("127.0.0.1:4000".parse().unwrap()).to_request();
    match app.call(request).await {
        Ok(response) => response.status().as_u16(),
        Err(error) => error.error_response().status().as_u16(),
    }
}

/// Some bytes of a path as `%61`, or by another sign for the per cent, in the case of `hex`.
fn encoded(path: &str, sign: &str, is_upper: bool, which: impl Fn(usize, u8) -> bool) -> String {
    let mut text = String::new();
    for (place, byte) in path.bytes().enumerate() {
        match (which(place, byte), is_upper) {
            (true, true) => write!(text, "{sign}{byte:02X}").unwrap(),
            (true, false) => write!(text, "{sign}{byte:02x}").unwrap(),
            (false, _) => text.push(char::from(byte)),
        }
    }
    text
}

fn example(pattern: &str) -> String {
    pattern
        .replace("{player_id}", "7")
        .replace("{match_id}", "m-1")
        .replace("{room}", "lobby")
        .replace("{file}", "a.css")
}

#[actix_web::test]
async fn an_encoded_path_is_its_route() {
    let app = app().await;
    let mut asked = 0;
    for (method, pattern, is_public) in doors() {
        let (path, expected) = (example(pattern), if is_public { 200 } else { 401 });
        let spellings = [
            path.clone(),
            encoded(&path, "%", false, |place, _| place == 1),
            encoded(&path, "%", false, |_, byte| byte != b'/'),
            encoded(&path, "%", true, |_, byte| byte != b'/'),
            encoded(&path, "%", false, |place, byte| byte != b'/' && place % 2 == 0),
            encoded(&path, "%", true, |place, _| place + 1 == path.len() && path.len() > 1),
        ];
        for spelling in spellings {
            assert_eq!(ask(&app, &method, &spelling).await, expected, "{method} {spelling}");
            asked += 1;
        }
    }
    assert!(asked > 200, "{asked}");
    // A route that the table does not know stays closed.
    for path in ["/api/secrets", "/%61pi/secrets", "/api/%73ecret%73"] {
        assert_eq!(ask(&app, &Method::GET, path).await, 403, "{path}");
    }
}

#[actix_web::test]
async fn no_other_spelling_reaches_a_handler_that_is_closed() {
    let app = app().await;
    for (method, pattern, _) in doors().into_iter().filter(|(_, _, is_public)| !is_public) {
        let path = example(pattern);
        for spelling in [
            encoded(&path, "%25", false, |place, _| place == 1),
            encoded(&path, "%25", true, |_, byte| byte != b'/'),
            encoded(&path, "%2525", false, |place, _| place == 1),
            encoded(&path, "%", false, |place, byte| byte == b'/' && place > 0),
            encoded(&path, "%", true, |place, _| place > 0),
            encoded(&path, "%25", false, |place, byte| byte == b'/' && place > 0),
            format!("/{path}"),
            format!("{path}/"),
            format!("/.{path}"),
            format!("/%2e{path}"),
            format!("/x/..{path}"),
            format!("/x/%2e%2e{path}"),
            format!("{path}%00"),
            format!("{path}%ff"),
            format!("{path};x"),
            format!("{path}%3fx"),
        ] {
            let status = ask(&app, &method, &spelling).await;
            assert!(matches!(status, 401 | 404 | 405), "{status} for {method} {spelling}");
        }
    }
}
