//! The document of all alerts, written from their rules and runbooks, which it holds to be complete: every alert says what
//! Alertmanager and its reader need, has a runbook, and no runbook is without an alert.

mod threshold;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::{Rule, RuleFile};

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    /// A folder or a file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no rules.
    #[error("{path} is no file of rules")]
    NoRules {
        /// Which.
        path: PathBuf,
        /// What the parser says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A rule does not say all that an alert must.
    #[error("the alert {alert} has no {what}")]
    Incomplete {
        /// Its name.
        alert: String,
        /// What it lacks.
        what: &'static str,
    },
    /// A runbook lacks a part.
    #[error("the runbook {path} has no {what}")]
    PoorRunbook {
        /// Which.
        path: PathBuf,
        /// What it lacks.
        what: &'static str,
    },
    /// A runbook that no alert names.
    #[error("the runbook {path} is of no alert")]
    Orphan {
        /// Which.
        path: PathBuf,
    },
}

/// What the document begins with.
const HEAD: &str = "# Alerts\n\n\
    Written by `arena describe alerts` from the files in `deploy/prometheus/rules/` and `docs/runbooks/`; do not edit.\n\
    Critical alerts page, warnings are read within the day, info notifies nobody. *Least traffic* is what there must be\n\
    before a ratio or a percentile counts.\n";

/// What every runbook has, in this order.
const SECTIONS: [&str; 5] =
    ["What it means", "What the player feels", "How to look", "How to act", "How it was tested"];

/// Writes the document for a folder of rule files, with links to the folder of runbooks, which is reached from the
/// document by `link`.
///
/// # Errors
/// Something cannot be read or is not complete: an alert without severity, component, summary, description, dashboard or
/// runbook, a runbook without one of its sections, or a runbook of no alert.
pub fn document(rules: &Path, runbooks: &Path, link: &str) -> Result<String, AlertsError> {
    let mut text = HEAD.to_owned();
    let mut used = BTreeSet::new();
    for path in files(rules, "yml")? {
        let content = read(&path)?;
        let parsed: Result<RuleFile, _> = serde_saphyr::from_str(&content);
        let file =
            parsed.map_err(|error| AlertsError::NoRules { path: path.clone(), source: error.into() })?;
        let mut rows = Vec::new();
        for rule in file.groups.iter().flat_map(|group| &group.rules) {
            if let Some(alert) = &rule.alert {
                rows.push(row(alert, rule, runbooks, link, &mut used)?);
            }
        }
        if !rows.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = write!(
                text,
                "\n## {name}\n\n\
                 | alert | severity | component | threshold | for | least traffic | action |\n\
                 |---|---|---|---|---|---|---|\n{}",
                rows.concat()
            );
        }
    }
    match files(runbooks, "md")?.into_iter().find(|path| !used.contains(path)) {
        Some(path) => Err(AlertsError::Orphan { path }),
        None => Ok(text),
    }
}

/// One alert, as a row of the table.
fn row(
    alert: &str,
    rule: &Rule,
    runbooks: &Path,
    link: &str,
    used: &mut BTreeSet<PathBuf>,
) -> Result<String, AlertsError> {
    let label = |name| need(alert, rule.labels.get(name), name);
    let annotation = |name| need(alert, rule.annotations.get(name), name);
    let (severity, component) = (label("severity")?, label("component")?);
    for name in ["summary", "description", "dashboard_url"] {
        annotation(name)?;
    }
    let url = annotation("runbook_url")?;
    let runbook = runbooks.join(url.rsplit('/').next().unwrap_or_default());
    let action = action(&runbook)?;
    let least = rule.annotations.get("least_traffic").map_or("", String::as_str);
    let hold = rule.hold.as_deref().unwrap_or("at once");
    let threshold = threshold::of(&rule.expr);
    let file = runbook.file_name().unwrap_or_default().to_string_lossy();
    let row = format!(
        "| [{alert}]({link}/{file}) | {severity} | {component} | {threshold} | {hold} | {least} | {action} |\n"
    );
    used.insert(runbook);
    Ok(row)
}

fn need<'a>(alert: &str, value: Option<&'a String>, what: &'static str) -> Result<&'a str, AlertsError> {
    let value = value.map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| AlertsError::Incomplete { alert: alert.to_owned(), what })
}

/// What to do: the line below the title of a runbook, which must be complete.
fn action(runbook: &Path) -> Result<String, AlertsError> {
    let text = read(runbook)?;
    let poor = |what| AlertsError::PoorRunbook { path: runbook.to_owned(), what };
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for (position, section) in SECTIONS.into_iter().enumerate() {
        if headings.get(position) != Some(&section) {
            return Err(poor(section));
        }
    }
    let mut lines = text.lines();
    lines.next().filter(|line| line.starts_with("# ")).ok_or_else(|| poor("title"))?;
    let paragraph: Vec<&str> =
        lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    match paragraph.first() {
        Some(first) if !first.starts_with('#') => Ok(paragraph.join(" ").replace('|', "\\|")),
        _ => Err(poor("action below its title")),
    }
}

/// The files of a folder with an ending, in order.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, AlertsError> {
    let failed = |source| AlertsError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut paths: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, AlertsError> {
    fs::read_to_string(path).map_err(|source| AlertsError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
