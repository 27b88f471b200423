//! Ten thousand guesses at one account: they are throttled, and the owner still gets in from where it was before.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt as _, stream};
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Platform, scraped};

const LOGIN: &str = "/api/players/login";
const REGISTER: &str = "/api/players/register";
const DEVICE: &str = "k3J9xQ7mZ2vL5tR8wN1bC4dF6gH0sP-ada";
const HOME: &str = "198.51.100.7";
const GUESSES: u32 = 10_000;

async fn from(platform: &Platform, address: &str, path: &str, body: &serde_json::Value) -> Answer {
    Answer::to(platform.request(Method::POST, path).header("x-forwarded-for", address).json(body)).await
}

/// Behind one proxy of ours, and with what every guess would have to get past in any case out of the way.
async fn guarded() -> Platform {
    let platform = Platform::closed_with(|config| {
        config.identity.trusted_proxies = 1;
        config.identity.address_requests = 1_000_000;
        config.login_limits.logins_per_account = 10;
    })
    .await;
    let ada =
        json!({"username": "ada", "email": "ada@players.test", "password": PASSWORD, "device_id": DEVICE});
    from(&platform, HOME, REGISTER, &ada).await.ok();
    platform
}

/// Guesses from these addresses in turn, and returns how many were compared.
async fn guess(platform: &Platform, address: impl Fn(u32) -> String) -> u32 {
    let compared = AtomicU32::new(0);
    stream::iter(0..GUESSES)
        .for_each_concurrent(16, |number| {
            let (address, compared) = (address(number), &compared);
            async move {
                let body = json!({"username": "ada", "password": format!("guess number {number}")});
                let answer = from(platform, &address, LOGIN, &body).await;
                match answer.status {
                    401 => _ = compared.fetch_add(1, Ordering::Relaxed),
                    429 => {
                        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                        assert!((1..=600).contains(&wait), "{wait}");
                    }
                    other => panic!("{other}: {}", answer.body),
                }
            }
        })
        .await;
    compared.into_inner()
}

async fn the_owner_gets_in(platform: &Platform) {
    let by_password = json!({"username": "ada", "password": PASSWORD});
    from(platform, HOME, LOGIN, &by_password).await.ok();
    from(platform, HOME, LOGIN, &json!({"device_id": DEVICE})).await.ok();
    // The device is enough from anywhere.
    from(platform, "192.0.2.1", LOGIN, &json!({"device_id": DEVICE})).await.ok();
    from(platform, "192.0.2.1", LOGIN, &by_password).await.refused(429, "throttled", None);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_address() {
    let platform = guarded().await;
    let throttled = "throttled_requests_total{limit=\"login_address\"}";
    let before = scraped(&platform.scrape().await, throttled);
    // Ten of the account's bucket, and what came in again meanwhile: one a minute.
    let compared = guess(&platform, |_| "203.0.113.9".to_owned()).await;
    assert!((10..=15).contains(&compared), "{compared}");
    assert!(scraped(&platform.scrape().await, throttled) > before);
    the_owner_gets_in(&platform).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_thousand_addresses() {
    let platform = guarded().await;
    let throttled = "throttled_requests_total{limit=\"login_account\"}";
    let before = scraped(&platform.scrape().await, throttled);
    let compared = guess(&platform, |number| format!("203.0.{}.{}", number % 1000 / 250, number % 250)).await;
    assert!((10..=15).contains(&compared), "{compared}");
    assert!(scraped(&platform.scrape().await, throttled) > before);
    the_owner_gets_in(&platform).await;
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_around_the_limits_by_a_header_of_its_own() {
    let platform = guarded().await;
    let mut throttled = 0;
    for number in 0..100 {
        // What the client writes stands on the left of what our proxy adds.
        let forwarded = format!("{HOME}, 10.0.0.{number}, 203.0.113.9");
        let body = json!({"username": format!("nobody {number}"), "password": PASSWORD});
        throttled += u32::from(from(&platform, &forwarded, LOGIN, &body).await.status == 429);
    }
    assert!((60..=70).contains(&throttled), "{throttled}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_nobody_has_are_charged_to_their_address_and_fill_no_log() {
    let platform = guarded().await;
    let mut refused = 0;
    for number in 0..60 {
        let body = json!({"device_id": format!("made-up-{number:03}-k3J9xQ7mZ2vL5tR8wN1bC4dF")});
        let answer = from(&platform, "203.0.113.9", LOGIN, &body).await;
        assert!([401, 429].contains(&answer.status), "{}", answer.body);
        refused += i64::from(answer.status == 401);
    }
    assert!((30..=40).contains(&refused), "{refused}");
    let told = "select count(*) from gateway.outbox where kind = 'login_refused'";
    assert!(platform.row(told, &[]).await.get::<_, i64>(0) <= refused);
    // Whoever has a device comes in from there all the same.
    from(&platform, "203.0.113.9", LOGIN, &json!({"device_id": DEVICE})).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_from_one_address_are_limited() {
    let platform = guarded().await;
    let mut created = 0;
    for number in 0..40 {
        let body = json!({"username": format!("p{number}"), "email": "a@b", "password": PASSWORD});
        let answer = from(&platform, "203.0.113.9", REGISTER, &body).await;
        created += u32::from(answer.status == 200);
        assert!([200, 429].contains(&answer.status));
    }
    assert!((30..=32).contains(&created), "{created}");
    platform.stop().await;
}
