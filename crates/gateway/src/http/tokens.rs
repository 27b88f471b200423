//! Routes of tokens: refresh, log-out, and the exchange of API keys; and the keys that tokens are checked with.

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL};
use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use battlearena_identity::keys::PublicKeys;
use battlearena_identity::token::AccessToken;
use battlearena_identity::{Caller, Secret};
use battlearena_proto::Failure;
use battlearena_runtime::finish;
use battlearena_telemetry::http::HttpFailure;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::document::{BodyErrors, PeerErrors};
use crate::service::accounts::Accounts;
use crate::service::api_keys::ApiKeys;
use crate::service::tokens::Tokens;

/// The type of all our tokens (RFC 6750).
const BEARER: &str = "Bearer";

/// A session to be renewed.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct RefreshRequest {
    /// The last refresh token of the session.
    #[schema(value_type = String, example = "rt_Tq1jW6cVfT0cKf3m2p4p3c9V1aYw8nD5x7u2b6z0Qe4")]
    refresh_token: Secret,
}

/// The next tokens of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokensResponse {
    /// For `authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl")]
    access_token: String,
    /// For the next refresh: each is used once.
    #[schema(example = "rt_Tq1jW6cVfT0cKf3m2p4p3c9V1aYw8nD5x7u2b6z0Qe4")]
    refresh_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token is refused.
    #[schema(example = 300)]
    expires_in: u64,
}

impl From<Tokens> for TokensResponse {
    fn from(tokens: Tokens) -> Self {
        let Tokens { access, refresh } = tokens;
        Self {
            access_token: access.text.expose().to_owned(),
            refresh_token: refresh.text().expose().to_owned(),
            token_type: BEARER,
            expires_in: access.expires_in.as_secs(),
        }
    }
}

/// Tokens as an answer shows them that may have none.
pub(super) struct Shown {
    pub(super) access_token: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) token_type: Option<&'static str>,
    pub(super) expires_in: Option<u64>,
}

impl Shown {
    pub(super) fn of(tokens: Option<Tokens>) -> Self {
        let (access, refresh) = tokens.map(|Tokens { access, refresh }| (access, refresh)).unzip();
        Self {
            token_type: access.as_ref().map(|_| BEARER),
            expires_in: access.as_ref().map(|token| token.expires_in.as_secs()),
            access_token: access.map(|token| token.text.expose().to_owned()),
            refresh_token: refresh.map(|token| token.text().expose().to_owned()),
        }
    }
}

/// Renew a session.
///
/// A refresh token is used once; one that comes again later ends the session. Takes no idempotency key: for ten seconds
/// after its use a token is good for a sibling.
#[utoipa::path(
    post, path = "/api/players/refresh", tag = "identity", request_body = RefreshRequest,
    responses((status = 200, description = "The next tokens.", body = TokensResponse), BodyErrors)
)]
pub(super) async fn refresh(
    _: Caller,
    accounts: Data<Accounts>,
    body: Body<RefreshRequest>,
) -> Result<Json<TokensResponse>, HttpFailure> {
    Ok(Json(finish(async move { accounts.refresh(body.0.refresh_token).await }).await?.into()))
}

/// A session to be ended.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct LogoutRequest {
    /// A refresh token of the session.
    #[schema(value_type = String, example = "rt_Tq1jW6cVfT0cKf3m2p4p3c9V1aYw8nD5x7u2b6z0Qe4")]
    refresh_token: Secret,
    /// Whether all sessions of the player end.
    #[serde(default)]
    #[schema(default = false, example = false)]
    everywhere: bool,
}

/// Log out.
///
/// The session's tokens are refused from now on, and its sockets are closed. That it has ended already is no mistake.
#[utoipa::path(
    post, path = "/api/players/logout", tag = "identity", request_body = LogoutRequest,
    responses((status = 204, description = "The session has ended."), BodyErrors)
)]
pub(super) async fn log_out(
    _: Caller,
    accounts: Data<Accounts>,
    body: Body<LogoutRequest>,
) -> Result<HttpResponse, HttpFailure> {
    let LogoutRequest { refresh_token, everywhere } = body.0;
    finish(async move { accounts.log_out(refresh_token, everywhere).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A token of a key's role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyTokenResponse {
    /// For `authorization: Bearer …`, at every service.
    #[schema(example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl")]
    access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds until it is refused.
    #[schema(example = 300)]
    expires_in: u64,
}

/// Exchange an API key for an access token.
///
/// The key stands in `authorization: Bearer ak_…`; the token is good at every service, without a call to this one.
#[utoipa::path(
    post, path = "/api/keys/token", tag = "identity",
    responses((status = 200, description = "The token.", body = KeyTokenResponse), PeerErrors)
)]
pub(super) async fn exchange(
    _: Caller,
    keys: Data<ApiKeys>,
    request: HttpRequest,
) -> Result<Json<KeyTokenResponse>, HttpFailure> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.map(Secret::of);
    let work = async move { keys.exchange(authorization.as_ref().map(Secret::expose)).await };
    let AccessToken { text, expires_in } = finish(work).await?;
    Ok(Json(KeyTokenResponse {
        access_token: text.expose().to_owned(),
        token_type: BEARER,
        expires_in: expires_in.as_secs(),
    }))
}

/// The public keys that access tokens are checked with (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "identity",
    responses(
        (status = 200, description = "A JSON Web Key Set.", content_type = "application/json",
         example = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                                    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "use": "sig",
                                    "alg": "EdDSA"}]})),
        PeerErrors
    )
)]
pub(super) async fn jwks(_: Caller, keys: Data<PublicKeys>) -> Result<HttpResponse, HttpFailure> {
    let document = serde_json::to_value(keys.document()).map_err(Failure::internal)?;
    // Shorter than a new key waits before it signs.
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=30")).json(document))
}
