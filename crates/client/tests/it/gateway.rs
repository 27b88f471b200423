//! Every call against the real gateway: what it asks is understood, and what is answered is read.

use battlearena_client::Error;
use battlearena_client::calls::{
    self, Cents, CompletedMatch, LogIn, NewPlayer, Page, ParticipantStats, Purchase, SystemEvent,
};
use battlearena_proto::{ErrorKind, MatchId, MatchStatus, MatchType, PlayerId, Severity, TransactionStatus};
use serde_json::json;

use crate::platform::{Platform, eventually};

async fn register(platform: &Platform, name: &str) -> PlayerId {
    let new = NewPlayer::named(name, "somebody@example.com");
    let registered = platform.gateway.send(calls::register(&new)).await.unwrap();
    assert_eq!(registered.username, name);
    registered.player_id
}

#[tokio::test(flavor = "multi_thread")]
async fn players_come_and_buy() {
    let platform = Platform::start().await;
    let gateway = &platform.gateway;
    let ann = register(&platform, "ann").await;
    assert_eq!(gateway.send(calls::log_in(LogIn::Number(ann))).await.unwrap().username, "ann");
    let item = Purchase { player_id: ann, item_type: "skin", item_name: "Ice Crown", amount: Cents(2499) };
    let bought = gateway.send(calls::purchase(&item)).await.unwrap();
    assert_eq!((bought.amount, bought.status), (Cents(2499), TransactionStatus::Completed));
    let ledger = gateway.send(calls::player_transactions(ann, Page::newest(5))).await.unwrap().transactions;
    assert_eq!((ledger.len(), ledger[0].transaction_id), (1, bought.transaction_id));
    let profile = gateway.send(calls::player(ann)).await.unwrap();
    assert!(profile.is_active && profile.last_login.is_some() && profile.account_balance == Cents(0));
    let revenue = eventually(async || {
        let stats = gateway.send(calls::revenue_stats()).await.unwrap();
        (stats.transactions_today == 1).then_some(stats.revenue_today)
    });
    assert_eq!(revenue.await, Cents(2499));
    assert_eq!(gateway.send(calls::player_stats()).await.unwrap().total_players, 1);

    assert_eq!(gateway.send(calls::health()).await.unwrap().database, "connected");
    assert_eq!(gateway.send(calls::welcome()).await.unwrap().docs, "/docs");
    let metadata = json!({"release": "1.2"});
    let event = SystemEvent {
        event_type: "deployment",
        severity: Severity::Info,
        message: "1.2 is out",
        metadata: Some(&metadata),
    };
    assert!(gateway.send(calls::record_event(&event)).await.unwrap().event_id > 0);
    platform.was_counted_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_is_played() {
    let platform = Platform::start().await;
    let gateway = &platform.gateway;
    let (ann, bob) = (register(&platform, "ann").await, register(&platform, "bob").await);
    let start = calls::start_match(MatchType::Solo, &[ann, bob], "eu-west");
    let started = gateway.send(start).await.unwrap();
    assert_eq!((started.player_count, started.status), (2, MatchStatus::InProgress));
    let match_id = started.match_id;
    gateway.send(calls::heartbeat(match_id)).await.unwrap();
    let stats = [ParticipantStats { player_id: ann, score: 900, kills: 3, deaths: 1 }];
    let result = CompletedMatch { match_id, winner_id: ann, duration_seconds: 61, participant_stats: &stats };
    let complete = calls::complete_match(&result).with_key("the-one");
    let ended = gateway.send(complete).await.unwrap();
    assert_eq!((ended.winner_id, ended.duration_seconds), (Some(ann), Some(61)));
    let again = gateway.send(calls::complete_match(&result).with_key("the-one")).await.unwrap();
    assert_eq!(again, ended, "the same key is the same completion");

    let details = gateway.send(calls::match_details(match_id)).await.unwrap();
    assert_eq!((details.status, details.participants.len()), (MatchStatus::Completed, 2));
    assert_eq!(gateway.send(calls::player_matches(bob, Page::newest(3))).await.unwrap().matches, [details]);
    let first = eventually(async || {
        let board = gateway.send(calls::leaderboard(10)).await.unwrap().leaderboard;
        board.into_iter().next().filter(|place| place.points > 0)
    });
    let first = first.await;
    assert_eq!((first.player_id, first.rank), (ann, 1));
    let rank = gateway.send(calls::player_rank(ann)).await.unwrap();
    assert_eq!((rank.rank, rank.points), (Some(1), first.points));

    let crashed = gateway.send(calls::start_match(MatchType::Team, &[bob], "asia")).await.unwrap();
    let report = gateway.send(calls::crash_match(crashed.match_id, "the power went")).await.unwrap();
    assert_eq!(report.status, MatchStatus::Crashed);
    let counted = async || {
        let stats = gateway.send(calls::match_stats()).await.unwrap();
        (stats.crashed_today == 1).then_some((stats.total_matches, stats.in_progress))
    };
    assert_eq!(eventually(counted).await, (2, 0));
    platform.was_counted_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_is_wrong() {
    let platform = Platform::start().await;
    let gateway = &platform.gateway;
    let ann = register(&platform, "ann").await;
    let refused = |error| {
        let Error::Refused(refusal) = error else { panic!("{error}") };
        assert!(refusal.request_id.is_some());
        (refusal.kind, refusal.field)
    };
    let error = gateway.send(calls::log_in(LogIn::Number(PlayerId(99)))).await.unwrap_err();
    assert_eq!(refused(error), (ErrorKind::NotFound, Some("player_id".to_owned())));
    let error = gateway.send(calls::log_in(LogIn::Number(ann)).with_body("{")).await.unwrap_err();
    assert_eq!(refused(error), (ErrorKind::Malformed, None));
    let error = gateway.send(calls::start_match(MatchType::Team, &[ann, ann], "asia")).await.unwrap_err();
    assert_eq!(refused(error), (ErrorKind::Invalid, Some("player_ids".to_owned())));
    let error = gateway.send(calls::register(&NewPlayer::named("ann", "a@example.com"))).await.unwrap_err();
    assert_eq!(refused(error).0, ErrorKind::Conflict);
    let error = gateway.send(calls::heartbeat(MatchId(99))).await.unwrap_err();
    assert_eq!(refused(error).0, ErrorKind::NotFound);
    platform.was_counted_alike();
}
