//! The canary where there is no platform: outages are what it is for. How it plays with a real one is tested with `arena
//! up`, from outside.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use battlearena_canary::{App, Config};
use battlearena_runtime::{CancellationToken, Tasks};

const CHECKS: [&str; 3] = ["login", "match", "chat"];

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(gateway: SocketAddr) -> Config {
    Config {
        http: "127.0.0.1:0".parse().unwrap(),
        url: format!("http://{gateway}").parse().unwrap(),
        socket_url: format!("ws://{gateway}/ws"),
        interval_seconds: 1,
        game_server_key_file: None,
        tls: battlearena_tls::Settings::default(),
    }
}

/// How many checks of a kind came to that.
fn count(canary: SocketAddr, check: &str, outcome: &str) -> u64 {
    let mut stream = TcpStream::connect(canary).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {canary}\r\nconnection: close\r\n\r\n").unwrap();
    let mut scrape = String::new();
    stream.read_to_string(&mut scrape).unwrap();
    let series = format!("canary_checks_total{{check=\"{check}\",outcome=\"{outcome}\"}} ");
    scrape.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_counted_turn_by_turn_and_survived() {
    battlearena_telemetry::start_for_tests();
    // Takes connections, and says nothing: the worst of outages.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let app = App::build(config(silent.local_addr().unwrap())).await.unwrap();
    let (canary, tasks, stop) = (app.http_addr(), Tasks::new(), CancellationToken::new());
    let stopped = stop.clone();
    tasks.spawn("canary", async move { app.run(stopped).await.unwrap() });
    let watched = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        for check in CHECKS {
            assert_eq!(count(canary, check, "ok"), 0, "{check} is there from the start");
            while count(canary, check, "failed") < 3 {
                assert!(began.elapsed() < PATIENCE, "{check} does not fail");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let most = began.elapsed().as_secs() + 1;
        for check in CHECKS {
            assert!(count(canary, check, "failed") <= most, "{check} is made once a second");
            assert_eq!(count(canary, check, "ok"), 0);
        }
    });
    watched.await.unwrap();
    stop.cancel();
    tasks.stop(PATIENCE).await.unwrap();
}
