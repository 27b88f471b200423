//! The life of a match: its start, its heartbeats, its end. Start and end are traces of their own, which are linked.

use std::time::{Duration, Instant};

use battlearena_client::calls;
use battlearena_proto::{ErrorKind, MatchId, MatchStatus, MatchType};
use battlearena_telemetry::trace;
use tracing::Span;
use tracing::field::Empty;

use super::judge::{self, Verdict, judge, judge_refusal};
use super::{Players, requests};
use crate::plan::MatchPlan;
use crate::report::{Finished, Operation, Problem};
use crate::totals::Stage;
use crate::trace::operation_span;

/// A match of ours that is being played.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OpenMatch {
    pub(crate) match_id: MatchId,
    pub(crate) plan: MatchPlan,
    pub(crate) began: Instant,
    /// The trace of its start.
    pub(crate) start: Option<String>,
}

impl OpenMatch {
    /// Links the trace of its end to that of its start.
    fn link(&self, end: &Span) {
        if let Some(start) = &self.start {
            trace::link(end, start);
        }
    }
}

impl Players {
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

    pub(super) async fn simulate_match_start(&self, plan: MatchPlan, due: Instant) {
        let span = operation_span!(
            "simulate_match_start",
            match.id = Empty,
            match.type = plan.match_type.as_str(),
            match.player_count = plan.roster.ids().len(),
            match.server_region = plan.region,
        );
        let delivery = self.deliver(&span, &self.cast.server(), requests::start_match(&plan)).await;
        let verdict = judge(&delivery, judge::started_match);
        match &verdict {
            Verdict::Applied(_) => self.truth().reached(plan.match_type, Stage::Started),
            Verdict::Unknown(_) => self.truth().maybe_started(plan.match_type),
            Verdict::NotApplied(_) => {}
        }
        if let Some(match_id) = self.book(&span, Operation::StartMatch, due, &delivery, verdict) {
            span.record("match.id", match_id.get());
            let start = span.in_scope(trace::current_traceparent);
            // The schedule listens until every operation has ended, so the message always arrives.
            let _ = self.began.send(OpenMatch { match_id, plan, began: Instant::now(), start });
        }
    }

    async fn simulate_match_completion(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        let span = operation_span!("simulate_match_completion", match.id = open.match_id.get());
        open.link(&span);
        let delivery = self.deliver(&span, &self.cast.server(), requests::complete_match(open)).await;
        let verdict = judge(&delivery, |answer| judge::has_status(answer.status, MatchStatus::Completed));
        self.book_end(open.plan.match_type, Stage::Completed, &verdict);
        self.book(&span, operation, due, &delivery, verdict);
    }

    async fn simulate_match_crash(&self, open: &OpenMatch, due: Instant, operation: Operation) {
        let span = operation_span!("simulate_match_crash", match.id = open.match_id.get());
        open.link(&span);
        let delivery = self.deliver(&span, &self.cast.server(), requests::crash_match(open.match_id)).await;
        let verdict = judge(&delivery, |answer| judge::has_status(answer.status, MatchStatus::Crashed));
        self.book_end(open.plan.match_type, Stage::Crashed, &verdict);
        self.book(&span, operation, due, &delivery, verdict);
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
    pub(crate) async fn simulate_heartbeat(&self, match_id: MatchId, due: Instant) {
        let span = operation_span!("simulate_heartbeat", match.id = match_id.get());
        let delivery = self.deliver(&span, &self.cast.server(), calls::heartbeat(match_id)).await;
        let verdict = match judge_refusal(&delivery, &[ErrorKind::Conflict]) {
            Verdict::Applied(()) => Verdict::Applied(()),
            Verdict::NotApplied(_) | Verdict::Unknown(_) => judge(&delivery, judge::anything),
        };
        self.book(&span, Operation::Heartbeat, due, &delivery, verdict);
    }
}
