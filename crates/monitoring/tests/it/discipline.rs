//! Who may page, and what every alert must say.

use std::collections::BTreeSet;

use crate::{alerts, name, repository};

const SEVERITIES: [&str; 4] = ["critical", "warning", "info", "none"];
const COMPONENTS: [&str; 4] = ["application", "database", "infrastructure", "telemetry"];
const RUNBOOKS: &str = "https://github.com/battlearena/battlearena/blob/main/docs/runbooks/";
const DASHBOARDS: &str = "http://localhost:3000/d/";

#[test]
fn only_what_players_feel_or_lose_pages() {
    let pages = ["ServiceDown", "DatabaseDown", "DeadLetters"];
    for alert in alerts() {
        let name = name(&alert);
        let expected = match name {
            "Watchdog" => Some("none"),
            _ if pages.contains(&name) || name.starts_with("SLO") && name.ends_with("BurnFast") => {
                Some("critical")
            }
            _ => None,
        };
        let severity = alert.labels["severity"].as_str();
        match expected {
            Some(expected) => assert_eq!(severity, expected, "{name}"),
            None => assert!(["warning", "info"].contains(&severity), "{name} is {severity}"),
        }
    }
}

#[test]
fn every_alert_says_what_it_must_and_leads_somewhere() {
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = name(&alert);
        assert!(names.insert(name.to_owned()), "there are two of {name}");
        assert!(SEVERITIES.contains(&alert.labels["severity"].as_str()), "{name}");
        assert!(COMPONENTS.contains(&alert.labels["component"].as_str()), "{name}");
        let annotation =
            |key: &str| alert.annotations.get(key).unwrap_or_else(|| panic!("{name} has no {key}"));
        assert!(!annotation("summary").ends_with('.') && annotation("description").ends_with('.'), "{name}");
        assert_eq!(*annotation("runbook_url"), format!("{RUNBOOKS}{name}.md"));
        assert!(repository(&format!("docs/runbooks/{name}.md")).exists(), "{name} has no runbook");
        let dashboard = annotation("dashboard_url").strip_prefix(DASHBOARDS).unwrap();
        let file = repository(&format!("deploy/grafana/dashboards/{dashboard}.json"));
        assert!(file.exists(), "{name} leads to {dashboard}, which is no dashboard");
    }
}
