//! On folders of a few files, complete and not.

use super::*;

const RULES: &str = r#"
groups:
  - name: a
    rules:
      - record: x:y
        expr: sum(y)
      - alert: Slow
        expr: p95 > 1 and rate > 0.2
        for: 5m
        labels: { severity: warning, component: application }
        annotations:
          summary: slow
          description: It is slow.
          least_traffic: 0.2 requests/s
          runbook_url: https://example.com/Slow.md
          dashboard_url: https://example.com/d/a
"#;

const RUNBOOK: &str = "# Slow\n\nFind what is slow,\nand stop it.\n\n## What it means\n\n## What the player feels\n\n\
    ## How to look\n\n## How to act\n\n## How it was tested\n";

fn written(rules: &str, runbooks: &[(&str, &str)]) -> Result<String, AlertsError> {
    let folder = tempfile::tempdir().unwrap();
    let (rules_folder, runbooks_folder) = (folder.path().join("rules"), folder.path().join("runbooks"));
    fs::create_dir(&rules_folder).unwrap();
    fs::create_dir(&runbooks_folder).unwrap();
    fs::write(rules_folder.join("a.yml"), rules).unwrap();
    for (name, text) in runbooks {
        fs::write(runbooks_folder.join(name), text).unwrap();
    }
    document(&rules_folder, &runbooks_folder, "../runbooks")
}

fn refused(rules: &str, runbooks: &[(&str, &str)]) -> String {
    written(rules, runbooks).unwrap_err().to_string()
}

#[test]
fn an_alert_is_a_row() {
    let document = written(RULES, &[("Slow.md", RUNBOOK)]).unwrap();
    let row = "| [Slow](../runbooks/Slow.md) | warning | application | `> 1` | 5m | 0.2 requests/s \
               | Find what is slow, and stop it. |";
    assert!(document.lines().any(|line| line == row), "{document}");
}

#[test]
fn what_is_not_complete_is_refused() {
    let complete = [("Slow.md", RUNBOOK)];
    for part in ["severity: warning, ", "component: application", "summary: slow"] {
        let what = part.split(':').next().unwrap();
        assert_eq!(refused(&RULES.replace(part, ""), &complete), format!("the alert Slow has no {what}"));
    }
    assert!(refused(RULES, &[]).starts_with("cannot read"));
    let poor = RUNBOOK.replace("## How to act\n", "");
    assert!(refused(RULES, &[("Slow.md", &poor)]).ends_with("has no How to act"));
    let silent = RUNBOOK.replace("Find what is slow,\nand stop it.\n\n", "");
    assert!(refused(RULES, &[("Slow.md", &silent)]).ends_with("has no action below its title"));
}

#[test]
fn a_runbook_of_no_alert_is_refused() {
    let runbooks = [("Slow.md", RUNBOOK), ("Old.md", RUNBOOK)];
    assert!(refused(RULES, &runbooks).ends_with("Old.md is of no alert"));
}
