//! `arena up` with everything: its life, the deaths in it, and its end. Needs every service.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use battlearena_storage::cluster;
use rustix::process::Signal;

use crate::platform::{Platform, all_gone, arena, arena_up, child, descendants, free_addresses, kill, until};

fn is_ready(addresses: &[String], role: &str) -> bool {
    let flag = addresses.iter().find(|flag| flag.starts_with(&format!("--{role}-http="))).unwrap();
    arena().args(["health", "--role", role, flag]).output().unwrap().status.success()
}

#[test]
fn it_comes_up_revives_what_dies_and_leaves_nothing() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.args(["--ephemeral", "--simulate", "slow"]);
    let mut up = Platform::start(command);
    for flag in &addresses {
        let address = flag.split_once('=').unwrap().1;
        assert!(up.report.contains(&format!("http://{address}")), "{flag} in {}", up.report);
    }
    for role in ["gateway", "socket-gateway", "match", "analytics"] {
        assert!(is_ready(&addresses, role), "{role}");
        let before = child(up.pid(), role).unwrap();
        kill(before, Signal::KILL);
        up.read_until(&format!("{role} ended (signal: 9 (SIGKILL)), starting it again in 200ms"));
        up.read_until(&format!("{role} runs again"));
        assert_ne!(child(up.pid(), role).unwrap(), before);
        until("the revived service", || is_ready(&addresses, role));
    }
    until("the simulator", || child(up.pid(), "simulate").is_some());

    let family = descendants(up.pid());
    up.signal(Signal::TERM);
    let (status, said) = up.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    all_gone(&family);
}

#[test]
fn postgresql_is_revived_too() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.arg("--ephemeral");
    let mut up = Platform::start(command);
    let postgres = descendants(up.pid())
        .into_iter()
        .find(|p| p.parent == up.pid() && p.command.contains("/postgres -D"));
    kill(postgres.unwrap().pid, Signal::KILL);
    up.read_until("postgresql runs again");
    for role in ["gateway", "socket-gateway", "match", "analytics"] {
        until("a service with its database back", || is_ready(&addresses, role));
    }
    up.signal(Signal::INT);
    assert_eq!(up.wait().0.code(), Some(0));
}

#[test]
fn nothing_outlives_a_kill() {
    let mut command = arena_up(&free_addresses());
    command.args(["--ephemeral", "--simulate"]);
    let up = Platform::start(command);
    let family = descendants(up.pid());
    let commands: Vec<&str> = family.iter().map(|p| p.command.as_str()).collect();
    for part in ["gateway", "socket-gateway", "match", "analytics", "simulate", "postgres -D", "arena-guard"]
    {
        assert!(commands.iter().any(|command| command.contains(part)), "{part} in {commands:?}");
    }
    let sockets = up.report.split("psql 'host=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let data = std::path::Path::new(&sockets).parent().unwrap();
    assert!(data.exists());
    up.signal(Signal::KILL);
    assert_eq!(up.wait().0.code(), None, "it was killed");
    all_gone(&family);
    assert!(!data.exists(), "the temporary folder is gone");
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut command = arena_up(&free_addresses());
    command.arg("--ephemeral");
    let up = Platform::start(command);
    let family = descendants(up.pid());
    // A service that is held cannot drain.
    kill(child(up.pid(), "gateway").unwrap(), Signal::STOP);
    let pid = up.pid();
    let mut gone = None;
    up.signal(Signal::TERM);
    // Signals that arrive together are one: repeat the second until it is heeded.
    let waiter = std::thread::spawn(move || up.wait());
    until("the end of arena up", || {
        if waiter.is_finished() {
            return true;
        }
        gone = Some(Command::new("kill").args(["-TERM", &pid.to_string()]).output().unwrap());
        false
    });
    let (status, _) = waiter.join().unwrap();
    assert_eq!(status.code(), Some(1));
    all_gone(&family);
}

#[test]
fn a_terminal_that_is_closed_drains_everything() {
    let mut command = arena_up(&free_addresses());
    command.arg("--ephemeral");
    let up = Platform::start(command);
    let family = descendants(up.pid());
    up.signal(Signal::HUP);
    let (status, said) = up.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("Stopping everything in order"), "{said}");
    all_gone(&family);
}

#[test]
fn data_survive_from_one_run_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    for round in 1..=2 {
        let mut command = arena_up(&free_addresses());
        command.arg("--data").arg(&data);
        let up = Platform::start(command);
        assert!(data.join("logs/gateway.log").exists(), "round {round}");

        let second = arena_up(&free_addresses()).arg("--data").arg(&data).output().unwrap();
        assert_eq!(second.status.code(), Some(1));
        let error = String::from_utf8(second.stderr).unwrap();
        assert!(error.contains("is in use by another process"), "{error}");

        up.signal(Signal::TERM);
        assert_eq!(up.wait().0.code(), Some(0), "round {round}");
    }
}

#[tokio::test]
async fn a_database_of_your_own_will_do() {
    let url = cluster::ephemeral().await.unwrap().create_database("mine").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.env("ARENA_DATABASE_URL", &url).arg("--data").arg(folder.path());
    let up = Platform::start(command);
    assert!(is_ready(&addresses, "gateway"));
    assert!(folder.path().join("logs/gateway.log").exists());
    assert!(!up.report.contains(&url), "it may hold a password");
    assert!(!descendants(up.pid()).iter().any(|p| p.command.contains("postgres -D")));
    up.signal(Signal::TERM);
    assert_eq!(up.wait().0.code(), Some(0));
}

#[test]
fn a_service_that_cannot_start_is_quoted_and_the_rest_is_stopped() {
    let addresses = free_addresses();
    let output = arena_up(&addresses)
        .arg("--ephemeral")
        // Not an address, so that the gateway refuses its command line.
        .env("ARENA_DATABASE_POOL_SIZE", "none")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("analytics ended while it was to start") && error.contains("none"), "{error}");
}
