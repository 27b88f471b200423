//! Which routes there are, in one table: the app, its metrics and the test of its document are made of it.

use actix_web::Route;
use actix_web::http::Method;
use actix_web::web::{self, Data, ServiceConfig};
use battlearena_identity::Gatekeeper;
use battlearena_identity::keys::PublicKeys;
use battlearena_runtime::Readiness;
use battlearena_telemetry::http::{Operations, method_not_allowed, not_found, operations};

use super::{
    account, chat, log_in, match_views, matches, moderation, pages, players, statistics, system_events,
    tokens, transactions,
};
use crate::service::accounts::Accounts;
use crate::service::api_keys::ApiKeys;
use crate::service::chat::Chat;
use crate::service::matches::Matches;
use crate::service::purchases::Purchases;
use crate::service::statistics::Statistics;
use crate::service::system_events::SystemEvents;

/// What the handlers call. Cheap to clone: the workers share it.
#[derive(Clone)]
pub(crate) struct Services {
    pub(crate) gatekeeper: Data<Gatekeeper>,
    pub(crate) token_keys: Data<PublicKeys>,
    pub(crate) accounts: Data<Accounts>,
    pub(crate) api_keys: Data<ApiKeys>,
    pub(crate) purchases: Data<Purchases>,
    pub(crate) matches: Data<Matches>,
    pub(crate) statistics: Data<Statistics>,
    pub(crate) system_events: Data<SystemEvents>,
    pub(crate) chat: Data<Chat>,
}

/// One route. Those of one path stand together; the more special of two paths that both fit comes first.
pub(crate) struct Entry {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    route: Route,
}

/// The paths with several methods.
const SEVERAL: [(&str, &str); 4] = [
    ("/api/players/{player_id}", "GET, PATCH, DELETE"),
    ("/api/players/{player_id}/devices", "POST, DELETE"),
    ("/api/players/{player_id}/ban", "POST, DELETE"),
    ("/api/players/{player_id}/mute", "POST, DELETE"),
];

/// All routes but those of operations.
pub(crate) fn table() -> Vec<Entry> {
    let get = |path, route: fn(Route) -> Route| Entry { method: Method::GET, path, route: route(web::get()) };
    let post =
        |path, route: fn(Route) -> Route| Entry { method: Method::POST, path, route: route(web::post()) };
    let patch =
        |path, route: fn(Route) -> Route| Entry { method: Method::PATCH, path, route: route(web::patch()) };
    let delete =
        |path, route: fn(Route) -> Route| Entry { method: Method::DELETE, path, route: route(web::delete()) };
    vec![
        get("/", |route| route.to(pages::welcome)),
        get("/openapi.json", |route| route.to(pages::openapi)),
        get("/docs", |route| route.to(pages::docs)),
        get("/docs/{file}", |route| route.to(pages::docs_file)),
        get("/.well-known/jwks.json", |route| route.to(tokens::jwks)),
        get("/api/stats/players", |route| route.to(statistics::players)),
        get("/api/stats/matches", |route| route.to(statistics::matches)),
        get("/api/stats/revenue", |route| route.to(statistics::revenue)),
        get("/api/leaderboard", |route| route.to(statistics::leaderboard)),
        post("/api/players/register", |route| route.to(players::register)),
        post("/api/players/login", |route| route.to(log_in::log_in)),
        post("/api/players/refresh", |route| route.to(tokens::refresh)),
        post("/api/players/logout", |route| route.to(tokens::log_out)),
        get("/api/players/{player_id}", |route| route.to(players::get)),
        patch("/api/players/{player_id}", |route| route.to(account::change_profile)),
        delete("/api/players/{player_id}", |route| route.to(account::delete)),
        get("/api/players/{player_id}/export", |route| route.to(account::export)),
        post("/api/players/{player_id}/password", |route| route.to(account::change_password)),
        post("/api/players/{player_id}/devices", |route| route.to(account::link_device)),
        delete("/api/players/{player_id}/devices", |route| route.to(account::unlink_device)),
        post("/api/players/{player_id}/ban", |route| route.to(moderation::ban)),
        delete("/api/players/{player_id}/ban", |route| route.to(moderation::unban)),
        post("/api/players/{player_id}/mute", |route| route.to(moderation::mute)),
        delete("/api/players/{player_id}/mute", |route| route.to(moderation::unmute)),
        get("/api/players/{player_id}/sanctions", |route| route.to(moderation::list)),
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
        post("/api/keys/token", |route| route.to(tokens::exchange)),
        get("/history", |route| route.to(chat::general)),
        get("/api/chat/{room}/history", |route| route.to(chat::of_room)),
    ]
}

/// Adds every route to an app; those of operations when it is told how ready the process is.
pub(crate) fn serve(app: &mut ServiceConfig, services: &Services, readiness: Option<Readiness>) {
    let Services {
        gatekeeper,
        token_keys,
        accounts,
        api_keys,
        purchases,
        matches,
        statistics,
        system_events,
        chat,
    } = services.clone();
    app.app_data(gatekeeper)
        .app_data(token_keys)
        .app_data(accounts)
        .app_data(api_keys)
        .app_data(purchases)
        .app_data(matches)
        .app_data(statistics)
        .app_data(system_events)
        .app_data(chat);
    if let Some(readiness) = readiness {
        operations(app, Operations { readiness, service: "gateway" });
    }
    let mut entries = table().into_iter().peekable();
    while let Some(Entry { method, path, route }) = entries.next() {
        let mut resource = web::resource(path).route(route);
        while let Some(Entry { route, .. }) = entries.next_if(|next| next.path == path) {
            resource = resource.route(route);
        }
        app.service(resource.default_service(method_not_allowed(allow(path, &method))));
    }
    app.default_service(not_found());
}

/// The methods of a path whose first one is `first`.
fn allow(path: &str, first: &Method) -> &'static str {
    let several = SEVERAL.iter().find(|(several, _)| *several == path).map(|(_, methods)| *methods);
    several.unwrap_or(if first == Method::GET { "GET" } else { "POST" })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use battlearena_identity::{Door, Policy};
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
    fn every_path_tells_its_own_methods() {
        let entries = table();
        for entry in &entries {
            let of_path: Vec<_> = entries.iter().filter(|other| other.path == entry.path).collect();
            let methods: Vec<_> = of_path.iter().map(|other| other.method.as_str()).collect();
            assert_eq!(methods.join(", "), allow(entry.path, &of_path[0].method), "{}", entry.path);
        }
    }

    #[test]
    fn every_route_has_its_line_in_the_policy() {
        let policy = Policy::new();
        for Entry { method, path, .. } in table() {
            assert!(policy.access(Door::Http(method.as_str(), path)).is_some(), "{method} {path}");
        }
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
