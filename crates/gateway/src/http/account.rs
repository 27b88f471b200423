//! Routes of a player's own account: password, devices, profile, export, deletion.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use battlearena_identity::credential::DeviceSecret;
use battlearena_identity::password::Password;
use battlearena_identity::{Caller, Secret, SessionId};
use battlearena_proto::Failure;
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::document::{BodyErrors, Conflict, NotFound, ReadErrors};
use super::export::ExportResponse;
use super::parameters::PlayerPath;
use super::players::PlayerResponse;
use crate::domain::player::ProfileChange;
use crate::service::accounts::{Accounts, Holders};
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::store::credentials::Device;

/// What changes about a profile. What is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ProfileRequest {
    /// 1 to 50 characters; nobody else may have it.
    #[serde(default)]
    #[schema(example = "dragon_slayer", min_length = 1, max_length = 50)]
    username: Option<String>,
    /// Address with one @, at most 254 characters.
    #[serde(default)]
    #[schema(
        example = "dragon@example.com",
        min_length = 3,
        max_length = 254,
        pattern = "^[^@\\s]+@[^@\\s]+$"
    )]
    email: Option<String>,
    /// Home region in free words, at most 20 characters.
    #[serde(default)]
    #[schema(example = "eu-west", max_length = 20)]
    region: Option<String>,
}

/// Change the profile.
///
/// A new name is what log-ins by password begin with from now on. The leaderboard and open sockets have it within a second,
/// tokens with their next refresh; what was said keeps the name that its author had.
#[utoipa::path(
    patch, path = "/api/players/{player_id}", tag = "account", request_body = ProfileRequest,
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 200, description = "The profile as it is now.", body = PlayerResponse),
              (status = 404, response = NotFound), (status = 409, response = Conflict), BodyErrors)
)]
pub(super) async fn change_profile(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
    body: Body<ProfileRequest>,
) -> Result<Json<PlayerResponse>, HttpFailure> {
    caller.own(player.0)?;
    let ProfileRequest { username, email, region } = body.0;
    let change = ProfileChange { username, email, region }.checked()?;
    Ok(Json(finish(async move { accounts.change_profile(player.0, &change).await }).await?.into()))
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct PasswordRequest {
    /// The password until now; absent when there is none.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "correct horse battery")]
    current_password: Option<Secret>,
    /// 8 to 128 characters of any kind.
    #[schema(value_type = String, example = "staple in the stable", min_length = 8, max_length = 128)]
    new_password: Secret,
}

/// Set or change the password.
///
/// Every other session of the player ends, and a change unlinks every device but the one that opened this session. Ten
/// tries in ten minutes.
#[utoipa::path(
    post, path = "/api/players/{player_id}/password", tag = "account", request_body = PasswordRequest,
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 204, description = "It holds from now on."), (status = 404, response = NotFound),
              (status = 409, response = Conflict), BodyErrors)
)]
pub(super) async fn change_password(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
    body: Body<PasswordRequest>,
) -> Result<HttpResponse, HttpFailure> {
    caller.own(player.0)?;
    let PasswordRequest { current_password, new_password } = body.0;
    let current = presented(current_password)?;
    let kept = session_of(&caller);
    finish(async move { accounts.change_password(player.0, current, new_password, kept).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn presented(current: Option<Secret>) -> Result<Option<Password>, Failure> {
    let current = current.map(Password::presented).transpose();
    current.map_err(|failure| failure.with_field("current_password"))
}

fn session_of(caller: &Caller) -> Option<SessionId> {
    caller.player().ok().map(|player| player.session)
}

/// A device that is to log in.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LinkRequest {
    /// The device's secret: 32 to 256 random bytes of text, made and kept by the device.
    #[schema(value_type = String, example = "0f8d5a1c7b3e49f2a6c4d8e0b1f37a95c2e6d4f8", min_length = 32, max_length = 256)]
    device_id: Secret,
    /// The password, of an account that has one.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "correct horse battery")]
    current_password: Option<Secret>,
}

/// A device that may log in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LinkResponse {
    /// Its number, which the export shows too.
    #[schema(example = 3)]
    id: i64,
}

/// Let a device log in.
///
/// At most 20 devices. That it may already is no mistake. With a password, ten tries in ten minutes.
#[utoipa::path(
    post, path = "/api/players/{player_id}/devices", tag = "account", request_body = LinkRequest,
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 200, description = "It may.", body = LinkResponse), (status = 404, response = NotFound),
              (status = 409, response = Conflict), BodyErrors)
)]
pub(super) async fn link_device(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
    body: Body<LinkRequest>,
) -> Result<Json<LinkResponse>, HttpFailure> {
    caller.own(player.0)?;
    let LinkRequest { device_id, current_password } = body.0;
    let device = DeviceSecret::parse(device_id)?;
    let current = presented(current_password)?;
    let from = session_of(&caller);
    let id = finish(async move { accounts.link_device(player.0, &device, current, from).await }).await?;
    Ok(Json(LinkResponse { id }))
}

/// A device that is to log in no more, by one of the two.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UnlinkRequest {
    /// The device's secret.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "0f8d5a1c7b3e49f2a6c4d8e0b1f37a95c2e6d4f8", min_length = 32, max_length = 256)]
    device_id: Option<Secret>,
    /// The device's number: linking answers it, and the export shows it.
    #[serde(default)]
    #[schema(example = 3)]
    id: Option<i64>,
}

impl UnlinkRequest {
    fn device(self) -> Result<Device, Failure> {
        match (self.device_id, self.id) {
            (Some(secret), None) => Ok(Device::Secret(DeviceSecret::parse(secret)?.hash())),
            (None, Some(id)) => Ok(Device::Id(id)),
            (None, None) => Err(Failure::invalid("device_id", "device_id or id is needed")),
            (Some(_), Some(_)) => Err(Failure::invalid("id", "device_id and id exclude each other")),
        }
    }
}

/// Let a device log in no more.
///
/// The sessions that it opened end. The last way into an account stays.
#[utoipa::path(
    delete, path = "/api/players/{player_id}/devices", tag = "account", request_body = UnlinkRequest,
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 204, description = "It may not."), (status = 404, response = NotFound),
              (status = 409, response = Conflict), BodyErrors)
)]
pub(super) async fn unlink_device(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
    body: Body<UnlinkRequest>,
) -> Result<HttpResponse, HttpFailure> {
    caller.own(player.0)?;
    let device = body.0.device()?;
    finish(async move { accounts.unlink_device(player.0, device).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Everything that is held about a player.
///
/// At most 1000 sessions and sanctions and 10000 purchases, matches and messages, the newest. `left_out` names what is held
/// besides.
#[utoipa::path(
    get, path = "/api/players/{player_id}/export", tag = "account",
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 200, description = "All of it.", body = ExportResponse), ReadErrors)
)]
pub(super) async fn export(
    caller: Caller,
    accounts: Data<Accounts>,
    matches: Data<Matches>,
    chat: Data<Chat>,
    player: PlayerPath,
) -> Result<Json<ExportResponse>, HttpFailure> {
    caller.own(player.0)?;
    let holders = Holders { matches: (**matches).clone(), chat: (**chat).clone() };
    Ok(Json(accounts.export(player.0, &holders).await?.into()))
}

/// Delete the account.
///
/// Name, address, credentials and sessions are gone for good; purchases and matches stay, without a name.
#[utoipa::path(
    delete, path = "/api/players/{player_id}", tag = "account",
    params(("player_id" = i64, Path, description = "Number of the account.")),
    responses((status = 204, description = "It is gone."), ReadErrors)
)]
pub(super) async fn delete(
    caller: Caller,
    accounts: Data<Accounts>,
    player: PlayerPath,
) -> Result<HttpResponse, HttpFailure> {
    caller.own(player.0)?;
    finish(async move { accounts.delete(player.0).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}
