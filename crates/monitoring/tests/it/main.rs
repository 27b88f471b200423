//! The rules of the platform as they are committed: each alert is complete, has its place in the order of severities, and is
//! tested in three ways; the objectives look at bounds that their histograms have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cases;
mod discipline;
mod objectives;

use std::fs;
use std::path::{Path, PathBuf};

use battlearena_monitoring::rules::{Rule, RuleFile};
use serde::de::DeserializeOwned;

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Every YAML file of a folder, by name.
fn read_all<T: DeserializeOwned>(folder: &str) -> Vec<T> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(repository(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing in {folder}");
    let read = |path: PathBuf| serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    paths.into_iter().map(read).collect()
}

/// Every alert of the platform.
fn alerts() -> Vec<Rule> {
    let files: Vec<RuleFile> = read_all("deploy/prometheus/rules");
    let rules = files.into_iter().flat_map(|file| file.groups).flat_map(|group| group.rules);
    rules.filter(|rule| rule.alert.is_some()).collect()
}

fn name(alert: &Rule) -> &str {
    alert.alert.as_deref().unwrap()
}
