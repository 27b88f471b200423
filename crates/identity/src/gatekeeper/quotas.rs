//! The limits that every door has: how much at once, how often from one address, how often for one account.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use battlearena_proto::Failure;

use crate::caller::Caller;
use crate::limits::{
    AddressKey, AddressLimiter, AddressRules, Crowd, InFlight, Limit, Limiter, Presence, Quota, Slot,
};
use crate::settings::Settings;

/// How many addresses and accounts are remembered.
const MOST_KEYS: usize = 100_000;

/// When who was turned away for lack of room may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A second's worth of requests may come at once, and as much again.
const BURST: u32 = 2;

pub(super) struct Quotas {
    rules: AddressRules,
    in_flight: InFlight,
    crowd: Crowd,
    addresses: AddressLimiter,
    accounts: Limiter<i64>,
}

impl Quotas {
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let a_second =
            |count: u32| Quota::new(count, Duration::from_secs(1)).with_burst(count.saturating_mul(BURST));
        let rules = AddressRules {
            trusted_proxies: settings.trusted_proxies.into(),
            trusted_networks: settings.trusted_proxy_networks.as_slice().into(),
            exempt_loopback: !settings.is_production(),
        };
        Self {
            rules,
            in_flight: InFlight::new(settings.requests_in_flight as usize, RETRY_AFTER),
            crowd: Crowd::new(settings.requests_in_flight as usize),
            addresses: AddressLimiter::new(
                Limit::Address,
                a_second(settings.address_requests),
                MOST_KEYS,
                now,
            ),
            accounts: Limiter::new(Limit::Account, a_second(settings.account_requests), MOST_KEYS, now),
        }
    }

    pub(super) fn address_rules(&self) -> &AddressRules {
        &self.rules
    }

    /// Takes a place.
    pub(super) fn enter(&self) -> Result<Slot, Failure> {
        self.in_flight.try_enter()
    }

    /// Counts a request from an address, and what the address has under way. Our services and the holders of keys send
    /// for many players, and are not counted once they are `remembered`.
    pub(super) fn count_address(
        &self,
        remembered: Option<&Caller>,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<Option<Presence>, Failure> {
        let speaks_for_many =
            matches!(remembered, Some(Caller::Service | Caller::GameServer(_) | Caller::Operator(_)));
        match address.and_then(|address| self.rules.key(address)) {
            Some(key) if !speaks_for_many => self.count(key, now).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn count(&self, key: AddressKey, now: Instant) -> Result<Presence, Failure> {
        self.addresses.take(key, now).into_result()?;
        self.crowd.enter(key)
    }

    /// Counts a request of a player.
    pub(super) fn count_account(&self, caller: &Caller, now: Instant) -> Result<(), Failure> {
        match caller {
            Caller::Player(player) => self.accounts.take(player.id.get(), now).into_result(),
            Caller::Anonymous
            | Caller::GameServer(_)
            | Caller::Operator(_)
            | Caller::Service
            | Caller::Open => Ok(()),
        }
    }
}
