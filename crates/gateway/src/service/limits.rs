//! How often log-ins and registrations may be tried. Where an account was entered before there is a bucket of its own:
//! whoever guesses from elsewhere does not lock the owner out.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use battlearena_identity::SessionId;
use battlearena_identity::credential::CredentialHash;
use battlearena_identity::limits::{
    AddressKey, AddressLimiter, Bucket, Decision, InFlight, Limit, Limiter, Quota, Slot,
};
use battlearena_proto::{Failure, PlayerId};

use crate::config::LogInLimitSettings;

/// How many keys each limit remembers.
const MOST_KEYS: usize = 100_000;

/// Longest part of a name that is told apart; no account has a longer one.
const MOST_NAME: usize = 50;

/// How many refusals of names and devices that nobody has are told a second.
const TOLD_A_SECOND: u32 = 10;

/// Exports of one account in an hour, and at once in all: each reads all that there is of a player.
const EXPORTS_AN_HOUR: u32 = 3;
const MOST_EXPORTS: usize = 4;

/// When who found no room for an export may come back.
const EXPORT_RETRY_AFTER: Duration = Duration::from_secs(5);

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// From where a request comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// What counts for limits; `None` when the address has none.
    pub(crate) key: Option<AddressKey>,
}

/// The limits.
pub(crate) struct LogInLimits {
    address: AddressLimiter,
    account: Limiter<Box<str>>,
    known: Limiter<(PlayerId, IpAddr)>,
    device: Limiter<[u8; 32]>,
    own: Limiter<(PlayerId, Option<SessionId>)>,
    registration: AddressLimiter,
    exports: Limiter<PlayerId>,
    exports_at_once: InFlight,
    began: Instant,
    told: Mutex<Bucket>,
}

impl LogInLimits {
    /// All buckets are full.
    pub(crate) fn new(settings: &LogInLimitSettings) -> Self {
        let LogInLimitSettings {
            logins_per_address,
            logins_per_account,
            logins_per_known,
            registrations_per_address,
        } = *settings;
        let now = Instant::now();
        let per_known = Quota::new(logins_per_known, TEN_MINUTES);
        Self {
            address: addresses(Limit::LoginAddress, Quota::new(logins_per_address, MINUTE), now),
            account: limiter(Limit::LoginAccount, Quota::new(logins_per_account, TEN_MINUTES), now),
            known: limiter(Limit::LoginKnown, per_known, now),
            device: limiter(Limit::LoginKnown, per_known, now),
            own: limiter(Limit::LoginKnown, Quota::new(logins_per_account, TEN_MINUTES), now),
            registration: addresses(
                Limit::Registration,
                Quota::new(registrations_per_address, TEN_MINUTES),
                now,
            ),
            exports: limiter(Limit::Export, Quota::new(EXPORTS_AN_HOUR, HOUR), now),
            exports_at_once: InFlight::new(MOST_EXPORTS, EXPORT_RETRY_AFTER),
            began: now,
            told: Mutex::default(),
        }
    }

    /// A guess at the password of an account, from an address that the account was not entered from.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn guess(&self, username: &str, client: &Client) -> Result<(), Failure> {
        let now = Instant::now();
        if let Some(key) = client.key {
            self.address.take(key, now).into_result()?;
        }
        self.account.take(username.chars().take(MOST_NAME).collect(), now).into_result()
    }

    /// One from an address that the account was entered from.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn guess_from_known(&self, player: PlayerId, client: &Client) -> Result<(), Failure> {
        self.known.take((player, client.address), Instant::now()).into_result()
    }

    /// A hash that somebody asks for who is in: a new password, or the current one as a proof. Strangers who guess do not
    /// empty this bucket, and a stolen session not that of another.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn own_password(&self, player: PlayerId, session: Option<SessionId>) -> Result<(), Failure> {
        self.own.take((player, session), Instant::now()).into_result()
    }

    /// A log-in by device. Its secret cannot be guessed: what is limited is how often one and the same comes.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn device(&self, device: &CredentialHash, client: &Client) -> Result<(), Failure> {
        if client.key.is_none() {
            return Ok(());
        }
        self.device.take(*device.as_bytes(), Instant::now()).into_result()
    }

    /// A log-in by a device that nobody has: made-up ones cost their address what guesses at passwords do.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn unknown_device(&self, client: &Client) -> Result<(), Failure> {
        match client.key {
            Some(key) => self.address.take(key, Instant::now()).into_result(),
            None => Ok(()),
        }
    }

    /// Whether a refusal that is about no account is one of the sample that the event log is told of.
    pub(crate) fn is_told(&self, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(self.began);
        told.take(Quota::new(TOLD_A_SECOND, SECOND), 1, since) == Decision::Allowed
    }

    /// An export. It is over when the place is dropped.
    ///
    /// # Errors
    /// Unavailable when there are too many at once; throttled.
    pub(crate) fn export(&self, player: PlayerId) -> Result<Slot, Failure> {
        let slot = self.exports_at_once.try_enter()?;
        self.exports.take(player, Instant::now()).into_result()?;
        Ok(slot)
    }

    /// A registration.
    ///
    /// # Errors
    /// Throttled.
    pub(crate) fn registration(&self, client: &Client) -> Result<(), Failure> {
        match client.key {
            Some(key) => self.registration.take(key, Instant::now()).into_result(),
            None => Ok(()),
        }
    }
}

fn addresses(limit: Limit, quota: Quota, began: Instant) -> AddressLimiter {
    AddressLimiter::new(limit, quota, MOST_KEYS, began)
}

fn limiter<K: std::hash::Hash + Eq>(limit: Limit, quota: Quota, began: Instant) -> Limiter<K> {
    Limiter::new(limit, quota, MOST_KEYS, began)
}

#[cfg(test)]
mod tests {
    use battlearena_proto::ErrorKind;

    use super::*;

    fn limits() -> LogInLimits {
        LogInLimits::new(&LogInLimitSettings::default())
    }

    #[test]
    fn exports_are_few_an_hour_and_few_at_once() {
        let limits = limits();
        for _ in 0..EXPORTS_AN_HOUR {
            drop(limits.export(PlayerId(7)).unwrap());
        }
        assert_eq!(limits.export(PlayerId(7)).unwrap_err().kind(), ErrorKind::Throttled);
        let held: Vec<_> = (0..4).map(|id| limits.export(PlayerId(100 + id)).unwrap()).collect();
        assert_eq!(limits.export(PlayerId(8)).unwrap_err().kind(), ErrorKind::Unavailable);
        drop(held);
        // To find no room cost nothing.
        for _ in 0..EXPORTS_AN_HOUR {
            drop(limits.export(PlayerId(8)).unwrap());
        }
    }

    #[test]
    fn strangers_are_told_of_as_a_sample() {
        let limits = limits();
        let told = (0..1000).filter(|_| limits.is_told(limits.began)).count();
        assert_eq!(told, TOLD_A_SECOND as usize);
        assert!(limits.is_told(limits.began + SECOND));
    }
}
