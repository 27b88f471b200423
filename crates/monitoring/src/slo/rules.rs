//! The rules of one objective. Names and labels are those that the SLO tools share, so that public dashboards work
//! unchanged.

use std::collections::BTreeMap;
use std::time::Duration;

use super::spec::{SECONDS, Source, Spec, WINDOW};
use super::windows::{Burn, Options, PAGE, SHORTEST, TICKET, Window};
use crate::rules::{Group, Rule};

/// How often pages are decided: with a scrape and `for`, this is what detection takes beside the formula's time.
const PAGE_INTERVAL: Duration = Duration::from_secs(15);

/// How often the rest is. Longer than this, what is recorded would be missing at times: a sample counts for five minutes.
const SLOW_INTERVAL: Duration = Duration::from_secs(120);

/// One evaluation more, so that a page for the same outage that names the cause comes first and mutes this one.
const PAGE_HOLD: Duration = Duration::from_secs(15);

const TICKET_HOLD: Duration = Duration::from_secs(120);

/// How bad a burn is.
struct Level {
    name: &'static str,
    severity: &'static str,
    kind: &'static str,
    burns: &'static [Burn],
    hold: Duration,
    pace: &'static str,
    says: &'static str,
}

const FAST: Level = Level {
    name: "BurnFast",
    severity: "critical",
    kind: "page",
    burns: &PAGE,
    hold: PAGE_HOLD,
    pace: "fast",
    says: "the budget of the month is gone within days, or hours",
};

const SLOW: Level = Level {
    name: "BurnSlow",
    severity: "warning",
    kind: "ticket",
    burns: &TICKET,
    hold: TICKET_HOLD,
    pace: "slowly",
    says: "the budget of the month will not last",
};

/// The groups of one objective: what pages often, the rest less so.
pub(super) fn groups(spec: &Spec, options: &Options) -> [Group; 2] {
    let [page, ticket] = [PAGE_INTERVAL, SLOW_INTERVAL].map(|interval| Some(options.time(interval)));
    let writer = Writer { spec, options };
    [
        Group { name: format!("slo {} page", spec.id), interval: page, rules: writer.page() },
        Group { name: format!("slo {} budget", spec.id), interval: ticket, rules: writer.budget() },
    ]
}

struct Writer<'a> {
    spec: &'a Spec,
    options: &'a Options,
}

impl Writer<'_> {
    /// Windows of up to six hours are read from the counters themselves, exactly.
    fn page(&self) -> Vec<Rule> {
        let windows = PAGE.iter().flat_map(|burn| [burn.short, burn.long]);
        let mut rules: Vec<Rule> = windows.flat_map(|window| self.of_counters(window)).collect();
        rules.push(self.alert(&FAST));
        rules
    }

    /// Longer windows are summed up from recorded rates: a month of samples of every counter would take seconds to read.
    /// Sums of errors over sums of events, not an average of ratios: an idle hour weighs nothing.
    fn budget(&self) -> Vec<Rule> {
        let id = &self.spec.id;
        let mut rules = Vec::new();
        for (name, source) in &self.spec.sources {
            for (record, query) in
                [("slo:sli_bad_events:rate5m", &source.bad), ("slo:sli_events:rate5m", &source.total)]
            {
                let rate = self.sum(query, SHORTEST);
                rules.push(self.record(
                    record,
                    format!("clamp_min({rate}, 0) or vector(0)"),
                    &[("source", name)],
                ));
            }
        }
        let [day, three_days] = &TICKET;
        rules.extend(self.of_counters(day.short));
        rules.extend([day.long, three_days.long].into_iter().flat_map(|window| self.of_rates(window)));
        rules.extend(self.period());
        let constants = [
            ("slo:objective:ratio", self.spec.objective_ratio()),
            ("slo:error_budget:ratio", self.spec.budget()),
            ("slo:time_period:days", self.spec.days().to_string()),
        ];
        rules.extend(constants.map(|(record, value)| self.record(record, format!("vector({value})"), &[])));
        let current = format!("max without (sloth_window) (slo:sli_error:ratio_rate5m{{sloth_id=\"{id}\"}})");
        let whole = &self.spec.window;
        let period =
            format!("max without (sloth_window) (slo:sli_error:ratio_rate{whole}{{sloth_id=\"{id}\"}})");
        let remaining = format!("1 - slo:period_burn_rate:ratio{{sloth_id=\"{id}\"}}");
        let budget = self.spec.budget();
        rules.push(self.record("slo:current_burn_rate:ratio", format!("{current} / {budget}"), &[]));
        rules.push(self.record("slo:period_burn_rate:ratio", format!("{period} / {budget}"), &[]));
        rules.push(self.record("slo:period_error_budget_remaining:ratio", remaining, &[]));
        rules.push(self.info());
        rules.push(self.alert(&SLOW));
        rules
    }

    fn info(&self) -> Rule {
        let objective = self.spec.objective.to_string();
        let labels = [
            ("sloth_mode", "arena slo generate"),
            ("sloth_objective", objective.as_str()),
            ("sloth_spec", "battlearena/v1"),
            ("sloth_version", env!("CARGO_PKG_VERSION")),
        ];
        self.record("sloth_slo_info", "vector(1)".to_owned(), &labels)
    }

    fn of_counters(&self, window: Window) -> Vec<Rule> {
        self.window(window.name, |_, source| {
            let queries = [&source.bad, &source.total].map(|query| self.sum(query, window));
            ratio(&queries, source.least_per_second)
        })
    }

    fn of_rates(&self, window: Window) -> Vec<Rule> {
        self.window(window.name, |name, source| {
            let least = source.least_per_second * Options::samples(window, SLOW_INTERVAL);
            ratio(&self.sums_of_rates(name, window), least)
        })
    }

    /// Every event of the period counts, however few there are.
    fn period(&self) -> Vec<Rule> {
        let window = Window::days(self.spec.days());
        self.window(&self.spec.window, |name, _| ratio(&self.sums_of_rates(name, window), 0.0))
    }

    fn sums_of_rates(&self, source: &str, window: Window) -> [String; 2] {
        let (id, range) = (&self.spec.id, self.options.range(window));
        ["slo:sli_bad_events:rate5m", "slo:sli_events:rate5m"].map(|record| {
            format!("sum(sum_over_time({record}{{sloth_id=\"{id}\", source=\"{source}\"}}[{range}]))")
        })
    }

    /// The error ratio of each source over a window, and the worst of them.
    fn window(&self, window: &str, ratio: impl Fn(&str, &Source) -> String) -> Vec<Rule> {
        let (id, label) = (&self.spec.id, ("sloth_window", window));
        let record = format!("slo:sli_source_error:ratio_rate{window}");
        let sources = self.spec.sources.iter();
        let mut rules: Vec<Rule> = sources
            .map(|(name, source)| self.record(&record, ratio(name, source), &[label, ("source", name)]))
            .collect();
        let worst = format!("max without (source) ({record}{{sloth_id=\"{id}\"}})");
        rules.push(self.record(&format!("slo:sli_error:ratio_rate{window}"), worst, &[label]));
        rules
    }

    fn sum(&self, query: &str, window: Window) -> String {
        let (range, seconds) = (self.options.range(window), self.options.seconds(window).to_string());
        format!("sum({})", query.trim().replace(WINDOW, &range).replace(SECONDS, &seconds))
    }

    fn alert(&self, level: &Level) -> Rule {
        let Spec { id, service, slo, title, .. } = self.spec;
        let depends_on = self.spec.depends_on.join(",");
        let budget = self.spec.budget();
        let burns = level.burns.iter().map(|Burn { factor, long, short }| {
            let [short, long] = [short, long].map(|window| {
                format!(
                    "max without (sloth_window) (slo:sli_error:ratio_rate{}{{sloth_id=\"{id}\"}}) > {factor} * {budget}",
                    window.name
                )
            });
            format!("(\n  {short}\n  and\n  {long}\n)")
        });
        let name = format!("SLO{}{}", self.spec.camel_case(), level.name);
        let annotations = [
            ("summary", format!("{title}: the error budget burns {}", level.pace)),
            (
                "description",
                format!("The objective {slo} of {service} is missed so fast that {}.", level.says),
            ),
            (
                "runbook_url",
                format!("https://github.com/battlearena/battlearena/blob/main/docs/runbooks/{name}.md"),
            ),
            ("dashboard_url", "http://localhost:3000/d/battlearena-slo".to_owned()),
        ];
        let labels = [
            ("severity", level.severity),
            ("component", "application"),
            ("service", service),
            ("depends_on", depends_on.as_str()),
            ("sloth_severity", level.kind),
        ];
        Rule {
            record: None,
            alert: Some(name),
            expr: burns.collect::<Vec<_>>().join("\nor\n") + "\n",
            hold: Some(self.options.time(level.hold)),
            keep_firing_for: None,
            labels: map(labels.map(|(key, value)| (key, value.to_owned()))),
            annotations: map(annotations.into_iter().chain(self.least_traffic())),
        }
    }

    fn least_traffic(&self) -> Option<(&'static str, String)> {
        let sources = self.spec.sources.iter().filter(|(_, source)| source.least_per_second > 0.0);
        let texts: Vec<_> =
            sources.map(|(name, source)| format!("{} {name}/s", source.least_per_second)).collect();
        (!texts.is_empty()).then(|| ("least_traffic", texts.join(", ") + ", each over the whole window"))
    }

    fn record(&self, record: &str, expr: String, labels: &[(&str, &str)]) -> Rule {
        let Spec { id, service, slo, .. } = self.spec;
        let common = [("sloth_id", id.as_str()), ("sloth_service", service), ("sloth_slo", slo)];
        Rule {
            record: Some(record.to_owned()),
            alert: None,
            expr,
            hold: None,
            keep_firing_for: None,
            labels: map(labels.iter().copied().chain(common).map(|(key, value)| (key, value.to_owned()))),
            annotations: BTreeMap::new(),
        }
    }
}

/// Errors ÷ events: 0 with no more events than so many, and within 0 and 1, since extrapolation at the edges of a window
/// could lead out of it.
fn ratio([bad, total]: &[String; 2], least: f64) -> String {
    format!("clamp(\n  ({bad} or vector(0))\n  / ({total} > {least}),\n  0, 1\n)\nor vector(0)\n")
}

fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
