//! What players do: each operation is one function that sends its request, judges the answer, and books what
//! it proves in the ground truth and in the report. An operation is booked once, whatever becomes of it.

mod judge;
mod requests;

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_proto::{ErrorKind, MatchType, TransactionStatus};
use tracing::instrument;

use crate::api::{Api, Delivery};
use crate::plan::{Action, Item, MatchPlan, Mistake, Read};
use crate::report::{Finished, Operation, Problem, Report};
use crate::totals::Stage;
use crate::truth::Truth;
use judge::{Verdict, judge, judge_refusal};
use requests::Requests;

/// A match of ours that is being played.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenMatch {
    pub(crate) match_id: i64,
    pub(crate) plan: MatchPlan,
    pub(crate) began: Instant,
}

/// Everything that operations share.
#[derive(Debug)]
pub(crate) struct Players {
    api: Api,
    requests: Requests,
    truth: Mutex<Truth>,
    report: Mutex<Report>,
    /// Tells the schedule of matches that began.
    began: Sender<OpenMatch>,
}

impl Players {
    /// Players whose matches are announced to `began`.
    pub(crate) fn new(api: Api, report: Report, began: Sender<OpenMatch>) -> Self {
        let (truth, report) = (Mutex::default(), Mutex::new(report));
        Self { api, requests: Requests::new(), truth, report, began }
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
        let delivery = self.api.deliver(self.requests.total_players()).await;
        match judge(&delivery, judge::total_players) {
            Verdict::Applied(total) => Ok(total),
            Verdict::NotApplied(problem) | Verdict::Unknown(problem) => Err(problem.example),
        }
    }

    /// Registers one player and returns its id when it was confirmed.
    #[instrument(skip_all)]
    pub(crate) async fn simulate_registration(&self) -> Option<i64> {
        let due = Instant::now();
        let delivery = self.api.deliver(self.requests.register()).await;
        let verdict = judge(&delivery, judge::player_id);
        match &verdict {
            Verdict::Applied(_) => self.truth().registered(),
            Verdict::Unknown(_) => self.truth().maybe_registered(),
            Verdict::NotApplied(_) => {}
        }
        self.book(Operation::Register, due, &delivery, verdict)
    }

    #[instrument(skip_all)]
    async fn simulate_player_login(&self, player_id: i64, due: Instant) {
        let delivery = self.api.deliver(self.requests.log_in(player_id)).await;
        let verdict = judge(&delivery, |answer| judge::same_player(answer, player_id));
        let mut maybe = delivery.lost;
        match &verdict {
            Verdict::Applied(()) => self.truth().logged_in(),
            // An answer that cannot be understood is not among the lost ones.
            Verdict::Unknown(_) => maybe += u32::from(delivery.result.is_ok()),
            Verdict::NotApplied(_) => {}
        }
        self.truth().maybe_logged_in(maybe);
        self.book(Operation::LogIn, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_match_start(&self, plan: MatchPlan, due: Instant) {
        let delivery = self.api.deliver(self.requests.start_match(&plan)).await;
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
        let delivery = self.api.deliver(self.requests.complete_match(open)).await;
        let verdict = judge(&delivery, |answer| judge::status(answer, "completed"));
        self.book_end(open.plan.match_type, Stage::Completed, &verdict);
        self.book(operation, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_match_crash(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        let delivery = self.api.deliver(self.requests.crash_match(open.match_id)).await;
        let verdict = judge(&delivery, |answer| judge::status(answer, "crashed"));
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
    pub(crate) async fn simulate_heartbeat(&self, match_id: i64, due: Instant) {
        let delivery = self.api.deliver(self.requests.heartbeat(match_id)).await;
        let verdict = match judge_refusal(&delivery, ErrorKind::Conflict) {
            Verdict::Applied(()) => Verdict::Applied(()),
            Verdict::NotApplied(_) | Verdict::Unknown(_) => judge(&delivery, judge::nothing),
        };
        self.book(Operation::Heartbeat, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_transaction(&self, player_id: i64, item: &'static Item, due: Instant) {
        let delivery = self.api.deliver(self.requests.purchase(player_id, item)).await;
        let verdict = judge(&delivery, judge::purchase_status);
        match &verdict {
            Verdict::Applied(status) => self.truth().purchased(item.item_type, *status, item.price_cents),
            Verdict::Unknown(_) => self.truth().maybe_purchased(item.item_type, item.price_cents),
            Verdict::NotApplied(_) => {}
        }
        self.book::<TransactionStatus>(Operation::Purchase, due, &delivery, verdict);
    }

    #[instrument(skip_all)]
    async fn simulate_read(&self, read: Read, due: Instant) {
        let delivery = self.api.deliver(self.requests.read(read)).await;
        let (operation, verdict) = match read {
            Read::Player(id) => {
                (Operation::GetPlayer, judge(&delivery, |answer| judge::same_player(answer, id)))
            }
            Read::Rank(_) => (Operation::GetRank, judge(&delivery, judge::any_json)),
            Read::PlayerMatches(_) => (Operation::ListMatches, judge(&delivery, judge::any_json)),
            Read::Leaderboard => (Operation::GetLeaderboard, judge(&delivery, judge::any_json)),
            Read::PlayerStats | Read::MatchStats | Read::RevenueStats => {
                (Operation::GetStats, judge(&delivery, judge::any_json))
            }
        };
        self.book(operation, due, &delivery, verdict);
    }

    /// Does something wrong, and expects to be refused for it.
    #[instrument(skip_all)]
    async fn simulate_mistake(&self, mistake: Mistake, due: Instant) {
        let delivery = self.api.deliver(self.requests.mistake(mistake)).await;
        let (operation, expected) = match mistake {
            Mistake::UnknownPlayer => (Operation::UnknownPlayer, ErrorKind::NotFound),
            Mistake::MalformedBody => (Operation::MalformedBody, ErrorKind::Malformed),
            Mistake::UnknownMatch => (Operation::UnknownMatch, ErrorKind::NotFound),
        };
        let verdict = judge_refusal(&delivery, expected);
        self.book(operation, due, &delivery, verdict);
    }

    /// Reports a finished operation; returns what the answer said when it was the expected one.
    fn book<T>(
        &self,
        operation: Operation,
        due: Instant,
        delivery: &Delivery,
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
