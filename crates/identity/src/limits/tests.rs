//! The arithmetic of buckets against a fake clock, the bound of memory, and who a client is.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use battlearena_proto::ErrorKind;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn wait(seconds: f64) -> Decision {
    Decision::Wait(Duration::from_secs_f64(seconds))
}

#[test]
fn a_bucket_gives_its_burst_and_then_its_pace() {
    let quota = Quota::new(4, SECOND);
    let mut bucket = Bucket::default();
    let mut take = |tokens, seconds| bucket.take(quota, tokens, Duration::from_secs_f64(seconds));
    for _ in 0..4 {
        assert_eq!(take(1, 10.0), Decision::Allowed);
    }
    assert_eq!(take(1, 10.0), wait(0.25));
    assert_eq!(take(2, 10.0), wait(0.5));
    // To be refused costs nothing.
    assert_eq!(take(1, 10.125), wait(0.125));
    assert_eq!(take(1, 10.25), Decision::Allowed);
    assert_eq!(take(1, 10.25), wait(0.25));
    // It never holds more than its burst.
    assert_eq!([(); 5].map(|()| take(1, 1000.0) == Decision::Allowed), [true, true, true, true, false]);
}

#[test]
fn a_burst_may_differ_from_the_pace_and_a_cost_from_one() {
    let quota = Quota::new(60, Duration::from_secs(60)).with_burst(3);
    let mut bucket = Bucket::default();
    assert_eq!(bucket.take(quota, 3, SECOND), Decision::Allowed);
    assert_eq!(bucket.take(quota, 1, SECOND), wait(1.0));
    assert_eq!(bucket.take(quota, 3, SECOND), wait(3.0));
    // More than it can hold is taken from a full bucket, and paid off afterwards.
    assert_eq!(bucket.take(quota, 10, 3 * SECOND), wait(1.0));
    assert_eq!(bucket.take(quota, 10, 4 * SECOND), Decision::Allowed);
    assert_eq!(bucket.take(quota, 1, 4 * SECOND), wait(8.0));
}

#[test]
fn extreme_quotas_and_times_are_harmless() {
    for quota in [
        Quota::new(0, Duration::ZERO),
        Quota::new(u32::MAX, Duration::ZERO),
        Quota::new(1, Duration::MAX),
        Quota::new(u32::MAX, Duration::MAX).with_burst(u32::MAX),
    ] {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(quota, 1, Duration::ZERO), Decision::Allowed);
        let _either = bucket.take(quota, u32::MAX, Duration::MAX);
        let _either = bucket.take(quota, 1, Duration::ZERO);
    }
}

proptest! {
    /// Over any span, at most the burst and what the span brings are let through.
    #[test]
    fn nobody_gets_more_than_the_quota(
        tokens in 1u32..20,
        steps in proptest::collection::vec((0u64..2_000, 1u32..4), 1..200),
    ) {
        let quota = Quota::new(tokens, SECOND);
        let mut bucket = Bucket::default();
        let (mut now, mut granted) = (0, 0);
        for (step, cost) in steps {
            now += step;
            if bucket.take(quota, cost.min(tokens), Duration::from_millis(now)) == Decision::Allowed {
                granted += u64::from(cost.min(tokens));
            }
        }
        prop_assert!(granted <= u64::from(tokens) + now * u64::from(tokens) / 1000 + 1);
    }

    /// Whoever waits as long as it was told is let through.
    #[test]
    fn the_wait_is_exact(tokens in 1u32..20, takes in 1u32..50) {
        let quota = Quota::new(tokens, SECOND);
        let mut bucket = Bucket::default();
        let mut now = Duration::ZERO;
        for _ in 0..takes {
            if let Decision::Wait(wait) = bucket.take(quota, 1, now) {
                let early = now + wait - Duration::from_nanos(1);
                prop_assert_ne!(bucket.take(quota, 1, early), Decision::Allowed);
                now += wait;
                prop_assert_eq!(bucket.take(quota, 1, now), Decision::Allowed);
            }
        }
    }

    #[test]
    fn no_header_makes_the_address_panic(header in "\\PC{0,80}", proxies in 0usize..5) {
        let rules = AddressRules { trusted_proxies: proxies, exempt_loopback: false, ..AddressRules::default() };
        let client = rules.client(peer(), [header.as_str(), ""].into_iter());
        prop_assert!(rules.key(client).is_some());
    }
}

#[test]
fn each_key_has_a_bucket_of_its_own() {
    let began = Instant::now();
    let limiter = Limiter::new(Limit::LoginAccount, Quota::new(2, SECOND), 1000, began);
    assert_eq!([limiter.take("ada", began), limiter.take("ada", began)], [Decision::Allowed; 2]);
    assert_eq!(limiter.take("ada", began), wait(0.5));
    assert_eq!(limiter.take("bob", began), Decision::Allowed);
    assert_eq!(limiter.take("ada", began + SECOND), Decision::Allowed);
}

#[test]
fn memory_is_bounded_and_the_throttled_are_not_forgotten() {
    const MOST: usize = 64 * 100;
    let began = Instant::now();
    let limiter = Limiter::new(Limit::Address, Quota::new(10, 1000 * SECOND), MOST, began);
    let culprit = u64::MAX;
    for _ in 0..10 {
        assert_eq!(limiter.take(culprit, began), Decision::Allowed);
    }
    for key in 0..1_000_000u64 {
        let _allowed = limiter.take(key, began);
    }
    assert_eq!(limiter.len(), MOST);
    assert_ne!(limiter.take(culprit, began), Decision::Allowed);
}

#[test]
fn what_is_full_again_is_forgotten() {
    let began = Instant::now();
    let limiter = Limiter::new(Limit::Account, Quota::new(10, SECOND), 100_000, began);
    for key in 0..50_000u64 {
        let _allowed = limiter.take(key, began);
    }
    assert_eq!(limiter.len(), 50_000);
    // Each newcomer clears up to eight: long before as many came again, the old ones are gone.
    for key in 50_000..80_000u64 {
        let _allowed = limiter.take(key, began + SECOND);
    }
    assert_eq!(limiter.len(), 30_000);
}

#[test]
fn a_wait_is_answered_in_whole_seconds() {
    for (wait, seconds) in
        [(1, 1), (999_999_999, 1), (1_000_000_000, 1), (1_000_000_001, 2), (59_500_000_000, 60)]
    {
        let failure = Decision::Wait(Duration::from_nanos(wait)).into_result().unwrap_err();
        assert_eq!(failure.kind(), ErrorKind::Throttled);
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(seconds)), "{wait}");
    }
    assert!(Decision::Allowed.into_result().is_ok());
}

fn peer() -> IpAddr {
    "10.0.0.1".parse().unwrap()
}

#[test]
fn headers_are_believed_as_far_as_our_proxies_wrote_them() {
    let cases: [(usize, &[&str], &str); 15] = [
        // Without proxies the header is whatever a stranger wrote.
        (0, &["1.1.1.1"], "10.0.0.1"),
        (1, &[], "10.0.0.1"),
        (1, &["1.1.1.1"], "1.1.1.1"),
        // The client's own entries stand further left.
        (1, &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        (1, &["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (2, &["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        (2, &["6.6.6.6,1.1.1.1", "10.0.0.2"], "1.1.1.1"),
        // Past the outermost proxy.
        (2, &["1.1.1.1"], "1.1.1.1"),
        (1, &["1.1.1.1:5000"], "1.1.1.1"),
        (1, &["[2001:db8::1]:5000"], "2001:db8::1"),
        (1, &["[2001:db8::1]"], "2001:db8::1"),
        (1, &["2001:db8::1"], "2001:db8::1"),
        (1, &["::ffff:1.1.1.1"], "1.1.1.1"),
        (1, &["1.1.1.1, unknown"], "10.0.0.1"),
        (1, &[""], "10.0.0.1"),
    ];
    for (trusted_proxies, headers, expected) in cases {
        let rules = AddressRules { trusted_proxies, exempt_loopback: false, ..AddressRules::default() };
        let client = rules.client(peer(), headers.iter().copied());
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{trusted_proxies} {headers:?}");
    }
}

#[test]
fn headers_of_who_came_past_our_proxies_are_not_believed() {
    let networks: Vec<Network> = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap()).into();
    let rules =
        AddressRules { trusted_proxies: 1, trusted_networks: networks.into(), exempt_loopback: false };
    for (peer, expected) in [
        ("10.9.9.9", "1.1.1.1"),
        ("::ffff:10.9.9.9", "1.1.1.1"),
        ("2001:db8::7", "1.1.1.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db9::7", "2001:db9::7"),
    ] {
        let client = rules.client(peer.parse().unwrap(), ["6.6.6.6, 1.1.1.1"].into_iter());
        assert_eq!(client.to_string(), expected, "{peer}");
    }
}

#[test]
fn a_site_of_ipv6_has_a_bucket_besides_those_of_its_networks() {
    let began = Instant::now();
    let limiter = AddressLimiter::new(Limit::LoginAddress, Quota::new(2, SECOND), 100_000, began);
    let rules = AddressRules::default();
    let take = |site: u16, network: u16| {
        let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1);
        limiter.take(rules.key(address.into()).unwrap(), began) == Decision::Allowed
    };
    assert_eq!([take(1, 0), take(1, 0), take(1, 0)], [true, true, false]);
    // 32 tokens for all networks of the site, of which two are gone.
    assert_eq!((1..1000).filter(|network| take(1, *network)).count(), 30);
    assert!(take(2, 0));
    let take = |last: u8| {
        let key = rules.key(std::net::Ipv4Addr::new(192, 0, 2, last).into()).unwrap();
        limiter.take(key, began) == Decision::Allowed
    };
    assert!((0..=255).all(take));
}

#[test]
fn bytes_that_are_no_text_hide_nothing_that_stands_right_of_them() {
    let rules = AddressRules { trusted_proxies: 1, exempt_loopback: false, ..AddressRules::default() };
    let client = |headers: &[&'static [u8]]| rules.client(peer(), headers.iter().copied()).to_string();
    assert_eq!(client(&[b"\xff, 1.1.1.1"]), "1.1.1.1");
    assert_eq!(client(&[b"\xff\xfe", b"\xe4, 6.6.6.6,1.1.1.1 "]), "1.1.1.1");
    // What our own proxy wrote is no address: then it is whoever is connected, never what stands further left.
    assert_eq!(client(&[b"6.6.6.6, \xff"]), "10.0.0.1");
    assert_eq!(client(&[b"6.6.6.6", b"\xff"]), "10.0.0.1");
}

#[test]
fn a_network_of_ipv6_counts_as_one_and_loopback_may_count_for_nothing() {
    let rules = AddressRules { trusted_proxies: 0, exempt_loopback: true, ..AddressRules::default() };
    let key = |address: &str| rules.key(address.parse().unwrap());
    assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"));
    assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_eq!([key("127.0.0.1"), key("::1"), key("::ffff:127.0.0.1")], [None; 3]);
    let strict = AddressRules { exempt_loopback: false, ..rules.clone() };
    assert!(strict.key("127.0.0.1".parse().unwrap()).is_some());
    // Behind a proxy the address is what a header says.
    let behind = AddressRules { trusted_proxies: 1, ..rules.clone() };
    for claimed in ["127.0.0.1", "::1"] {
        assert!(behind.key(behind.client(peer(), [claimed].into_iter())).is_some());
    }
}

#[test]
fn places_are_given_without_waiting_and_come_back() {
    let places = InFlight::new(2, SECOND);
    let (first, second) = (places.try_enter().unwrap(), places.clone().try_enter().unwrap());
    let failure = places.try_enter().unwrap_err();
    assert_eq!((failure.kind(), failure.retry_after()), (ErrorKind::Unavailable, Some(SECOND)));
    drop(first);
    let third = places.try_enter().unwrap();
    assert!(places.try_enter().is_err());
    drop((second, third));
}
