//! The front door, the document of the API and the page that shows it. The page's files are part of the program: it
//! works without the internet.

use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{Json, Path};
use battlearena_identity::Caller;
use battlearena_proto::Failure;
use battlearena_telemetry::http::HttpFailure;
use serde::Serialize;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_swagger_ui::Config;

use super::document::{Document, DoorErrors};
use super::headers::POLICY_OF_THE_PAGE;

/// What this is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Welcome {
    /// Name of the platform.
    #[schema(example = "BattleArena")]
    message: &'static str,
    /// Version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Where the API is described.
    #[schema(example = "/docs")]
    docs: &'static str,
}

/// What this is, and where to read on.
#[utoipa::path(get, path = "/", tag = "system", responses((status = 200, description = "Welcome.", body = Welcome), DoorErrors))]
pub(super) async fn welcome(_: Caller) -> Json<Welcome> {
    Json(Welcome { message: "BattleArena API", version: env!("CARGO_PKG_VERSION"), docs: "/docs" })
}

/// The document, written out once.
static DOCUMENT: LazyLock<Result<String, serde_json::Error>> =
    LazyLock::new(|| Document::openapi().to_json());

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "system",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json"), DoorErrors)
)]
pub(super) async fn openapi(_: Caller) -> Result<HttpResponse, HttpFailure> {
    match &*DOCUMENT {
        Ok(document) => {
            Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(document.as_str()))
        }
        Err(error) => Err(Failure::internal(error.to_string()).into()),
    }
}

/// The page that shows this document.
#[utoipa::path(
    get, path = "/docs", tag = "system",
    responses((status = 200, description = "A page for browsers.", content_type = "text/html"), DoorErrors)
)]
pub(super) async fn docs(_: Caller) -> Result<HttpResponse, HttpFailure> {
    file("index.html")
}

/// The parts of that page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "system",
    params(("file" = String, Path, description = "Name of a part of the page.")),
    responses((status = 200, description = "A part of the page."), (status = 404, response = super::document::NotFound), DoorErrors)
)]
pub(super) async fn docs_file(_: Caller, name: Path<String>) -> Result<HttpResponse, HttpFailure> {
    file(&name)
}

// Without `validator_url` the page would ask a server on the internet whether the document is valid.
static PAGE: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::new(["/openapi.json"]).validator_url("none")));

fn file(name: &str) -> Result<HttpResponse, HttpFailure> {
    let found =
        utoipa_swagger_ui::serve(name, PAGE.clone()).map_err(|error| Failure::internal(error.to_string()))?;
    let file = found.ok_or_else(|| Failure::not_found("no such file"))?;
    let mut bytes = file.bytes.into_owned();
    if name == "index.html"
        && let Ok(page) = std::str::from_utf8(&bytes)
    {
        // The page names its parts relative to its own folder, and is served without the closing slash.
        bytes = page.replacen("<head>", "<head>\n    <base href=\"/docs/\" />", 1).into_bytes();
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY_OF_THE_PAGE))
        .body(bytes))
}
