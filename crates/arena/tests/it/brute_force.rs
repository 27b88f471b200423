//! Thousands of guesses at the password of one account, from one address and from a thousand: all but a handful are turned
//! away before a password is compared, and the owner logs in meanwhile from where, and with what, it did before.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::door::member::Member;
use crate::door::{Answer, counted, eventually};
use crate::stage::Stage;

/// How many come at the same time.
const AT_ONCE: usize = 32;

/// Guesses at one account in ten minutes, by default; the bucket fills up again by one a minute.
const IN_TEN_MINUTES: std::ops::RangeInclusive<u32> = 10..=15;

const LOGIN: &str = "/api/players/login";
const PASSWORD: &str = "correct horse battery";

/// Where the owners live, and where the guesses of one address come from.
const HOME: &str = "198.51.100.7";
const LAIR: &str = "203.0.113.9";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_guesses_lead_nowhere_and_lock_nobody_out() {
    besieged(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half a minute: `scripts/prove guesses`"]
async fn ten_thousand_guesses_lead_nowhere_and_lock_nobody_out() {
    besieged(10_000).await;
}

/// So many guesses at an account from one address, and as many at another account from a thousand.
async fn besieged(guesses: u32) {
    // On loopback nobody is counted in development, unless a proxy stands in front: then it is whom the proxy saw.
    let stage = Stage::start(|command| {
        command.env("ARENA_TRUSTED_PROXIES", "1");
    })
    .await;
    let ada = owner(&stage, "ada").await;
    let bob = owner(&stage, "bob").await;
    let one = siege(&stage, &ada, guesses, |_| LAIR.to_owned()).await;
    let thousand =
        siege(&stage, &bob, guesses, |number| format!("10.9.{}.{}", number % 1000 / 250, number % 250)).await;
    for (attacked, limit) in [(one, "login_address"), (thousand, "login_account")] {
        eprintln!("{attacked:?}");
        assert_eq!((attacked.compared + attacked.throttled, attacked.owner), (guesses, 27));
        assert!(IN_TEN_MINUTES.contains(&attacked.compared), "{attacked:?}");
        assert!(
            counted(&stage, "gateway", "throttled_requests_total", ("limit", limit)).await > 0.0,
            "{limit}"
        );
    }
    let compared = f64::from(one.compared + thousand.compared);
    // Guesses at a password that was compared, by the platform's own count.
    let wrong = counted(&stage, "gateway", "failed_login_attempts_total", ("reason", "wrong_password")).await;
    assert_eq!(wrong, compared);
    assert!(stage.stop().await.status.success());
}

/// A player who came in by password from home.
async fn owner(stage: &Stage, name: &str) -> Member {
    let body = json!({"username": name, "email": format!("{name}@players.test"), "password": PASSWORD,
                      "device_id": format!("{:064x}", rand::random::<u128>())});
    let answer = from(stage, HOME, "/api/players/register", &body).await;
    Member::of(&answer.good(), name, body["device_id"].as_str().unwrap())
}

/// What became of the guesses.
#[derive(Debug, Clone, Copy)]
struct Siege {
    /// Those that were held against the password.
    compared: u32,
    throttled: u32,
    /// How often the owner came in meanwhile.
    owner: u32,
}

/// Guesses at an account from these addresses in turn, while its owner comes in at every tenth of the way: by password from
/// home, by device from home and from elsewhere.
async fn siege(stage: &Stage, owner: &Member, count: u32, address: impl Fn(u32) -> String) -> Siege {
    let (compared, throttled) = (AtomicU32::new(0), AtomicU32::new(0));
    let guesses = stream::iter(0..count).for_each_concurrent(AT_ONCE, |number| {
        let (address, compared, throttled) = (address(number), &compared, &throttled);
        async move {
            let body = json!({"username": owner.name, "password": format!("guess number {number}")});
            let answer = from(stage, &address, LOGIN, &body).await;
            match answer.status {
                401 => _ = compared.fetch_add(1, Ordering::Relaxed),
                429 => {
                    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                    assert!((1..=600).contains(&wait), "{wait}");
                    throttled.fetch_add(1, Ordering::Relaxed);
                }
                _ => panic!("{answer:?}"),
            }
        }
    });
    let made = || compared.load(Ordering::Relaxed) + throttled.load(Ordering::Relaxed);
    let owning = async {
        let by_password = json!({"username": owner.name, "password": PASSWORD});
        let by_device = json!({"device_id": owner.device});
        let mut times = 0;
        for tenth in 1..10 {
            eventually("the next guesses", async || (made() >= count / 10 * tenth).then_some(())).await;
            for (place, body) in [(HOME, &by_password), (HOME, &by_device), ("192.0.2.1", &by_device)] {
                from(stage, place, LOGIN, body).await.good();
                times += 1;
            }
        }
        // From elsewhere the right password is a guess like the others.
        assert_eq!(from(stage, "192.0.2.1", LOGIN, &by_password).await.status, 429);
        times
    };
    let ((), owner) = futures::join!(guesses, owning);
    Siege { compared: compared.into_inner(), throttled: throttled.into_inner(), owner }
}

/// Sends JSON through a proxy that saw this address. With time enough: how long a password takes to compare is a matter of
/// the machine, and of what else it has to do.
async fn from(stage: &Stage, address: &str, path: &str, body: &Value) -> Answer {
    let request = stage.http.post(stage.url("gateway", path)).json(body);
    Answer::to(request.header("x-forwarded-for", address).header("grpc-timeout", "25S")).await
}
