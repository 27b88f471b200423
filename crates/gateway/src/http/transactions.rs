//! Routes of the store: purchases and a player's ledger.

use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::{PlayerId, TransactionStatus};
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::document::{BodyErrors, ReadErrors};
use super::parameters::{Key, PageQuery, PlayerPath};
use crate::domain::purchase::Purchase;
use crate::service::purchases::Purchases;
use crate::store::transactions::Transaction;

/// A purchase to be made.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PurchaseRequest {
    /// Who buys.
    #[schema(example = 1)]
    player_id: i64,
    /// Sort of the item in free words, 1 to 50 characters: skin, weapon, currency, armor, consumable, cosmetic, …
    #[schema(example = "skin", min_length = 1, max_length = 50)]
    item_type: String,
    /// Name of the item, 1 to 100 characters.
    #[schema(example = "Dragon Armor", min_length = 1, max_length = 100)]
    item_name: String,
    /// Price in US dollars with at most two decimals, more than 0, at most 1000000.00.
    #[schema(example = 9.99, exclusive_minimum = 0, maximum = 1000000, multiple_of = 0.01)]
    amount: f64,
}

/// How a purchase was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PurchaseResponse {
    /// Number in the ledger, from 1.
    #[schema(example = 1)]
    transaction_id: i64,
    /// Who buys.
    #[schema(example = 1)]
    player_id: i64,
    /// Name of the item.
    #[schema(example = "Dragon Armor")]
    item: String,
    /// Price in US dollars.
    #[schema(example = 9.99)]
    amount: f64,
    /// `completed`, or `failed` when the payment was declined.
    #[schema(value_type = String, example = "completed")]
    status: TransactionStatus,
}

/// Buy an item.
///
/// The payment is decided by a sandbox, which declines one in a hundred. What is sold, and for how much, stands in the
/// catalogue; in open mode any item has any price. With an `Idempotency-Key`, a retry gets the
/// first decision, for as long as the purchase is kept.
#[utoipa::path(
    post, path = "/api/transactions/create", tag = "store", request_body = PurchaseRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters.")),
    responses((status = 200, description = "The purchase was decided.", body = PurchaseResponse), (status = 404, response = super::document::NotFound), (status = 409, response = super::document::Conflict), BodyErrors)
)]
pub(super) async fn create(
    caller: Caller,
    purchases: Data<Purchases>,
    key: Key,
    body: Body<PurchaseRequest>,
) -> Result<Json<PurchaseResponse>, HttpFailure> {
    let PurchaseRequest { player_id, item_type, item_name, amount } = body.0;
    caller.own(PlayerId(player_id))?;
    let purchase = Purchase::new(PlayerId(player_id), item_type, item_name, amount)?;
    let order = purchase.clone();
    let (id, status) = finish(async move { purchases.buy(&order, key.0).await }).await?;
    Ok(Json(PurchaseResponse {
        transaction_id: id.get(),
        player_id,
        item: purchase.item_name,
        amount: purchase.amount.dollars(),
        status,
    }))
}

/// A page of a player's purchases.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionsResponse {
    /// Newest first.
    transactions: Vec<TransactionEntry>,
}

/// A row of the ledger.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TransactionEntry {
    /// Number in the ledger.
    #[schema(example = 1)]
    transaction_id: i64,
    /// Sort of the item.
    #[schema(example = "skin")]
    item_type: String,
    /// Name of the item.
    #[schema(example = "Dragon Armor")]
    item_name: String,
    /// Price in units of the currency.
    #[schema(example = 9.99)]
    amount: f64,
    /// ISO 4217 code.
    #[schema(example = "USD")]
    currency: String,
    /// `completed`, `failed` or `refunded`.
    #[schema(value_type = String, example = "completed")]
    status: TransactionStatus,
    /// When it was decided (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    created_at: Timestamp,
}

impl From<Transaction> for TransactionEntry {
    fn from(transaction: Transaction) -> Self {
        let Transaction { id, item_type, item_name, amount, currency, status, created_at } = transaction;
        let (transaction_id, amount) = (id.get(), amount.dollars());
        Self { transaction_id, item_type, item_name, amount, currency, status, created_at }
    }
}

/// A player's purchases, newest first.
#[utoipa::path(
    get, path = "/api/players/{player_id}/transactions", tag = "store",
    params(
        ("player_id" = i64, Path, description = "Whose purchases."),
        ("limit" = Option<i64>, Query, description = "1 to 100 [default: 10].", minimum = 1, maximum = 100),
        ("before" = Option<i64>, Query, description = "Only purchases with a smaller number.")
    ),
    responses((status = 200, description = "A page of the ledger.", body = TransactionsResponse), ReadErrors)
)]
pub(super) async fn of_player(
    caller: Caller,
    purchases: Data<Purchases>,
    player: PlayerPath,
    page: PageQuery,
) -> Result<Json<TransactionsResponse>, HttpFailure> {
    caller.own(player.0)?;
    let transactions = purchases.list(player.0, page.0).await?;
    Ok(Json(TransactionsResponse { transactions: transactions.into_iter().map(Into::into).collect() }))
}
