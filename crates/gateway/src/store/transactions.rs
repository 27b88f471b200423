//! Statements about the ledger. Rows are written once, with the decision; nothing is updated.

use battlearena_proto::{PlayerId, Tier, TransactionId, TransactionStatus};
use battlearena_storage::idempotency::IdempotencyKey;
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use super::players::tier_of;
use crate::domain::money::Cents;
use crate::domain::page::Page;
use crate::domain::purchase::Purchase;

pub(crate) const ALL: [&Statement; 2] = [&RECORD_PURCHASE, &TRANSACTIONS_OF];

/// The constraint that a second purchase of one player with the same key violates.
pub(crate) const KEY_TAKEN: &str = "transactions_idempotency_key";

/// A key of a request, and what the request asks for.
#[derive(Debug, Clone)]
pub(crate) struct Keyed {
    pub(crate) key: IdempotencyKey,
    pub(crate) fingerprint: i64,
}

/// What became of a purchase of a player who exists.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// It was written down now.
    New {
        /// Its number in the ledger.
        id: TransactionId,
        /// The buyer's home region, for labels.
        region: String,
        /// The buyer's tier, for labels.
        tier: Tier,
    },
    /// It had been written down under the same key before.
    Before {
        /// Its number in the ledger.
        id: TransactionId,
        /// How it was decided then.
        status: TransactionStatus,
        /// What it asked for then.
        fingerprint: i64,
    },
}

// One row for a player who exists, none otherwise. Without a key `first` finds nothing, as nothing equals null.
static RECORD_PURCHASE: Statement = Statement::new(
    "record_purchase",
    "INSERT",
    "transactions",
    "with player as (
       select id, region, tier from gateway.players where id = $1
     ), first as (
       select id, status, fingerprint from gateway.transactions where player_id = $1 and idempotency_key = $6::text
     ), purchase as (
       insert into gateway.transactions
         (player_id, item_type, item_name, amount_minor, status, idempotency_key, fingerprint)
       select id, $2::text, $3::text, $4::bigint, $5::text, $6::text, $7::bigint
       from player where not exists (select from first)
       returning id, player_id, item_type, item_name, amount_minor, currency, status
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'transaction_recorded',
              json_build_object('transaction_id', purchase.id, 'player_id', player_id, 'item_type', item_type,
                                'item_name', item_name, 'amount_minor', amount_minor, 'currency', currency,
                                'status', status, 'region', player.region),
              $8::text
       from purchase, player
     )
     select purchase.id, player.region, player.tier, first.id, first.status, first.fingerprint
     from player left join purchase on true left join first on true",
);

/// Writes a purchase down, unless one with its key is there; `None` when there is no such player.
///
/// # Errors
/// See [`StorageError`]; a violation of [`KEY_TAKEN`] when another request with the key came in between.
pub(crate) async fn record(
    session: Session<'_>,
    purchase: &Purchase,
    status: TransactionStatus,
    keyed: Option<&Keyed>,
    traceparent: Option<&str>,
) -> Result<Option<Recorded>, StorageError> {
    let Purchase { player_id, item_type, item_name, amount } = purchase;
    let (key, fingerprint) = keyed.map(|keyed| (keyed.key.as_str(), keyed.fingerprint)).unzip();
    let row = session
        .query_opt(
            &RECORD_PURCHASE,
            &[
                &player_id.get(),
                item_type,
                item_name,
                &amount.0,
                &status.as_str(),
                &key,
                &fingerprint,
                &traceparent,
            ],
        )
        .await?;
    Ok(row.map(|row| match row.get::<_, Option<i64>>(3) {
        None => Recorded::New { id: TransactionId(row.get(0)), region: row.get(1), tier: tier_of(&row, 2) },
        Some(id) => {
            Recorded::Before { id: TransactionId(id), status: status_of(&row, 4), fingerprint: row.get(5) }
        }
    }))
}

/// A row of the ledger.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) id: TransactionId,
    pub(crate) item_type: String,
    pub(crate) item_name: String,
    pub(crate) amount: Cents,
    pub(crate) currency: String,
    pub(crate) status: TransactionStatus,
    pub(crate) created_at: Timestamp,
}

static TRANSACTIONS_OF: Statement = Statement::new(
    "transactions_of_player",
    "SELECT",
    "transactions",
    "select id, item_type, item_name, amount_minor, currency, status, created_at
     from gateway.transactions
     where player_id = $1 and id < $2
     order by id desc
     limit $3",
);

/// A page of a player's purchases, newest first.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn of_player(
    session: Session<'_>,
    player: PlayerId,
    page: Page,
) -> Result<Vec<Transaction>, StorageError> {
    let before = page.before.unwrap_or(i64::MAX);
    let rows = session.query(&TRANSACTIONS_OF, &[&player.get(), &before, &i64::from(page.limit)]).await?;
    let transaction = |row: &Row| Transaction {
        id: TransactionId(row.get(0)),
        item_type: row.get(1),
        item_name: row.get(2),
        amount: Cents(row.get(3)),
        currency: row.get(4),
        status: status_of(row, 5),
        created_at: row.get(6),
    };
    Ok(rows.iter().map(transaction).collect())
}

/// The column has a check constraint; a status of a newer release counts as failed until this one knows it.
fn status_of(row: &Row, column: usize) -> TransactionStatus {
    row.get::<_, &str>(column).parse().unwrap_or(TransactionStatus::Failed)
}
