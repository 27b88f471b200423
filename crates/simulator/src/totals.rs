//! The platform's own totals, as analytics tells them over gRPC. Only reads; a word that the vocabulary does
//! not have is an error, because a total that nobody compares proves nothing.

use std::time::Duration;

use anyhow::Context;
use battlearena_client::{Credentials, Hooks, Tls, grpc};
use battlearena_proto::analytics::{
    GetTotalsRequest, GetTotalsResponse, MatchTotal, TransactionTotal,
    analytics_service_client::AnalyticsServiceClient,
};
use battlearena_proto::{ItemType, MatchType, TransactionStatus};
use http::Uri;
use tonic::transport::Channel;

const GET_TOTALS: &str = "battlearena.analytics.v1.AnalyticsService/GetTotals";
/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the totals count of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Started,
    Completed,
    Crashed,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Started, Self::Completed, Self::Crashed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Crashed => "crashed",
        }
    }
}

/// Purchases of one item type with one outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Purchases {
    pub(crate) count: i64,
    pub(crate) cents: i64,
}

/// Monotonic totals since the platform's beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) registrations: i64,
    pub(crate) logins: i64,
    pub(crate) log_outs: i64,
    pub(crate) refused_log_ins: i64,
    pub(crate) system_events: i64,
    matches: [[i64; Stage::ALL.len()]; MatchType::ALL.len()],
    purchases: [[Purchases; TransactionStatus::ALL.len()]; ItemType::ALL.len()],
}

impl Totals {
    pub(crate) fn matches(&self, match_type: MatchType, stage: Stage) -> i64 {
        self.matches[match_type as usize][stage as usize]
    }

    pub(crate) fn purchases(&self, item_type: ItemType, status: TransactionStatus) -> Purchases {
        self.purchases[item_type as usize][status as usize]
    }

    /// Matches that have started and not ended.
    pub(crate) fn matches_in_progress(&self) -> i64 {
        self.matches.iter().map(|[started, completed, crashed]| started - completed - crashed).sum()
    }
}

impl TryFrom<GetTotalsResponse> for Totals {
    type Error = anyhow::Error;

    fn try_from(response: GetTotalsResponse) -> anyhow::Result<Self> {
        let GetTotalsResponse {
            offset: _,
            head_offset: _,
            registrations,
            logins,
            matches,
            transactions,
            system_events,
            log_outs,
            refused_log_ins,
        } = response;
        let mut totals =
            Self { registrations, logins, log_outs, refused_log_ins, system_events, ..Self::default() };
        for MatchTotal { match_type, status, count } in matches {
            let stage = Stage::ALL.into_iter().find(|stage| stage.as_str() == status);
            let stage =
                stage.with_context(|| format!("totals of matches with unknown status \"{status}\""))?;
            totals.matches[match_type.parse::<MatchType>()? as usize][stage as usize] += count;
        }
        for TransactionTotal { item_type, status, count, amount_minor } in transactions {
            let (item_type, status) = (item_type.parse::<ItemType>()?, status.parse::<TransactionStatus>()?);
            let purchases = &mut totals.purchases[item_type as usize][status as usize];
            purchases.count += count;
            purchases.cents += amount_minor;
        }
        Ok(totals)
    }
}

/// Totals with the point in the log that they stand for.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) totals: Totals,
    /// Whether the read models had applied all of the log.
    pub(crate) caught_up: bool,
}

/// Where the totals come from.
#[derive(Debug, Clone)]
pub(crate) struct TotalsSource {
    client: AnalyticsServiceClient<Channel>,
    hooks: Hooks,
    /// The key of a game server; none in open mode.
    key: Option<Credentials>,
}

impl TotalsSource {
    /// Connects with the first call.
    pub(crate) fn new(address: &Uri, tls: &Tls, hooks: Hooks, key: Option<Credentials>) -> Self {
        Self { client: grpc::analytics(address, tls), hooks, key }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Analytics cannot be reached within 5 s, or tells of something that this build does not know.
    pub(crate) async fn read(&self) -> anyhow::Result<Reading> {
        let mut request = tonic::Request::new(GetTotalsRequest {});
        request.set_timeout(DEADLINE);
        if let Some(key) = &self.key {
            key.authorize(&mut request).await.context("exchanging the key of the game server")?;
        }
        let mut client = self.client.clone();
        let ask = |request| async move { client.get_totals(request).await };
        let response = self.hooks.call(GET_TOTALS, request, ask).await;
        let response = response.context("asking analytics for totals")?.into_inner();
        let caught_up = response.offset == response.head_offset;
        Ok(Reading { totals: response.try_into()?, caught_up })
    }
}

#[cfg(test)]
impl Totals {
    pub(crate) fn with_purchases(
        mut self,
        item: ItemType,
        status: TransactionStatus,
        count: i64,
        cents: i64,
    ) -> Self {
        self.purchases[item as usize][status as usize] = Purchases { count, cents };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_by_their_words() {
        let total = |match_type: &str, status: &str, count| MatchTotal {
            match_type: match_type.into(),
            status: status.into(),
            count,
        };
        let matches =
            vec![total("solo", "started", 5), total("solo", "crashed", 1), total("team", "started", 2)];
        let totals = Totals::try_from(GetTotalsResponse { matches, ..Default::default() }).unwrap();
        assert_eq!(totals.matches(MatchType::Solo, Stage::Started), 5);
        assert_eq!(totals.matches(MatchType::Team, Stage::Crashed), 0);
        assert_eq!(totals.matches_in_progress(), 6);
    }

    #[test]
    fn what_nobody_compares_is_an_error() {
        let matches = vec![MatchTotal { match_type: "solo".into(), status: "lost".into(), count: 1 }];
        Totals::try_from(GetTotalsResponse { matches, ..Default::default() }).unwrap_err();
        let transactions = vec![TransactionTotal {
            item_type: "pet".into(),
            status: "completed".into(),
            count: 1,
            amount_minor: 1,
        }];
        Totals::try_from(GetTotalsResponse { transactions, ..Default::default() }).unwrap_err();
    }
}
