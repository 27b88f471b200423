//! The budget of series (deploy/prometheus/series-budget.toml) under hostile traffic: whatever strangers send, no metric
//! gets more series than it was given, and no metric is without a budget.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use futures::{SinkExt as _, StreamExt as _};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tower::{Service as _, ServiceExt as _};

use crate::platform::{Platform, free_addresses, open_arena_up, root};
use crate::scrape::{Family, SERVICES, ask, get, http, scrape};

/// Requests to each service's HTTP port, and to each route of the gateway.
const REQUESTS: usize = 1_000;

/// Calls of methods that do not exist, at each gRPC port.
const CALLS: usize = 500;

/// Sockets, each of which says ten things.
const SOCKETS: usize = 100;

type Budget = BTreeMap<String, BTreeMap<String, usize>>;
type Scrapes = BTreeMap<&'static str, BTreeMap<String, Family>>;

#[test]
fn strangers_cannot_make_series() {
    let addresses = free_addresses();
    let mut command = open_arena_up(&addresses);
    command.arg("--ephemeral");
    let _up = Platform::start(command);
    std::thread::scope(|scope| {
        let addresses = &addresses;
        for (seed, service) in (0..).zip(SERVICES) {
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(seed);
                knock(&http(addresses, service), &mut random);
                every_method(&http(addresses, service), &mut random);
            });
        }
        scope.spawn(|| lie(&http(addresses, "gateway"), &mut StdRng::seed_from_u64(10)));
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut random = StdRng::seed_from_u64(20);
                babble(&http(addresses, "socket-gateway"), &mut random).await;
                for service in ["socket-gateway", "match", "analytics"] {
                    let flag = format!("--{service}-grpc=");
                    call(addresses.iter().find_map(|a| a.strip_prefix(&flag)).unwrap(), &mut random).await;
                }
            });
        });
    });
    let scrapes: Scrapes =
        SERVICES.iter().map(|service| (*service, scrape(&http(&addresses, service)))).collect();
    strangers_are_one_constant(&addresses, &scrapes);
    within_budget(&scrapes);
}

/// How everything begins that strangers make up.
const MARK: &str = "zqx";

/// A random word, printable in a path and in a header.
fn word(random: &mut StdRng, most: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
    let length = random.random_range(MARK.len()..=most) - MARK.len();
    let letters = (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]));
    MARK.chars().chain(letters).collect()
}

/// Random paths, methods and headers of all sizes.
fn knock(address: &str, random: &mut StdRng) {
    for round in 0..REQUESTS {
        let method = match round % 4 {
            0 => "GET".to_owned(),
            1 => "POST".to_owned(),
            _ => word(random, 12).to_uppercase().replace('~', "X"),
        };
        let path = match round % 3 {
            0 => format!("/{}", word(random, 60)),
            1 => format!(
                "/api/{}/{}?{}={}",
                word(random, 9),
                word(random, 9),
                word(random, 9),
                word(random, 9)
            ),
            _ => ["/", "/metrics", "/health", "/ws", "/api/players/1", "/docs"][round % 6].to_owned(),
        };
        let size = [10, 100, 1_000, 5_000][round % 4];
        let head = format!(
            "{method} {path} HTTP/1.1\r\nuser-agent: {}\r\nx-request-id: {}\r\norigin: http://{}\r\n\
             x-forwarded-for: {}\r\nx-{}: {}\r\ngrpc-timeout: {}\r\ntraceparent: {}\r\n",
            word(random, 80),
            word(random, 80),
            word(random, 20),
            word(random, 20),
            word(random, 20).replace(['~', '.'], "-"),
            word(random, size),
            word(random, 6),
            word(random, 60),
        );
        // A head that is no HTTP may be answered by a closed connection.
        let _ = ask(address, &head, "");
    }
}

/// Every method, usual or not, on every route that the service has.
fn every_method(address: &str, random: &mut StdRng) {
    let text = get(address, "/metrics").body;
    let routes = text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("http_requests_in_progress{")?.split_once("endpoint=\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    });
    for route in routes.collect::<BTreeSet<String>>() {
        let path: Vec<String> = route
            .split('/')
            .map(|part| if part.starts_with('{') { word(random, 12) } else { part.to_owned() })
            .collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"] {
            let _answered = ask(
                address,
                &format!("{method} /{} HTTP/1.1\r\n", path.join("/").trim_start_matches('/')),
                "",
            );
        }
    }
}

/// Well-formed requests whose every free text is random.
fn lie(gateway: &str, random: &mut StdRng) {
    for round in 0..REQUESTS {
        let id = random.random_range(1..1_000_000_000);
        let (path, body): (String, Value) = match round % 8 {
            0 => {
                let name = word(random, 50);
                let player = json!({"username": name, "email": format!("{name}@example.com"),
                    "region": word(random, 20), "tier": word(random, 20)});
                ("/api/players/register".into(), player)
            }
            1 => ("/api/players/login".into(), json!({"player_id": id, "device_id": word(random, 30)})),
            2 => {
                let order = json!({"player_id": random.random_range(1..50), "item_type": word(random, 50),
                    "item_name": word(random, 100), "amount": 1.5, "currency": word(random, 3)});
                ("/api/transactions/create".into(), order)
            }
            3 => {
                let first = random.random_range(1..50);
                let start = json!({"match_type": "solo", "player_ids": [first, first + 1],
                    "server_region": word(random, 20)});
                ("/api/matches/start".into(), start)
            }
            4 => {
                let event = json!({"event_type": word(random, 50), "severity": "info", "message": "x",
                    "metadata": {word(random, 20): word(random, 20)}});
                ("/api/system/event".into(), event)
            }
            5 => {
                let crash =
                    json!({"match_id": random.random_range(1..200), "error_message": word(random, 90)});
                ("/api/matches/crash".into(), crash)
            }
            6 => (format!("/api/matches/{id}/heartbeat"), json!({})),
            _ => ("/api/matches/start".into(), json!({"match_type": word(random, 20), "player_ids": [1]})),
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\ncontent-type: application/json\r\nidempotency-key: {}\r\n",
            word(random, 40)
        );
        ask(gateway, &head, &body.to_string()).unwrap();
        let path = match round % 5 {
            0 => format!("/api/players/{id}"),
            1 => format!("/api/players/{}", word(random, 30)),
            2 => format!("/api/chat/{}/history", word(random, 60)),
            3 => format!("/api/matches/{id}"),
            _ => format!("/api/leaderboard?limit={}", word(random, 4)),
        };
        get(gateway, &path);
    }
}

/// Sockets of players with random names, in random rooms, who say random things.
async fn babble(address: &str, random: &mut StdRng) {
    for round in 0..SOCKETS {
        let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        let hello =
            json!({"type": "hello", "protocol": 1, "player_id": round + 1, "username": word(random, 50)});
        let mut said = vec![hello.to_string()];
        for _ in 0..3 {
            let room = word(random, 60).replace('~', "-");
            said.push(json!({"type": "join", "room": room}).to_string());
            let text = word(random, 300);
            let message =
                json!({"type": "message", "room": room, "client_id": word(random, 60), "text": text});
            said.push(message.to_string());
            said.push(json!({"type": word(random, 30), "id": word(random, 60)}).to_string());
        }
        // The last one ends the connection.
        said.push(word(random, 100));
        for text in said {
            // The server may have closed it before.
            if socket.send(Message::text(text)).await.is_err() {
                break;
            }
        }
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// Methods that do not exist, of services that do and of others.
async fn call(address: &str, random: &mut StdRng) {
    let channel = tonic::transport::Channel::from_shared(format!("http://{address}")).unwrap();
    let mut channel = channel.connect().await.unwrap();
    // What every port has beside its own methods, so that all series are there.
    for path in [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        send(&mut channel, path.to_owned(), random).await;
    }
    for round in 0..CALLS {
        let method = word(random, 40).replace(['~', '-', '.'], "x");
        let path = match round % 3 {
            0 => format!("/battlearena.match.v1.MatchService/{method}"),
            1 => format!("/grpc.health.v1.Health/{method}"),
            _ => format!("/{method}.{}/{method}", word(random, 20).replace('~', "x")),
        };
        send(&mut channel, path, random).await;
    }
}

/// An empty call. Whatever comes of it, it is answered.
async fn send(channel: &mut tonic::transport::Channel, path: String, random: &mut StdRng) {
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("user-agent", word(random, 60))
        .body(tonic::body::Body::empty())
        .unwrap();
    let answer = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// What no route takes is one endpoint, and an unusual method is one method.
fn strangers_are_one_constant(addresses: &[String], scrapes: &Scrapes) {
    for service in SERVICES {
        let text = get(&http(addresses, service), "/metrics").body;
        let leaked: Vec<&str> = text.lines().filter(|line| line.to_lowercase().contains(MARK)).collect();
        assert!(leaked.is_empty(), "{service}: {leaked:#?}");
        let unmatched = text.lines().filter(|line| {
            line.starts_with("http_requests_total{") && line.contains("endpoint=\"unmatched\"")
        });
        let counted: Vec<&str> = unmatched.collect();
        assert!(counted.iter().any(|line| line.contains("method=\"OTHER\"")), "{service}: {counted:#?}");
        assert!(counted.len() < 10, "{service}: {counted:#?}");
        if service != "gateway" {
            let unknown = text.lines().find(|line| {
                line.starts_with("grpc_server_started_total{") && line.contains("grpc_method=\"unknown\"")
            });
            let count: usize = unknown.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap();
            assert_eq!(count, CALLS, "{service}");
        }
        let overflow = scrapes[service].get("telemetry_metric_overflow_total");
        assert_eq!(overflow.map_or(0.0, |family| family.total), 0.0, "{service}: {overflow:?}");
    }
}

fn within_budget(scrapes: &Scrapes) {
    let deploy = root().join("deploy/prometheus");
    let budget: Budget =
        toml::from_str(&fs::read_to_string(deploy.join("series-budget.toml")).unwrap()).unwrap();
    assert!(budget.keys().eq(scrapes.keys()), "services with a budget: {:?}", budget.keys());
    let mut wrong = Vec::new();
    for (service, scrape) in scrapes {
        let budget = &budget[*service];
        for (name, family) in scrape {
            match budget.get(name) {
                None => wrong.push(format!("{service}: {name} has {} series and no budget", family.series)),
                Some(most) if family.series > *most => {
                    wrong
                        .push(format!("{service}: {name} has {} series, and may have {most}", family.series));
                }
                Some(_) => {}
            }
        }
        let gone = budget.keys().filter(|name| !scrape.contains_key(*name));
        wrong.extend(gone.map(|name| format!("{service}: a budget for {name}, which is not there")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // Prometheus takes whatever a service can have: a metric beyond its cap is then seen as its overflow counter, and
    // not as a service that seems to be down.
    let most = battlearena_telemetry::MOST_LINES;
    let configuration = fs::read_to_string(deploy.join("prometheus.yml")).unwrap();
    assert!(
        configuration.lines().any(|line| line.trim() == format!("sample_limit: {most}")),
        "sample_limit in prometheus.yml is not {most}, the most that the recorder writes"
    );
    // And no service comes near its caps.
    for (service, budget) in &budget {
        let sum: usize = budget.values().sum();
        assert!(sum < most / 2, "{service} may have {sum} series of {most}");
    }
}
