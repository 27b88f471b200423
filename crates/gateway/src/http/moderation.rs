//! Routes of operators: bans and mutes.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use battlearena_identity::Caller;
use battlearena_proto::{ErrorKind, Failure};
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::document::{BodyErrors, NotFound, ReadErrors};
use super::parameters::PlayerPath;
use crate::domain::sanction::{Order, SanctionKind};
use crate::service::accounts::Accounts;
use crate::store::sanctions::Sanction;

/// A ban or mute to be imposed.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SanctionRequest {
    /// For people, 1 to 500 characters.
    #[schema(example = "insults in the general room", min_length = 1, max_length = 500)]
    reason: String,
    /// When it ends by itself (RFC 3339); absent, it does not.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-08T12:00:00Z")]
    until: Option<Timestamp>,
}

macro_rules! routes {
    ($($kind:ident $path:literal: $impose:ident $imposed:literal, $lift:ident $lifted:literal;)+) => {
        $(
            #[doc = $imposed]
            #[utoipa::path(
                post, path = $path, tag = "moderation", request_body = SanctionRequest,
                params(("player_id" = i64, Path, description = "Whom it hits.")),
                responses((status = 204, description = "It is in force."), (status = 404, response = NotFound), BodyErrors)
            )]
            pub(super) async fn $impose(
                caller: Caller,
                accounts: Data<Accounts>,
                player: PlayerPath,
                body: Body<SanctionRequest>,
            ) -> Result<HttpResponse, HttpFailure> {
                let SanctionRequest { reason, until } = body.0;
                let order = Order { kind: SanctionKind::$kind, reason, until }.checked(Timestamp::now())?;
                let by = operator(&caller)?;
                finish(async move { accounts.sanction(player.0, &order, &by).await }).await?;
                Ok(HttpResponse::NoContent().finish())
            }

            #[doc = $lifted]
            #[utoipa::path(
                delete, path = $path, tag = "moderation",
                params(("player_id" = i64, Path, description = "Whom it hit.")),
                responses((status = 204, description = "It is not in force any more."), ReadErrors)
            )]
            pub(super) async fn $lift(
                caller: Caller,
                accounts: Data<Accounts>,
                player: PlayerPath,
            ) -> Result<HttpResponse, HttpFailure> {
                let by = operator(&caller)?;
                finish(async move { accounts.lift(player.0, SanctionKind::$kind, &by).await }).await?;
                Ok(HttpResponse::NoContent().finish())
            }
        )+
    };
}

routes! {
    Ban "/api/players/{player_id}/ban":
        ban "Ban a player.\n\nIts sessions end at once; a ban that is in force is replaced.", unban "Lift a ban.";
    Mute "/api/players/{player_id}/mute":
        mute "Mute a player in chat.\n\nA mute that is in force is replaced.", unmute "Lift a mute.";
}

fn operator(caller: &Caller) -> Result<Arc<str>, Failure> {
    match caller {
        Caller::Operator(key) => Ok(key.id.clone()),
        Caller::Anonymous | Caller::Player(_) | Caller::GameServer(_) | Caller::Service | Caller::Open => {
            Err(Failure::new(ErrorKind::Forbidden, "this is for operators"))
        }
    }
}

/// The sanctions of a player.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SanctionsResponse {
    /// Newest first, at most 1000.
    sanctions: Vec<SanctionEntry>,
}

/// A ban or mute, past or in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SanctionEntry {
    /// `ban` or `mute`.
    #[schema(example = "ban")]
    kind: String,
    /// For people.
    #[schema(example = "insults in the general room")]
    reason: String,
    /// Id of the operator's key.
    #[schema(example = "k7m2p9qxr4t6wz3b")]
    by: String,
    /// When it began (UTC).
    #[schema(value_type = String, format = DateTime, example = "2030-01-01T12:00:00Z")]
    created_at: Timestamp,
    /// When it ends by itself (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-08T12:00:00Z")]
    until: Option<Timestamp>,
    /// When it was lifted or replaced (UTC).
    #[schema(value_type = Option<String>, format = DateTime, example = "2030-01-02T12:00:00Z")]
    lifted_at: Option<Timestamp>,
    /// Id of the key that did.
    #[schema(example = "k7m2p9qxr4t6wz3b")]
    lifted_by: Option<String>,
}

impl From<Sanction> for SanctionEntry {
    fn from(sanction: Sanction) -> Self {
        let Sanction { kind, reason, by, created_at, until, lifted_at, lifted_by } = sanction;
        Self { kind, reason, by, created_at, until, lifted_at, lifted_by }
    }
}

/// The bans and mutes of a player, newest first.
#[utoipa::path(
    get, path = "/api/players/{player_id}/sanctions", tag = "moderation",
    params(("player_id" = i64, Path, description = "Whose.")),
    responses((status = 200, description = "All of them.", body = SanctionsResponse), ReadErrors)
)]
pub(super) async fn list(
    _: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
) -> Result<Json<SanctionsResponse>, HttpFailure> {
    let sanctions = accounts.sanctions(player.0).await?;
    Ok(Json(SanctionsResponse { sanctions: sanctions.into_iter().map(Into::into).collect() }))
}
