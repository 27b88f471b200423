//! What a refresh token is good for. Decided from facts alone: no clock, no SQL.

/// What is known of a refresh token that somebody presents, and of its session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Presented {
    /// How long ago it was used, in seconds; `None` when it was not.
    pub(crate) used_seconds_ago: Option<f64>,
    pub(crate) is_expired: bool,
    pub(crate) is_revoked: bool,
    /// The player is banned or the account is not active.
    pub(crate) is_locked_out: bool,
    /// How many tokens were made from it.
    pub(crate) successors: i64,
    /// A token that was made from it, or beside it, has been used: the session went on without this one.
    pub(crate) is_overtaken: bool,
}

/// Most tokens that are made from one: the second is for a refresh whose answer was lost.
const MOST_SUCCESSORS: i64 = 2;

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next token of the session is handed out.
    Renewed,
    /// It was used long ago, or the session went on without it: somebody has a copy, and nobody can say who. The session
    /// ends.
    Reused,
    /// It was used a moment ago, and as often as it may be.
    UsedUp,
    /// The session ended by itself.
    Expired,
    /// The session was ended, or its player may not enter.
    Revoked,
}

impl Presented {
    /// Decides. Within `grace_seconds` of its use a token is good for a second one: an answer was lost, or two refreshes
    /// were under way at once. Of the two, the one that is used first takes the session on.
    pub(crate) fn verdict(&self, grace_seconds: f64) -> Verdict {
        let Self { used_seconds_ago, is_expired, is_revoked, is_locked_out, successors, is_overtaken } =
            *self;
        if is_revoked || is_locked_out {
            Verdict::Revoked
        } else if is_expired {
            Verdict::Expired
        } else if is_overtaken || used_seconds_ago.is_some_and(|ago| ago > grace_seconds) {
            Verdict::Reused
        } else if successors >= MOST_SUCCESSORS {
            Verdict::UsedUp
        } else {
            Verdict::Renewed
        }
    }
}

/// Why a session ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RevokedReason {
    LoggedOut,
    RefreshReused,
    PasswordChanged,
    DeviceUnlinked,
    Banned,
    Deleted,
}

impl RevokedReason {
    /// The word in the table and in the event.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::RefreshReused => "refresh_reused",
            Self::PasswordChanged => "password_changed",
            Self::DeviceUnlinked => "device_unlinked",
            Self::Banned => "banned",
            Self::Deleted => "deleted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_once_but_for_the_grace() {
        let fresh = Presented {
            used_seconds_ago: None,
            is_expired: false,
            is_revoked: false,
            is_locked_out: false,
            successors: 0,
            is_overtaken: false,
        };
        let used = |ago| Presented { used_seconds_ago: Some(ago), successors: 1, ..fresh };
        let table = [
            (fresh, Verdict::Renewed),
            (used(0.0), Verdict::Renewed),
            (used(10.0), Verdict::Renewed),
            (used(10.1), Verdict::Reused),
            (Presented { successors: 2, ..used(9.0) }, Verdict::UsedUp),
            (Presented { successors: 2, ..used(10.1) }, Verdict::Reused),
            // Its sibling was used, or its successor.
            (Presented { is_overtaken: true, ..fresh }, Verdict::Reused),
            (Presented { is_overtaken: true, ..used(0.0) }, Verdict::Reused),
            (Presented { is_overtaken: true, is_revoked: true, ..fresh }, Verdict::Revoked),
            (Presented { is_expired: true, ..fresh }, Verdict::Expired),
            (Presented { is_revoked: true, ..fresh }, Verdict::Revoked),
            (Presented { is_locked_out: true, ..fresh }, Verdict::Revoked),
            // What is over is no reuse any more.
            (Presented { is_expired: true, ..used(99.0) }, Verdict::Expired),
            (Presented { is_revoked: true, ..used(99.0) }, Verdict::Revoked),
        ];
        for (presented, verdict) in table {
            assert_eq!(presented.verdict(10.0), verdict, "{presented:?}");
        }
    }
}
