//! The secrets of a platform: what `arena up` makes and keeps, what production wants to be given, and `arena keys`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use crate::platform::{Platform, arena, arena_up, free_addresses};
use crate::scrape::{ask, http};

fn database(up: &Platform) -> String {
    up.report.split("psql '").nth(1).unwrap().split('\'').next().unwrap().to_owned()
}

pub(crate) fn keys(database: &str, arguments: &[&str]) -> Output {
    let mut command = arena();
    command.env("ARENA_DATABASE_URL", database).env("ARENA_LOG_FILTER", "off").arg("keys").args(arguments);
    command.output().unwrap()
}

pub(crate) fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap().trim_end().to_owned()
}

/// The status with which the gateway exchanges a key for a token.
fn exchange(addresses: &[String], key: &str) -> u16 {
    let head = format!("POST /api/keys/token HTTP/1.1\r\nauthorization: Bearer {key}\r\n");
    ask(&http(addresses, "gateway"), &head, "").unwrap().status
}

fn listed(database: &str, id: &str) -> Value {
    let rows = said(&keys(database, &["list"]));
    let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.into_iter().find(|row| row["id"] == id).unwrap()
}

#[test]
fn keys_are_made_listed_and_ended() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.arg("--ephemeral");
    let up = Platform::start(command);
    let database = database(&up);
    let new = ["create", "--role", "operator", "--name", "ops", "--scope", "stats:read", "--expires", "90d"];
    let key = said(&keys(&database, &new));
    let id = key.split('_').nth(1).unwrap();
    assert_eq!(exchange(&addresses, &key), 200);
    let row = listed(&database, id);
    assert_eq!(
        (&row["role"], &row["name"], &row["revoked_at"]),
        (&"operator".into(), &"ops".into(), &Value::Null)
    );
    assert_eq!(row["scopes"], serde_json::json!(["stats:read"]));
    assert!(row["expires_at"].is_string() && !row.to_string().contains(key.split('_').nth(2).unwrap()));

    said(&keys(&database, &["revoke", id]));
    crate::platform::until("the end of the key", || exchange(&addresses, &key) == 401);
    assert!(listed(&database, id)["revoked_at"].is_string());
    let unknown = keys(&database, &["revoke", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    let too_much = ["create", "--role", "game-server", "--name", "x", "--scope", "players:moderate"];
    let refused = keys(&database, &too_much);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a game_server may have"));
}

#[test]
fn a_key_in_a_file_is_kept_until_it_is_ended() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.arg("--ephemeral");
    let up = Platform::start(command);
    let database = database(&up);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game-server.key");
    let keep = || {
        let path = file.to_str().unwrap();
        said(&keys(&database, &["create", "--role", "game-server", "--name", "servers", "--file", path]));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::read_to_string(&file).unwrap().trim_end().to_owned()
    };
    let key = keep();
    assert_eq!(exchange(&addresses, &key), 200);
    assert_eq!(keep(), key);
    said(&keys(&database, &["revoke", key.split('_').nth(1).unwrap()]));
    let next = keep();
    assert_eq!((next == key, exchange(&addresses, &next)), (false, 200));
}

/// What a folder of secrets holds, each file of which only its owner can read.
fn secrets(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let (path, mode) =
            entry.map(|entry| (entry.path(), entry.metadata().unwrap().permissions().mode())).unwrap();
        if path.is_dir() {
            assert_eq!(mode & 0o777, 0o700, "{}", path.display());
            found.extend(secrets(&path));
        } else {
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn secrets_are_made_once_and_a_revoked_key_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    let mut before: Vec<(String, String)> = Vec::new();
    for round in 1..=3 {
        let addresses = free_addresses();
        let mut command = arena_up(&addresses);
        command.arg("--data").arg(&data);
        let up = Platform::start(command);
        let now = secrets(&data.join("secrets"));
        assert_eq!(now.len(), 3, "a key for each of: services, game servers, tokens");
        let key = fs::read_to_string(up.game_server_key()).unwrap();
        assert_eq!(exchange(&addresses, key.trim()), 200, "round {round}");
        match round {
            1 => {}
            2 => assert_eq!(now, before),
            _ => {
                let changed: Vec<_> = now.iter().zip(&before).filter(|(now, before)| now != before).collect();
                assert!(changed.len() == 1 && changed[0].0.0.ends_with("game-server.key"));
            }
        }
        before = now;
        if round == 2 {
            said(&keys(&database(&up), &["revoke", key.split('_').nth(1).unwrap()]));
        }
        up.signal(Signal::TERM);
        assert_eq!(up.wait().0.code(), Some(0), "round {round}");
    }
}

#[test]
fn production_makes_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    for by_option in [false, true] {
        let mut up: Command = arena_up(&free_addresses());
        match by_option {
            false => up.env("ARENA_ENV", "production"),
            true => up.args(["--environment", "production"]),
        };
        let output = up.arg("--data").arg(&data).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("ARENA_SERVICE_KEY is missing"), "{error}");
        assert!(!data.join("secrets").exists());
    }
}
