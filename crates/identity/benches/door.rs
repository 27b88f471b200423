//! What each request pays at the door: the policy and the limits.

#![expect(missing_docs, reason = "criterion's macros make a public function")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up ends")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use battlearena_identity::credential::ServiceKey;
use battlearena_identity::gatekeeper::Call;
use battlearena_identity::keys::{FolderRules, KeyRing};
use battlearena_identity::limits::{AddressRules, InFlight, Limit, Limiter, Quota};
use battlearena_identity::{Caller, Door, Gatekeeper, Player, Policy, SessionId, Settings, Signer};
use battlearena_proto::PlayerId;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::FutureExt as _;
use jiff::Timestamp;

fn policy(criterion: &mut Criterion) {
    let policy = Policy::new();
    let caller = Caller::Player(Player {
        id: PlayerId(1),
        session: SessionId(1),
        name: "ada".into(),
        tier: battlearena_proto::Tier::Free,
    });
    let mut group = criterion.benchmark_group("policy");
    for (name, door) in [
        ("http", Door::Http("GET", "/api/players/{player_id}/transactions")),
        ("socket", Door::Socket("message")),
        ("no entry", Door::Http("GET", "/api/players/{player_id}/secrets")),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(policy.check(black_box(door), &caller)).is_ok());
        });
    }
    group.finish();
}

fn limits(criterion: &mut Criterion) {
    let began = Instant::now();
    let rules = AddressRules { trusted_proxies: 1, exempt_loopback: true, ..AddressRules::default() };
    let limiter = Limiter::new(Limit::Address, Quota::new(100, Duration::from_secs(1)), 100_000, began);
    let mut group = criterion.benchmark_group("limits");
    let mut number = 0u32;
    group.bench_function("address, 50,000 known", |bencher| {
        bencher.iter(|| {
            number = (number + 7919) % 50_000;
            let key = rules.key(Ipv4Addr::from_bits(number).into());
            black_box(key.map(|key| limiter.take(key, Instant::now())))
        });
    });
    group.bench_function("address, always another", |bencher| {
        bencher.iter(|| {
            number = number.wrapping_add(1);
            let key = rules.key(Ipv4Addr::from_bits(number).into());
            black_box(key.map(|key| limiter.take(key, Instant::now())))
        });
    });
    let strict = Limiter::new(Limit::LoginAccount, Quota::new(1, Duration::from_secs(3600)), 1000, began);
    group.bench_function("throttled", |bencher| {
        bencher.iter(|| black_box(strict.take(7, Instant::now())));
    });
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    group.bench_function("client behind a proxy", |bencher| {
        bencher.iter(|| black_box(rules.client(peer, ["203.0.113.9, 198.51.100.7"].into_iter())));
    });
    let places = InFlight::new(1000, Duration::from_secs(1));
    group.bench_function("in flight", |bencher| bencher.iter(|| drop(black_box(places.try_enter()))));
    group.finish();
}

/// All that the guard does for a request of a player who has been here before.
fn admit(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let now = Timestamp::now();
    let ring = KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, now).expect("a key");
    let keys = ring.public_keys().clone();
    let signer = Signer::new(Arc::new(ring), Duration::from_secs(3600));
    let mut settings = Settings::required(ServiceKey::generate().secret().clone(), "");
    (settings.address_requests, settings.account_requests) = (1_000_000_000, 1_000_000_000);
    let gatekeeper = Gatekeeper::with_keys(&settings, keys).expect("a strong key");
    let player = Player {
        id: PlayerId(1),
        session: SessionId(1),
        name: "ada".into(),
        tier: battlearena_proto::Tier::Free,
    };
    let token = signer.for_player(&player, now).expect("a token").text;
    let header = format!("Bearer {}", token.expose());
    let mut group = criterion.benchmark_group("admit");
    for (name, door, authorization) in [
        ("a player, by its token", Door::Http("GET", "/api/players/{player_id}"), Some(header.as_str())),
        ("anybody, at a public door", Door::Http("GET", "/"), None),
    ] {
        let call = Call { door, authorization, address: Some(Ipv4Addr::new(203, 0, 113, 9).into()) };
        group.bench_function(name, |bencher| {
            bencher.iter(|| gatekeeper.admit(black_box(call)).now_or_never().expect("no wait").is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, policy, limits, admit);
criterion_main!(benches);
