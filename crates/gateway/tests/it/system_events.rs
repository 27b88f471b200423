//! System events.

use serde_json::{Value, json};

use crate::support::Platform;

const EVENT: &str = "/api/system/event";

fn event() -> Value {
    json!({"event_type": "deploy", "severity": "warning", "message": "release 1.2", "metadata": {"a": [1, {"b": "ü"}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_recorded() {
    let platform = Platform::start().await;
    let recorded = platform.post(EVENT, event()).await.ok();
    assert!(recorded["event_id"].as_i64().unwrap() >= 1);
    assert_eq!(recorded["event_type"], "deploy");
    assert_eq!((&recorded["severity"], &recorded["message"]), (&json!("warning"), &json!("release 1.2")));
    assert_eq!(recorded.as_object().unwrap().len(), 4);
    for metadata in [json!(null), json!({})] {
        let mut body = event();
        body["metadata"] = metadata;
        platform.post(EVENT, body).await.ok();
    }
    let mut body = event();
    body.as_object_mut().unwrap().remove("metadata");
    platform.post(EVENT, body).await.ok();
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_events_name_the_field() {
    let platform = Platform::gateway_alone().await;
    let table = [
        ("event_type", json!("")),
        ("event_type", json!("x".repeat(51))),
        ("event_type", json!(1)),
        ("severity", json!("bad")),
        ("severity", json!(1)),
        ("message", json!("x".repeat(2001))),
        ("message", json!(1)),
        ("metadata", json!([])),
        ("metadata", json!("text")),
        ("metadata", json!({"k": "x".repeat(17_000)})),
    ];
    for (field, value) in table {
        let mut body = event();
        body[field] = value;
        platform.post(EVENT, body).await.invalid(field);
    }
    for missing in ["event_type", "severity", "message"] {
        let mut body = event();
        body.as_object_mut().unwrap().remove(missing);
        platform.post(EVENT, body).await.invalid(missing);
    }
    platform.stop().await;
}
