//! What each request pays at the door: the policy and the limits.

#![expect(missing_docs, reason = "criterion's macros make a public function")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use battlearena_identity::limits::{AddressRules, InFlight, Limit, Limiter, Quota};
use battlearena_identity::{Caller, Door, Player, Policy, SessionId};
use battlearena_proto::PlayerId;
use criterion::{Criterion, criterion_group, criterion_main};

fn policy(criterion: &mut Criterion) {
    let policy = Policy::new();
    let caller = Caller::Player(Player { id: PlayerId(1), session: SessionId(1), name: "ada".into() });
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
    let rules = AddressRules { trusted_proxies: 1, exempt_loopback: true };
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

criterion_group!(benches, policy, limits);
criterion_main!(benches);
