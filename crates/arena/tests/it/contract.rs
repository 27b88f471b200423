//! The contract of the metrics, both ways: what the platform promises is in a live scrape and moves, and what is in a live
//! scrape is documented.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::platform::{Platform, arena, free_addresses, open_arena_up, root, until};
use crate::prometheus::{feed, program};
use crate::promises::{LATER, PROMISED};
use crate::scrape::{Family, SERVICES, get, http, post, scrape};

/// Names that the catalogue fixes and `promtool check metrics` does not like.
const UNUSUAL: [&str; 2] = ["active_players_count", "revenue_total_usd"];

type Scrapes = BTreeMap<&'static str, BTreeMap<String, Family>>;

#[test]
fn the_document_is_what_the_code_says() {
    let output = arena().args(["describe", "metrics"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let now = String::from_utf8(output.stdout).unwrap();
    let written = fs::read_to_string(root().join("docs/metrics.md")).unwrap_or_default();
    let differs = now.lines().zip(written.lines()).find(|(now, written)| now != written);
    assert!(now == written, "docs/metrics.md is out of date at {differs:?}: run `make metrics-doc`");
}

#[test]
fn what_is_promised_is_scraped_and_what_is_scraped_is_documented() {
    let addresses = free_addresses();
    let mut command = open_arena_up(&addresses);
    // A share of payments that surely meets one of twenty.
    command.arg("--ephemeral").env("ARENA_GATEWAY_PAYMENT_DECLINE_PERCENT", "50");
    command.env("ARENA_SOCKET_GATEWAY_SEEN_SECONDS", "1");
    let _up = Platform::start(command);
    let _simulator = simulate(&addresses);
    play(&addresses);

    let mut resting: BTreeSet<(&str, &str)> = PROMISED
        .iter()
        .filter(|promise| promise.moves)
        .flat_map(|promise| promise.services.iter().map(|service| (promise.name, *service)))
        .collect();
    let mut scrapes = Scrapes::new();
    until("everything to move", || {
        scrapes = SERVICES.map(|service| (service, scrape(&http(&addresses, service)))).into();
        let before = resting.len();
        resting
            .retain(|(name, service)| scrapes[service].get(*name).is_none_or(|family| family.total <= 0.0));
        if (1..before).contains(&resting.len()) {
            eprintln!("at rest: {resting:?}");
        }
        resting.is_empty()
    });
    promises_are_kept(&scrapes);
    everything_is_documented(&scrapes);
    promtool_agrees(&addresses);
}

/// Players with sockets, for as long as the test looks.
fn simulate(addresses: &[String]) -> Simulator {
    let analytics = addresses.iter().find_map(|flag| flag.strip_prefix("--analytics-grpc=")).unwrap();
    let simulator = arena()
        .args(["simulate", "--seed", "7", "--rate", "60", "--duration", "5m", "--players", "40"])
        .args(["--mistakes", "10", "--reads", "20", "--socket-players", "20"])
        .args(["--url", &format!("http://{}", http(addresses, "gateway"))])
        .args(["--analytics", &format!("http://{analytics}")])
        .args(["--socket-url", &format!("ws://{}/ws", http(addresses, "socket-gateway"))])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Simulator(simulator.unwrap())
}

struct Simulator(Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a simulator does seldom or late.
fn play(addresses: &[String]) {
    let gateway = http(addresses, "gateway");
    let register = |name: &str| {
        let player = json!({"username": name, "email": format!("{name}@example.com")});
        post(&gateway, "/api/players/register", &player)["player_id"].clone()
    };
    let (ada, bob) = (register("contract-ada"), register("contract-bob"));
    let start = || {
        let players = json!({"match_type": "solo", "player_ids": [ada, bob], "server_region": "asia"});
        post(&gateway, "/api/matches/start", &players)["match_id"].clone()
    };
    let (won, crashed, _open) = (start(), start(), start());
    let results = json!([
        {"player_id": ada, "score": 3, "kills": 2, "deaths": 1},
        {"player_id": bob, "score": 1, "kills": 1, "deaths": 2},
    ]);
    let outcome =
        json!({"match_id": won, "winner_id": ada, "duration_seconds": 61, "participant_stats": results});
    post(&gateway, "/api/matches/complete", &outcome);
    post(&gateway, "/api/matches/crash", &json!({"match_id": crashed, "error_message": "on purpose"}));
    for _ in 0..20 {
        let order =
            json!({"player_id": ada, "item_type": "skin", "item_name": "Dragon Armor", "amount": 9.99});
        post(&gateway, "/api/transactions/create", &order);
    }
    assert_eq!(get(&gateway, "/api/chat/general/history").status, 200);
    for service in SERVICES {
        assert_eq!(get(&http(addresses, service), "/no/such/path").status, 404, "{service}");
    }
}

fn promises_are_kept(scrapes: &Scrapes) {
    for promise in PROMISED {
        for service in SERVICES {
            let family = scrapes[service].get(promise.name);
            assert_eq!(
                family.is_some(),
                promise.services.contains(&service),
                "whether {service} has {}",
                promise.name
            );
            if let Some(family) = family {
                assert_eq!(family.kind, promise.kind, "type of {} of {service}", promise.name);
                let labels: BTreeSet<_> = promise.labels.iter().map(|label| (*label).to_owned()).collect();
                assert_eq!(family.labels, labels, "labels of {} of {service}", promise.name);
            }
        }
    }
    for (name, why) in LATER {
        let there = scrapes.values().any(|scrape| scrape.contains_key(*name));
        assert!(!there, "{name} is there, although {why}: promise it");
    }
}

/// A metric in docs/metrics.md.
#[derive(Debug, Default)]
struct Documented {
    kind: String,
    services: BTreeSet<String>,
    labels: BTreeSet<String>,
}

/// Absent from a platform that speaks no TLS; `tls.rs` sees it.
const WITH_CERTIFICATE: &str = "tls_certificate_expiry_seconds";

fn everything_is_documented(scrapes: &Scrapes) {
    let documented = documented();
    for service in SERVICES {
        for (name, family) in &scrapes[service] {
            assert!(!name.contains("_total_total"), "{name}");
            assert!(!family.help.is_empty(), "{name} of {service} has no help");
            let page =
                documented.get(name).unwrap_or_else(|| panic!("{name} of {service} is not documented"));
            assert!(page.services.contains(service), "{name} of {service} is not documented: {page:?}");
            assert_eq!(page.kind, family.kind, "type of {name} of {service}");
            assert_eq!(page.labels, family.labels, "labels of {name} of {service}");
        }
        for (name, page) in &documented {
            let shown = scrapes[service].contains_key(name) || name == WITH_CERTIFICATE;
            assert!(shown || !page.services.contains(service), "{name} of {service} is documented only");
        }
    }
}

/// Reads `### name`, `- type, unit; services` and `- label: values`.
fn documented() -> BTreeMap<String, Documented> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut metrics: BTreeMap<String, Documented> = BTreeMap::new();
    let mut name = String::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            name = heading.trim_end_matches('`').to_owned();
            metrics.insert(name.clone(), Documented::default());
        } else if line.starts_with('#') {
            name.clear();
        }
        let Some(metric) = metrics.get_mut(&name) else { continue };
        if let Some((label, _)) = line.strip_prefix("- `").and_then(|rest| rest.split_once("`: ")) {
            metric.labels.insert(label.to_owned());
        } else if let Some((about, services)) = line.strip_prefix("- ").and_then(|rest| rest.split_once("; "))
        {
            metric.kind = about.split(',').next().unwrap().to_owned();
            metric.services = services.split(", ").map(str::to_owned).collect();
        }
    }
    metrics
}

/// Prometheus' own rules of naming.
fn promtool_agrees(addresses: &[String]) {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    for name in UNUSUAL {
        assert!(
            page.contains(&format!("- `{name}`: ")),
            "docs/metrics.md does not say why {name} is so called"
        );
    }
    let mut found = BTreeSet::new();
    for service in SERVICES {
        let text = get(&http(addresses, service), "/metrics").body;
        let mut promtool = Command::new(program("promtool"));
        promtool.args(["check", "metrics"]);
        let output = feed(promtool, &text);
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        for line in said.iter().flat_map(|said| said.lines()) {
            let name = line.split(' ').next().unwrap();
            assert!(UNUSUAL.contains(&name), "promtool says of {service}: {line}");
            found.insert(name.to_owned());
        }
    }
    assert_eq!(found, UNUSUAL.map(str::to_owned).into(), "an exception that is none any more");
}
