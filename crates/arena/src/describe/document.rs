//! The text of docs/metrics.md. Does no IO. What two roles say of one metric must agree; only the values of its labels may
//! differ, and are put together.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};
use battlearena_telemetry::metrics::{BYTES, HTTP_SECONDS, MATCH_SECONDS, OPERATION_SECONDS, SQL_SECONDS};

use super::instrument::{Instrument, Label};
use super::sections::SECTIONS;
use crate::roles::Role;

/// What stands above the sections.
const HEAD: &str = "\
# Metrics

Every metric that the services export. This page is written by `make metrics-doc` (`arena describe metrics`) from the
instruments in the code; a test fails when it is out of date.

Each service shows its own at `GET /metrics`: Prometheus' text format 0.0.4, or OpenMetrics 1.0 with exemplars for who
asks for it in `Accept`. The label `service` comes from the scrape configuration. Counters and histograms are there from
the start, at zero.

";

/// The sets of bounds, by the name of their heading.
const BOUNDS: [(&str, &[f64]); 5] = [
    ("HTTP seconds", HTTP_SECONDS),
    ("SQL seconds", SQL_SECONDS),
    ("Operation seconds", OPERATION_SECONDS),
    ("Match seconds", MATCH_SECONDS),
    ("Bytes", BYTES),
];

/// Names that `promtool check metrics` finds fault with, and why they are what they are.
const UNUSUAL: [(&str, &str); 2] = [
    (
        "active_players_count",
        "the name was there before this platform; it is a gauge and no part of a histogram",
    ),
    (
        "revenue_total_usd",
        "the name was there before this platform; in OpenMetrics, where counters end in `_total`, its type is unknown",
    ),
];

/// One metric of the platform, and who has it.
struct Described<'a> {
    instrument: Instrument,
    roles: Vec<&'a str>,
}

/// Writes the document.
///
/// # Errors
/// Two roles disagree about a metric, or one belongs to no section.
pub(super) fn write(roles: &[(Role, Vec<Instrument>)]) -> anyhow::Result<String> {
    let metrics = merge(roles)?;
    for name in metrics.keys() {
        let sections = SECTIONS.iter().filter(|section| section.has(name)).count();
        ensure!(sections == 1, "{name} belongs to {sections} sections of describe/sections.rs");
    }
    let mut page = HEAD.to_owned();
    for section in &SECTIONS {
        let members: Vec<_> = metrics.values().filter(|m| section.has(&m.instrument.name)).collect();
        if !members.is_empty() {
            write!(page, "## {}\n\n", section.title)?;
        }
        for metric in members {
            metric.write(&mut page)?;
        }
    }
    write_bounds(&mut page)?;
    write_unusual(&mut page)?;
    Ok(page)
}

fn merge(roles: &[(Role, Vec<Instrument>)]) -> anyhow::Result<BTreeMap<String, Described<'_>>> {
    let mut metrics: BTreeMap<String, Described<'_>> = BTreeMap::new();
    for (role, instruments) in roles {
        for instrument in instruments {
            match metrics.get_mut(&instrument.name) {
                Some(known) => {
                    known
                        .add(instrument)
                        .with_context(|| format!("{} of {}", instrument.name, role.name()))?;
                    known.roles.push(role.name());
                }
                None => {
                    let described = Described { instrument: instrument.clone(), roles: vec![role.name()] };
                    metrics.insert(instrument.name.clone(), described);
                }
            }
        }
    }
    Ok(metrics)
}

impl Described<'_> {
    fn add(&mut self, other: &Instrument) -> anyhow::Result<()> {
        let Instrument { name: _, kind, unit, help, labels, bounds } = other;
        let ours = &mut self.instrument;
        if (&ours.kind, &ours.unit, &ours.help, &ours.bounds) != (kind, unit, help, bounds) {
            bail!("two roles describe it differently");
        }
        ensure!(
            ours.labels.iter().map(|label| &label.name).eq(labels.iter().map(|label| &label.name)),
            "two roles label it differently"
        );
        for (ours, theirs) in ours.labels.iter_mut().zip(labels) {
            match (&mut ours.values, &theirs.values) {
                (Some(ours), Some(theirs)) => ours.extend(theirs.iter().cloned()),
                (ours, _) => *ours = None,
            }
        }
        Ok(())
    }

    fn write(&self, page: &mut String) -> anyhow::Result<()> {
        let Instrument { name, kind, unit, help, labels, bounds } = &self.instrument;
        write!(page, "### `{name}`\n\n{help}\n\n- {kind}, {unit}; {}\n", self.roles.join(", "))?;
        for Label { name, values } in labels {
            match values {
                Some(values) => {
                    let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
                    writeln!(page, "- `{name}`: {}", values.join(", "))?;
                }
                None => writeln!(page, "- `{name}`: {}", open_set(name)?)?,
            }
        }
        if let Some(bounds) = bounds {
            let (title, _) = BOUNDS.iter().find(|(_, known)| known == bounds).context("unknown bounds")?;
            writeln!(page, "- bounds: [{title}](#{})", title.to_lowercase().replace(' ', "-"))?;
        }
        page.push('\n');
        Ok(())
    }
}

/// What the values of a label are whose set is not written down in one place. Each of them is bounded all the same.
fn open_set(label: &str) -> anyhow::Result<&'static str> {
    Ok(match label {
        "endpoint" => "the route's template, `unmatched` for a path that no route takes",
        "status" => "the status that was answered",
        "query" => "the name of the statement in the code",
        "query_type" => "the statement's SQL command",
        "grpc_service" | "grpc_method" => "from the wire contracts, `unknown` for anything else",
        "metric" => "the name of the metric",
        "version" | "environment" | "service_name" | "git_commit" | "build_date" => {
            "as the process is built and configured"
        }
        _ => {
            bail!("the label {label} has no closed set, and describe/document.rs does not say what bounds it")
        }
    })
}

fn write_bounds(page: &mut String) -> anyhow::Result<()> {
    page.push_str("## Bounds of histograms\n\n");
    for (title, bounds) in BOUNDS {
        let bounds: Vec<_> = bounds.iter().map(ToString::to_string).collect();
        write!(page, "### {title}\n\n{}\n\n", bounds.join(" "))?;
    }
    Ok(())
}

fn write_unusual(page: &mut String) -> anyhow::Result<()> {
    page.push_str("## Names that `promtool check metrics` finds fault with\n\n");
    for (name, reason) in UNUSUAL {
        writeln!(page, "- `{name}`: {reason}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(values: &[&str]) -> Instrument {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Instrument {
            name: "queue_depth".to_owned(),
            kind: "gauge".to_owned(),
            unit: "count".to_owned(),
            help: "Events that wait.".to_owned(),
            labels: vec![Label { name: "queue".to_owned(), values: Some(values) }],
            bounds: None,
        }
    }

    #[test]
    fn the_values_of_all_roles_are_put_together() {
        let page =
            write(&[(Role::Gateway, vec![queue(&["b"])]), (Role::Match, vec![queue(&["a"])])]).unwrap();
        let expected = "## Queues\n\n### `queue_depth`\n\nEvents that wait.\n\n\
                        - gauge, count; gateway, match\n- `queue`: `a`, `b`\n\n";
        assert!(page.contains(expected), "{page}");
    }

    #[test]
    fn two_roles_may_not_disagree() {
        let other = Instrument { help: "Something else.".to_owned(), ..queue(&[]) };
        let error = write(&[(Role::Gateway, vec![queue(&[])]), (Role::Match, vec![other])]).unwrap_err();
        assert_eq!(format!("{error:#}"), "queue_depth of match: two roles describe it differently");
    }

    #[test]
    fn what_belongs_nowhere_is_told() {
        let homeless = Instrument { name: "moon_phase".to_owned(), ..queue(&[]) };
        let error = write(&[(Role::Gateway, vec![homeless])]).unwrap_err();
        assert!(error.to_string().contains("moon_phase belongs to 0 sections"), "{error}");
        let boundless = Label { name: "player".to_owned(), values: None };
        let boundless = Instrument { labels: vec![boundless], ..queue(&[]) };
        let error = write(&[(Role::Gateway, vec![boundless])]).unwrap_err();
        assert!(error.to_string().contains("the label player has no closed set"), "{error}");
    }
}
