//! Which routes there are, in one table: the app, its metrics and the test of its document are made of it.

use actix_web::Route;
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use battlearena_runtime::Readiness;
use battlearena_telemetry::http::{Operations, method_not_allowed, not_found, operations};

use super::{chat, match_views, matches, pages, players, statistics, system_events, transactions};
use crate::AuthMode;
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::service::players::Players;
use crate::service::purchases::Purchases;
use crate::service::statistics::Statistics;
use crate::service::system_events::SystemEvents;

/// What the handlers call. Cheap to clone: the workers share it.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) auth: Data<AuthMode>,
    pub(crate) players: Data<Players>,
    pub(crate) purchases: Data<Purchases>,
    pub(crate) matches: Data<Matches>,
    pub(crate) statistics: Data<Statistics>,
    pub(crate) system_events: Data<SystemEvents>,
    pub(crate) chat: Data<Chat>,
}

/// One route. Each path has one method; the more special of two paths that both fit comes first.
pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    route: Route,
}

/// All routes but those of operations.
pub(crate) fn table() -> Vec<Entry> {
    let get = |path, route: fn(Route) -> Route| Entry { method: Method::GET, path, route: route(web::get()) };
    let post =
        |path, route: fn(Route) -> Route| Entry { method: Method::POST, path, route: route(web::post()) };
    vec![
        get("/", |route| route.to(pages::welcome)),
        get("/openapi.json", |route| route.to(pages::openapi)),
        get("/docs", |route| route.to(pages::docs)),
        get("/docs/{file}", |route| route.to(pages::docs_file)),
        get("/api/stats/players", |route| route.to(statistics::players)),
        get("/api/stats/matches", |route| route.to(statistics::matches)),
        get("/api/stats/revenue", |route| route.to(statistics::revenue)),
        get("/api/leaderboard", |route| route.to(statistics::leaderboard)),
        post("/api/players/register", |route| route.to(players::register)),
        post("/api/players/login", |route| route.to(players::log_in)),
        get("/api/players/{player_id}", |route| route.to(players::get)),
        get("/api/players/{player_id}/matches", |route| route.to(match_views::of_player)),
        get("/api/players/{player_id}/transactions", |route| route.to(transactions::of_player)),
        get("/api/players/{player_id}/rank", |route| route.to(statistics::rank)),
        post("/api/matches/start", |route| route.to(matches::start)),
        post("/api/matches/complete", |route| route.to(matches::complete)),
        post("/api/matches/crash", |route| route.to(matches::crash)),
        get("/api/matches/{match_id}", |route| route.to(match_views::get)),
        post("/api/matches/{match_id}/heartbeat", |route| route.to(matches::heartbeat)),
        post("/api/transactions/create", |route| route.to(transactions::create)),
        post("/api/system/event", |route| route.to(system_events::record)),
        get("/history", |route| route.to(chat::general)),
        get("/api/chat/{room}/history", |route| route.to(chat::of_room)),
    ]
}

/// Adds every route to an app.
pub(crate) fn serve(app: &mut ServiceConfig, services: &Services, readiness: Readiness) {
    let Services { auth, players, purchases, matches, statistics, system_events, chat } = services.clone();
    app.app_data(auth)
        .app_data(players)
        .app_data(purchases)
        .app_data(matches)
        .app_data(statistics)
        .app_data(system_events)
        .app_data(chat);
    operations(app, Operations { readiness, service: "gateway" });
    for Entry { method, path, route } in table() {
        let allow = if method == Method::GET { "GET" } else { "POST" };
        app.service(web::resource(path).route(route).default_service(method_not_allowed(allow)));
    }
    app.default_service(not_found());
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use utoipa::OpenApi;

    use super::*;
    use crate::http::document::Document;

    /// Served by telemetry.
    const OPERATIONS: [&str; 4] = ["/livez", "/readyz", "/health", "/metrics"];

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let mut routes: BTreeSet<String> =
            table().iter().map(|entry| format!("{} {}", entry.method, entry.path)).collect();
        routes.extend(OPERATIONS.map(|path| format!("GET {path}")));
        let document = serde_json::to_value(Document::openapi()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let paths = document["paths"].as_object().unwrap();
        let documented: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object()
                    .unwrap()
                    .keys()
                    .map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        assert_eq!(documented, routes);
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let text = document.to_string();
        let references: BTreeSet<&str> =
            text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 20, "{references:?}");
        for reference in references {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
