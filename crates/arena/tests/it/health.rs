//! `arena health`: exit codes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::platform::arena;

/// Answers one request with a status, and returns its first line.
fn answer_once(socket: TcpListener, status: &'static str) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        write!(stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
        String::from_utf8_lossy(&request[..length]).lines().next().unwrap().to_owned()
    })
}

#[test]
fn nobody_there_is_exit_code_1() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = arena().args(["health", "--url", &format!("http://{address}/readyz")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with(&format!("error: no answer from http://{address}/readyz")), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

#[test]
fn the_answer_decides_the_exit_code() {
    for (status, code, word) in [("200 OK", 0, "ready: "), ("503 Service Unavailable", 1, "not ready: ")] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let server = answer_once(socket, status);
        let output =
            arena().args(["health", "--role", "match", &format!("--match-http={address}")]).output().unwrap();
        assert_eq!(server.join().unwrap(), "GET /readyz HTTP/1.1");
        assert_eq!(output.status.code(), Some(code), "{status}");
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(word), "{status}");
    }
}

#[test]
fn somebody_must_be_asked() {
    let output = arena().arg("health").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a wrong command line");
}
