//! Follows the event log and measures how old each event is when a subscriber sees it: from the begin of the transaction
//! that told it, by the database's clock, to its arrival here. For `scripts/bench`; both clocks must be one machine's.
//!
//! usage: freshness URL SECONDS [SERVICE_KEY_FILE]

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::time::Duration;

use battlearena_identity::Secret;
use battlearena_identity::credential::ServiceKey;
use battlearena_proto::analytics::GetTotalsRequest;
use battlearena_proto::analytics::analytics_service_client::AnalyticsServiceClient;
use battlearena_proto::events::SubscribeRequest;
use battlearena_proto::events::event_log_service_client::EventLogServiceClient;
use battlearena_proto::timestamp_from_wire;
use hdrhistogram::Histogram;
use jiff::Timestamp;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:9004".to_owned());
    let seconds = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let credential = arguments.next().map(|path| anyhow::Ok(service_key(&path)?.try_into()?)).transpose()?;
    let channel = battlearena_telemetry::grpc::connect(&url)?.with_credential(credential);
    let totals =
        AnalyticsServiceClient::new(channel.clone()).get_totals(GetTotalsRequest {}).await?.into_inner();
    let request = SubscribeRequest { after_offset: totals.head_offset, kinds: Vec::new(), since: None };
    let mut stream = EventLogServiceClient::new(channel).subscribe(request).await?.into_inner();
    let mut ages = Histogram::<u64>::new(3)?;
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while let Ok(batch) = tokio::time::timeout_at(end, stream.message()).await {
        let Some(batch) = batch? else { break };
        let now = Timestamp::now();
        for event in batch.events {
            let at = timestamp_from_wire(event.occurred_at).unwrap_or(now);
            ages.record(u64::try_from(now.duration_since(at).as_micros()).unwrap_or(0))?;
        }
    }
    let at = |quantile| ages.value_at_quantile(quantile) as f64 / 1000.0;
    println!(
        "{} events; p50 {:.1} p95 {:.1} p99 {:.1} max {:.1} ms",
        ages.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

/// What a service shows.
fn service_key(path: &str) -> anyhow::Result<String> {
    let key = ServiceKey::new(Secret::from(std::fs::read_to_string(path)?.trim().to_owned()))?;
    Ok(key.authorization().expose().to_owned())
}
