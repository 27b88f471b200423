//! Requests that leave the HTTP server to become something else: the handshakes of sockets. They pass by the middleware,
//! and are measured and traced here like every other request, up to their answer and no further.

use actix_web::body::BodySize;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use tracing::Span;

use super::observation::{Headers, Observation, server_span};
use super::routes::{Routes, UNMATCHED};
use crate::trace;

/// The handshakes that one worker answers.
pub struct Handshakes {
    path: &'static str,
    routes: Routes,
}

impl Handshakes {
    /// The only handshake that there is is `GET path`; every other one is unmatched.
    pub fn new(path: &'static str) -> Self {
        let routes = Routes::new(&[(Method::GET, path)]);
        routes.find(&Method::GET, path).status(101).increment(0);
        Self { path, routes }
    }

    /// A handshake begins, by a stranger.
    pub fn begin(&self, head: &RequestHead) -> Handshake {
        let is_known = head.uri.path() == self.path;
        let route = self.routes.find(&head.method, if is_known { self.path } else { UNMATCHED });
        let span = server_span(&route, is_known, head.uri.path(), false);
        trace::set_parent_from(&span, &Headers(&head.headers), true);
        Handshake { observation: Observation::new(route, span.clone()), span }
    }
}

/// A handshake that is being answered. Dropped without an answer, its client gave up.
pub struct Handshake {
    observation: Observation,
    span: Span,
}

impl Handshake {
    /// Its span.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// It was answered, without a body. Whoever answers a handshake has decided so: no status is an unexplained fault.
    pub fn answered(self, status: u16) {
        self.observation.answered(status, BodySize::None, None);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::testing::{Spans, attribute, scraped};

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn requests(endpoint: &str, status: u16) -> f64 {
        let labels = format!(r#"method="GET",endpoint="{endpoint}",status="{status}""#);
        scraped(&format!("http_requests_total{{{labels}}}")).unwrap_or(0.0)
    }

    #[test]
    fn a_handshake_is_a_request_up_to_its_answer() {
        let spans = Spans::record();
        let handshakes = Handshakes::new("/test-ws");
        let request =
            |path: &str| TestRequest::get().uri(path).insert_header(("traceparent", CALLER)).to_request();
        let before = requests(UNMATCHED, 404);
        let handshake = handshakes.begin(request("/test-ws").head());
        assert!(!handshake.span().is_disabled());
        handshake.answered(101);
        handshakes.begin(request("/secret-door").head()).answered(404);
        drop(handshakes.begin(request("/test-ws").head()));
        handshakes.begin(request("/test-ws").head()).answered(503);

        assert_eq!([101, 499, 503].map(|status| requests("/test-ws", status)), [1.0; 3]);
        assert!(spans.lines("request failed").is_empty(), "who drains has not failed");
        assert!(requests(UNMATCHED, 404) > before);
        let [opened, elsewhere, given_up, _drained] = spans.finished().try_into().unwrap();
        assert_eq!(opened.name, "GET /test-ws");
        assert_eq!(opened.parent_span_id.to_string(), "b7ad6b7169203331");
        assert_eq!(elsewhere.name, "GET");
        let status = |span| attribute(span, "http.response.status_code");
        assert_eq!(
            [&opened, &elsewhere, &given_up].map(status),
            ["101", "404", "499"].map(|s| Some(s.to_owned()))
        );
    }
}
