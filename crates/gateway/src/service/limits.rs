//! How often log-ins and registrations may be tried. Where an account was entered before there is a bucket of its own:
//! whoever guesses from elsewhere does not lock the owner out.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use battlearena_identity::credential::CredentialHash;
use battlearena_identity::limits::{AddressKey, AddressLimiter, Limit, Limiter, Quota};
use battlearena_proto::{Failure, PlayerId};

use crate::config::LogInLimitSettings;

/// How many keys each limit remembers.
const MOST_KEYS: usize = 100_000;

/// Longest part of a name that is told apart; no account has a longer one.
const MOST_NAME: usize = 50;

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
    registration: AddressLimiter,
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
            registration: addresses(
                Limit::Registration,
                Quota::new(registrations_per_address, TEN_MINUTES),
                now,
            ),
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
