//! Each alert has three tests for Prometheus' own tool: it fires, it ends, and something like its trouble leaves it quiet.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{alerts, name, read_all};

/// A file of `promtool test rules`, as far as it is looked at.
#[derive(Deserialize)]
struct TestFile {
    tests: Vec<Test>,
}

/// One course of events.
#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    alert_rule_test: Vec<Look>,
}

/// What is expected of an alert at one time.
#[derive(Deserialize)]
struct Look {
    eval_time: String,
    alertname: String,
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: BTreeMap<String, String>,
}

/// What is tested of an alert.
#[derive(Default)]
struct Seen {
    firing: bool,
    ending: bool,
    quiet: bool,
}

/// Alerts that cannot be tested in each way, and what is left out why.
const EXCEPT: [(&str, &str); 1] = [("Watchdog", "always fires: it neither ends nor keeps quiet")];

#[test]
fn every_alert_is_seen_firing_ending_and_quiet() {
    let alerts = alerts();
    let names: Vec<&str> =
        alerts.iter().map(name).filter(|name| EXCEPT.iter().all(|(other, _)| other != name)).collect();
    assert!(names.len() > 50, "{names:?}");
    let missing = missing(&names, &read_all("deploy/prometheus/tests"));
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_fires_says_which_service_it_is_about() {
    let files: Vec<TestFile> = read_all("deploy/prometheus/tests");
    let looks = files.iter().flat_map(|file| &file.tests).flat_map(|test| &test.alert_rule_test);
    for look in looks {
        for expected in &look.exp_alerts {
            assert!(expected.exp_labels.contains_key("service"), "{} at {}", look.alertname, look.eval_time);
        }
    }
}

#[test]
fn an_alert_without_its_tests_is_named() {
    let test = r#"
tests:
  - alert_rule_test:
      - { eval_time: 1h, alertname: Whole, exp_alerts: [{ exp_labels: {} }] }
      - { eval_time: 90m, alertname: Whole, exp_alerts: [] }
      - { eval_time: 5m, alertname: Endless, exp_alerts: [] }
      - { eval_time: 6m, alertname: Endless, exp_alerts: [{ exp_labels: {} }] }
  - alert_rule_test:
      - { eval_time: 5m, alertname: Whole, exp_alerts: [] }
      - { eval_time: 5m, alertname: Silent, exp_alerts: [] }
"#;
    let file: TestFile = serde_saphyr::from_str(test).unwrap();
    assert_eq!(
        missing(&["Whole", "Endless", "Silent", "Forgotten"], &[file]),
        [
            "Endless is not seen ending",
            "Endless is not seen quiet",
            "Silent is not seen firing",
            "Silent is not seen ending",
            "Forgotten is not seen firing",
            "Forgotten is not seen ending",
            "Forgotten is not seen quiet",
        ]
    );
}

fn missing(alerts: &[&str], files: &[TestFile]) -> Vec<String> {
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for test in files.iter().flat_map(|file| &file.tests) {
        for look in &test.alert_rule_test {
            let fired = |other: &&Look| other.alertname == look.alertname && !other.exp_alerts.is_empty();
            let first =
                test.alert_rule_test.iter().filter(fired).map(|other| seconds(&other.eval_time)).min();
            let seen = seen.entry(&look.alertname).or_default();
            match first {
                Some(_) if !look.exp_alerts.is_empty() => seen.firing = true,
                Some(first) => seen.ending |= first < seconds(&look.eval_time),
                None => seen.quiet = true,
            }
        }
    }
    let mut missing = Vec::new();
    for alert in alerts {
        let none = Seen::default();
        let Seen { firing, ending, quiet } = seen.get(alert).unwrap_or(&none);
        for (is, what) in [(firing, "firing"), (ending, "ending"), (quiet, "quiet")] {
            if !is {
                missing.push(format!("{alert} is not seen {what}"));
            }
        }
    }
    missing
}

/// A duration of Prometheus, such as `1h30m`.
fn seconds(text: &str) -> u64 {
    let mut number = 0;
    text.chars().fold(0, |sum, letter| match letter {
        '0'..='9' => {
            number = number * 10 + u64::from(letter.to_digit(10).unwrap());
            sum
        }
        unit => {
            let length = match unit {
                'd' => 86_400,
                'h' => 3600,
                'm' => 60,
                _ => 1,
            };
            sum + std::mem::take(&mut number) * length
        }
    })
}
