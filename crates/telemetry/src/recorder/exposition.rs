//! The two texts of a scrape, each written in one pass over that of the exporter: Prometheus' format 0.0.4, and
//! OpenMetrics 1.0 with exemplars.

use std::borrow::Cow;
use std::sync::Arc;

use super::exemplars::{ExemplarTable, Exemplars};

/// Counters whose integer is a fraction of the unit that their name promises: the divisor and the decimals.
const SCALED: &[(&str, u64, usize)] =
    &[("revenue_total_usd", 100, 2), ("tokio_workers_busy_seconds_total", 1_000_000, 6)];

/// Prometheus' text format 0.0.4.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 64);
    for line in raw.lines() {
        match Line::read(line) {
            Line::Blank => {}
            Line::Help { name, text } => push(&mut out, &["# HELP ", name, " ", text]),
            Line::Type { name, kind } => push(&mut out, &["# TYPE ", name, " ", kind]),
            Line::Sample { series, value } => push(&mut out, &[series, " ", &value]),
        }
        out.push('\n');
    }
    out
}

/// OpenMetrics 1.0. A counter whose name does not end in `_total` has the type `unknown` there: the format has no other
/// name for it.
pub(super) fn openmetrics(raw: &str, exemplars: &ExemplarTable) -> String {
    // Exemplars make some bucket lines twice as long.
    let out = String::with_capacity(raw.len() + raw.len() / 4);
    let mut writer = OpenMetrics { out, exemplars, help: None, kind: "", head: "", bucket: 0, series: None };
    raw.lines().for_each(|line| writer.line(line));
    writer.out.push_str("# EOF\n");
    writer.out
}

/// One line of the exporter, with that put right which the exporter cannot say.
enum Line<'a> {
    Blank,
    Help { name: &'a str, text: &'a str },
    Type { name: &'a str, kind: &'a str },
    Sample { series: &'a str, value: Cow<'a, str> },
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap_or((help, ""));
            return Self::Help { name, text };
        }
        if let Some(family) = line.strip_prefix("# TYPE ") {
            return match family.split_once(' ') {
                // Its library hands it over as a gauge, so that it may have decimals.
                Some((name @ "process_cpu_seconds_total", _)) => Self::Type { name, kind: "counter" },
                Some((name, kind)) => Self::Type { name, kind },
                None => Self::Blank,
            };
        }
        match line.rsplit_once(' ') {
            Some((series, value)) => Self::Sample { series, value: scaled(series, value) },
            None => Self::Blank,
        }
    }
}

struct OpenMetrics<'a> {
    out: String,
    exemplars: &'a ExemplarTable,
    /// The help of the family whose type comes next.
    help: Option<&'a str>,
    kind: &'a str,
    /// The beginning of the bucket's line that was written last, and the number of the next bucket of that series.
    head: &'a str,
    bucket: usize,
    series: Option<Arc<Exemplars>>,
}

impl<'a> OpenMetrics<'a> {
    fn line(&mut self, line: &'a str) {
        match Line::read(line) {
            Line::Blank => {}
            Line::Help { text, .. } => self.help = Some(text),
            Line::Type { name, kind } => self.family(name, kind),
            Line::Sample { series, value } => self.sample(series, &value),
        }
    }

    fn family(&mut self, name: &'a str, kind: &'a str) {
        self.kind = kind;
        let (name, kind) = match (kind, name.strip_suffix("_total")) {
            ("counter", Some(name)) => (name, "counter"),
            ("counter", None) => (name, "unknown"),
            _ => (name, kind),
        };
        push(&mut self.out, &["# TYPE ", name, " ", kind, "\n"]);
        if let Some(help) = self.help.take() {
            push(&mut self.out, &["# HELP ", name, " ", &help.replace('"', r#"\""#), "\n"]);
        }
    }

    fn sample(&mut self, series: &'a str, value: &str) {
        let bucket = match self.kind {
            "histogram" => series.strip_suffix("\"}").and_then(|series| series.rsplit_once("le=\"")),
            _ => None,
        };
        let value = match value {
            "inf" => "+Inf",
            "-inf" => "-Inf",
            value => value,
        };
        match bucket.filter(|(head, _)| head.ends_with(['{', ','])) {
            Some((head, bound)) => self.bucket(head, bound, value),
            None => push(&mut self.out, &[series, " ", value]),
        }
        self.out.push('\n');
    }

    fn bucket(&mut self, head: &'a str, bound: &str, count: &str) {
        // A bound is a float, also when it is a whole number.
        let decimals = if bound.contains(['.', 'I']) { "" } else { ".0" };
        push(&mut self.out, &[head, "le=\"", bound, decimals, "\"} ", count]);
        if head != self.head {
            (self.head, self.bucket, self.series) = (head, 0, self.exemplars.find(head));
        }
        if let Some(exemplars) = &self.series {
            exemplars.write(self.bucket, &mut self.out);
        }
        self.bucket += 1;
    }
}

/// The value in the unit of the series' name.
fn scaled<'a>(series: &str, value: &'a str) -> Cow<'a, str> {
    let scale = SCALED.iter().find(|(name, ..)| {
        series.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
    });
    match (scale, value.parse::<u64>()) {
        (Some((_, divisor, decimals)), Ok(value)) => {
            Cow::Owned(format!("{}.{:0decimals$}", value / divisor, value % divisor))
        }
        _ => Cow::Borrowed(value),
    }
}

fn push(out: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| out.push_str(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_shown_as_dollars() {
        let raw = "# TYPE revenue_total_usd counter\n\
                   revenue_total_usd{item_type=\"skin\",region=\"asia\"} 100000000000000107\n\
                   revenue_total_usd 5\n\
                   revenue_total_usd_other 5\n";
        let expected = "# TYPE revenue_total_usd counter\n\
                        revenue_total_usd{item_type=\"skin\",region=\"asia\"} 1000000000000001.07\n\
                        revenue_total_usd 0.05\n\
                        revenue_total_usd_other 5\n";
        assert_eq!(text(raw), expected);
    }

    #[test]
    fn the_plain_text_stays_as_it_is() {
        let raw = "# HELP a_total Says \"a\" and \\\\.\n# TYPE a_total counter\na_total{b=\"c d\"} 1\n\n\
                   # TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 1.5\n\n";
        let expected = raw.replace("process_cpu_seconds_total gauge", "process_cpu_seconds_total counter");
        assert_eq!(text(raw), expected);
    }

    #[test]
    fn open_metrics_has_its_own_names_types_and_numbers() {
        let raw = "# HELP a_total Says \"a\".\n# TYPE a_total counter\na_total{b=\"c d\"} 1\n\n\
                   # TYPE revenue_total_usd counter\nrevenue_total_usd 150\n\n\
                   # TYPE process_cpu_seconds_total gauge\nprocess_cpu_seconds_total 1.5\n\n\
                   # HELP lag_ratio Late.\n# TYPE lag_ratio gauge\nlag_ratio inf\n\n\
                   # TYPE size_bytes histogram\n\
                   size_bytes_bucket{role=\"x\",le=\"64\"} 1\nsize_bytes_bucket{role=\"x\",le=\"64.5\"} 1\n\
                   size_bytes_bucket{role=\"x\",le=\"+Inf\"} 2\n\
                   size_bytes_sum{role=\"le\"} 3.5\nsize_bytes_count{role=\"le\"} 2\n\n";
        let expected = "# TYPE a counter\n# HELP a Says \\\"a\\\".\na_total{b=\"c d\"} 1\n\
                        # TYPE revenue_total_usd unknown\nrevenue_total_usd 1.50\n\
                        # TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 1.5\n\
                        # TYPE lag_ratio gauge\n# HELP lag_ratio Late.\nlag_ratio +Inf\n\
                        # TYPE size_bytes histogram\n\
                        size_bytes_bucket{role=\"x\",le=\"64.0\"} 1\nsize_bytes_bucket{role=\"x\",le=\"64.5\"} 1\n\
                        size_bytes_bucket{role=\"x\",le=\"+Inf\"} 2\n\
                        size_bytes_sum{role=\"le\"} 3.5\nsize_bytes_count{role=\"le\"} 2\n# EOF\n";
        assert_eq!(openmetrics(raw, &ExemplarTable::default()), expected);
    }
}
