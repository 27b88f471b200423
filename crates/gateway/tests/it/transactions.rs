//! Purchases and the ledger.

use serde_json::{Value, json};

use crate::support::Platform;

const CREATE: &str = "/api/transactions/create";

fn purchase(player_id: i64, amount: Value) -> Value {
    json!({"player_id": player_id, "item_type": "skin", "item_name": "Dragon Armor", "amount": amount})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = purchase(1, json!(9.99));
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_is_decided_and_told() {
    let platform = Platform::gateway_alone().await;
    let body = json!({"username": "buyer", "email": "a@b", "region": "eu-west"});
    platform.post("/api/players/register", body).await.ok();
    let expected = json!({"transaction_id": 1, "player_id": 1, "item": "Dragon Armor", "amount": 9.99,
        "status": "completed"});
    assert_eq!(platform.post(CREATE, purchase(1, json!(9.99))).await.ok(), expected);
    let row = platform
        .row("select payload::text from gateway.outbox where kind = 'transaction_recorded'", &[])
        .await;
    assert_eq!(
        serde_json::from_str::<Value>(row.get(0)).unwrap(),
        json!({"transaction_id": 1, "player_id": 1, "item_type": "skin", "item_name": "Dragon Armor",
            "amount_minor": 999, "currency": "USD", "status": "completed", "region": "eu-west"})
    );
    // Buying never raises the store credit.
    assert_eq!(platform.get("/api/players/1").await.ok()["account_balance"], json!(0.0));
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_are_exact_to_the_cent() {
    let platform = Platform::gateway_alone().await;
    platform.register("buyer").await;
    let table = [
        ("9.99", 999),
        ("14.99", 1499),
        ("0.01", 1),
        ("4.350", 435),
        ("5", 500),
        ("1e2", 10_000),
        ("1000000.00", 100_000_000),
    ];
    for (amount, cents) in table {
        let body = format!("{{\"player_id\":1,\"item_type\":\"x\",\"item_name\":\"y\",\"amount\":{amount}}}");
        let id = platform.post_text(CREATE, body).await.ok()["transaction_id"].as_i64().unwrap();
        let row = platform.row("select amount_minor from gateway.transactions where id = $1", &[&id]).await;
        assert_eq!(row.get::<_, i64>(0), cents, "{amount}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_purchases_name_the_field() {
    let platform = Platform::gateway_alone().await;
    platform.register("buyer").await;
    let table = [
        ("amount", json!(0)),
        ("amount", json!(-9.99)),
        ("amount", json!(9.999)),
        ("amount", json!(0.001)),
        ("amount", json!(1_000_000.01)),
        ("amount", json!(1e300)),
        ("amount", json!("9.99")),
        ("amount", json!(null)),
        ("item_type", json!("")),
        ("item_type", json!("x".repeat(51))),
        ("item_type", json!(1)),
        ("item_name", json!("")),
        ("item_name", json!("x".repeat(101))),
        ("item_name", json!("Dragon\u{0}Armor")),
        ("player_id", json!("1")),
        ("player_id", json!(null)),
    ];
    for (field, value) in table {
        platform.post(CREATE, with(field, value)).await.invalid(field);
    }
    for missing in ["player_id", "item_type", "item_name", "amount"] {
        let mut body = purchase(1, json!(9.99));
        body.as_object_mut().unwrap().remove(missing);
        platform.post(CREATE, body).await.invalid(missing);
    }
    let absurd = "{\"player_id\":1,\"item_type\":\"x\",\"item_name\":\"y\",\"amount\":1e999}";
    platform.post_text(CREATE, absurd).await.invalid("amount");
    for unknown in [2, 0, -1] {
        platform.post(CREATE, purchase(unknown, json!(9.99))).await.refused(
            404,
            "not_found",
            Some("player_id"),
        );
        platform.post_keyed(CREATE, "key", purchase(unknown, json!(9.99))).await.refused(
            404,
            "not_found",
            Some("player_id"),
        );
    }
    assert_eq!(platform.row("select count(*) from gateway.transactions", &[]).await.get::<_, i64>(0), 0);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_payment_is_an_answer_and_not_an_error() {
    let platform = Platform::gateway_with(|config| config.payment_decline_percent = 100.0).await;
    platform.register("buyer").await;
    let bought = platform.post(CREATE, purchase(1, json!(9.99))).await.ok();
    assert_eq!(bought["status"], "failed");
    assert_eq!(platform.get("/api/players/1/transactions").await.ok()["transactions"][0]["status"], "failed");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_read_page_by_page() {
    let platform = Platform::gateway_alone().await;
    platform.register_many(2).await;
    for cents in 1..=12 {
        platform.post(CREATE, purchase(1 + cents % 2, json!(cents as f64 / 100.0))).await.ok();
    }
    let ids = async |query: &str| {
        let page = platform.get(&format!("/api/players/1/transactions{query}")).await.ok();
        let entries = page["transactions"].as_array().unwrap();
        entries.iter().map(|entry| entry["transaction_id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, [12, 10, 8, 6, 4, 2]);
    assert_eq!(ids("?limit=2").await, [12, 10]);
    assert_eq!(ids("?limit=2&before=10").await, [8, 6]);
    assert_eq!(ids("?before=2").await, Vec::<i64>::new());

    let page = platform.get("/api/players/1/transactions?limit=1").await.ok();
    let mut entry = page["transactions"][0].clone();
    assert!(entry["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    entry.as_object_mut().unwrap().remove("created_at");
    let expected = json!({"transaction_id": 12, "item_type": "skin", "item_name": "Dragon Armor", "amount": 0.12,
        "currency": "USD", "status": "completed"});
    assert_eq!(entry, expected);

    platform.get("/api/players/3/transactions").await.refused(404, "not_found", Some("player_id"));
    platform.get("/api/players/x/transactions").await.invalid("player_id");
    for (query, field) in
        [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("before=0", "before")]
    {
        platform.get(&format!("/api/players/1/transactions?{query}")).await.invalid(field);
    }
    platform.stop().await;
}
