//! The OpenAPI document: made of the attributes beside the handlers. A test holds it against the routes that are there.

use std::collections::BTreeMap;

use battlearena_proto::{MatchType, Severity, Tier};
use serde::Serialize;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoResponses, Modify, OpenApi, ToResponse, ToSchema};

use super::{
    account, chat, log_in, match_views, matches, moderation, pages, players, statistics, system_events,
    tokens, transactions,
};

/// The API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "BattleArena",
        description = "Accounts, matches, store and statistics. Money is in US dollars with two decimals, times are \
                       RFC 3339 in UTC, ids are integers from 1. Every answer carries `x-request-id`. Errors have one \
                       shape. Unknown fields are ignored. Unless the platform runs in open mode, callers show an access token, or \
                       at this service an API key, as `authorization: Bearer …`.",
    ),
    modifiers(&Bearer),
    security((), ("bearer" = [])),
    paths(
        pages::welcome,
        pages::openapi,
        pages::docs,
        pages::docs_file,
        health,
        livez,
        readyz,
        metrics,
        statistics::players,
        statistics::matches,
        statistics::revenue,
        statistics::leaderboard,
        statistics::rank,
        players::register,
        log_in::log_in,
        tokens::refresh,
        tokens::log_out,
        players::get,
        account::change_profile,
        account::delete,
        account::export,
        account::change_password,
        account::link_device,
        account::unlink_device,
        moderation::ban,
        moderation::unban,
        moderation::mute,
        moderation::unmute,
        moderation::list,
        tokens::exchange,
        tokens::jwks,
        matches::start,
        matches::complete,
        matches::crash,
        match_views::get,
        matches::heartbeat,
        match_views::of_player,
        transactions::create,
        transactions::of_player,
        system_events::record,
        chat::general,
        chat::of_room,
    ),
    components(
        schemas(ErrorBody),
        responses(
            Malformed,
            Unauthenticated,
            Forbidden,
            NotFound,
            Conflict,
            PayloadTooLarge,
            UnsupportedMediaType,
            Invalid,
            Throttled,
            Internal,
            Unavailable,
            DeadlineExceeded
        )
    )
)]
pub(super) struct Document;

/// How callers show who they are.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

macro_rules! words {
    ($($name:ident: $vocabulary:ident, $description:literal;)+) => {
        $(
            #[doc = $description]
            pub(super) fn $name() -> Object {
                vocabulary($vocabulary::WORDS, $description)
            }
        )+
    };
}

words! {
    match_type: MatchType, "How it is played.";
    severity: Severity, "How serious it is.";
    tier: Tier, "What the player pays for the service; free when absent.";
}

fn vocabulary(words: &'static [&'static str], description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.iter().copied()))
        .description(Some(description))
        .examples(words.first().copied())
        .build()
}

/// The shape of every error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// What went wrong.
    error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// From a closed list: malformed, unauthenticated, forbidden, not_found, method_not_allowed, conflict,
    /// payload_too_large, unsupported_media_type, invalid, throttled, internal, unavailable, deadline_exceeded.
    #[schema(example = "invalid")]
    code: String,
    /// For people.
    #[schema(example = "amount must have at most two decimals")]
    message: String,
    /// The field of the request that it is about.
    #[schema(example = "amount")]
    field: Option<String>,
    /// Names the request in logs and traces; 32 hexadecimal digits.
    #[schema(example = "0af7651916cd43dd8448eb211c80319c")]
    request_id: String,
}

macro_rules! errors {
    ($($name:ident = $code:literal, $message:literal, $description:literal;)+) => {
        $(
            #[doc = $description]
            #[derive(ToResponse)]
            #[response(
                description = $description,
                example = json!({"error": {"code": $code, "message": $message,
                                           "request_id": "0af7651916cd43dd8448eb211c80319c"}})
            )]
            #[expect(dead_code, reason = "describes what telemetry's error_response writes")]
            pub(super) struct $name(ErrorBody);
        )+
    };
}

errors! {
    Malformed = "malformed", "the body is not JSON: line 1, column 2", "The request cannot be read.";
    Unauthenticated = "unauthenticated", "a valid access token is needed",
        "Nobody knows who calls: no credential, or one that is not good (any more).";
    Forbidden = "forbidden", "this belongs to another player", "Not allowed.";
    NotFound = "not_found", "player 7 does not exist", "There is no such thing.";
    Conflict = "conflict", "the username is taken", "The state of things does not allow it.";
    PayloadTooLarge = "payload_too_large", "the body must have at most 65536 bytes", "The body is too large.";
    UnsupportedMediaType = "unsupported_media_type", "the content type must be application/json",
        "The content type is not JSON.";
    Invalid = "invalid", "amount must have at most two decimals",
        "A field is missing, of the wrong type or out of range; the error names it.";
    Throttled = "throttled", "too many requests, slow down", "Too many requests; `Retry-After` says when to come back.";
    Internal = "internal", "internal error", "Our fault.";
    Unavailable = "unavailable", "the database is not available, try again",
        "Something that the request needs is down.";
    DeadlineExceeded = "deadline_exceeded", "the time allowed for the request ran out",
        "The time ran out; the change may have happened. Try again with the same idempotency key.";
}

/// What any request can fail with before its handler is asked.
pub(super) struct DoorErrors;

/// What any request that asks another service or the database can fail with.
pub(super) struct PeerErrors;

/// What reading one thing can fail with.
pub(super) struct ReadErrors;

/// What a request with a body can fail with, whatever it is about.
pub(super) struct BodyErrors;

type Responses = BTreeMap<String, RefOr<Response>>;

fn named<R: for<'r> ToResponse<'r>>(status: &str) -> (String, RefOr<Response>) {
    (status.to_owned(), Ref::from_response_name(R::response().0).into())
}

impl IntoResponses for DoorErrors {
    fn responses() -> Responses {
        Responses::from([
            named::<Unauthenticated>("401"),
            named::<Forbidden>("403"),
            named::<Throttled>("429"),
            named::<Unavailable>("503"),
        ])
    }
}

impl IntoResponses for PeerErrors {
    fn responses() -> Responses {
        let own = [named::<Internal>("500"), named::<DeadlineExceeded>("504")];
        DoorErrors::responses().into_iter().chain(own).collect()
    }
}

impl IntoResponses for ReadErrors {
    fn responses() -> Responses {
        let own = [named::<NotFound>("404"), named::<Invalid>("422")];
        PeerErrors::responses().into_iter().chain(own).collect()
    }
}

impl IntoResponses for BodyErrors {
    fn responses() -> Responses {
        let own = [
            named::<Malformed>("400"),
            named::<PayloadTooLarge>("413"),
            named::<UnsupportedMediaType>("415"),
            named::<Invalid>("422"),
        ];
        PeerErrors::responses().into_iter().chain(own).collect()
    }
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident: $path:literal, $content:literal, $good:literal;)+) => {
        $(
            $(#[$doc])*
            #[utoipa::path(
                get, path = $path, tag = "operations",
                responses((status = 200, description = $good, content_type = $content))
            )]
            #[expect(dead_code, reason = "describes a route that telemetry serves")]
            fn $name() {}
        )+
    };
}

operations! {
    /// Whether the process runs.
    livez: "/livez", "text/plain", "It does.";
    /// What is measured, for Prometheus.
    metrics: "/metrics", "text/plain", "Prometheus' text format.";
}

/// Whether the process should get traffic: its database answers and it is not draining.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "It should.", content_type = "application/json"),
              (status = 503, description = "It should not; the same body says why.", content_type = "application/json"))
)]
#[expect(dead_code, reason = "describes a route that telemetry serves")]
fn readyz() {}

/// A summary for people: status, database, peers and the time.
#[utoipa::path(
    get, path = "/health", tag = "operations",
    responses((status = 200, description = "Healthy.", content_type = "application/json",
               example = json!({"status": "healthy", "database": "connected", "peers": {"match": "ok", "analytics": "ok", "socket-gateway": "ok"},
                                "timestamp": "2030-01-01T12:00:00Z"})),
              (status = 503, description = "The database is gone.", content_type = "application/json"))
)]
#[expect(dead_code, reason = "describes a route that telemetry serves")]
fn health() {}
