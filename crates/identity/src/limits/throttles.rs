//! Which limits there are, and how often each was hit.

use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{CounterVec, Desc, Unit};

use super::Decision;

label! {
    /// Which limit it is.
    pub enum Limit {
        /// All requests from one address.
        Address = "address",
        /// What one address has under way at once.
        AddressInFlight = "address_in_flight",
        /// All requests of one account or key.
        Account = "account",
        /// Sockets opened from one address.
        Connect = "connect",
        /// Everything on one connection.
        Connection = "connection",
        /// Log-ins from one address.
        LoginAddress = "login_address",
        /// Log-ins to one account, from wherever.
        LoginAccount = "login_account",
        /// Log-ins from where, or with what, the account was entered before.
        LoginKnown = "login_known",
        /// Registrations from one address.
        Registration = "registration",
        /// Exports of one account.
        Export = "export",
    }
}

/// Counts what limits refuse. [`super::Limiter`] has its own; who keeps a bare [`super::Bucket`], as a connection does,
/// counts with this.
#[derive(Clone)]
pub struct Throttles(CounterVec<Limit>);

impl Throttles {
    /// Registers the counter.
    pub fn new() -> Self {
        let desc = Desc {
            name: "throttled_requests_total",
            unit: Unit::Count,
            help: "Requests refused because they came too fast, by limit.",
        };
        Self(CounterVec::new(&desc, ["limit"]))
    }

    /// Counts a decision of `limit`, if it was a refusal.
    pub fn count(&self, limit: Limit, decision: Decision) {
        if decision != Decision::Allowed {
            self.0.with(limit).increment(1);
        }
    }
}

impl Default for Throttles {
    fn default() -> Self {
        Self::new()
    }
}
