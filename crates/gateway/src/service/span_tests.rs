//! The business spans: their names and attributes are those that the catalogue promises, in the form in which they
//! are recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use actix_web::App;
use actix_web::test::{TestRequest, call_service, init_service};
use battlearena_proto::{PlayerId, Tier};
use battlearena_runtime::Readiness;
use battlearena_storage::testing::TestDatabase;
use battlearena_storage::{Database, DatabaseSettings, Wake, database_check, schema_version};
use battlearena_telemetry::http::{Instrument, Operations, operations};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Instrument as _};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::players::Players;
use super::purchases::Purchases;
use crate::domain::payment::DeclinePercent;
use crate::domain::player::NewPlayer;
use crate::domain::purchase::Purchase;
use crate::metrics::Metrics;

type Fields = BTreeMap<String, String>;

/// A span: its name, the name of its parent, its fields.
type Span = (String, Option<String>, Fields);

/// Keeps every span.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, Span>>>);

struct Write<'a>(&'a mut Fields);

impl Visit for Write<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Write(&mut fields));
        let parent = context.span(id).and_then(|span| span.parent()).map(|parent| parent.name().to_owned());
        let name = attributes.metadata().name().to_owned();
        self.0.lock().unwrap().insert(id.into_u64(), (name, parent, fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some((_, _, fields)) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Write(fields));
        }
    }
}

impl Spans {
    /// Keeps the spans of this thread until the guard is dropped.
    fn record() -> (Self, DefaultGuard) {
        // While there is but one subscriber in the process, `tracing` takes its answer about a span for that of all.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&SECOND);
        let spans = Self::default();
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
        (spans, guard)
    }

    /// The spans of that name, with the number of statements right below them, and forgets all others.
    fn take(&self, name: &str) -> (Fields, usize) {
        let spans = std::mem::take(&mut *self.0.lock().unwrap());
        let statements = spans.values().filter(|(_, parent, _)| parent.as_deref() == Some(name)).count();
        let mut found = spans.into_values().filter(|(found, ..)| found == name);
        let (_, _, fields) = found.next().unwrap();
        assert!(found.next().is_none(), "{name} more than once");
        (fields, statements)
    }
}

fn fields<const N: usize>(expected: [(&str, &str); N]) -> Fields {
    expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn use_cases_have_one_span_each_with_its_attributes() {
    let url = TestDatabase::create(&[crate::migrator().unwrap()]).await.url;
    let database = Database::new(&DatabaseSettings::for_url(url), "test").unwrap();
    let (wake, metrics) = (Wake::new("test"), Metrics::new());
    let players = Players { database: database.clone(), wake: wake.clone(), metrics: metrics.clone() };
    let purchases = Purchases { database, wake, metrics, decline: DeclinePercent(100.0) };
    let (spans, _here) = Spans::record();

    let new = NewPlayer {
        username: "Zoë".to_owned(),
        email: "a@b".to_owned(),
        level: 3,
        tier: Tier::Free,
        region: String::new(),
    };
    players.register(&new, None).await.unwrap();
    let expected = fields([("player.id", "1"), ("player.username", "Zoë"), ("player.level", "3")]);
    assert_eq!(spans.take("register_player"), (expected, 1));

    let login = players.log_in(PlayerId(1)).await.unwrap();
    let now = login.last_login.to_string();
    let expected =
        [("player.id", "1"), ("player.username", "Zoë"), ("player.level", "3"), ("login.timestamp", &now)];
    assert_eq!(spans.take("player_login"), (fields(expected), 1));

    players.log_in(PlayerId(9)).await.unwrap_err();
    assert_eq!(spans.take("player_login"), (fields([("player.id", "9"), ("error.type", "not_found")]), 2));

    players.profile(PlayerId(1)).await.unwrap();
    assert_eq!(spans.take("get_player"), (fields([("player.id", "1")]), 1));

    let purchase = Purchase::new(PlayerId(1), "skin".to_owned(), "Ice Crown".to_owned(), 24.99).unwrap();
    purchases.buy(&purchase, None).await.unwrap();
    let expected = fields([
        ("player.id", "1"),
        ("transaction.id", "1"),
        ("transaction.amount", "24.99"),
        ("transaction.item_type", "skin"),
        ("transaction.status", "failed"),
    ]);
    assert_eq!(spans.take("create_transaction"), (expected, 1));
}

#[actix_web::test]
async fn a_probe_asks_the_database_and_is_no_trace() {
    let url = TestDatabase::create(&[crate::migrator().unwrap()]).await.url;
    let database = Database::new(&DatabaseSettings::for_url(url), "test").unwrap();
    let check = database_check(database.clone(), crate::SCHEMA, 1);
    let readiness = Readiness::new().with_check("database", check);
    let shown = Operations { readiness, service: "gateway" };
    let app = init_service(App::new().configure(|app| operations(app, shown)).wrap(Instrument::new())).await;
    let (spans, _here) = Spans::record();
    for path in ["/readyz", "/readyz", "/health", "/metrics"] {
        let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(answer.status().as_u16(), 200, "{path}");
    }
    assert!(spans.0.lock().unwrap().is_empty());
    // Within a trace the statements of the same check are a part of it: is there a history, and what does it say.
    schema_version(&database, crate::SCHEMA).instrument(tracing::info_span!("use case")).await.unwrap();
    assert_eq!(spans.take("use case").1, 2);
}
