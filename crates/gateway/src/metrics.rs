//! Every instrument of the gateway's own. All series exist from the start, at zero. What an idempotent retry was
//! answered with is not counted again.

use battlearena_proto::{ItemType, Region, Tier, TransactionStatus};
use battlearena_telemetry::label;
use battlearena_telemetry::metrics::{Counter, CounterVec, Desc, Gauge, Unit};

use crate::domain::money::Cents;

label! {
    /// Why a log-in was refused.
    pub(crate) enum LoginRefusal {
        WrongPassword = "wrong_password",
        UnknownPlayer = "unknown_player",
        Locked = "locked",
        Expired = "expired",
        Revoked = "revoked",
        Throttled = "throttled",
        Malformed = "malformed",
    }
}

label! {
    /// How a purchase is paid. The sandbox takes cards only; the others come with real processors.
    pub(crate) enum PaymentMethod {
        Card = "card",
        Paypal = "paypal",
        Platform = "platform",
        Wallet = "wallet",
        Other = "other",
    }
}

label! {
    /// What of the platform a player uses.
    pub(crate) enum Feature {
        Matchmaking = "matchmaking",
        Match = "match",
        Chat = "chat",
        Store = "store",
        Leaderboard = "leaderboard",
        Profile = "profile",
    }
}

/// The instruments of the gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    registrations: Counter,
    logins: Counter,
    logouts: Counter,
    sessions_active: Gauge,
    refresh_token_reuse: Counter,
    failed_logins: CounterVec<LoginRefusal>,
    revenue: CounterVec<(ItemType, Region)>,
    transactions: CounterVec<(ItemType, TransactionStatus)>,
    orders: CounterVec<(PaymentMethod, ItemType)>,
    feature_usage: CounterVec<(Feature, Tier)>,
}

/// A purchase as far as metrics care.
pub(crate) struct Sale<'a> {
    pub(crate) item_type: &'a str,
    pub(crate) region: &'a str,
    pub(crate) tier: Tier,
    pub(crate) amount: Cents,
    pub(crate) status: TransactionStatus,
}

impl Metrics {
    /// Registers everything at zero.
    pub(crate) fn new() -> Self {
        let count = |name, help| Desc { name, unit: Unit::Count, help };
        Self {
            registrations: Counter::new(&count("player_registrations_total", "Player accounts created.")),
            logins: Counter::new(&count("player_logins_total", "Accepted log-ins.")),
            logouts: Counter::new(&count("player_logouts_total", "Sessions that their players ended.")),
            sessions_active: Gauge::new(&count(
                "sessions_active",
                "Sessions that could be refreshed now, as the one replica counts them that owns the count.",
            )),
            refresh_token_reuse: Counter::new(&count(
                "refresh_token_reuse_total",
                "Refresh tokens that came again after their use, which ended their sessions.",
            )),
            failed_logins: CounterVec::new(
                &count("failed_login_attempts_total", "Refused log-ins by reason."),
                ["reason"],
            ),
            revenue: CounterVec::new(
                &Desc {
                    name: "revenue_total_usd",
                    unit: Unit::Dollars,
                    help: "Completed purchases in US dollars, by item type and the buyer's home region.",
                },
                ["item_type", "region"],
            ),
            transactions: CounterVec::new(
                &count("transactions_total", "Decided purchases by item type and outcome."),
                ["type", "status"],
            ),
            orders: CounterVec::new(
                &count("orders_created_total", "Orders placed, whatever came of the payment."),
                ["payment_method", "product_category"],
            ),
            feature_usage: CounterVec::new(
                &count("feature_usage_total", "Uses of a feature, by the tier of the player."),
                ["feature", "user_tier"],
            ),
        }
    }

    /// An account was created.
    pub(crate) fn registered(&self) {
        self.registrations.increment(1);
    }

    /// A log-in was accepted.
    pub(crate) fn logged_in(&self) {
        self.logins.increment(1);
    }

    /// Players ended so many sessions.
    pub(crate) fn logged_out(&self, sessions: usize) {
        self.logouts.increment(sessions as u64);
    }

    /// A refresh token came again after its use.
    pub(crate) fn refresh_token_reused(&self) {
        self.refresh_token_reuse.increment(1);
    }

    /// So many sessions could be refreshed.
    pub(crate) fn sessions_active(&self, sessions: i64) {
        self.sessions_active.set(sessions as f64);
    }

    /// A log-in was refused.
    pub(crate) fn login_refused(&self, reason: LoginRefusal) {
        self.failed_logins.with(reason).increment(1);
    }

    /// A purchase was decided.
    pub(crate) fn sold(&self, sale: &Sale<'_>) {
        let item_type = ItemType::fold(sale.item_type);
        self.orders.with((PaymentMethod::Card, item_type)).increment(1);
        self.transactions.with((item_type, sale.status)).increment(1);
        self.used(Feature::Store, sale.tier);
        if sale.status == TransactionStatus::Completed {
            self.revenue.with((item_type, Region::fold(sale.region))).increment(sale.amount.0.unsigned_abs());
        }
    }

    /// A player used a feature.
    pub(crate) fn used(&self, feature: Feature, tier: Tier) {
        self.feature_usage.with((feature, tier)).increment(1);
    }
}
