//! What players do: each operation is one function that sends its request, judges the answer, and books what
//! it proves in the ground truth and in the report. An operation is booked once, whatever becomes of it, and is a
//! trace of its own.

mod judge;
mod matches;
mod requests;

use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use battlearena_client::calls::{LoggedIn, Page, Registered};
use battlearena_client::{Call, Delivery, Error, Gateway, Tokens, calls};
use battlearena_proto::{ErrorKind, PlayerId, TransactionStatus};
use serde::de::DeserializeOwned;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::cast::{Account, Cast};
use crate::plan::{Action, Item, Mistake, Notice, Read};
use crate::report::{Finished, Operation, Problem, Report};
use crate::trace::{conclude, operation_span};
use crate::truth::Truth;
pub(crate) use matches::OpenMatch;

use judge::{Verdict, judge, judge_refusal};
use requests::Requests;

/// What players look at of a list.
const PAGE: Page = Page { limit: 10, before: None };

/// Everything that operations share.
#[derive(Debug)]
pub(crate) struct Players {
    cast: Cast,
    requests: Requests,
    truth: Mutex<Truth>,
    report: Mutex<Report>,
    /// Tells the schedule of matches that began.
    began: Sender<OpenMatch>,
}

/// Something wrong that a player does, and the ways in which it may be refused.
struct Blunder<'a> {
    operation: Operation,
    expected: &'a [ErrorKind],
    due: Instant,
}

impl Players {
    /// Players whose matches are announced to `began`.
    pub(crate) fn new(cast: Cast, report: Report, began: Sender<OpenMatch>) -> Self {
        let (truth, report) = (Mutex::default(), Mutex::new(report));
        Self { cast, requests: Requests::new(), truth, report, began }
    }

    /// Who they are.
    pub(crate) fn cast(&self) -> &Cast {
        &self.cast
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
            Action::LogIn { player_id, leaves } => self.simulate_player_login(player_id, leaves, due).await,
            Action::StartMatch(plan) => self.simulate_match_start(plan, due).await,
            Action::Purchase { player_id, item } => self.simulate_transaction(player_id, item, due).await,
            Action::SystemEvent(notice) => self.simulate_system_event(notice, due).await,
            Action::Read(read) => self.simulate_read(read, due).await,
            Action::Mistake(mistake) => self.simulate_mistake(mistake, due).await,
        }
    }

    /// Asks how many players there are, and tries until answered.
    ///
    /// # Errors
    /// What came instead of the answer.
    pub(crate) async fn total_players(&self) -> Result<i64, String> {
        let delivery = self.cast.server().deliver(calls::player_stats()).await;
        match judge(&delivery, |stats| Ok(stats.total_players)) {
            Verdict::Applied(total) => Ok(total),
            Verdict::NotApplied(problem) | Verdict::Unknown(problem) => Err(problem.example),
        }
    }

    /// Registers the player at that place, from 0, and returns its id when it was confirmed. A player who has an account
    /// from an earlier run logs in to it.
    pub(crate) async fn simulate_registration(&self, place: i64) -> Option<PlayerId> {
        let account = self.cast.account(place);
        let (due, span) = (Instant::now(), operation_span!("simulate_registration", player.id = Empty));
        let delivery =
            self.deliver(&span, self.cast.nobody(), self.requests.register(account.as_ref())).await;
        let verdict = match (&delivery.result, &account) {
            (Err(Error::Refused(refusal)), Some(_)) if refusal.kind == ErrorKind::Conflict => {
                Verdict::Applied(None)
            }
            _ => judge(&delivery, |registered| Ok(Some(registered.clone()))),
        };
        match &verdict {
            Verdict::Applied(Some(registered)) => {
                span.record("player.id", registered.player_id.get());
                self.truth().registered();
            }
            Verdict::Unknown(_) => self.truth().maybe_registered(),
            Verdict::Applied(None) | Verdict::NotApplied(_) => {}
        }
        let registered = self.book(&span, Operation::Register, due, &delivery, verdict)?;
        let Some(account) = account else { return registered.map(|registered| registered.player_id) };
        match registered.map(|Registered { player_id, tokens, .. }| (player_id, tokens)) {
            Some((player_id, Some(tokens))) => {
                self.cast.enter(player_id, &account, tokens);
                Some(player_id)
            }
            Some((_, None)) | None => self.simulate_first_login(&account).await,
        }
    }

    /// Logs a player in whose number is not known yet.
    async fn simulate_first_login(&self, account: &Account) -> Option<PlayerId> {
        let (due, span) = (Instant::now(), operation_span!("simulate_player_login", player.id = Empty));
        let log_in = self.log_in(&span, account.log_in(), judge::session, due).await;
        let (player_id, tokens) = log_in?;
        span.record("player.id", player_id.get());
        self.cast.enter(player_id, account, tokens);
        Some(player_id)
    }

    async fn simulate_player_login(&self, player_id: PlayerId, leaves: bool, due: Instant) {
        let span = operation_span!("simulate_player_login", player.id = player_id.get());
        let log_in = self.log_in(&span, self.cast.log_in(player_id), judge::logged_in(player_id), due);
        match log_in.await {
            Some(Some(tokens)) if leaves => self.simulate_player_logout(player_id, &tokens).await,
            Some(tokens) => self.cast.logged_in(player_id, tokens),
            None => {}
        }
    }

    async fn simulate_player_logout(&self, player_id: PlayerId, tokens: &Tokens) {
        let (due, span) =
            (Instant::now(), operation_span!("simulate_player_logout", player.id = player_id.get()));
        let call = calls::log_out(&tokens.refresh_token);
        let delivery = self.deliver(&span, self.cast.nobody(), call).await;
        let verdict = judge(&delivery, judge::anything);
        match &verdict {
            Verdict::Applied(()) => self.truth().logged_out(),
            Verdict::Unknown(_) => self.truth().maybe_logged_out(),
            Verdict::NotApplied(_) => {}
        }
        self.book(&span, Operation::LogOut, due, &delivery, verdict);
    }

    async fn log_in<T>(
        &self,
        span: &Span,
        call: Call<LoggedIn>,
        check: impl FnOnce(&LoggedIn) -> Result<T, String>,
        due: Instant,
    ) -> Option<T> {
        let delivery = self.deliver(span, self.cast.nobody(), call).await;
        let verdict = judge(&delivery, check);
        let mut maybe = delivery.lost;
        match &verdict {
            Verdict::Applied(_) => self.truth().logged_in(),
            // An answer that cannot be understood is not among the lost ones.
            Verdict::Unknown(_) => {
                maybe += u32::from(!matches!(delivery.result, Err(Error::Unanswered { .. })));
            }
            Verdict::NotApplied(_) => {}
        }
        self.truth().maybe_logged_in(maybe);
        self.book(span, Operation::LogIn, due, &delivery, verdict)
    }

    async fn simulate_transaction(&self, player_id: PlayerId, item: &'static Item, due: Instant) {
        let span = operation_span!(
            "simulate_transaction",
            player.id = player_id.get(),
            transaction.item_type = item.item_type.as_str(),
            transaction.status = Empty,
        );
        let delivery =
            self.deliver(&span, &self.cast.player(player_id), requests::purchase(player_id, item)).await;
        let verdict = judge(&delivery, judge::purchase_status);
        match &verdict {
            Verdict::Applied(status) => {
                span.record("transaction.status", status.as_str());
                self.truth().purchased(item.item_type, *status, item.price_cents);
            }
            Verdict::Unknown(_) => self.truth().maybe_purchased(item.item_type, item.price_cents),
            Verdict::NotApplied(_) => {}
        }
        self.book::<_, TransactionStatus>(&span, Operation::Purchase, due, &delivery, verdict);
    }

    async fn simulate_system_event(&self, notice: &'static Notice, due: Instant) {
        let span = operation_span!(
            "simulate_system_event",
            event.type = notice.event_type,
            event.severity = notice.severity.as_str(),
        );
        let delivery = self.deliver(&span, &self.cast.server(), requests::system_event(notice)).await;
        let verdict = judge(&delivery, judge::anything);
        match &verdict {
            Verdict::Applied(()) => self.truth().recorded(),
            Verdict::Unknown(_) => self.truth().maybe_recorded(),
            Verdict::NotApplied(_) => {}
        }
        self.book(&span, Operation::SystemEvent, due, &delivery, verdict);
    }

    async fn simulate_read(&self, read: Read, due: Instant) {
        use Operation::{GetLeaderboard, GetPlayer, GetRank, GetStats, ListMatches};
        use judge::anything;
        let (player, server) = (|id| self.cast.player(id), self.cast.server());
        match read {
            Read::Player(id) => {
                self.ask(GetPlayer, &player(id), calls::player(id), judge::profile_of(id), due).await;
            }
            Read::Rank(id) => self.ask(GetRank, &player(id), calls::player_rank(id), anything, due).await,
            Read::PlayerMatches(id) => {
                self.ask(ListMatches, &player(id), calls::player_matches(id, PAGE), anything, due).await;
            }
            Read::Leaderboard => {
                self.ask(GetLeaderboard, &server, calls::leaderboard(PAGE.limit), anything, due).await;
            }
            Read::PlayerStats => self.ask(GetStats, &server, calls::player_stats(), anything, due).await,
            Read::MatchStats => self.ask(GetStats, &server, calls::match_stats(), anything, due).await,
            Read::RevenueStats => self.ask(GetStats, &server, calls::revenue_stats(), anything, due).await,
        }
    }

    async fn ask<A: DeserializeOwned>(
        &self,
        operation: Operation,
        gateway: &Gateway,
        call: Call<A>,
        check: impl FnOnce(&A) -> Result<(), String>,
        due: Instant,
    ) {
        let span = operation_span!("simulate_read", simulation.operation = operation.as_str());
        let delivery = self.deliver(&span, gateway, call.once()).await;
        let verdict = judge(&delivery, check);
        self.book(&span, operation, due, &delivery, verdict);
    }

    /// Does something wrong, and expects to be refused for it.
    async fn simulate_mistake(&self, mistake: Mistake, due: Instant) {
        match mistake {
            Mistake::UnknownPlayer => {
                let (call, expected) = self.cast.unknown_player(requests::UNKNOWN_PLAYER);
                let blunder = Blunder { operation: Operation::UnknownPlayer, expected: &[expected], due };
                let refused = self.blunder(blunder, self.cast.nobody(), call).await;
                // Of log-ins that are nobody's the platform tells a sample.
                if expected == ErrorKind::Unauthenticated && refused != Some(ErrorKind::Throttled) {
                    self.truth().maybe_refused();
                }
            }
            Mistake::WrongPassword(place) => {
                // Who guesses often is throttled instead.
                let expected = &[ErrorKind::Unauthenticated, ErrorKind::Throttled];
                let blunder = Blunder { operation: Operation::WrongPassword, expected, due };
                let call = self.cast.wrong_password(place);
                let refused = self.blunder(blunder, self.cast.nobody(), call).await;
                self.log_in_was_refused(refused);
            }
            Mistake::MalformedBody => {
                let expected = &[ErrorKind::Malformed];
                let blunder = Blunder { operation: Operation::MalformedBody, expected, due };
                self.blunder(blunder, self.cast.nobody(), requests::malformed_body()).await;
            }
            Mistake::UnknownMatch => {
                let expected = &[ErrorKind::NotFound];
                let blunder = Blunder { operation: Operation::UnknownMatch, expected, due };
                self.blunder(blunder, &self.cast.server(), requests::unknown_match()).await;
            }
        }
    }

    /// Books what the platform tells of a log-in that was refused: nothing when it was throttled.
    fn log_in_was_refused(&self, refused: Option<ErrorKind>) {
        match refused {
            Some(ErrorKind::Unauthenticated) => self.truth().refused(),
            Some(ErrorKind::Throttled) => {}
            Some(_) | None => self.truth().maybe_refused(),
        }
    }

    /// Returns how it was refused, if it was.
    async fn blunder<A: DeserializeOwned>(
        &self,
        blunder: Blunder<'_>,
        gateway: &Gateway,
        call: Call<A>,
    ) -> Option<ErrorKind> {
        let Blunder { operation, expected, due } = blunder;
        let span = operation_span!("simulate_mistake", simulation.operation = operation.as_str());
        let delivery = self.deliver(&span, gateway, call.once()).await;
        let verdict = judge_refusal(&delivery, expected);
        self.book(&span, operation, due, &delivery, verdict);
        match delivery.result {
            Err(Error::Refused(refusal)) => Some(refusal.kind),
            Ok(_) | Err(_) => None,
        }
    }

    /// Sends a call within the trace of its operation.
    async fn deliver<A: DeserializeOwned>(
        &self,
        span: &Span,
        gateway: &Gateway,
        call: Call<A>,
    ) -> Delivery<A> {
        gateway.deliver(call).instrument(span.clone()).await
    }

    /// Reports a finished operation; returns what the answer said when it was the expected one.
    fn book<A, T>(
        &self,
        span: &Span,
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
        conclude(span, delivery, problem.is_none(), unknown);
        let latency: Duration = due.elapsed();
        let retries = delivery.retries;
        self.report().record(Finished { operation, latency, retries, problem, unknown });
        value
    }
}
