//! What an answer proves: that an operation took place, that it did not, or nothing. Pure.

use battlearena_client::calls::{LoggedIn, Player, PurchaseDecision, StartedMatch};
use battlearena_client::{Delivery, Error, Refusal, Tokens};
use battlearena_proto::{ErrorKind, MatchId, MatchStatus, PlayerId, TransactionStatus};

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

/// Judges a call that should succeed; `check` looks at the answer of a success.
pub(super) fn judge<A, T>(delivery: &Delivery<A>, check: impl FnOnce(&A) -> Result<T, String>) -> Verdict<T> {
    match &delivery.result {
        Ok(answer) => match check(answer) {
            Ok(value) => Verdict::Applied(value),
            Err(why) => Verdict::Unknown(Problem::plain(format!("answered with {why}"))),
        },
        Err(error) if error.may_have_been_applied() => Verdict::Unknown(problem(error)),
        Err(error) => Verdict::NotApplied(problem(error)),
    }
}

/// Judges a call that must be refused in one of these ways.
pub(super) fn judge_refusal<A>(delivery: &Delivery<A>, expected: &[ErrorKind]) -> Verdict<()> {
    match &delivery.result {
        Err(Error::Refused(Refusal { kind, .. })) if expected.contains(kind) => Verdict::Applied(()),
        Err(error) => Verdict::NotApplied(problem(error)),
        Ok(_) => {
            let expected = expected.first().map_or("refused", |kind| kind.as_str());
            Verdict::NotApplied(Problem::plain(format!("accepted instead of {expected}")))
        }
    }
}

/// Any answer will do.
pub(super) fn anything<A>(_: &A) -> Result<(), String> {
    Ok(())
}

/// The player who was expected: the new session, if any.
pub(super) fn logged_in(expected: PlayerId) -> impl FnOnce(&LoggedIn) -> Result<Option<Tokens>, String> {
    move |answer| same_player(answer.player_id, expected).map(|()| answer.tokens.clone())
}

/// Some player, with a session.
pub(super) fn session(answer: &LoggedIn) -> Result<(PlayerId, Tokens), String> {
    let tokens = answer.tokens.clone().ok_or("no session")?;
    Ok((answer.player_id, tokens))
}

pub(super) fn profile_of(expected: PlayerId) -> impl FnOnce(&Player) -> Result<(), String> {
    move |answer| same_player(answer.player_id, expected)
}

/// A match that is now in progress: its id.
pub(super) fn started_match(answer: &StartedMatch) -> Result<MatchId, String> {
    has_status(answer.status, MatchStatus::InProgress).map(|()| answer.match_id)
}

pub(super) fn has_status(status: MatchStatus, expected: MatchStatus) -> Result<(), String> {
    if status == expected { Ok(()) } else { Err(format!("status {status}")) }
}

/// How a purchase was decided: completed or failed.
pub(super) fn purchase_status(answer: &PurchaseDecision) -> Result<TransactionStatus, String> {
    match answer.status {
        status @ (TransactionStatus::Completed | TransactionStatus::Failed) => Ok(status),
        TransactionStatus::Refunded => Err(format!("status {}", answer.status)),
    }
}

fn same_player(answered: PlayerId, expected: PlayerId) -> Result<(), String> {
    if answered == expected { Ok(()) } else { Err("another player".to_owned()) }
}

fn problem(error: &Error) -> Problem {
    let what = match error {
        Error::Refused(Refusal { kind, .. }) => format!("{} {kind}", kind.http_status()),
        Error::Unanswered { fault, .. } => fault.to_string(),
        Error::Unreadable { status, .. } => format!("{status} unreadable"),
    };
    Problem { what, example: error.to_string() }
}

#[cfg(test)]
mod tests {
    use battlearena_client::Fault;

    use super::*;

    fn delivered<A>(result: Result<A, Error>) -> Delivery<A> {
        Delivery { result, lost: 0, retries: 0, status: None }
    }

    fn refused(kind: ErrorKind) -> Delivery<()> {
        let message = "no".to_owned();
        delivered(Err(Refusal { kind, message, field: None, request_id: Some("r".into()) }.into()))
    }

    fn unanswered(lost: u32) -> Delivery<()> {
        delivered(Err(Error::Unanswered { fault: Fault::NotConnected, lost }))
    }

    #[test]
    fn a_success_proves_what_it_says() {
        assert_eq!(judge(&delivered(Ok(7)), |id| Ok(*id)), Verdict::Applied(7));
        let other = judge(&delivered(Ok(PlayerId(2))), |id| same_player(*id, PlayerId(1)));
        assert!(matches!(other, Verdict::Unknown(_)), "{other:?}");
        has_status(MatchStatus::Completed, MatchStatus::InProgress).unwrap_err();
    }

    #[test]
    fn a_success_that_cannot_be_read_proves_nothing() {
        let unreadable = Error::Unreadable { status: 200, why: "w".into(), text: "t".into() };
        assert!(matches!(judge(&delivered::<()>(Err(unreadable)), anything), Verdict::Unknown(_)));
    }

    #[test]
    fn a_refusal_proves_that_nothing_happened() {
        let conflict = refused(ErrorKind::Conflict);
        let Verdict::NotApplied(problem) = judge(&conflict, anything) else { panic!("{conflict:?}") };
        assert_eq!(problem.what, "409 conflict");
    }

    #[test]
    fn what_never_left_did_not_happen() {
        assert!(matches!(judge(&unanswered(0), anything), Verdict::NotApplied(_)));
        assert!(matches!(judge(&unanswered(1), anything), Verdict::Unknown(_)));
    }

    #[test]
    fn a_mistake_must_be_refused_in_the_right_way() {
        let expected = &[ErrorKind::NotFound, ErrorKind::Throttled];
        for right in [ErrorKind::NotFound, ErrorKind::Throttled] {
            assert_eq!(judge_refusal(&refused(right), expected), Verdict::Applied(()));
        }
        for wrong in [refused(ErrorKind::Invalid), delivered(Ok(())), unanswered(1)] {
            assert!(matches!(judge_refusal(&wrong, expected), Verdict::NotApplied(_)), "{wrong:?}");
        }
    }
}
