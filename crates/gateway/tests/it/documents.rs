//! The document of the API, the page that shows it, and the metrics.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Platform, scraped};

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_route_is_there() {
    let platform = Platform::gateway_alone().await;
    let answer = platform.get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let document = answer.ok();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let concrete = path
                .replace("{player_id}", "1")
                .replace("{match_id}", "1")
                .replace("{file}", "index.html")
                .replace("{room}", "general");
            let answer = Answer::to(platform.request(method.clone(), &concrete)).await;
            assert_ne!(answer.status, 405, "{method} {path}");
            assert_ne!(answer.body["error"]["message"], "no such route", "{method} {path}");
            let documented = operation["responses"].as_object().unwrap();
            assert!(
                documented.contains_key(&answer.status.to_string()),
                "{method} {path} answers {}",
                answer.status
            );
            let other = Answer::to(platform.request(Method::PUT, &concrete)).await;
            let allowed = other.headers["allow"].to_str().unwrap();
            let allowed: BTreeSet<String> = allowed.split(", ").map(str::to_lowercase).collect();
            assert_eq!(
                (other.status, allowed),
                (405, item.as_object().unwrap().keys().cloned().collect()),
                "{path}"
            );
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_documented_with_examples() {
    let platform = Platform::gateway_alone().await;
    let document = platform.get("/openapi.json").await.ok();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (field, property) in schema["properties"].as_object().unwrap() {
            let is_list = property["type"] == "array" || property.get("$ref").is_some();
            assert!(
                property.get("description").is_some() || property.get("$ref").is_some(),
                "{name}.{field}"
            );
            let whole = schema["example"].get(field).is_some();
            assert!(
                property.get("example").is_some() || property.get("examples").is_some() || is_list || whole,
                "{name}.{field} has no example"
            );
        }
    }
    let refused = &document["components"]["responses"]["Invalid"]["content"]["application/json"]["example"];
    assert_eq!(refused["error"]["code"], "invalid");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_without_the_internet() {
    let platform = Platform::gateway_alone().await;
    let page = platform.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let Value::String(html) = &page.body else { panic!("not a page") };
    assert!(html.contains("<base href=\"/docs/\" />"));
    let links: BTreeSet<&str> = ["src=\"", "href=\""]
        .iter()
        .flat_map(|attribute| html.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()))
        .filter(|link| *link != "/docs/")
        .collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        assert!(!link.contains("//"), "{link} leads away");
        let part = platform.get(&format!("/docs/{}", link.trim_start_matches("./"))).await;
        assert_eq!(part.status, 200, "{link}");
    }
    let start = platform.get("/docs/swagger-initializer.js").await.body.to_string();
    assert!(
        start.contains("/openapi.json") && !start.contains("http://") && !start.contains("https://"),
        "{start}"
    );
    assert!(start.contains("validatorUrl"), "{start}");
    platform.get("/docs/nothing.js").await.refused(404, "not_found", None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_counted_by_its_name() {
    let platform = Platform::gateway_with(|config| config.payment_decline_percent = 0.0).await;
    let series = [
        "player_registrations_total",
        "player_logins_total",
        "failed_login_attempts_total{reason=\"unknown_player\"}",
        "failed_login_attempts_total{reason=\"malformed\"}",
        "revenue_total_usd{item_type=\"other\",region=\"asia-pacific\"}",
        "transactions_total{type=\"other\",status=\"completed\"}",
        "orders_created_total{payment_method=\"card\",product_category=\"other\"}",
        "feature_usage_total{feature=\"store\",user_tier=\"enterprise\"}",
        "http_requests_total{method=\"POST\",endpoint=\"/api/players/login\",status=\"404\"}",
    ];
    let body = json!({"username": "counted", "email": "a@b", "tier": "enterprise", "region": "asia-pacific"});
    platform.post("/api/players/login", json!({"player_id": 99})).await;
    let before = platform.scrape().await;
    platform.post("/api/players/register", body).await.ok();
    platform.post("/api/players/login", json!({"player_id": 1})).await.ok();
    platform.post("/api/players/login", json!({"player_id": 99})).await;
    platform.post("/api/players/login", json!({})).await;
    let purchase = json!({"player_id": 1, "item_type": "a unicorn", "item_name": "x", "amount": 12.34});
    for _ in 0..3 {
        platform.post_keyed("/api/transactions/create", "once", purchase.clone()).await.ok();
    }
    let after = platform.scrape().await;
    for name in series {
        let grown = scraped(&after, name) - scraped(&before, name);
        let least = if name.starts_with("revenue") { 12.34 } else { 1.0 };
        assert!(grown > least - 0.001, "{name} grew by {grown}");
    }
    // Nobody else in this process buys from that region: the retries were not counted.
    let revenue = scraped(&after, series[4]) - scraped(&before, series[4]);
    assert!((revenue - 12.34).abs() < 0.001, "{revenue}");
    assert!(after.contains("# TYPE http_request_duration_seconds histogram"));
    platform.stop().await;
}
