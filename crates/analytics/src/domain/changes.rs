//! What a batch of events changes in the read models: sums and maxima, so that the order of events does not matter.

use std::collections::{BTreeSet, HashMap};

use battlearena_proto::events::{Event, event::Body};
use battlearena_proto::{ItemType, timestamp_from_wire};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::board::PlayerChange;

/// Why a session ended that its player ended.
const LOGGED_OUT: &str = "logged_out";

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Counted {
    /// `registrations`, `logins`, `log_outs`, `refused_log_ins`, `matches`, `transactions` or `system_events`.
    pub(crate) kind: &'static str,
    /// Match type, item type or empty.
    pub(crate) type_: String,
    /// started, completed, crashed, failed or empty.
    pub(crate) status: String,
}

/// How much of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) count: i64,
    /// Cents of transactions, seconds of completed matches.
    pub(crate) amount: i64,
}

/// The changes of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) days: HashMap<(Date, Counted), Count>,
    pub(crate) players: HashMap<i64, PlayerChange>,
    /// Whose names are to be forgotten, whatever else is said of them.
    pub(crate) deleted: BTreeSet<i64>,
}

impl Changes {
    /// Adds up events.
    pub(crate) fn of(events: &[Event]) -> Self {
        let mut changes = Self::default();
        for event in events {
            changes.add(event);
        }
        changes
    }

    /// Adds other changes to these.
    pub(crate) fn merge(&mut self, other: Self) {
        for (counted, count) in other.days {
            let sum = self.days.entry(counted).or_default();
            sum.count += count.count;
            sum.amount += count.amount;
        }
        for (player_id, change) in other.players {
            let player = self.players.entry(player_id).or_default();
            player.profile = change.profile.or(player.profile.take());
            player.renamed = later(player.renamed.take(), change.renamed);
            player.points += change.points;
            player.last_seen = player.last_seen.max(change.last_seen);
        }
        self.deleted.extend(other.deleted);
    }

    /// The same without the days.
    pub(crate) fn totals(&self) -> HashMap<&Counted, Count> {
        let mut totals: HashMap<&Counted, Count> = HashMap::new();
        for ((_, counted), count) in &self.days {
            let total = totals.entry(counted).or_default();
            total.count += count.count;
            total.amount += count.amount;
        }
        totals
    }

    fn add(&mut self, event: &Event) {
        let at = timestamp_from_wire(event.occurred_at).unwrap_or_default();
        match &event.body {
            None => {}
            Some(Body::PlayerRegistered(body)) => {
                self.count(at, "registrations", "", "", 0);
                let player = self.seen(body.player_id, at);
                player.profile = Some((body.username.clone(), body.level, body.tier.clone()));
            }
            Some(Body::PlayerLoggedIn(body)) => {
                self.count(at, "logins", "", "", 0);
                self.seen(body.player_id, at);
            }
            Some(Body::MatchStarted(body)) => {
                self.count(at, "matches", &body.match_type, "started", 0);
                for player_id in &body.player_ids {
                    self.seen(*player_id, at);
                }
            }
            Some(Body::MatchCompleted(body)) => {
                self.count(at, "matches", &body.match_type, "completed", i64::from(body.duration_seconds));
                for participant in &body.participants {
                    self.seen(participant.player_id, at).points += participant.points;
                }
            }
            Some(Body::MatchCrashed(body)) => self.count(at, "matches", &body.match_type, "crashed", 0),
            Some(Body::TransactionRecorded(body)) => {
                let item_type = ItemType::fold(&body.item_type).as_str();
                self.count(at, "transactions", item_type, &body.status, body.amount_minor);
                self.seen(body.player_id, at);
            }
            Some(Body::SystemEventRecorded(_)) => self.count(at, "system_events", "", "", 0),
            Some(Body::PlayersSeen(body)) => {
                for player_id in &body.player_ids {
                    self.seen(*player_id, at);
                }
            }
            Some(Body::PlayerRenamed(body)) => {
                let player = self.seen(body.player_id, at);
                let name = Some((body.name_version, body.username.clone()));
                player.renamed = later(player.renamed.take(), name);
            }
            Some(Body::PlayerDeleted(body)) => {
                self.deleted.insert(body.player_id);
            }
            Some(Body::SessionRevoked(body)) if body.reason == LOGGED_OUT => {
                self.count(at, "log_outs", "", "", 0);
            }
            Some(Body::LoginRefused(_)) => self.count(at, "refused_log_ins", "", "", 0),
            Some(
                Body::SessionRevoked(_)
                | Body::CredentialChanged(_)
                | Body::PlayerSanctioned(_)
                | Body::KeyChanged(_)
                | Body::AccessRefused(_),
            ) => {}
        }
    }

    fn count(&mut self, at: Timestamp, kind: &'static str, type_: &str, status: &str, amount: i64) {
        let day = at.to_zoned(TimeZone::UTC).date();
        let counted = Counted { kind, type_: type_.to_owned(), status: status.to_owned() };
        let count = self.days.entry((day, counted)).or_default();
        count.count += 1;
        count.amount += amount;
    }

    fn seen(&mut self, player_id: i64, at: Timestamp) -> &mut PlayerChange {
        let player = self.players.entry(player_id).or_default();
        player.last_seen = player.last_seen.max(at);
        player
    }
}

/// Of two names of a player the one that came later.
fn later(one: Option<(i32, String)>, other: Option<(i32, String)>) -> Option<(i32, String)> {
    one.into_iter().chain(other).max_by_key(|(version, _)| *version)
}

#[cfg(test)]
mod tests {
    use battlearena_proto::events::{
        LoginRefused, MatchCompleted, MatchCrashed, ParticipantResult, PlayerRegistered, PlayerRenamed,
        PlayersSeen, SessionRevoked, TransactionRecorded,
    };
    use battlearena_proto::timestamp_to_wire;

    use super::*;

    fn event(at: &str, body: Body) -> Event {
        Event {
            occurred_at: Some(timestamp_to_wire(at.parse().unwrap())),
            body: Some(body),
            ..Event::default()
        }
    }

    fn purchase(item_type: &str, status: &str, amount_minor: i64) -> Body {
        Body::TransactionRecorded(TransactionRecorded {
            player_id: 1,
            item_type: item_type.into(),
            status: status.into(),
            amount_minor,
            ..TransactionRecorded::default()
        })
    }

    fn renamed(name_version: i32, username: &str) -> Body {
        Body::PlayerRenamed(PlayerRenamed { player_id: 1, username: username.into(), name_version })
    }

    fn completed(points: i64) -> Body {
        Body::MatchCompleted(MatchCompleted {
            match_type: "team".into(),
            duration_seconds: 20,
            participants: vec![ParticipantResult { player_id: 1, points, ..ParticipantResult::default() }],
            ..MatchCompleted::default()
        })
    }

    fn events() -> Vec<Event> {
        let registered = PlayerRegistered {
            player_id: 1,
            username: "ada".into(),
            level: 3,
            tier: "free".into(),
            region: String::new(),
        };
        vec![
            event("2026-03-01T23:59:59Z", Body::PlayerRegistered(registered)),
            event("2026-03-01T23:59:59Z", renamed(2, "lovelace")),
            event("2026-03-01T23:59:59Z", renamed(1, "byron")),
            event("2026-03-02T00:00:00Z", completed(60)),
            event("2026-03-02T00:00:05Z", completed(7)),
            event("2026-03-02T00:00:04Z", purchase("skin", "completed", 999)),
            event("2026-03-02T00:00:03Z", purchase("dragon egg", "failed", 5)),
            event(
                "2026-03-02T00:00:01Z",
                Body::MatchCrashed(MatchCrashed { match_type: "solo".into(), ..MatchCrashed::default() }),
            ),
        ]
    }

    fn counted(kind: &'static str, type_: &str, status: &str) -> Counted {
        Counted { kind, type_: type_.into(), status: status.into() }
    }

    #[test]
    fn events_add_up_by_day() {
        let changes = Changes::of(&events());
        let at = |day: &str, what: Counted| changes.days[&(day.parse().unwrap(), what)];
        assert_eq!(at("2026-03-01", counted("registrations", "", "")), Count { count: 1, amount: 0 });
        assert_eq!(at("2026-03-02", counted("matches", "team", "completed")), Count { count: 2, amount: 40 });
        assert_eq!(at("2026-03-02", counted("matches", "solo", "crashed")), Count { count: 1, amount: 0 });
        assert_eq!(
            at("2026-03-02", counted("transactions", "skin", "completed")),
            Count { count: 1, amount: 999 }
        );
        assert_eq!(
            at("2026-03-02", counted("transactions", "other", "failed")),
            Count { count: 1, amount: 5 }
        );
        assert_eq!(changes.days.len(), 5);
    }

    #[test]
    fn log_outs_and_refusals_are_counted_and_other_ends_of_sessions_are_not() {
        let ended = |reason: &str| {
            let revoked = SessionRevoked { reason: reason.into(), ..SessionRevoked::default() };
            event("2026-03-02T00:00:00Z", Body::SessionRevoked(revoked))
        };
        let refused = event("2026-03-02T00:00:00Z", Body::LoginRefused(LoginRefused::default()));
        let changes = Changes::of(&[ended("logged_out"), ended("banned"), refused.clone(), refused]);
        let totals = changes.totals();
        let count = |kind| totals[&counted(kind, "", "")].count;
        assert_eq!((count("log_outs"), count("refused_log_ins"), totals.len()), (1, 2, 2));
    }

    #[test]
    fn players_add_up() {
        let changes = Changes::of(&events());
        assert_eq!(
            changes.players[&1],
            PlayerChange {
                profile: Some(("ada".into(), 3, "free".into())),
                renamed: Some((2, "lovelace".into())),
                points: 67,
                last_seen: "2026-03-02T00:00:05Z".parse().unwrap(),
            }
        );
    }

    #[test]
    fn a_connected_player_is_seen_and_counts_for_nothing_else() {
        let seen = Body::PlayersSeen(PlayersSeen { player_ids: vec![7, 8] });
        let changes = Changes::of(&[event("2026-03-02T00:00:05Z", seen)]);
        assert_eq!(changes.players[&8].last_seen, "2026-03-02T00:00:05Z".parse().unwrap());
        assert_eq!((changes.players.len(), changes.days.len()), (2, 0));
    }

    #[test]
    fn the_order_does_not_matter() {
        let mut backwards = events();
        backwards.reverse();
        assert_eq!(Changes::of(&backwards), Changes::of(&events()));
    }
}
