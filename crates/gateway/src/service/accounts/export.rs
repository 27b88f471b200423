//! Everything that the platform holds about a player. Hashes are left out: they say nothing to anybody. An export has all
//! of it, or there is none.

use battlearena_proto::matches::Match;
use battlearena_proto::realtime::RoomMessage;
use battlearena_proto::{Failure, PlayerId};
use battlearena_telemetry::note;
use jiff::Timestamp;
use tracing::field::Empty;
use tracing::instrument;

use super::Accounts;
use crate::domain::page::Page;
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::service::unknown_player;
use crate::store::accounts::{self, DeviceRecord, SessionRecord};
use crate::store::credentials;
use crate::store::players::{self, Player};
use crate::store::sanctions::{self, Sanction};
use crate::store::transactions::{self, Transaction};

/// Most purchases of an export, and most matches, the newest; a page of them is read at a time.
const MOST_PAGES: usize = 100;
const PAGE: i32 = 100;

/// What is held about a player.
#[derive(Debug)]
pub(crate) struct Export {
    pub(crate) player: Player,
    pub(crate) region: String,
    pub(crate) has_password: bool,
    /// In the order in which they were linked.
    pub(crate) devices: Vec<DeviceRecord>,
    pub(crate) sessions: Vec<SessionRecord>,
    /// When each address was last written down.
    pub(crate) known_addresses: Vec<Timestamp>,
    pub(crate) sanctions: Vec<Sanction>,
    /// Newest first.
    pub(crate) transactions: Vec<Transaction>,
    /// Newest first.
    pub(crate) matches: Vec<Match>,
    /// Newest first.
    pub(crate) messages: Vec<RoomMessage>,
    /// Whom the player has blocked.
    pub(crate) blocked: Vec<i64>,
}

/// Who holds what the gateway does not.
#[derive(Clone)]
pub(crate) struct Holders {
    pub(crate) matches: Matches,
    pub(crate) chat: Chat,
}

impl Accounts {
    /// Everything that is held about a player.
    ///
    /// # Errors
    /// Not found; throttled; unavailable when one of the holders is, or there are too many exports; the database's.
    #[instrument(
        name = "export_account",
        skip_all,
        fields(player.id = id.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn export(&self, id: PlayerId, holders: &Holders) -> Result<Export, Failure> {
        let exported = async {
            let _slot = self.limits.export(id)?;
            self.gather(id, holders).await
        };
        exported.await.inspect_err(note)
    }

    async fn gather(&self, id: PlayerId, holders: &Holders) -> Result<Export, Failure> {
        let export = self.gather_here(id).await?;
        let matches = holders.matches_of(id).await?;
        let (messages, blocked) = holders.chat.of_player(id).await?;
        Ok(Export { matches, messages, blocked, ..export })
    }

    /// What the gateway itself holds.
    async fn gather_here(&self, id: PlayerId) -> Result<Export, Failure> {
        let connection = self.database.connection().await?;
        let session = connection.session();
        let player = players::by_id(session, id).await?.ok_or_else(|| unknown_player(id))?;
        let held = credentials::held(session, id).await?.ok_or_else(|| unknown_player(id))?;
        let mut bought = Vec::new();
        for _ in 0..MOST_PAGES {
            let before = bought.last().map(|last: &Transaction| last.id.get());
            let page = transactions::of_player(session, id, Page { limit: PAGE, before }).await?;
            let is_last = page.len() < PAGE as usize;
            bought.extend(page);
            if is_last {
                break;
            }
        }
        Ok(Export {
            player,
            region: held.region,
            has_password: held.password_hash.is_some(),
            devices: accounts::devices(session, id).await?,
            sessions: accounts::sessions(session, id).await?,
            known_addresses: accounts::addresses(session, id).await?,
            sanctions: sanctions::of_player(session, id).await?,
            transactions: bought,
            matches: Vec::new(),
            messages: Vec::new(),
            blocked: Vec::new(),
        })
    }
}

impl Holders {
    async fn matches_of(&self, id: PlayerId) -> Result<Vec<Match>, Failure> {
        let mut played: Vec<Match> = Vec::new();
        for _ in 0..MOST_PAGES {
            let before = played.last().map(|last| last.match_id);
            let page = self.matches.of_player(id, Page { limit: PAGE, before }).await?;
            let is_last = page.len() < PAGE as usize;
            played.extend(page);
            if is_last {
                break;
            }
        }
        Ok(played)
    }
}
