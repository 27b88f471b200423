//! What `arena up` refuses, before it starts anything. Needs no service.

use std::fs;
use std::net::TcpListener;

use crate::platform::{arena_up, free_addresses};

#[test]
fn a_taken_port_is_told_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut addresses = free_addresses();
    addresses.retain(|flag| !flag.starts_with("--match-grpc"));
    addresses.push(format!("--match-grpc={address}"));
    let output = arena_up(&addresses).arg("--data").arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        error,
        format!("error: match needs {address}, which is taken: choose another with --match-grpc\n")
    );
    assert!(!data.exists());
}

#[test]
fn an_address_that_others_reach_is_refused_unless_it_is_wished_for() {
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut addresses = free_addresses();
    addresses.retain(|flag| !flag.starts_with("--analytics-http"));
    addresses.push(format!("--analytics-http={address}"));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let refusal = |wish: &[&str]| {
        let output = arena_up(&addresses).args(wish).arg("--data").arg(&data).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let error = refusal(&["--auth=open"]);
    assert!(error.contains(&format!("{address} is not; --open-bind-any allows it")), "{error}");
    // Otherwise it is the next check that refuses.
    for wish in [&["--auth=open", "--open-bind-any"][..], &[]] {
        let error = refusal(wish);
        assert!(error.contains(&format!("analytics needs {address}, which is taken")), "{error}");
    }
    assert!(!data.exists());
}

#[test]
fn a_folder_of_somebody_elses_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    let output = arena_up(&free_addresses()).arg("--data").arg(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let path = folder.path().display();
    assert!(error.starts_with(&format!("error: the folder {path} holds \"thesis.tex\"")), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn contradictions_are_told() {
    let output = arena_up(&[]).args(["--ephemeral", "--data", "/nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot be used with"));
}
