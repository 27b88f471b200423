//! Health and metrics at an address of their own.

use std::time::Duration;

use battlearena_gateway::{App, migrator};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_storage::testing::TestDatabase;

use crate::support::config;

#[tokio::test(flavor = "multi_thread")]
async fn with_an_address_of_their_own_health_and_metrics_are_nowhere_else() {
    battlearena_telemetry::start_for_tests();
    let url = TestDatabase::create(&[migrator().unwrap()]).await.url;
    let mut config = config(&url);
    config.admin_addr = Some(([127, 0, 0, 1], 0).into());
    let app = App::build(config).await.unwrap();
    let (public, admin) = (app.http_addr(), app.admin_addr().unwrap());
    let (tasks, stop) = (Tasks::new(), CancellationToken::new());
    let stopped = stop.clone();
    tasks.spawn("gateway", async move { app.run(stopped).await.unwrap() });
    let status = async |address, path: &str| {
        reqwest::get(format!("http://{address}{path}")).await.unwrap().status().as_u16()
    };
    for path in ["/livez", "/health", "/metrics"] {
        assert_eq!((status(admin, path).await, status(public, path).await), (200, 404), "{path}");
    }
    assert_eq!((status(public, "/openapi.json").await, status(admin, "/openapi.json").await), (200, 404));
    stop.cancel();
    tasks.stop(Duration::from_secs(30)).await.unwrap();
    assert!(reqwest::get(format!("http://{admin}/livez")).await.is_err());
}
