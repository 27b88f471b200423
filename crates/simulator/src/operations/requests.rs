//! The calls that players make. Pure but for the number of the run, which keeps names apart from every other
//! run's.

use std::sync::atomic::{AtomicU64, Ordering};

use battlearena_client::Call;
use battlearena_client::calls::{
    self, Cents, CompletedMatch, CrashedMatch, EndedMatch, LogIn, LoggedIn, NewPlayer, Purchase,
    PurchaseDecision, RecordedEvent, Registered, StartedMatch, SystemEvent,
};
use battlearena_proto::{MatchId, PlayerId, Tier};

use super::OpenMatch;
use crate::cast::Account;
use crate::plan::{Item, MatchPlan, Notice, REGIONS};

/// No id comes near it.
const UNKNOWN_ID: i64 = 9_000_000_000_000_000;
/// There is no such player.
pub(super) const UNKNOWN_PLAYER: PlayerId = PlayerId(UNKNOWN_ID);

/// Makes calls, each mutation with a key of its own.
#[derive(Debug)]
pub(super) struct Requests {
    run: u64,
    next: AtomicU64,
}

impl Requests {
    /// With a random number for the run: even a run with the same seed must not meet the names of the last one.
    pub(super) fn new() -> Self {
        Self { run: rand::random(), next: AtomicU64::new(0) }
    }

    /// A new player, with an account of its own or, in open mode, under a name of this run.
    pub(super) fn register(&self, account: Option<&Account>) -> Call<Registered> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let username = format!("sim-{:016x}-{number}", self.run);
        let tier = match number % 20 {
            0 => Tier::Enterprise,
            1..=3 => Tier::Premium,
            _ => Tier::Free,
        };
        let email = format!("{username}@players.example");
        let new = NewPlayer {
            level: 1 + (number % 50) as u32,
            tier,
            region: REGIONS[(number % REGIONS.len() as u64) as usize],
            ..NewPlayer::named(&username, &email)
        };
        account.map_or_else(|| calls::register(&new), |account| account.register(&new))
    }
}

pub(super) fn start_match(plan: &MatchPlan) -> Call<StartedMatch> {
    calls::start_match(plan.match_type, plan.roster.ids(), plan.region)
}

/// A match that ends before its time (the run is over) was played as long as it was open.
pub(super) fn complete_match(open: &OpenMatch) -> Call<EndedMatch> {
    let results = open.plan.results();
    calls::complete_match(&CompletedMatch {
        match_id: open.match_id,
        winner_id: results.first().map_or(PlayerId(UNKNOWN_ID), |winner| winner.player_id),
        duration_seconds: open.plan.length.min(open.began.elapsed()).as_secs() as u32,
        participant_stats: &results,
    })
}

pub(super) fn crash_match(match_id: MatchId) -> Call<CrashedMatch> {
    calls::crash_match(match_id, "Simulated crash of the game server")
}

pub(super) fn purchase(player_id: PlayerId, item: &Item) -> Call<PurchaseDecision> {
    let Item { item_type, name, price_cents } = *item;
    let amount = Cents(price_cents);
    calls::purchase(&Purchase { player_id, item_type: item_type.as_str(), item_name: name, amount })
}

pub(super) fn system_event(notice: &Notice) -> Call<RecordedEvent> {
    let Notice { event_type, severity, message } = *notice;
    calls::record_event(&SystemEvent { event_type, severity, message, metadata: None })
}

/// Must be refused, because it is not JSON.
pub(super) fn malformed_body() -> Call<LoggedIn> {
    calls::log_in(LogIn::Number(UNKNOWN_PLAYER)).with_body(r#"{"player_id": 1, "#)
}

/// Must be refused, because there is no such match.
pub(super) fn unknown_match() -> Call<CrashedMatch> {
    crash_match(MatchId(UNKNOWN_ID))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutation_has_a_key_of_its_own_and_a_log_in_none() {
        let keys = [1, 1, 2].map(|id| crash_match(MatchId(id)).key().unwrap().to_owned());
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(calls::log_in(LogIn::Number(PlayerId(1))).key(), None);
    }

    #[test]
    fn names_of_two_runs_differ() {
        let (one, other) = (Requests::new().register(None), Requests::new().register(None));
        assert_ne!(one.body(), other.body());
    }

    #[test]
    fn a_malformed_body_is_malformed() {
        serde_json::from_slice::<serde_json::Value>(malformed_body().body()).unwrap_err();
    }
}
