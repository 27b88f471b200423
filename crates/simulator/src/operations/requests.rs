//! The requests that players send: paths, bodies and idempotency keys, in the gateway's words. Pure but for
//! the number of the run, which keeps keys and names apart from every other run's.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::Method;
use serde::Serialize;
use serde_json::json;

use super::OpenMatch;
use crate::api::{Call, Patience};
use crate::plan::{Item, MatchPlan, Mistake, PlayerResult, REGIONS, Read};

/// No id comes near it.
const UNKNOWN_ID: i64 = 9_000_000_000_000_000;

/// Makes requests, each mutation with a key of its own.
#[derive(Debug)]
pub(super) struct Requests {
    run: u64,
    next: AtomicU64,
}

impl Requests {
    /// With a random number for the run: even a run with the same seed must not be taken for a retry of the
    /// last one.
    pub(super) fn new() -> Self {
        Self { run: rand::random(), next: AtomicU64::new(0) }
    }

    pub(super) fn register(&self) -> Call {
        let number = self.number();
        let username = format!("sim-{:016x}-{number}", self.run);
        let tier = match number % 20 {
            0 => "enterprise",
            1..=3 => "premium",
            _ => "free",
        };
        let body = Register {
            email: format!("{username}@players.example"),
            username,
            level: 1 + number % 50,
            tier,
            region: REGIONS[(number % REGIONS.len() as u64) as usize],
        };
        self.mutation("/api/players/register", &body)
    }

    /// A log-in has no key: each one that is accepted counts.
    pub(super) fn log_in(&self, player_id: i64) -> Call {
        Call { idempotency_key: None, ..self.mutation("/api/players/login", &LogIn { player_id }) }
    }

    pub(super) fn start_match(&self, plan: &MatchPlan) -> Call {
        let body = StartMatch {
            match_type: plan.match_type.as_str(),
            player_ids: plan.roster.ids(),
            server_region: plan.region,
        };
        self.mutation("/api/matches/start", &body)
    }

    /// A match that ends before its time (the run is over) was played as long as it was open.
    pub(super) fn complete_match(&self, open: &OpenMatch) -> Call {
        let results = open.plan.results();
        let body = CompleteMatch {
            match_id: open.match_id,
            winner_id: results.first().map_or(UNKNOWN_ID, |winner| winner.player_id),
            duration_seconds: open.plan.length.min(open.began.elapsed()).as_secs(),
            participant_stats: results.iter().map(ParticipantStats::from).collect(),
        };
        self.mutation("/api/matches/complete", &body)
    }

    pub(super) fn crash_match(&self, match_id: i64) -> Call {
        let body = CrashMatch { match_id, error_message: "Simulated crash of the game server" };
        self.mutation("/api/matches/crash", &body)
    }

    pub(super) fn heartbeat(&self, match_id: i64) -> Call {
        let path = format!("/api/matches/{match_id}/heartbeat");
        Call { patience: Patience::Once, ..self.mutation(path, &json!({})) }
    }

    pub(super) fn purchase(&self, player_id: i64, item: &Item) -> Call {
        let body = Purchase {
            player_id,
            item_type: item.item_type.as_str(),
            item_name: item.name,
            // Whole cents below a thousand dollars: the shortest form of the nearest number has at most two
            // places.
            amount: item.price_cents as f64 / 100.0,
        };
        self.mutation("/api/transactions/create", &body)
    }

    pub(super) fn total_players(&self) -> Call {
        Call { patience: Patience::UntilAnswered, ..get("/api/stats/players") }
    }

    pub(super) fn read(&self, read: Read) -> Call {
        match read {
            Read::Player(id) => get(format!("/api/players/{id}")),
            Read::Rank(id) => get(format!("/api/players/{id}/rank")),
            Read::PlayerMatches(id) => get(format!("/api/players/{id}/matches?limit=10")),
            Read::Leaderboard => get("/api/leaderboard?limit=10"),
            Read::PlayerStats => get("/api/stats/players"),
            Read::MatchStats => get("/api/stats/matches"),
            Read::RevenueStats => get("/api/stats/revenue"),
        }
    }

    /// A request that must be refused; sent once.
    pub(super) fn mistake(&self, mistake: Mistake) -> Call {
        let call = match mistake {
            Mistake::UnknownPlayer => self.log_in(UNKNOWN_ID),
            Mistake::MalformedBody => {
                Call { body: Bytes::from_static(br#"{"player_id": 1, "#), ..self.log_in(UNKNOWN_ID) }
            }
            Mistake::UnknownMatch => self.crash_match(UNKNOWN_ID),
        };
        Call { patience: Patience::Once, ..call }
    }

    fn mutation(&self, path: impl Into<Cow<'static, str>>, body: &impl Serialize) -> Call {
        Call {
            method: Method::POST,
            path: path.into(),
            idempotency_key: Some(format!("sim-{:016x}-{}", self.run, self.number())),
            // Structs of numbers and text can always be written.
            body: serde_json::to_vec(body).unwrap_or_default().into(),
            patience: Patience::UntilAnswered,
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

fn get(path: impl Into<Cow<'static, str>>) -> Call {
    let patience = Patience::Once;
    Call { method: Method::GET, path: path.into(), idempotency_key: None, body: Bytes::new(), patience }
}

#[derive(Serialize)]
struct Register {
    username: String,
    email: String,
    level: u64,
    tier: &'static str,
    region: &'static str,
}

#[derive(Serialize)]
struct LogIn {
    player_id: i64,
}

#[derive(Serialize)]
struct StartMatch<'a> {
    match_type: &'static str,
    player_ids: &'a [i64],
    server_region: &'static str,
}

#[derive(Serialize)]
struct CompleteMatch {
    match_id: i64,
    winner_id: i64,
    duration_seconds: u64,
    participant_stats: Vec<ParticipantStats>,
}

#[derive(Serialize)]
struct ParticipantStats {
    player_id: i64,
    score: i64,
    kills: i32,
    deaths: i32,
}

impl From<&PlayerResult> for ParticipantStats {
    fn from(result: &PlayerResult) -> Self {
        let PlayerResult { player_id, score, kills, deaths } = *result;
        Self { player_id, score, kills, deaths }
    }
}

#[derive(Serialize)]
struct CrashMatch {
    match_id: i64,
    error_message: &'static str,
}

#[derive(Serialize)]
struct Purchase {
    player_id: i64,
    item_type: &'static str,
    item_name: &'static str,
    amount: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ITEMS;

    #[test]
    fn prices_have_two_places() {
        for item in &ITEMS {
            let call = Requests::new().purchase(1, item);
            let text = std::str::from_utf8(&call.body).unwrap();
            let (dollars, cents) = (item.price_cents / 100, item.price_cents % 100);
            assert!(text.ends_with(&format!("\"amount\":{dollars}.{cents:02}}}")), "{text}");
        }
    }

    #[test]
    fn every_mutation_has_a_key_of_its_own_and_a_log_in_none() {
        let (one, other) = (Requests::new(), Requests::new());
        let keys = [&one, &one, &other].map(|requests| requests.crash_match(1).idempotency_key.unwrap());
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(one.log_in(1).idempotency_key, None);
    }

    #[test]
    fn a_malformed_body_is_malformed() {
        let call = Requests::new().mistake(Mistake::MalformedBody);
        serde_json::from_slice::<serde_json::Value>(&call.body).unwrap_err();
    }
}
