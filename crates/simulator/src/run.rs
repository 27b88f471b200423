//! One run from seeding to summary. The only place that builds things, and the only one that prints.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use anyhow::{Context, ensure};
use battlearena_client::{Gateway, Hooks, Retry, SecretString, Tls};
use battlearena_proto::TransactionStatus;
use battlearena_telemetry::trace::outgoing_traceparent;
use futures::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::Attempts;
use crate::cast::Cast;
use crate::chat::{Chat, ChatPlan};
use crate::check::Check;
use crate::config::Config;
use crate::operations::{OpenMatch, Players};
use crate::plan::{MOST_PLAYERS, Plan, Population};
use crate::progress::Progress;
use crate::report::{Report, latency_histogram};
use crate::schedule::{Played, Schedule, Stage};
use crate::seeding::ensure_players;
use crate::summary::{CheckResult, Summary, millis, operations, problems};
use crate::totals::TotalsSource;

/// Matches that are ended at once when the run is over.
const DRAIN_CONCURRENCY: usize = 64;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The figures, which have been printed already.
    pub summary: Summary,
}

impl Outcome {
    /// Whether the check held; true when none was asked for.
    pub fn held(&self) -> bool {
        self.summary.check.as_ref().is_none_or(|check| check.held)
    }
}

/// Plays traffic until the duration is over or `stop` is cancelled, ends its own matches, checks when asked
/// to, and prints a summary to standard output. After a stop it still takes up to four times the time to give
/// up (operations, matches, messages, listeners), one attempt, and the time for the log to settle.
///
/// # Errors
/// The platform does not answer before the traffic begins, or analytics or the rooms' histories not after it, or
/// the summary cannot be written. A check that does not hold is no error, but an [`Outcome`].
pub async fn run(config: Config, stop: CancellationToken) -> anyhow::Result<Outcome> {
    let tls = battlearena_tls::Tls::load(&config.tls)?;
    let (speaking, over) = (client_tls(&config, &tls)?, CancellationToken::new());
    let playing = async {
        let outcome = play_out(config, speaking, stop).await;
        over.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(playing, tls.keep_reloading(over.clone()));
    outcome
}

async fn play_out(config: Config, tls: Tls, stop: CancellationToken) -> anyhow::Result<Outcome> {
    let progress = Progress::new();
    let attempts = Arc::<Attempts>::default();
    let hooks = Hooks::default().with_trace_context(outgoing_traceparent).with_observer(attempts.clone());
    let retry = Retry { attempt: config.timeout, give_up: config.give_up };
    let gateway = Gateway::new(&config.url, retry)
        .context("the gateway's address")?
        .with_tls(&tls)
        .with_hooks(hooks.clone());
    let cast = Cast::new(gateway, tls.clone(), game_server_key(&config)?);
    let check = if config.check {
        let totals = TotalsSource::new(&config.analytics, &tls, hooks.clone(), cast.key().cloned());
        let begin = Check::begin(totals, config.settle);
        let begin = progress.during(begin, || "waiting for the totals to settle");
        stop.run_until_cancelled(begin).await.transpose()?
    } else {
        None
    };
    let (sender, began) = channel();
    let players = Arc::new(Players::new(cast, Report::new()?, sender));
    let seeding = ensure_players(&players, config.players.into(), &stop);
    let population = progress
        .during(seeding, || format!("registering players: {} so far", players.report().finished()))
        .await?;
    ensure!(
        population.len() >= MOST_PLAYERS as i64 || stop.is_cancelled(),
        "only {} players could be registered: {:?}",
        population.len(),
        players.report().problems
    );

    let seed = config.seed.unwrap_or_else(rand::random);
    let chat = open_chat(&config, seed, &population, (&players, hooks), &stop, &progress);
    let mut chat = chat.await?;
    let plan = Plan::new(seed, config.mix(), population.clone());
    let played = play(&config, plan, (&players, &mut chat), began, &stop, &progress).await?;

    let check = match check {
        Some(check) => Some(finish_check(&config, &check, (&players, &chat), &progress).await?),
        None => None,
    };
    drop(progress);
    let summary = summarise(&config, (seed, population.len()), (&players, &chat, &attempts), &played, check);
    print(&summary, config.json).context("writing the summary")?;
    Ok(Outcome { summary })
}

/// How to speak TLS. The system's authorities are looked for only where some address needs them.
fn client_tls(config: &Config, tls: &battlearena_tls::Tls) -> anyhow::Result<Tls> {
    let addresses = [config.url.scheme_str(), config.analytics.scheme_str()];
    let is_meant = addresses.contains(&Some("https")) || config.socket_url.starts_with("wss:");
    Ok(if is_meant { tls.client()?.into() } else { Tls::default() })
}

/// The key of a game server; none for open mode.
fn game_server_key(config: &Config) -> anyhow::Result<Option<SecretString>> {
    let Some(path) = &config.game_server_key_file else { return Ok(None) };
    let key = std::fs::read_to_string(path)
        .with_context(|| format!("reading the key of the game server from {}", path.display()))?;
    Ok(Some(SecretString::from(key.trim())))
}

/// What was played, once all of it has come to an end.
struct Traffic {
    played: Played,
    /// Operations that came to an end while operations arrived.
    achieved: u64,
}

/// Opens the sockets and waits until everybody is in, or until told to stop.
async fn open_chat(
    config: &Config,
    seed: u64,
    population: &Population,
    (players, hooks): (&Arc<Players>, Hooks),
    stop: &CancellationToken,
    progress: &Progress,
) -> anyhow::Result<Chat> {
    let plan = ChatPlan::new(seed, config.socket_players as usize, config.messages_per_second());
    let chat = Chat::open(config, plan, population, (players, hooks));
    let entered = stop.run_until_cancelled(chat.entered(config.give_up));
    progress.during(entered, || "players enter their rooms").await.transpose()?;
    Ok(chat)
}

async fn play(
    config: &Config,
    plan: Plan,
    (players, chat): (&Arc<Players>, &mut Chat),
    began: Receiver<OpenMatch>,
    stop: &CancellationToken,
    progress: &Progress,
) -> anyhow::Result<Traffic> {
    let schedule = Schedule {
        plan,
        follows_the_hour: config.follows_the_hour(),
        duration: config.duration,
        max_in_flight: config.max_in_flight as usize,
        heartbeats: config.heartbeats,
    };
    // Should this future be dropped, the thread stops as well.
    let stop = stop.child_token();
    let _stop_on_drop = stop.clone().drop_guard();
    let under_way = TaskTracker::new();
    let (players_there, runtime) = (players.clone(), Handle::current());
    let stage = Stage { players: players_there, under_way: under_way.clone(), runtime, began, stop };
    let lag_micros = latency_histogram()?;

    let (start, before) = (Instant::now(), players.report().finished());
    let status = || {
        let report = players.report();
        let (finished, errors) = (report.finished() - before, report.errors());
        let rate = finished as f64 / start.elapsed().as_secs_f64().max(0.001);
        format!("{finished} operations, {rate:.0}/s, {} under way, {errors} errors", under_way.len())
    };
    if let Some(duration) = config.duration {
        progress.measure(duration);
    }
    let silence = CancellationToken::new();
    let operations = async {
        let _silence_after = silence.clone().drop_guard();
        tokio::task::spawn_blocking(move || schedule.play(stage, lag_micros)).await
    };
    let both = futures::future::join(operations, chat.talk(config.follows_the_hour(), &silence));
    let (played, ()) = progress.during(both, &status).await;
    let mut played = played.context("the schedule ended unexpectedly")?;
    let achieved = players.report().finished() - before;
    under_way.close();
    progress.during(under_way.wait(), &status).await;

    let mut open = std::mem::take(&mut played.open);
    open.extend(played.began.try_iter());
    progress.during(end_matches(config, players, open), || "ending the matches that are still played").await;
    progress.during(chat.settle(config.give_up), || "waiting for the last messages").await;
    Ok(Traffic { played, achieved })
}

/// Ends what is still being played. When the platform does not answer any more, it is given up as a whole.
async fn end_matches(config: &Config, players: &Players, open: Vec<OpenMatch>) {
    let give_up_at = Instant::now() + config.give_up;
    stream::iter(open)
        .for_each_concurrent(DRAIN_CONCURRENCY, async |open| {
            if Instant::now() < give_up_at {
                players.end_early(&open).await;
            } else {
                players.abandon(&open);
            }
        })
        .await;
}

async fn finish_check(
    config: &Config,
    check: &Check,
    (players, chat): (&Players, &Chat),
    progress: &Progress,
) -> anyhow::Result<CheckResult> {
    let truth = players.truth().clone();
    let totals = progress.during(check.finish(&truth), || "waiting for the log to settle").await?;
    let rooms = progress.during(chat.check(), || "reading what was said").await?;
    let totals = totals.with(rooms);
    let errors = players.report().errors();
    let held = totals.holds() && (config.allow_errors || errors == 0);
    Ok(CheckResult { held, errors, foreign_matches: check.foreign_matches(), totals })
}

fn summarise(
    config: &Config,
    (seed, population): (u64, i64),
    (players, chat, attempts): (&Players, &Chat, &Attempts),
    traffic: &Traffic,
    check: Option<CheckResult>,
) -> Summary {
    let Traffic { played, achieved } = traffic;
    let seconds = played.window.as_secs_f64();
    let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let (report, truth) = (players.report(), players.truth());
    Summary {
        mode: config.mode,
        rate: config.rate,
        seed,
        players: population,
        window_seconds: seconds,
        offered_per_second: per_second(played.offered),
        achieved_per_second: per_second(*achieved),
        not_sent: played.not_sent,
        most_in_flight: played.most_in_flight,
        schedule_lag_p99_ms: millis(played.lag_micros.value_at_quantile(0.99)),
        purchases_completed: truth.purchases(TransactionStatus::Completed),
        purchases_failed: truth.purchases(TransactionStatus::Failed),
        chat: chat.summary(),
        requests: attempts.requests(),
        grpc_calls: attempts.grpc_calls(),
        socket_commands: attempts.socket_commands(),
        operations: operations(&report),
        problems: problems(&report),
        check,
    }
}

fn print(summary: &Summary, json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, summary)?;
        writeln!(out)?;
    } else {
        write!(out, "{summary}")?;
    }
    Ok(out.flush()?)
}
