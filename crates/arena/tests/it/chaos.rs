//! `arena prove chaos`, the short form: three rounds of faults under gentle traffic, with every invariant checked.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::platform::{all_gone, arena, descendants, kill, until};

fn chaos(arguments: &[&str]) -> Command {
    let mut command = arena();
    command.args(["prove", "chaos"]).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits with the bound that the proof has itself, which is longer than the watchdog of other tests.
fn finish(child: Child) -> Output {
    let (sender, receiver) = std::sync::mpsc::channel();
    let pid = child.id();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    receiver.recv_timeout(Duration::from_secs(600)).unwrap_or_else(|_| {
        kill(pid, Signal::KILL);
        panic!("the proof does not end")
    })
}

#[test]
fn three_rounds_of_faults_break_no_promise() {
    let arguments = ["--rounds=3", "--round-seconds=6", "--rate=60", "--players=200", "--seed=3", "--json"];
    let output = finish(chaos(&arguments).spawn().unwrap());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&output.stdout));

    let proof: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&proof["holds"], &proof["rounds"], &proof["seed"]), (&true.into(), &3.into(), &3.into()));
    let faults = proof["faults"].as_array().unwrap();
    assert!(
        faults.len() >= 3 && faults.iter().all(|fault| fault["recovery_seconds"].is_number()),
        "{faults:?}"
    );
    assert!(said.contains("seed 3: 3 rounds of 6 s") && said.contains("  round   3: "), "{said}");

    // A proof about nothing would hold too.
    assert!(proof["operations"].as_u64().unwrap() > 300, "{proof}");
    let found = |what: &str| {
        let lines =
            proof["invariants"].as_array().unwrap().iter().flat_map(|i| i["lines"].as_array().unwrap());
        let line = lines.into_iter().find(|line| line["what"] == what);
        line.unwrap_or_else(|| panic!("no {what}"))["found"].as_i64().unwrap()
    };
    for what in [
        "registrations",
        "log-ins",
        "gateway: player_logged_in told and logged",
        "match: match_completed told and logged",
        "points: gateway, match",
        "chat messages delivered",
        "ranked players: rows",
        "places",
    ] {
        assert!(found(what) > 0, "{what}");
    }
}

#[test]
fn a_proof_that_is_stopped_leaves_nothing() {
    let child = chaos(&["--rounds=100", "--rate=20", "--players=10", "--seed=1"]).spawn().unwrap();
    let pid = child.id();
    until("the traffic", || descendants(pid).iter().any(|process| process.command.contains(" simulate ")));
    let family = descendants(pid);
    kill(pid, Signal::TERM);
    let output = finish(child);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("stopped before anything was proved"), "{error}");
    all_gone(&family);
    let data = family.iter().find_map(|process| process.command.split("postgres -D ").nth(1)).unwrap();
    let folder = std::path::Path::new(data.split(' ').next().unwrap()).ancestors().nth(2).unwrap();
    assert!(!folder.exists(), "{}", folder.display());
}
