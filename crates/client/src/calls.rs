//! Every call of the gateway's API: what is asked, in the types of the platform, and what is answered. One function a
//! route; nothing is checked here that the gateway checks.

mod account;
mod chat;
mod matches;
mod moderation;
mod money;
mod page;
mod players;
mod statistics;
mod store;
mod system;

pub use account::{
    LinkedDevice, ProfileChange, change_password, change_profile, delete_account, export, link_device,
    unlink_device,
};
pub use chat::{ChatMessage, ChatMessages, chat_history, general_history};
pub use matches::{
    CompletedMatch, CrashedMatch, EndedMatch, MatchDetails, Matches, ParticipantDetails, ParticipantStats,
    StartedMatch, complete_match, crash_match, heartbeat, match_details, player_matches, start_match,
};
pub use moderation::{ban, lift_ban, lift_mute, mute, sanctions};
pub use money::Cents;
pub use page::Page;
pub use players::{LogIn, LoggedIn, NewPlayer, Player, Registered, log_in, log_out, player, register};
pub use statistics::{
    Leaderboard, MatchStats, Place, PlayerStats, Rank, RevenueStats, leaderboard, match_stats, player_rank,
    player_stats, revenue_stats,
};
pub use store::{Purchase, PurchaseDecision, Transaction, Transactions, player_transactions, purchase};
pub use system::{Health, RecordedEvent, SystemEvent, Welcome, health, record_event, welcome};
