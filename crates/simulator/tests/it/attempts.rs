//! The counts of what was sent are the truth: they are what arrived, attempt for attempt.

use std::collections::BTreeMap;

use battlearena_simulator::{Outcome, RequestCount};
use http::Method;

use crate::platform::{Arrived, Faults, Platform};
use crate::sockets::Sockets;
use crate::{check, operation, talk};

type Counts = BTreeMap<(String, String, u16), u64>;

fn told(outcome: &Outcome) -> Counts {
    let rows = outcome.summary.requests.iter();
    rows.map(|RequestCount { method, route, status, count }| {
        ((method.clone(), route.clone(), *status), *count)
    })
    .collect()
}

fn arrived(platform: &Platform) -> Counts {
    let mut counts = Counts::new();
    for Arrived { method, path, status, .. } in &platform.books.lock().unwrap().requests {
        *counts.entry((method.to_string(), route_of(path), *status)).or_default() += 1;
    }
    counts
}

/// The route that a path belongs to.
fn route_of(path: &str) -> String {
    let segments: Vec<_> = path.split('/').collect();
    let template = |at: usize, segment: &str| match segments[at.saturating_sub(1)] {
        "players" if segment.parse::<i64>().is_ok() => "{player_id}".to_owned(),
        "matches" if segment.parse::<i64>().is_ok() => "{match_id}".to_owned(),
        "chat" => "{room}".to_owned(),
        _ => segment.to_owned(),
    };
    let segments: Vec<_> = segments.iter().enumerate().map(|(at, segment)| template(at, segment)).collect();
    segments.join("/")
}

fn sum(counts: &Counts, is: impl Fn(&(String, String, u16)) -> bool) -> u64 {
    counts.iter().filter(|(key, _)| is(key)).map(|(_, count)| count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_counted_once_an_attempt() {
    let faults =
        Faults { drop_keyed: Some(5), refuse_keyed: Some(7), drop_log_ins: Some(10), ..Faults::default() };
    let platform = Platform::start(faults).await;
    let outcome = check(&platform, "--allow-errors").await;
    assert!(outcome.held(), "{}", outcome.summary);
    let (told, arrived) = (told(&outcome), arrived(&platform));
    assert_eq!(told, arrived);

    let attempts = |name| operation(&outcome, name).count + operation(&outcome, name).retries;
    for (name, route) in [
        ("register player", "/api/players/register"),
        ("start match", "/api/matches/start"),
        ("create transaction", "/api/transactions/create"),
        ("log system event", "/api/system/event"),
    ] {
        assert_eq!(sum(&told, |(_, of, _)| of == route), attempts(name), "{name}");
    }
    assert!(sum(&told, |(_, _, status)| *status == 0) > 0 && sum(&told, |(_, _, status)| *status == 503) > 0);
    let total = ("GET".to_owned(), "/api/stats/players".to_owned(), 200);
    assert!(told[&total] > 0, "also what was asked before the traffic");

    let [calls] = &outcome.summary.grpc_calls[..] else { panic!("{:?}", outcome.summary.grpc_calls) };
    assert_eq!(
        (calls.method.as_str(), calls.code.as_deref()),
        ("battlearena.analytics.v1.AnalyticsService/GetTotals", Some("OK"))
    );
    assert_eq!(calls.count, platform.books.lock().unwrap().asked_for_totals);

    let json = serde_json::to_value(&outcome.summary).unwrap();
    let row = &json["requests"][0];
    let names = ["method", "route", "status", "count"];
    assert!(names.iter().all(|name| !row[name].is_null()) && row.as_object().unwrap().len() == 4, "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_counted_as_well() {
    let sockets = Sockets::start(u64::MAX).await;
    let (platform, outcome) = talk::talk(&sockets, None).await;
    assert!(outcome.held(), "{}", outcome.summary);
    let mut told = told(&outcome);
    let handshakes = told.remove(&("GET".to_owned(), "/ws".to_owned(), 101));
    assert_eq!((handshakes, &told), (Some(12), &arrived(&platform)));
    let history = sum(&told, |(method, route, _)| {
        *method == Method::GET.as_str() && route == "/api/chat/{room}/history"
    });
    assert!(history > 0, "the check reads the rooms");
    let mut commands: BTreeMap<_, _> =
        outcome.summary.socket_commands.iter().map(|row| (row.command.as_str(), row.count)).collect();
    // There is no event log behind the feed, so that its three followers ask again and again.
    assert!(commands.remove("subscribe") >= Some(3));
    let said = outcome.summary.chat.acknowledged;
    assert_eq!(commands, BTreeMap::from([("hello", 12), ("join", 24), ("message", said)]));
}
