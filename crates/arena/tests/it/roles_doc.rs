//! docs/security.md is true: its table of who may do what is the one that the guards ask, and what it points at is there.

use std::fs;

use battlearena_identity::caller::Caller;
use battlearena_identity::policy::{Access, Entry, KeyAccess, PlayerAccess, TABLE};
use battlearena_identity::{Door, Policy};

use crate::platform::root;

/// Where the table stands.
const SECTION: &str = "## Who may do what";

fn row(policy: &Policy, Entry { door, access }: &Entry) -> String {
    let (kind, name) = match door {
        Door::Http(..) => ("HTTP", door.to_string()),
        Door::Rpc(_) => ("RPC", door.to_string()),
        Door::Socket(_) => ("socket", door.to_string()),
    };
    let open = if policy.check(*door, &Caller::Open).is_ok() { "yes" } else { "no" };
    format!("| {kind} | `{name}` | {} | {open} |", who(*access))
}

/// Everybody who may go through, in words.
fn who(access: Access) -> String {
    let Access { anybody, player, game_server, operator, service, changes_credentials: _ } = access;
    if anybody {
        return "everybody".to_owned();
    }
    let players = match player {
        PlayerAccess::No => None,
        PlayerAccess::Own => Some("the player itself".to_owned()),
        PlayerAccess::Yes => Some("players".to_owned()),
    };
    let services = service.then(|| "services".to_owned());
    let all = [players, key("game servers", game_server), key("operators", operator), services];
    all.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn key(holders: &str, access: KeyAccess) -> Option<String> {
    match access {
        KeyAccess::No => None,
        KeyAccess::With(scope) => Some(format!("{holders} with `{}`", scope.as_str())),
        KeyAccess::Yes => Some(holders.to_owned()),
    }
}

#[test]
fn the_table_of_the_document_is_the_table_of_the_guards() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let section = page.split(SECTION).nth(1).unwrap().split("\n## ").next().unwrap();
    let written: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    let policy = Policy::new();
    let rows: Vec<String> = TABLE.iter().map(|entry| row(&policy, entry)).collect();
    assert!(written == rows, "docs/security.md should say:\n{}", rows.join("\n"));
}

#[test]
fn every_file_that_the_document_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let tops = ["crates/", "tests/", "scripts/", "docs/"];
    let is_path = |text: &&str| tops.iter().any(|top| text.starts_with(top)) && !text.contains(' ');
    let paths: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_path).collect();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "{path}");
    }
}
