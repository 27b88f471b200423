//! Calls of the store: purchases and a player's ledger.

use battlearena_proto::{PlayerId, TransactionId, TransactionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cents, Page};
use crate::http::Call;

/// A purchase to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Purchase<'a> {
    /// Who buys.
    pub player_id: PlayerId,
    /// Sort of the item in free words, 1 to 50 characters.
    pub item_type: &'a str,
    /// Name of the item, 1 to 100 characters.
    pub item_name: &'a str,
    /// Price, 1 cent to a million dollars.
    pub amount: Cents,
}

/// How a purchase was decided.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PurchaseDecision {
    /// Number in the ledger, from 1.
    pub transaction_id: TransactionId,
    /// Who buys.
    pub player_id: PlayerId,
    /// Name of the item.
    pub item: String,
    /// Price.
    pub amount: Cents,
    /// Completed, or failed when the payment was declined.
    pub status: TransactionStatus,
}

/// Buys an item: `POST /api/transactions/create`. A payment that is declined is an answer, not an error. Not found: no
/// such player.
pub fn purchase(purchase: &Purchase<'_>) -> Call<PurchaseDecision> {
    Call::post("/api/transactions/create", purchase)
}

/// A page of a player's purchases.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transactions {
    /// Newest first.
    pub transactions: Vec<Transaction>,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Transaction {
    /// Number in the ledger.
    pub transaction_id: TransactionId,
    /// Sort of the item.
    pub item_type: String,
    /// Name of the item.
    pub item_name: String,
    /// Price.
    pub amount: Cents,
    /// ISO 4217 code.
    pub currency: String,
    /// How it was decided.
    pub status: TransactionStatus,
    /// When it was decided (UTC).
    pub created_at: Timestamp,
}

/// Lists a player's purchases: `GET /api/players/{player_id}/transactions`.
pub fn player_transactions(player_id: PlayerId, page: Page) -> Call<Transactions> {
    Call::get("/api/players/{player_id}/transactions").with(player_id).with_query(page)
}
