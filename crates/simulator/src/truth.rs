//! The ground truth: what the answers prove to have happened, and what may have happened besides. Pure;
//! compares itself with the growth of the platform's totals.

use battlearena_proto::{ItemType, MatchType, TransactionStatus};
use serde::Serialize;

use crate::totals::{Stage, Totals};

/// A count between what is sure and what is sure plus what is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) sure: i64,
    pub(crate) unknown: i64,
}

/// How many purchases, and what they cost in cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Money {
    count: Interval,
    cents: Interval,
}

/// Everything that this run did to the platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    registrations: Interval,
    log_ins: Interval,
    log_outs: Interval,
    refused_log_ins: Interval,
    system_events: Interval,
    matches: [[Interval; Stage::ALL.len()]; MatchType::ALL.len()],
    purchases: [[Money; TransactionStatus::ALL.len()]; ItemType::ALL.len()],
}

impl Truth {
    /// A registration was confirmed.
    pub(crate) fn registered(&mut self) {
        self.registrations.sure += 1;
    }

    /// A registration was sent and never answered.
    pub(crate) fn maybe_registered(&mut self) {
        self.registrations.unknown += 1;
    }

    /// A log-in was confirmed.
    pub(crate) fn logged_in(&mut self) {
        self.log_ins.sure += 1;
    }

    /// Log-ins were sent whose answers were lost. They have no idempotency key, so each of them may have
    /// counted.
    pub(crate) fn maybe_logged_in(&mut self, attempts: u32) {
        self.log_ins.unknown += i64::from(attempts);
    }

    /// A log-out was confirmed. However often it was sent, its session ended once.
    pub(crate) fn logged_out(&mut self) {
        self.log_outs.sure += 1;
    }

    /// A log-out was sent and never answered.
    pub(crate) fn maybe_logged_out(&mut self) {
        self.log_outs.unknown += 1;
    }

    /// A log-in was refused that the platform tells of.
    pub(crate) fn refused(&mut self) {
        self.refused_log_ins.sure += 1;
    }

    /// A log-in that must be refused was sent, and what became of it is not known.
    pub(crate) fn maybe_refused(&mut self) {
        self.refused_log_ins.unknown += 1;
    }

    /// A system event was confirmed.
    pub(crate) fn recorded(&mut self) {
        self.system_events.sure += 1;
    }

    /// A system event was sent and never answered.
    pub(crate) fn maybe_recorded(&mut self) {
        self.system_events.unknown += 1;
    }

    /// A match was confirmed to have reached a stage.
    pub(crate) fn reached(&mut self, match_type: MatchType, stage: Stage) {
        self.stage(match_type, stage).sure += 1;
    }

    /// A start was sent and never answered. When it took place nobody ends that match, and the platform
    /// crashes it in the end.
    pub(crate) fn maybe_started(&mut self, match_type: MatchType) {
        self.stage(match_type, Stage::Started).unknown += 1;
        self.stage(match_type, Stage::Crashed).unknown += 1;
    }

    /// A match that was started could not be shown to have ended. The platform may crash it, or have done so;
    /// `sent` says that the end may have been applied as well.
    pub(crate) fn maybe_ended(&mut self, match_type: MatchType, stage: Stage, sent: bool) {
        self.stage(match_type, Stage::Crashed).unknown += 1;
        if sent && stage != Stage::Crashed {
            self.stage(match_type, stage).unknown += 1;
        }
    }

    /// A purchase was decided.
    pub(crate) fn purchased(&mut self, item_type: ItemType, status: TransactionStatus, cents: i64) {
        let money = &mut self.purchases[item_type as usize][status as usize];
        money.count.sure += 1;
        money.cents.sure += cents;
    }

    /// A purchase was sent and never answered: neither whether nor how it was decided is known.
    pub(crate) fn maybe_purchased(&mut self, item_type: ItemType, cents: i64) {
        for status in [TransactionStatus::Completed, TransactionStatus::Failed] {
            let money = &mut self.purchases[item_type as usize][status as usize];
            money.count.unknown += 1;
            money.cents.unknown += cents;
        }
    }

    /// Confirmed purchases with that outcome, of any item.
    pub(crate) fn purchases(&self, status: TransactionStatus) -> i64 {
        self.purchases.iter().map(|by_status| by_status[status as usize].count.sure).sum()
    }

    /// Compares the growth of the totals with the truth.
    pub(crate) fn compare(&self, before: &Totals, after: &Totals) -> Comparison {
        let mut rows = vec![
            Row::new("registrations".into(), self.registrations, after.registrations - before.registrations),
            Row::new("log-ins".into(), self.log_ins, after.logins - before.logins),
            Row::new("log-outs".into(), self.log_outs, after.log_outs - before.log_outs),
            Row::new(
                "refused log-ins".into(),
                self.refused_log_ins,
                after.refused_log_ins - before.refused_log_ins,
            ),
            Row::new("system_events".into(), self.system_events, after.system_events - before.system_events),
        ];
        for &match_type in MatchType::ALL {
            for stage in Stage::ALL {
                let grown = after.matches(match_type, stage) - before.matches(match_type, stage);
                let interval = self.matches[match_type as usize][stage as usize];
                rows.push(Row::new(format!("{match_type} matches {}", stage.as_str()), interval, grown));
            }
        }
        for &item_type in ItemType::ALL {
            for &status in TransactionStatus::ALL {
                let money = self.purchases[item_type as usize][status as usize];
                let (after, before) =
                    (after.purchases(item_type, status), before.purchases(item_type, status));
                let name = format!("{item_type} purchases {status}");
                let cents = format!("{name}, cents");
                rows.push(Row::new(name, money.count, after.count - before.count));
                rows.push(Row::new(cents, money.cents, after.cents - before.cents));
            }
        }
        Comparison { rows }
    }

    fn stage(&mut self, match_type: MatchType, stage: Stage) -> &mut Interval {
        &mut self.matches[match_type as usize][stage as usize]
    }
}

/// One total: what the truth allows, and by how much it grew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is counted.
    pub name: String,
    /// The least that it must have grown by.
    pub at_least: i64,
    /// The most that it may have grown by; equal to `at_least` when nothing is unknown.
    pub at_most: i64,
    /// What it grew by.
    pub grown: i64,
}

impl Row {
    pub(crate) fn new(name: String, interval: Interval, grown: i64) -> Self {
        Self { name, at_least: interval.sure, at_most: interval.sure + interval.unknown, grown }
    }

    /// Whether the total grew as the truth allows.
    pub fn holds(&self) -> bool {
        (self.at_least..=self.at_most).contains(&self.grown)
    }

    /// Whether there is anything to tell.
    fn is_empty(&self) -> bool {
        self.at_most == 0 && self.grown == 0
    }
}

/// Every total against the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Comparison {
    rows: Vec<Row>,
}

impl Comparison {
    /// Whether every total grew as the truth allows.
    pub fn holds(&self) -> bool {
        self.rows.iter().all(Row::holds)
    }

    /// The same, with more to compare.
    pub(crate) fn with(mut self, rows: Vec<Row>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Whether some total grew by more than the truth allows, which waiting does not cure.
    pub(crate) fn exceeds(&self) -> bool {
        self.rows.iter().any(|row| row.grown > row.at_most)
    }

    /// The totals that grew, or should have.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_empty())
    }

    /// The totals that differ from the truth.
    pub fn differences(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.holds())
    }
}

#[cfg(test)]
mod tests {
    use battlearena_proto::analytics::{GetTotalsResponse, MatchTotal, TransactionTotal};

    use super::*;

    fn totals(logins: i64, crashed: i64, sword_cents: i64) -> Totals {
        let matches =
            vec![MatchTotal { match_type: "team".into(), status: "crashed".into(), count: crashed }];
        let transactions = vec![TransactionTotal {
            item_type: "weapon".into(),
            status: "completed".into(),
            count: 1,
            amount_minor: sword_cents,
        }];
        Totals::try_from(GetTotalsResponse { logins, matches, transactions, ..Default::default() }).unwrap()
    }

    fn truth() -> Truth {
        let mut truth = Truth::default();
        truth.logged_in();
        truth.reached(MatchType::Team, Stage::Crashed);
        truth.purchased(ItemType::Weapon, TransactionStatus::Completed, 1499);
        truth
    }

    #[test]
    fn what_is_known_must_be_equal() {
        let before = Totals::default();
        assert!(truth().compare(&before, &totals(1, 1, 1499)).holds());
        for (wrong, difference) in [
            (totals(2, 1, 1499), "log-ins"),
            (totals(0, 1, 1499), "log-ins"),
            (totals(1, 2, 1499), "team matches crashed"),
            (totals(1, 1, 1498), "weapon purchases completed, cents"),
        ] {
            let comparison = truth().compare(&before, &wrong);
            assert!(!comparison.holds());
            let names: Vec<_> = comparison.differences().map(|row| row.name.as_str()).collect();
            assert_eq!(names, [difference]);
        }
    }

    #[test]
    fn only_growth_counts() {
        let before = totals(10, 5, 700);
        let mut after = totals(11, 6, 700 + 1499);
        assert!(!truth().compare(&before, &after).holds(), "the count of purchases did not grow");
        after = after.with_purchases(ItemType::Weapon, TransactionStatus::Completed, 2, 700 + 1499);
        assert!(truth().compare(&before, &after).holds());
    }

    #[test]
    fn what_is_unknown_widens_the_expectation() {
        let mut truth = truth();
        truth.maybe_logged_in(2);
        let verdict = |logins| {
            let comparison = truth.compare(&Totals::default(), &totals(logins, 1, 1499));
            (comparison.holds(), comparison.exceeds())
        };
        assert_eq!([0, 1, 3, 4].map(verdict), [(false, false), (true, false), (true, false), (false, true)]);
    }

    #[test]
    fn an_unknown_purchase_may_have_gone_either_way() {
        let mut truth = Truth::default();
        truth.maybe_purchased(ItemType::Weapon, 1499);
        assert!(truth.compare(&Totals::default(), &Totals::default()).holds());
        assert!(truth.compare(&Totals::default(), &totals(0, 0, 1499)).holds());
        assert!(!truth.compare(&Totals::default(), &totals(0, 0, 1500)).holds());
    }

    #[test]
    fn a_match_that_nobody_ends_may_be_crashed_by_the_platform() {
        let mut truth = Truth::default();
        truth.maybe_ended(MatchType::Solo, Stage::Completed, false);
        truth.maybe_ended(MatchType::Team, Stage::Completed, true);
        truth.maybe_ended(MatchType::Tournament, Stage::Crashed, true);
        let unknown = |match_type, stage: Stage| truth.matches[match_type as usize][stage as usize].unknown;
        assert_eq!(
            [MatchType::Solo, MatchType::Team, MatchType::Tournament].map(|match_type| (
                unknown(match_type, Stage::Completed),
                unknown(match_type, Stage::Crashed)
            )),
            [(0, 1), (1, 1), (0, 1)]
        );
    }
}
