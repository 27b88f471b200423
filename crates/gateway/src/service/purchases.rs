//! The store: purchases and the ledger.

use battlearena_proto::{Failure, PlayerId, TransactionId, TransactionStatus};
use battlearena_storage::idempotency::{IdempotencyKey, fingerprint, key_reused};
use battlearena_storage::{Database, Wake};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::{Span, instrument};

use super::unknown_player;
use crate::domain::catalogue;
use crate::domain::page::Page;
use crate::domain::payment::DeclinePercent;
use crate::domain::purchase::Purchase;
use crate::metrics::{Metrics, Sale};
use crate::store::players;
use crate::store::transactions::{self, Keyed, Recorded, Transaction};

/// How often a purchase is looked up again after another request with its key came in between. Once is enough, unless
/// that other one is rolled back.
const LOOKS: usize = 3;

/// The use cases about the ledger.
#[derive(Clone)]
pub(crate) struct Purchases {
    pub(crate) database: Database,
    pub(crate) wake: Wake,
    pub(crate) metrics: Metrics,
    pub(crate) decline: DeclinePercent,
    /// Whether the catalogue says what is sold for how much; otherwise the client does.
    pub(crate) has_fixed_prices: bool,
}

impl Purchases {
    /// Decides a purchase and writes it down, with its decision: a retry with the key gets the same.
    ///
    /// # Errors
    /// Invalid against the catalogue; not found without such a player; conflict when the key came with another request; the database's. Nothing was
    /// written down.
    #[instrument(
        name = "create_transaction",
        skip_all,
        fields(player.id = purchase.player_id.get(), transaction.id = Empty, transaction.status = Empty,
               transaction.amount = purchase.amount.dollars(), transaction.item_type = purchase.item_type,
               error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn buy(
        &self,
        purchase: &Purchase,
        key: Option<IdempotencyKey>,
    ) -> Result<(TransactionId, TransactionStatus), Failure> {
        let (id, status) = self.decide_and_record(purchase, key).await.inspect_err(note)?;
        Span::current().record("transaction.id", id.get()).record("transaction.status", status.as_str());
        Ok((id, status))
    }

    async fn decide_and_record(
        &self,
        purchase: &Purchase,
        key: Option<IdempotencyKey>,
    ) -> Result<(TransactionId, TransactionStatus), Failure> {
        if self.has_fixed_prices {
            catalogue::check(purchase)?;
        }
        let keyed = key.map(|key| Keyed { key, fingerprint: fingerprint(purchase) });
        let status = self.decline.decide(rand::random());
        match self.record(purchase, status, keyed.as_ref()).await? {
            Recorded::New { id, region, tier } => {
                self.wake.wake();
                let Purchase { item_type, amount, .. } = purchase;
                self.metrics.sold(&Sale { item_type, region: &region, tier, amount: *amount, status });
                Ok((id, status))
            }
            Recorded::Before { id, status, fingerprint } => {
                let same = keyed.is_some_and(|keyed| keyed.fingerprint == fingerprint);
                if same { Ok((id, status)) } else { Err(key_reused()) }
            }
        }
    }

    async fn record(
        &self,
        purchase: &Purchase,
        status: TransactionStatus,
        keyed: Option<&Keyed>,
    ) -> Result<Recorded, Failure> {
        let traceparent = current_traceparent();
        let connection = self.database.connection().await?;
        let mut looks = 0;
        loop {
            looks += 1;
            let recorded =
                transactions::record(connection.session(), purchase, status, keyed, traceparent.as_deref())
                    .await;
            match recorded {
                Err(error) if error.violates(transactions::KEY_TAKEN) && looks < LOOKS => {}
                recorded => return recorded?.ok_or_else(|| unknown_player(purchase.player_id)),
            }
        }
    }

    /// A page of a player's purchases, newest first.
    ///
    /// # Errors
    /// Not found without such a player; the database's.
    #[instrument(
        name = "list_transactions",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn list(&self, player: PlayerId, page: Page) -> Result<Vec<Transaction>, Failure> {
        self.page_of(player, page).await.inspect_err(note)
    }

    async fn page_of(&self, player: PlayerId, page: Page) -> Result<Vec<Transaction>, Failure> {
        let connection = self.database.connection().await?;
        let session = connection.session();
        let transactions = transactions::of_player(session, player, page).await?;
        // Only an empty page leaves open whether there is such a player.
        if transactions.is_empty() && players::is_active(session, player).await?.is_none() {
            return Err(unknown_player(player));
        }
        Ok(transactions)
    }
}
