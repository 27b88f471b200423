//! The simulator against a small real platform that keeps books and misbehaves on demand: what the check
//! accepts, and what it must not accept.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attempts;
mod platform;
mod sockets;
mod talk;
mod traces;

use battlearena_simulator::{CheckResult, Config, OperationSummary, Outcome, Row, run};
use clap::Parser;
use platform::{Faults, Platform};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(args_override_self = true)]
struct Cli {
    #[command(flatten)]
    config: Config,
}

async fn simulate(platform: &Platform, arguments: &str, stop: CancellationToken) -> Outcome {
    let line = format!(
        "simulate --url {} --analytics {} --socket-players 0 --seed 7 --players 30 --mistakes 5 --reads 5 {arguments}",
        platform.url, platform.analytics
    );
    run(Cli::parse_from(line.split_whitespace()).config, stop).await.unwrap()
}

/// A second and a half of traffic with a check.
async fn check(platform: &Platform, arguments: &str) -> Outcome {
    let arguments = format!("--rate 300 --duration 1500ms --check {arguments}");
    simulate(platform, &arguments, CancellationToken::new()).await
}

fn result(outcome: &Outcome) -> &CheckResult {
    outcome.summary.check.as_ref().unwrap()
}

fn differences(outcome: &Outcome) -> Vec<&str> {
    result(outcome).totals.differences().map(|row| row.name.as_str()).collect()
}

fn total<'a>(outcome: &'a Outcome, name: &str) -> &'a Row {
    result(outcome).totals.rows().find(|row| row.name == name).unwrap()
}

fn operation<'a>(outcome: &'a Outcome, name: &str) -> &'a OperationSummary {
    outcome.summary.operations.iter().find(|row| row.operation == name).unwrap()
}

fn nothing_is_unknown(outcome: &Outcome) -> bool {
    result(outcome).totals.rows().all(|row| row.at_least == row.at_most)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_platform_passes() {
    let platform = Platform::start(Faults::default()).await;
    let outcome = check(&platform, "").await;
    assert!(outcome.held() && nothing_is_unknown(&outcome), "{}", outcome.summary);
    assert_eq!(result(&outcome).errors, 0);
    assert_eq!(total(&outcome, "registrations").grown, 30);

    let json = serde_json::to_value(&outcome.summary).unwrap();
    assert_eq!((&json["seed"], &json["check"]["held"]), (&7.into(), &true.into()));
    assert_eq!(
        (&json["check"]["totals"][0]["name"], &json["check"]["totals"][0]["grown"]),
        (&"registrations".into(), &30.into())
    );

    let books = platform.books.lock().unwrap();
    assert_eq!((books.matches("in_progress"), &books.complaints[..]), (0, &[][..]), "own matches are ended");
    assert_eq!(total(&outcome, "log-ins").grown, books.log_ins);
    assert_eq!(operation(&outcome, "player login").count, books.log_ins as u64);
    assert_eq!(operation(&outcome, "start match").count, books.matches("started") as u64);
    let decided = |status| books.transactions.iter().filter(move |((_, is), _)| *is == status);
    assert_eq!(outcome.summary.purchases_failed, decided("failed").map(|(_, (count, _))| count).sum::<i64>());
    assert!(outcome.summary.purchases_completed > 0 && books.repeated == 0);
    for mistake in [
        "mistake: unknown player",
        "mistake: wrong password",
        "mistake: malformed body",
        "mistake: unknown match",
    ] {
        assert_eq!(operation(&outcome, mistake).errors, 0);
    }
    assert_eq!(total(&outcome, "refused log-ins").grown, books.refused_log_ins);
    assert_eq!(operation(&outcome, "mistake: wrong password").count, books.refused_log_ins as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_needs_no_new_players_and_is_no_retry_of_the_first() {
    let platform = Platform::start(Faults::default()).await;
    let first = check(&platform, "").await;
    let second = check(&platform, "").await;
    assert!(first.held() && second.held(), "{}", second.summary);
    let books = platform.books.lock().unwrap();
    assert_eq!((books.players, books.repeated), (30, 0));
    // The same seed is the same traffic.
    assert_eq!(total(&first, "log-ins").grown, total(&second, "log-ins").grown);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_are_asked_for_again_with_the_same_key() {
    let faults = Faults { drop_keyed: Some(5), refuse_keyed: Some(7), ..Faults::default() };
    let platform = Platform::start(faults).await;
    // A refused mistake is not tried again, so errors among the mistakes are part of the game.
    let outcome = check(&platform, "--mistakes 0").await;
    assert!(outcome.held() && nothing_is_unknown(&outcome), "{}", outcome.summary);
    let books = platform.books.lock().unwrap();
    assert!(books.repeated > 0 && books.complaints.is_empty(), "{:?}", books.complaints);
    let retries: u64 = outcome.summary.operations.iter().map(|row| row.retries).sum();
    assert!(retries > books.repeated, "dropped answers and refusals are both tried again: {retries}");
    assert_eq!(result(&outcome).errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_whose_answer_was_lost_widens_the_expectation() {
    let platform = Platform::start(Faults { drop_log_ins: Some(10), ..Faults::default() }).await;
    let outcome = check(&platform, "").await;
    assert!(outcome.held(), "{}", outcome.summary);
    let row = total(&outcome, "log-ins");
    let lost = platform.books.lock().unwrap().log_ins / 10;
    assert_eq!((row.at_most - row.at_least, row.grown), (lost, row.at_most));
    assert!(
        lost > 0 && outcome.summary.to_string().contains(&format!("{} to {}", row.at_least, row.at_most))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_one_too_high_fails() {
    let platform = Platform::start(Faults { lie: 1, ..Faults::default() }).await;
    let outcome = check(&platform, "").await;
    assert!(!outcome.held());
    assert_eq!((differences(&outcome), result(&outcome).errors), (vec!["log-ins"], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_that_is_one_too_low_fails_once_the_wait_is_over() {
    let platform = Platform::start(Faults { lie: -1, ..Faults::default() }).await;
    let outcome = check(&platform, "--settle 3s").await;
    assert!(!outcome.held());
    assert_eq!(differences(&outcome), ["log-ins"]);
    assert!(outcome.summary.to_string().contains("DIFFERS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_applies_a_retry_twice_fails() {
    let faults = Faults { drop_keyed: Some(5), forget_keys: true, ..Faults::default() };
    let platform = Platform::start(faults).await;
    let outcome = check(&platform, "--allow-errors").await;
    assert!(!outcome.held());
    assert!(differences(&outcome).contains(&"registrations"), "{}", outcome.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_unknown_and_an_error() {
    let platform = Platform::start(Faults { no_ends: true, ..Faults::default() }).await;
    let outcome = check(&platform, "--give-up 200ms --allow-errors").await;
    assert!(outcome.held(), "{}", outcome.summary);
    let ends = operation(&outcome, "end match at stop");
    assert!(ends.unknown > 0 && ends.errors == ends.unknown && ends.retries > 0);
    let row = total(&outcome, "team matches completed");
    assert!(row.at_least == 0 && row.at_most > 0 && row.grown == 0);

    let outcome = check(&platform, "--give-up 200ms").await;
    assert!(!outcome.held() && differences(&outcome).is_empty(), "errors fail unless they are allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_that_is_welcome_is_an_error() {
    let platform = Platform::start(Faults { accept_mistakes: true, ..Faults::default() }).await;
    let outcome = check(&platform, "").await;
    assert!(!outcome.held() && differences(&outcome).is_empty(), "{}", outcome.summary);
    let wrong = ["mistake: unknown player", "mistake: malformed body"].map(|name| operation(&outcome, name));
    assert!(wrong.iter().all(|row| row.errors == row.count && row.count > 0));
    assert_eq!(operation(&outcome, "mistake: unknown match").errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_platform_does_not_slow_the_offered_load() {
    let offered = |outcome: &Outcome| {
        (outcome.summary.offered_per_second * outcome.summary.window_seconds).round() as u64
    };
    let arguments = "--rate 300 --duration 1s --timeout 1s --give-up 1s --max-in-flight 20";
    let quick = Platform::start(Faults::default()).await;
    let free = simulate(&quick, "--rate 300 --duration 1s", CancellationToken::new()).await;
    let stalled = Platform::start(Faults { stall_log_ins: true, ..Faults::default() }).await;
    let capped = simulate(&stalled, arguments, CancellationToken::new()).await;
    assert_eq!(offered(&free), offered(&capped), "one seed, one plan");
    assert_eq!(free.summary.not_sent, 0);
    assert!(capped.summary.not_sent > 0 && capped.summary.most_in_flight <= 20);
    assert!(capped.summary.to_string().contains("NOT SENT"));
    let log_ins = operation(&capped, "player login");
    assert_eq!((log_ins.errors, log_ins.unknown), (log_ins.count, log_ins.count));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_run_and_its_matches() {
    let stop = CancellationToken::new();
    let platform = Platform::start(Faults { stop: Some(stop.clone()), ..Faults::default() }).await;
    let outcome = simulate(&platform, "--rate 300 --check", stop).await;
    assert!(outcome.held(), "{}", outcome.summary);
    let books = platform.books.lock().unwrap();
    assert!(books.log_ins >= 100 && books.matches("started") > 0);
    assert_eq!(books.matches("in_progress"), 0);
}

#[tokio::test]
async fn without_a_platform_there_is_an_error() {
    let line = "simulate --url http://127.0.0.1:1 --give-up 100ms --seed 1";
    let config = Cli::parse_from(line.split_whitespace()).config;
    let error = run(config, CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("no connection"), "{error:#}");
}
