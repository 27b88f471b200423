//! Whoever stands at the door of a platform in required mode, over each of its wires. Knows the contracts and none of our
//! code: what is signed here is signed by hand.

pub(crate) mod forge;
pub(crate) mod member;
pub(crate) mod rpc;
pub(crate) mod socket;

use std::time::{Duration, Instant};

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::exposition;
use crate::stage::Stage;

/// How long anything may take that must happen in the end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The one message for whoever shows nothing good.
pub(crate) const UNKNOWN: &str = "a valid access token is needed";

/// What a service answered over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The answer to a request.
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    /// The body, which is JSON; nothing for an empty one.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The body of an answer that is a success.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }
}

/// The sum of a metric's series that have a label with this value; with an empty name, of all its series.
pub(crate) async fn counted(stage: &Stage, service: &str, metric: &str, label: (&str, &str)) -> f64 {
    let text = stage.metrics(service, "").await;
    let series = exposition::series(&text, metric);
    assert!(!series.is_empty(), "{metric} is not in the scrape");
    let fits = |labels: &exposition::Labels| label.0.is_empty() || labels[label.0] == label.1;
    series.iter().filter(|(labels, _)| fits(labels)).map(|(_, value)| value).sum()
}

/// Asks until there is something to say.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
