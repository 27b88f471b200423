//! What players do: each operation is one function that sends its request, judges the answer, and books what
//! it proves in the ground truth and in the report. An operation is booked once, whatever becomes of it.

mod judge;
mod requests;

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_client::calls::Page;
use battlearena_client::{Call, Delivery, Error, Gateway, calls};
use battlearena_proto::{ErrorKind, MatchId, MatchStatus, MatchType, PlayerId, TransactionStatus};
use serde::de::DeserializeOwned;
use tracing::instrument;

use crate::plan::{Action, Item, MatchPlan, Mistake, Read};
use crate::report::{Finished, Operation, Problem, Report};
use crate::totals::Stage;
use crate::truth::Truth;
use judge::{Verdict, judge, judge_refusal};
use requests::Requests;

/// What players look at of a list.
const PAGE: Page = Page { limit: 10, before: None };

/// A match of ours that is being played.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenMatch {
    pub(crate) match_id: MatchId,
    pub(crate) plan: MatchPlan,
    pub(crate) began: Instant,
}

/// Everything that operations share.
#[derive(Debug)]
pub(crate) struct Players {
    gateway: Gateway,
    requests: Requests,
    truth: Mutex<Truth>,
    report: Mutex<Report>,
    /// Tells the schedule of matches that began.
    began: Sender<OpenMatch>,
}

impl Players {
    /// Players whose matches are announced to `began`.
    pub(crate) fn new(gateway: Gateway, report: Report, began: Sender<OpenMatch>) -> Self {
        let (truth, report) = (Mutex::default(), Mutex::new(report));
        Self { gateway, requests: Requests::new(), truth, report, began }
    }

    /// The way to the platform.
    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// What is known to have happened so far.
    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the operations so far came to.
    pub(crate) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what was planned; latency counts from `due`.
    pub(crate) async fn perform(&self, action: Action, due: Instant) {
        match action {
            Action::LogIn { player_id } => self.simulate_player_login(player_id, due).await,
            Action::StartMatch(plan) => self.simulate_match_start(plan, due).await,
            Action::Purchase { player_id, item } => self.simulate_transaction(player_id, item, due).await,
            Action::Read(read) => self.simulate_read(read, due).await,
            Action::Mistake(mistake) => self.simulate_mistake(mistake, due).await,
        }
    }

    /// Ends a match as and when it was planned.
    pub(crate) async fn end(&self, open: &OpenMatch, due: Instant) {
        let operation = if open.plan.crashes { Operation::CrashMatch } else { Operation::CompleteMatch };
        self.end_as(open, due, operation).await;
    }

    /// Ends a match before its time, because the run is over. It has a row of its own: the ends of all open
    /// matches come at once, and their latencies say nothing about the traffic.
    pub(crate) async fn end_early(&self, open: &OpenMatch) {
        self.end_as(open, Instant::now(), Operation::EndMatchAtStop).await;
    }

    async fn end_as(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        if open.plan.crashes {
            self.simulate_match_crash(open, due, operation).await;
        } else {
            self.simulate_match_completion(open, due, operation).await;
        }
    }

    /// Books a match that there was no time left to end.
    pub(crate) fn abandon(&self, open: &OpenMatch) {
        self.truth().maybe_ended(open.plan.match_type, Stage::Completed, false);
        self.report().record(Finished {
            operation: Operation::EndMatchAtStop,
            latency: Duration::ZERO,
            retries: 0,
            problem: Some(Problem::plain("no time left to end it")),
            unknown: true,
        });
    }

    /// Asks how many players there are, and tries until answered.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub(crate) async fn total_players(&self) -> Result<i64, String> {
        let delivery = self.gateway.deliver(calls::player_stats()).await;
        match judge(&delivery, |stats| Ok(stats.total_players)) {
            Verdict::Applied(total) => Ok(total),
            Verdict::NotApplied(problem) | Verdict::Unknown(problem) => Err(problem.example),
        }
    }

    /// Registers one player and returns its id when it was confirmed.
    #[instrument(skip_all)]
    pub(crate) async fn simulate_registration(&self) -> Option<PlayerId> {
        let due = Instant::now();
        let delivery = self.gateway.deliver(self.requests.register()).await;
        let verdict = judge(&delivery, |registered| Ok(registered.player_id));
        match &verdict {
            Verdict::Applied(_) => self.truth().registered(),
            Verdict::Unknown(_) => self.truth().maybe_registered(),
            Verdict::NotApplied(_) => {}
        }
        self.book(Operation::Register, due, &delivery, verdict)
    }

    #[instrument(skip_all)]
    async fn simulate_player_login(&self, player_id: PlayerId, due: Instant) {
        let delivery = self.gateway.deliver(calls::log_in(player_id)).await;
        let verdict = judge(&delivery, judge::logged_in(player_id));
        let mut maybe = delivery.lost;
        match &verdict {
            Verdict::Applied(()) => self.truth().logged_in(),
            // An answer that cannot be understood is not among the lost ones.
            Verdict::Unknown(_) => {
                maybe += u32::from(!matches!(delivery.result, Err(Error::Unanswered { .. })));
            }
            Verdict::NotApplied(_) => {}
        }
        self.truth().maybe_logged_in(maybe);
        self.book(Operation::LogIn, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_match_start(&self, plan: MatchPlan, due: Instant) {
        let delivery = self.gateway.deliver(requests::start_match(&plan)).await;
        let verdict = judge(&delivery, judge::started_match);
        match &verdict {
            Verdict::Applied(_) => self.truth().reached(plan.match_type, Stage::Started),
            Verdict::Unknown(_) => self.truth().maybe_started(plan.match_type),
            Verdict::NotApplied(_) => {}
        }
        if let Some(match_id) = self.book(Operation::StartMatch, due, &delivery, verdict) {
            // The schedule listens until every operation has ended, so the message always arrives.
            let _ = self.began.send(OpenMatch { match_id, plan, began: Instant::now() });
        }
    }

    #[instrument(skip_all)]
    async fn simulate_match_completion(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        let delivery = self.gateway.deliver(requests::complete_match(open)).await;
        let verdict = judge(&delivery, |answer| judge::has_status(answer.status, MatchStatus::Completed));
        self.book_end(open.plan.match_type, Stage::Completed, &verdict);
        self.book(operation, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_match_crash(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        let delivery = self.gateway.deliver(requests::crash_match(open.match_id)).await;
        let verdict = judge(&delivery, |answer| judge::has_status(answer.status, MatchStatus::Crashed));
        self.book_end(open.plan.match_type, Stage::Crashed, &verdict);
        self.book(operation, due, &delivery, verdict);
    }

    fn book_end(&self, match_type: MatchType, stage: Stage, verdict: &Verdict<()>) {
        match verdict {
            Verdict::Applied(()) => self.truth().reached(match_type, stage),
            Verdict::NotApplied(_) => self.truth().maybe_ended(match_type, stage, false),
            Verdict::Unknown(_) => self.truth().maybe_ended(match_type, stage, true),
        }
    }

    /// Tells that a match is still being played. It is sent once, as the next one makes up for it, and a
    /// conflict is fine: the match may have ended while it was on its way. One that the platform ended shows
    /// at its own end.
    #[instrument(skip_all)]
    pub(crate) async fn simulate_heartbeat(&self, match_id: MatchId, due: Instant) {
        let delivery = self.gateway.deliver(calls::heartbeat(match_id)).await;
        let verdict = match judge_refusal(&delivery, ErrorKind::Conflict) {
            Verdict::Applied(()) => Verdict::Applied(()),
            Verdict::NotApplied(_) | Verdict::Unknown(_) => judge(&delivery, judge::anything),
        };
        self.book(Operation::Heartbeat, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_transaction(&self, player_id: PlayerId, item: &'static Item, due: Instant) {
        let delivery = self.gateway.deliver(requests::purchase(player_id, item)).await;
        let verdict = judge(&delivery, judge::purchase_status);
        match &verdict {
            Verdict::Applied(status) => self.truth().purchased(item.item_type, *status, item.price_cents),
            Verdict::Unknown(_) => self.truth().maybe_purchased(item.item_type, item.price_cents),
            Verdict::NotApplied(_) => {}
        }
        self.book::<_, TransactionStatus>(Operation::Purchase, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_read(&self, read: Read, due: Instant) {
        use judge::anything;
        match read {
            Read::Player(id) => {
                self.ask(Operation::GetPlayer, calls::player(id), judge::profile_of(id), due).await;
            }
            Read::Rank(id) => self.ask(Operation::GetRank, calls::player_rank(id), anything, due).await,
            Read::PlayerMatches(id) => {
                let call = calls::player_matches(id, PAGE);
                self.ask(Operation::ListMatches, call, anything, due).await;
            }
            Read::Leaderboard => {
                self.ask(Operation::GetLeaderboard, calls::leaderboard(PAGE.limit), anything, due).await;
            }
            Read::PlayerStats => self.ask(Operation::GetStats, calls::player_stats(), anything, due).await,
            Read::MatchStats => self.ask(Operation::GetStats, calls::match_stats(), anything, due).await,
            Read::RevenueStats => self.ask(Operation::GetStats, calls::revenue_stats(), anything, due).await,
        }
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        operation: Operation,
        call: Call<A>,
        check: impl FnOnce(&A) -> Result<(), String>,
        due: Instant,
    ) {
        let delivery = self.gateway.deliver(call.once()).await;
        let verdict = judge(&delivery, check);
        self.book(operation, due, &delivery, verdict);
    }

    /// Does something wrong, and expects to be refused for it.
    #[instrument(skip_all)]
    async fn simulate_mistake(&self, mistake: Mistake, due: Instant) {
        let (operation, expected) = match mistake {
            Mistake::UnknownPlayer => (Operation::UnknownPlayer, ErrorKind::NotFound),
            Mistake::MalformedBody => (Operation::MalformedBody, ErrorKind::Malformed),
            Mistake::UnknownMatch => (Operation::UnknownMatch, ErrorKind::NotFound),
        };
        match mistake {
            Mistake::UnknownPlayer => {
                self.blunder(operation, requests::unknown_player(), expected, due).await
            }
            Mistake::MalformedBody => {
                self.blunder(operation, requests::malformed_body(), expected, due).await
            }
            Mistake::UnknownMatch => self.blunder(operation, requests::unknown_match(), expected, due).await,
        }
    }

    async fn blunder<A: DeserializeOwned>(
        &self,
        operation: Operation,
        call: Call<A>,
        expected: ErrorKind,
        due: Instant,
    ) {
        let delivery = self.gateway.deliver(call).await;
        let verdict = judge_refusal(&delivery, expected);
        self.book(operation, due, &delivery, verdict);
    }

    /// Reports a finished operation; returns what the answer said when it was the expected one.
    fn book<A, T>(
        &self,
        operation: Operation,
        due: Instant,
        delivery: &Delivery<A>,
        verdict: Verdict<T>,
    ) -> Option<T> {
        let unknown = matches!(verdict, Verdict::Unknown(_));
        let (value, problem): (_, Option<Problem>) = match verdict {
            Verdict::Applied(value) => (Some(value), None),
            Verdict::NotApplied(problem) | Verdict::Unknown(problem) => (None, Some(problem)),
        };
        let latency: Duration = due.elapsed();
        let retries = delivery.retries;
        self.report().record(Finished { operation, latency, retries, problem, unknown });
        value
    }
}
