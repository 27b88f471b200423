//! Whether a stranger's trace is sampled. A stranger may name the trace that a request belongs to, but has no say in
//! whether it costs anything: the sampler decides as for a trace of our own, and a cap holds where trace ids could be
//! chosen so that the sampler likes them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, TraceState};

use super::sampling::Sampling;

static EDGE: OnceLock<Edge> = OnceLock::new();

/// The decision at the doors of this process.
#[derive(Debug)]
pub(crate) struct Edge {
    sampling: Sampling,
    cap: Cap,
    began: Instant,
}

impl Edge {
    pub(crate) fn new(sampling: Sampling, traces_per_second: u32) -> Self {
        Self { sampling, cap: Cap::new(traces_per_second), began: Instant::now() }
    }

    /// Makes this the decision of the whole process; the first one stays.
    pub(crate) fn install(self) {
        // Telemetry starts once.
        let _ = EDGE.set(self);
    }

    /// The context to continue in place of a stranger's; `None` when a trace of our own must begin.
    fn admit(&self, stranger: &SpanContext, now: Duration) -> Option<SpanContext> {
        let is_wanted = self.sampling.samples(stranger.trace_id());
        let is_sampled = is_wanted && (!self.sampling.is_by_trace_id() || self.cap.take(now));
        // A sampler that looks at nothing but the trace id would sample it all the same.
        let is_out_of_hand = is_wanted && !is_sampled && !self.sampling.is_parent_based();
        (!is_out_of_hand).then(|| {
            let flags = stranger.trace_flags().with_sampled(is_sampled);
            let (trace_id, span_id) = (stranger.trace_id(), stranger.span_id());
            // The state of a stranger's vendors ends at the door: peers would get it with every call, and a long one
            // does not fit into the headers that they take.
            SpanContext::new(trace_id, span_id, flags, true, TraceState::NONE)
        })
    }
}

/// The context to continue in place of a stranger's, by the rules of this process.
pub(super) fn admit(stranger: &SpanContext) -> Option<SpanContext> {
    let edge = EDGE.get_or_init(|| Edge::new(Sampling::default(), 0));
    edge.admit(stranger, edge.began.elapsed())
}

/// At most so many a second, and at once no more than those of one second. (The generic cell rate algorithm: all that
/// is kept is the time at which the bucket would be full again.)
#[derive(Debug)]
struct Cap {
    interval: Option<u64>,
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

impl Cap {
    fn new(per_second: u32) -> Self {
        Self { interval: SECOND.checked_div(per_second.into()), full_at: AtomicU64::new(0) }
    }

    fn take(&self, now: Duration) -> bool {
        let Some(interval) = self.interval else { return false };
        // 64 bits of nanoseconds are more than 500 years.
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let then = full_at.max(now) + interval;
            (then - now <= SECOND).then_some(then)
        });
        taken.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

    use super::*;

    fn stranger(trace_id: u128, is_sampled: bool) -> SpanContext {
        let flags = TraceFlags::new(0x02).with_sampled(is_sampled);
        let state = TraceState::from_key_value([("vendor", "x".repeat(200))]).unwrap();
        SpanContext::new(TraceId::from(trace_id), SpanId::from(7), flags, true, state)
    }

    /// The decisions about a trace id that every ratio likes, and one that none but 1 does.
    fn decisions(sampler: &str, argument: Option<&str>) -> [Option<bool>; 4] {
        let edge = Edge::new(Sampling::named(Some(sampler), argument).0, 1);
        let decide = |trace_id, is_sampled| {
            let admitted = edge.admit(&stranger(trace_id, is_sampled), Duration::ZERO)?;
            assert_eq!(admitted.trace_id(), TraceId::from(trace_id));
            assert_eq!((admitted.span_id(), admitted.is_remote()), (SpanId::from(7), true));
            assert_eq!(admitted.trace_flags().to_u8() & !1, 2, "the other flags stay");
            assert_eq!(admitted.trace_state(), &TraceState::NONE, "the state does not");
            Some(admitted.is_sampled())
        };
        [decide(1, false), decide(2, true), decide(u128::MAX, true), decide(u128::MAX, false)]
    }

    #[test]
    fn the_sampler_decides_and_not_the_stranger() {
        let (yes, no) = (Some(true), Some(false));
        let all = [
            ("always_on", None, [yes, yes, yes, yes]),
            ("always_off", None, [no, no, no, no]),
            ("parentbased_always_on", None, [yes, yes, yes, yes]),
            ("parentbased_always_off", None, [no, no, no, no]),
            // The second one that is liked is beyond the cap.
            ("parentbased_traceidratio", Some("0.5"), [yes, no, no, no]),
            ("parentbased_traceidratio", Some("0"), [no, no, no, no]),
            ("parentbased_traceidratio", Some("1"), [yes, yes, yes, yes]),
            ("traceidratio", Some("0.5"), [yes, None, no, no]),
        ];
        for (sampler, argument, expected) in all {
            assert_eq!(decisions(sampler, argument), expected, "{sampler} {argument:?}");
        }
    }

    #[test]
    fn the_cap_lets_a_second_s_worth_through_at_once_and_then_its_rate() {
        let cap = Cap::new(100);
        let taken = |at| (0..1_000).filter(|_| cap.take(Duration::from_millis(at))).count();
        assert_eq!(taken(5_000), 100);
        assert_eq!(taken(5_009), 0);
        assert_eq!(taken(5_010), 1);
        assert_eq!(taken(5_510), 50);
        assert_eq!(taken(60_000), 100, "what was not taken does not pile up");
        assert!(!Cap::new(0).take(Duration::from_secs(9)));
    }
}
