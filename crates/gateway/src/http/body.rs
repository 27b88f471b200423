//! JSON bodies: the content type, the size, the syntax and the fields, in this order, each mistake with its own status
//! and the last one with the name of the field.

use std::marker::PhantomData;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpRequest};
use battlearena_proto::{ErrorKind, Failure};
use battlearena_runtime::deadline;
use battlearena_telemetry::http::HttpFailure;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The largest body, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;

/// The longest wait for a whole body.
const LONGEST_READ: Duration = Duration::from_secs(4);

/// How much of a body that is too large is read, in bytes, before the connection is given up: a client that is still
/// sending would not see the answer.
const READ_TO_ANSWER: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = HttpFailure;
    type Future = LocalBoxFuture<'static, Result<Self, HttpFailure>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let json = is_json(request);
        let payload = payload.take();
        Box::pin(async move {
            if !json {
                let message = "the content type must be application/json";
                return Err(Failure::new(ErrorKind::UnsupportedMediaType, message).into());
            }
            let bytes = read_in_time(payload).await?;
            Ok(Self(decode(&bytes)?))
        })
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let media_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// A client that dawdles is told so before the deadline passes, which would look like a slowness of ours. A fifth of the
/// time is left to refuse, or to do the work.
async fn read_in_time(payload: Payload) -> Result<BytesMut, Failure> {
    let patience = LONGEST_READ.min(deadline::remaining() * 4 / 5);
    let late = |_elapsed| Failure::new(ErrorKind::Malformed, "the body did not arrive in time");
    tokio::time::timeout(patience, read(payload)).await.map_err(late)?
}

async fn read(mut payload: Payload) -> Result<BytesMut, Failure> {
    let mut bytes = BytesMut::new();
    let mut size = 0;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Failure::new(ErrorKind::Malformed, "the body ended too early"))?;
        size += chunk.len();
        if size <= LARGEST {
            bytes.extend_from_slice(&chunk);
        } else if size > READ_TO_ANSWER {
            break;
        }
    }
    if size > LARGEST {
        return Err(Failure::new(
            ErrorKind::PayloadTooLarge,
            format!("the body must have at most {LARGEST} bytes"),
        ));
    }
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize(&mut json) {
        Ok(Object(value)) => {
            json.end().map_err(|error| malformed(&error))?;
            Ok(value)
        }
        // The first thing that is wrong may be a field, and the body not JSON all the same.
        Err(error) => {
            check_syntax(bytes)?;
            Err(refused(&error))
        }
    }
}

/// A JSON object, and nothing else: serde by itself would take an array for one, field by field.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// Holds a body against JSON alone. A number such as 1e999 passes: that no field can hold it is the field's matter.
fn check_syntax(bytes: &[u8]) -> Result<(), Failure> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Failure::new(ErrorKind::Malformed, "the body is not JSON: it is not UTF-8"));
    }
    serde_json::from_slice::<IgnoredAny>(bytes).map(drop).map_err(|error| malformed(&error))
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Failure {
    let text = error.inner().to_string();
    let message: String = text.split(" at line ").next().unwrap_or_default().chars().take(200).collect();
    match field_of(&error.path().to_string(), &message) {
        Some(field) => Failure::invalid(field, message),
        None => Failure::new(ErrorKind::Invalid, message),
    }
}

/// Serde names a missing field in its text only, and the path is that of the object that should have it.
fn field_of(path: &str, message: &str) -> Option<String> {
    let path = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (path, missing) {
        ("", None) => None,
        ("", Some(name)) => Some(name.to_owned()),
        (path, None) => Some(path.to_owned()),
        (path, Some(name)) => Some(format!("{path}.{name}")),
    }
}

fn malformed(error: &serde_json::Error) -> Failure {
    let (line, column) = (error.line(), error.column());
    Failure::new(ErrorKind::Malformed, format!("the body is not JSON: line {line}, column {column}"))
}

#[cfg(test)]
mod tests {
    use actix_web::web::Bytes;
    use battlearena_runtime::Deadline;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only its reading is of interest")]
        amount: f64,
        lines: Vec<Object<Line>>,
    }

    #[derive(Debug, Deserialize)]
    struct Line {
        count: i32,
    }

    fn failure(body: &str) -> (ErrorKind, Option<String>) {
        let failure = decode::<Order>(body.as_bytes()).unwrap_err();
        (failure.kind(), failure.field().map(str::to_owned))
    }

    #[test]
    fn good_bodies_are_read_and_unknown_fields_ignored() {
        let order: Order = decode(br#" {"amount": 1, "lines": [{"count": 2}], "colour": "red"} "#).unwrap();
        assert_eq!(order.lines[0].0.count, 2);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in
            ["", "{", "amount=1", "[1,", "{\"amount\": 1} x", "{\"amount\": 1, \"lines\": [}", "\u{feff}{}"]
        {
            assert_eq!(failure(body), (ErrorKind::Malformed, None), "{body:?}");
        }
        assert_eq!(decode::<Order>(b"{\"amount\": \"\xff\"}").unwrap_err().kind(), ErrorKind::Malformed);
    }

    #[test]
    fn what_does_not_fit_names_the_field() {
        let table = [
            ("{}", Some("amount")),
            (r#"{"amount": "1", "lines": []}"#, Some("amount")),
            (r#"{"amount": null, "lines": []}"#, Some("amount")),
            (r#"{"amount": 1e999, "lines": []}"#, Some("amount")),
            (r#"{"amount": 1}"#, Some("lines")),
            (r#"{"amount": 1, "lines": [{"count": 1}, {}]}"#, Some("lines[1].count")),
            (r#"{"amount": 1, "lines": [{"count": 99999999999}]}"#, Some("lines[0].count")),
            (r#"{"amount": 1, "lines": [[1]]}"#, Some("lines[0]")),
            ("[1, []]", None),
            ("null", None),
            ("\"{}\"", None),
        ];
        for (body, field) in table {
            assert_eq!(failure(body), (ErrorKind::Invalid, field.map(str::to_owned)), "{body}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_dawdles_is_refused_before_the_deadline() {
        for (deadline_seconds, patience_seconds) in [(5, 4), (1, 0), (60, 4)] {
            let began = tokio::time::Instant::now();
            let beginning = futures::stream::iter([Ok(Bytes::from_static(b"{"))]);
            let body = beginning.chain(futures::stream::pending());
            let deadline = Deadline::after(Duration::from_secs(deadline_seconds));
            let failure = deadline::scope(deadline, read_in_time(Payload::from(body.boxed_local())));
            let failure = failure.await.unwrap_err();
            assert_eq!(failure.kind(), ErrorKind::Malformed);
            assert_eq!(failure.message(), "the body did not arrive in time");
            assert_eq!(began.elapsed().as_secs(), patience_seconds, "virtual time");
        }
    }

    #[test]
    fn an_answer_does_not_repeat_a_large_value() {
        let body = format!(r#"{{"amount": "{}", "lines": []}}"#, "x".repeat(10_000));
        assert!(decode::<Order>(body.as_bytes()).unwrap_err().message().len() <= 200);
    }
}
