//! What a scrape shows, in a process of its own: metrics are the process's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use battlearena_runtime::Tasks;
use battlearena_tls::{Settings, Tls};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// 2050-01-01T00:00:00Z and 2060-01-01T00:00:00Z.
const YEARS: [(i32, f64); 2] = [(2050, 2_524_608_000.0), (2060, 2_840_140_800.0)];

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(20);

fn scraped(series: &str) -> Option<f64> {
    let text = battlearena_telemetry::render(battlearena_telemetry::Format::Text);
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(value.parse().unwrap())
}

#[tokio::test]
async fn the_expiry_and_the_reloads_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    std::fs::write(path("tls.key"), key.serialize_pem()).unwrap();
    let put = |(year, _): (i32, f64)| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        std::fs::write(path("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    };
    let told = || {
        let outcome = |word: &str| scraped(&format!(r#"tls_reloads_total{{outcome="{word}"}}"#));
        (scraped("tls_certificate_expiry_seconds"), outcome("ok"), outcome("failed"))
    };

    Tls::load(&Settings::default()).unwrap();
    assert_eq!(told(), (None, Some(0.0), Some(0.0)), "no certificate, no expiry");

    put(YEARS[0]);
    let settings = Settings {
        tls_certificate: Some(path("tls.crt")),
        tls_key: Some(path("tls.key")),
        ..Settings::default()
    };
    let tls = Tls::load(&settings).unwrap();
    assert_eq!(told(), (Some(YEARS[0].1), Some(0.0), Some(0.0)));

    put(YEARS[1]);
    tls.reload().unwrap();
    assert_eq!(told(), (Some(YEARS[1].1), Some(1.0), Some(0.0)));

    std::fs::write(path("tls.crt"), "nonsense").unwrap();
    tls.reload().unwrap_err();
    assert_eq!(told(), (Some(YEARS[1].1), Some(1.0), Some(1.0)));

    // Nobody asks: the task notices, tries a file that is broken again and again, and goes on.
    let tasks = Tasks::new();
    tasks.spawn("tls reload", tls.keep_reloading(tasks.token()));
    until(|| told().2 >= Some(3.0)).await;
    put(YEARS[0]);
    until(|| told().0 == Some(YEARS[0].1) && told().1 == Some(2.0)).await;
    tasks.stop(PATIENCE).await.unwrap();
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap();
}
