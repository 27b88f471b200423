//! What an answer proves: that an operation took place, that it did not, or nothing. Pure.

use battlearena_proto::{ErrorKind, TransactionStatus};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::api::{Answer, Delivery};
use crate::report::Problem;

/// What is known after an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict<T> {
    /// It took place, and the answer says this.
    Applied(T),
    /// It did not take place.
    NotApplied(Problem),
    /// It may have taken place.
    Unknown(Problem),
}

/// Judges a request that should succeed; `read` checks the body of a success.
pub(super) fn judge<T>(delivery: &Delivery, read: impl FnOnce(&Answer) -> Result<T, String>) -> Verdict<T> {
    let answer = match &delivery.result {
        Ok(answer) => answer,
        Err(fault) => {
            let problem = Problem::plain(fault.to_string());
            return if delivery.lost == 0 { Verdict::NotApplied(problem) } else { Verdict::Unknown(problem) };
        }
    };
    if answer.status.is_success() {
        match read(answer) {
            Ok(value) => Verdict::Applied(value),
            Err(why) => Verdict::Unknown(unexpected(answer, &why)),
        }
    } else if answer.status.is_server_error() {
        Verdict::Unknown(unexpected(answer, "not a final answer"))
    } else {
        Verdict::NotApplied(unexpected(answer, "refused"))
    }
}

/// Judges a request that must be refused in one way: the status, and the code in the platform's error shape.
pub(super) fn judge_refusal(delivery: &Delivery, expected: ErrorKind) -> Verdict<()> {
    let answer = match &delivery.result {
        Ok(answer) => answer,
        Err(fault) => return Verdict::NotApplied(Problem::plain(fault.to_string())),
    };
    let fits = answer.status.as_u16() == expected.http_status()
        && parse::<Refusal>(answer).is_ok_and(|refusal| refusal.error.is(expected));
    if fits {
        Verdict::Applied(())
    } else {
        let why = format!("expected {} {}", expected.http_status(), expected.as_str());
        Verdict::NotApplied(unexpected(answer, &why))
    }
}

pub(super) fn total_players(answer: &Answer) -> Result<i64, String> {
    #[derive(Deserialize)]
    struct Body {
        total_players: i64,
    }
    parse::<Body>(answer).map(|body| body.total_players)
}

pub(super) fn player_id(answer: &Answer) -> Result<i64, String> {
    #[derive(Deserialize)]
    struct Body {
        player_id: i64,
    }
    parse::<Body>(answer).map(|body| body.player_id)
}

pub(super) fn same_player(answer: &Answer, expected: i64) -> Result<(), String> {
    match player_id(answer)? {
        answered if answered == expected => Ok(()),
        _ => Err("another player".to_owned()),
    }
}

/// A match that is now in progress: its id.
pub(super) fn started_match(answer: &Answer) -> Result<i64, String> {
    #[derive(Deserialize)]
    struct Body {
        match_id: i64,
    }
    status(answer, "in_progress")?;
    parse::<Body>(answer).map(|body| body.match_id)
}

pub(super) fn status(answer: &Answer, expected: &str) -> Result<(), String> {
    let body: Status<'_> = parse(answer)?;
    if body.status == expected { Ok(()) } else { Err(format!("status {}", body.status)) }
}

/// How a purchase was decided: completed or failed.
pub(super) fn purchase_status(answer: &Answer) -> Result<TransactionStatus, String> {
    let body: Status<'_> = parse(answer)?;
    match body.status.parse() {
        Ok(status @ (TransactionStatus::Completed | TransactionStatus::Failed)) => Ok(status),
        Ok(TransactionStatus::Refunded) | Err(_) => Err(format!("status {}", body.status)),
    }
}

pub(super) fn any_json(answer: &Answer) -> Result<(), String> {
    parse::<IgnoredAny>(answer).map(|_| ())
}

/// No content, 204.
pub(super) fn nothing(answer: &Answer) -> Result<(), String> {
    if answer.status == http::StatusCode::NO_CONTENT { Ok(()) } else { Err("content".to_owned()) }
}

#[derive(Deserialize)]
struct Status<'a> {
    status: &'a str,
}

#[derive(Deserialize)]
struct Refusal {
    error: Details,
}

#[derive(Deserialize)]
struct Details {
    code: String,
    message: String,
    request_id: String,
}

impl Details {
    fn is(&self, kind: ErrorKind) -> bool {
        self.code == kind.as_str() && !self.message.is_empty() && !self.request_id.is_empty()
    }
}

fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, String> {
    serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
}

fn unexpected(answer: &Answer, why: &str) -> Problem {
    let status = answer.status.as_u16();
    let what = match parse_owned::<Refusal>(answer) {
        Some(refusal) => format!("{status} {}", refusal.error.code),
        None => format!("{status} {why}"),
    };
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    Problem { what, example: format!("{status} ({why}): {body}") }
}

fn parse_owned<T: DeserializeOwned>(answer: &Answer) -> Option<T> {
    serde_json::from_slice(&answer.body).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::api::Fault;

    fn answered(status: u16, body: &'static str) -> Delivery {
        let status = StatusCode::from_u16(status).unwrap();
        Delivery {
            result: Ok(Answer { status, body: Bytes::from_static(body.as_bytes()) }),
            lost: 0,
            retries: 0,
        }
    }

    #[test]
    fn a_success_proves_what_it_says() {
        let verdict = judge(&answered(200, r#"{"match_id":7,"status":"in_progress"}"#), started_match);
        assert_eq!(verdict, Verdict::Applied(7));
        let verdict = judge(&answered(200, r#"{"status":"failed"}"#), purchase_status);
        assert_eq!(verdict, Verdict::Applied(TransactionStatus::Failed));
        assert_eq!(judge(&answered(204, ""), nothing), Verdict::Applied(()));
    }

    #[test]
    fn a_success_that_cannot_be_read_proves_nothing() {
        for body in
            ["", "{}", r#"{"match_id":7,"status":"completed"}"#, r#"{"match_id":"7","status":"in_progress"}"#]
        {
            assert!(matches!(judge(&answered(200, body), started_match), Verdict::Unknown(_)), "{body}");
        }
        let other = answered(200, r#"{"player_id":2}"#);
        assert!(matches!(judge(&other, |answer| same_player(answer, 1)), Verdict::Unknown(_)));
    }

    #[test]
    fn a_refusal_proves_that_nothing_happened() {
        let conflict = answered(409, r#"{"error":{"code":"conflict","message":"over","request_id":"r"}}"#);
        let Verdict::NotApplied(problem) = judge(&conflict, any_json) else { panic!("{conflict:?}") };
        assert_eq!(problem.what, "409 conflict");
        assert!(matches!(judge(&answered(502, "proxy"), any_json), Verdict::Unknown(_)));
    }

    #[test]
    fn what_never_left_did_not_happen() {
        let never = Delivery { result: Err(Fault::NotConnected), lost: 0, retries: 9 };
        assert!(matches!(judge(&never, any_json), Verdict::NotApplied(_)));
        let perhaps = Delivery { result: Err(Fault::NotConnected), lost: 1, retries: 9 };
        assert!(matches!(judge(&perhaps, any_json), Verdict::Unknown(_)));
    }

    #[test]
    fn a_mistake_must_be_refused_in_the_right_way() {
        let right = r#"{"error":{"code":"not_found","message":"no such player","request_id":"r"}}"#;
        assert_eq!(judge_refusal(&answered(404, right), ErrorKind::NotFound), Verdict::Applied(()));
        for (status, body) in [(200, "{}"), (404, "{}"), (400, right), (404, ""), (500, right)] {
            let verdict = judge_refusal(&answered(status, body), ErrorKind::NotFound);
            assert!(matches!(verdict, Verdict::NotApplied(_)), "{status} {body}");
        }
        let code = r#"{"error":{"code":"internal","message":"no such player","request_id":"r"}}"#;
        assert!(matches!(judge_refusal(&answered(404, code), ErrorKind::NotFound), Verdict::NotApplied(_)));
    }
}
