//! `battlearena.analytics.v1.AnalyticsService`.

use battlearena_proto::analytics::analytics_service_server::AnalyticsService;
use battlearena_proto::analytics::{
    ExportPointsRequest, ExportPointsResponse, GetLeaderboardRequest, GetLeaderboardResponse,
    GetMatchStatsRequest, GetMatchStatsResponse, GetPlayerRankRequest, GetPlayerRankResponse,
    GetPlayerStatsRequest, GetPlayerStatsResponse, GetRevenueStatsRequest, GetRevenueStatsResponse,
    GetTotalsRequest, GetTotalsResponse, LeaderboardEntry, MatchTotal, PlayerPoints, TransactionTotal,
};
use battlearena_proto::{Failure, timestamp_to_wire};
use battlearena_storage::StorageError;
use battlearena_storage::events::stored_offset;
use battlearena_telemetry::grpc::status;
use futures::stream::{BoxStream, StreamExt as _};
use tonic::{Request, Response, Status};

use crate::SCHEMA;
use crate::domain::Place;
use crate::service::{Analytics, MatchStats, PlayerStats, RevenueStats, Totals};
use crate::store::players;
use crate::tasks::READ_MODELS;

/// Players in one part of an export.
const PART: i64 = 5000;

#[tonic::async_trait]
impl AnalyticsService for Analytics {
    async fn get_player_stats(
        &self,
        _: Request<GetPlayerStatsRequest>,
    ) -> Result<Response<GetPlayerStatsResponse>, Status> {
        let PlayerStats { total, active_today, active_now, new_today, at } =
            self.player_stats().await.map_err(status)?;
        Ok(Response::new(GetPlayerStatsResponse {
            total_players: total,
            active_today: active_today.cast_signed(),
            active_now: active_now.cast_signed(),
            new_today,
            timestamp: Some(timestamp_to_wire(at)),
        }))
    }

    async fn get_match_stats(
        &self,
        _: Request<GetMatchStatsRequest>,
    ) -> Result<Response<GetMatchStatsResponse>, Status> {
        let MatchStats {
            total,
            in_progress,
            completed_today,
            crashed_today,
            crash_rate_percent,
            average_seconds,
            at,
        } = self.match_stats().await.map_err(status)?;
        Ok(Response::new(GetMatchStatsResponse {
            total_matches: total,
            in_progress,
            completed_today,
            crashed_today,
            crash_rate_percent,
            avg_duration_seconds: average_seconds,
            timestamp: Some(timestamp_to_wire(at)),
        }))
    }

    async fn get_revenue_stats(
        &self,
        _: Request<GetRevenueStatsRequest>,
    ) -> Result<Response<GetRevenueStatsResponse>, Status> {
        let RevenueStats { cents_today, cents_month, completed_today, failed_today, at } =
            self.revenue_stats().await.map_err(status)?;
        Ok(Response::new(GetRevenueStatsResponse {
            revenue_today_minor: cents_today,
            revenue_month_minor: cents_month,
            transactions_today: completed_today,
            failed_today,
            timestamp: Some(timestamp_to_wire(at)),
        }))
    }

    async fn get_totals(&self, _: Request<GetTotalsRequest>) -> Result<Response<GetTotalsResponse>, Status> {
        self.totals().await.map(|totals| Response::new(totals.into())).map_err(status)
    }

    async fn get_leaderboard(
        &self,
        request: Request<GetLeaderboardRequest>,
    ) -> Result<Response<GetLeaderboardResponse>, Status> {
        let places = self.leaderboard(request.into_inner().limit).map_err(status)?;
        Ok(Response::new(GetLeaderboardResponse { entries: places.into_iter().map(Into::into).collect() }))
    }

    async fn get_player_rank(
        &self,
        request: Request<GetPlayerRankRequest>,
    ) -> Result<Response<GetPlayerRankResponse>, Status> {
        let place = self.rank(request.into_inner().player_id).map_err(status)?;
        Ok(Response::new(GetPlayerRankResponse { entry: Some(place.into()) }))
    }

    type ExportPointsStream = BoxStream<'static, Result<ExportPointsResponse, Status>>;

    async fn export_points(
        &self,
        _: Request<ExportPointsRequest>,
    ) -> Result<Response<Self::ExportPointsStream>, Status> {
        let parts = self.points().await.map_err(|error| status(Failure::from(error)))?;
        Ok(Response::new(futures::stream::iter(parts).map(Ok).boxed()))
    }
}

impl Analytics {
    /// All points as of one moment. Held in memory, 16 bytes a player, so that a slow reader keeps no transaction open.
    async fn points(&self) -> Result<Vec<ExportPointsResponse>, StorageError> {
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        session.define("set transaction isolation level repeatable read, read only").await?;
        let offset = stored_offset(session, SCHEMA, READ_MODELS).await?.unwrap_or(0);
        let mut parts = Vec::new();
        let mut after = 0;
        loop {
            let page = players::page(session, after, PART).await?;
            let last = page.last().map(|(player_id, _)| *player_id);
            let points = page.into_iter().map(|(player_id, player)| (player_id, player.points));
            let players = points.filter(|(_, points)| *points > 0);
            let players = players.map(|(player_id, points)| PlayerPoints { player_id, points }).collect();
            parts.push(ExportPointsResponse { offset, players });
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        transaction.commit().await?;
        Ok(parts)
    }
}

impl From<Place> for LeaderboardEntry {
    fn from(Place { rank, player_id, username, level, points }: Place) -> Self {
        Self { rank, player_id, username, level, points }
    }
}

impl From<Totals> for GetTotalsResponse {
    fn from(Totals { offset, head, rows }: Totals) -> Self {
        let mut totals = Self { offset, head_offset: head, ..Self::default() };
        for row in rows {
            match row.kind.as_str() {
                "registrations" => totals.registrations += row.count,
                "logins" => totals.logins += row.count,
                "system_events" => totals.system_events += row.count,
                "log_outs" => totals.log_outs += row.count,
                "refused_log_ins" => totals.refused_log_ins += row.count,
                "matches" => {
                    totals.matches.push(MatchTotal {
                        match_type: row.type_,
                        status: row.status,
                        count: row.count,
                    });
                }
                "transactions" => totals.transactions.push(TransactionTotal {
                    item_type: row.type_,
                    status: row.status,
                    count: row.count,
                    amount_minor: row.amount,
                }),
                other => tracing::warn!(kind = other, "a total of a kind that this build does not know"),
            }
        }
        totals
    }
}
