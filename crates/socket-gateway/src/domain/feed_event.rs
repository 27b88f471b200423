//! What the feed shows of the platform's events: nothing that only its player may know.

use battlearena_proto::events::event::Body;
use battlearena_proto::events::{
    MatchCompleted, MatchCrashed, MatchStarted, PlayerRegistered, TransactionRecorded,
};
use serde_json::{Value, json};

/// The kinds of events of which the feed shows something.
pub(crate) const FEED_KINDS: [&str; 5] =
    ["player_registered", "match_started", "match_completed", "match_crashed", "transaction_recorded"];

/// The player whose name the feed shows of an event.
pub(crate) fn named_in(body: &Body) -> Option<i64> {
    match body {
        Body::PlayerRegistered(registered) => Some(registered.player_id),
        _ => None,
    }
}

/// The kind and the data that the feed shows; `None` for what it does not show.
pub(crate) fn feed_event(body: &Body) -> Option<(&'static str, Value)> {
    match body {
        Body::PlayerRegistered(PlayerRegistered { player_id, username, level, tier: _, region: _ }) => {
            let data = json!({"player_id": player_id, "username": username, "level": level});
            Some(("player_registered", data))
        }
        Body::MatchStarted(MatchStarted { match_id, match_type, server_region, player_ids }) => {
            let data = json!({"match_id": match_id, "match_type": match_type, "server_region": server_region,
                              "player_ids": player_ids});
            Some(("match_started", data))
        }
        Body::MatchCompleted(completed) => Some(("match_completed", self::completed(completed))),
        Body::MatchCrashed(crashed) => Some(("match_crashed", self::crashed(crashed))),
        Body::TransactionRecorded(purchase) if purchase.status == "completed" => {
            Some(("purchase", self::purchase(purchase)))
        }
        Body::TransactionRecorded(_)
        | Body::PlayerLoggedIn(_)
        | Body::PlayersSeen(_)
        | Body::SessionRevoked(_)
        | Body::LoginRefused(_)
        | Body::CredentialChanged(_)
        | Body::PlayerSanctioned(_)
        | Body::KeyChanged(_)
        | Body::PlayerDeleted(_)
        | Body::PlayerRenamed(_)
        | Body::AccessRefused(_)
        | Body::SystemEventRecorded(_) => None,
    }
}

fn completed(completed: &MatchCompleted) -> Value {
    let MatchCompleted { match_id, match_type, server_region, winner_id, duration_seconds, participants: _ } =
        completed;
    json!({"match_id": match_id, "match_type": match_type, "server_region": server_region,
           "winner_id": winner_id, "duration_seconds": duration_seconds})
}

fn crashed(crashed: &MatchCrashed) -> Value {
    let MatchCrashed { match_id, match_type, server_region, cause, duration_seconds, .. } = crashed;
    json!({"match_id": match_id, "match_type": match_type, "server_region": server_region, "cause": cause,
           "duration_seconds": duration_seconds})
}

fn purchase(purchase: &TransactionRecorded) -> Value {
    let TransactionRecorded {
        transaction_id, player_id, item_type, item_name, amount_minor, currency, ..
    } = purchase;
    json!({"transaction_id": transaction_id, "player_id": player_id, "item_type": item_type,
           "item_name": item_name, "amount_minor": amount_minor, "currency": currency})
}

#[cfg(test)]
mod tests {
    use battlearena_proto::events::PlayerLoggedIn;

    use super::*;

    #[test]
    fn failed_purchases_and_log_ins_are_private() {
        let mut purchase = TransactionRecorded { status: "failed".into(), ..TransactionRecorded::default() };
        assert_eq!(feed_event(&Body::TransactionRecorded(purchase.clone())), None);
        assert_eq!(feed_event(&Body::PlayerLoggedIn(PlayerLoggedIn { player_id: 1 })), None);
        purchase.status = "completed".into();
        assert_eq!(feed_event(&Body::TransactionRecorded(purchase)).unwrap().0, "purchase");
    }
}
