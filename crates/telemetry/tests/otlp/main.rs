//! Spans reach a collector over both protocols, by the standard variables alone, and nothing suffers when there is no
//! collector. Each test starts this program again as a service with an environment of its own, since variables and
//! subscribers belong to a whole process.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy takes only the test functions of an integration test for tests"
)]

mod collector;

use std::collections::BTreeMap;
use std::process::Command;

use battlearena_telemetry::{LogFormat, Settings, start};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::Value;

use self::collector::{Certified, Collector, Protocol, Received};

/// Spans of the busy service: more than the queue holds.
const MANY: usize = 6_000;

#[expect(clippy::disallowed_methods, reason = "the command line reads it where there is one")]
fn settings() -> Settings {
    Settings {
        service_name: std::env::var("OTEL_SERVICE_NAME").unwrap_or_default(),
        environment: battlearena_runtime::Environment::Production,
        log_format: LogFormat::Auto,
        log_filter: "info".into(),
        metrics: battlearena_telemetry::Switch::On,
        access_log: false,
        edge_traces_per_second: 100,
    }
}

/// The service: two spans, one log line, and a flush.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child process of the other tests"]
async fn service() {
    let telemetry = start(settings().named("otlp-test")).unwrap();
    let outer = tracing::info_span!("outer", player.id = 7);
    let is_made = !outer.is_disabled();
    outer.in_scope(|| tracing::info_span!("inner").in_scope(|| tracing::info!(is_made, "from within")));
    drop(outer);
    telemetry.shutdown().await;
}

/// The service under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child process of the other tests"]
async fn busy_service() {
    let telemetry = start(settings().named("otlp-test")).unwrap();
    (0..MANY).for_each(|_| drop(tracing::info_span!("request")));
    telemetry.shutdown().await;
}

/// The log of a service that has ended well, line by line.
fn log_of(service: &str, variables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.args(["--exact", service, "--ignored", "--nocapture"]).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    log.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn line<'a>(log: &'a [Value], message: &str) -> &'a Value {
    let lines: Vec<_> =
        log.iter().filter(|line| line["message"].as_str().unwrap().contains(message)).collect();
    let [line] = lines[..] else { panic!("\"{message}\" is not there once: {log:?}") };
    line
}

/// Ended, exported, dropped.
fn tally(log: &[Value]) -> [u64; 3] {
    let line = line(log, "telemetry stopped");
    ["spans_ended", "spans_exported", "spans_dropped"].map(|name| line[name].as_u64().unwrap())
}

/// The two spans of the service, with the log line that was written within them.
fn assert_complete(received: &[Received], log: &[Value]) -> BTreeMap<String, String> {
    let [Received { request, .. }] = received else { panic!("one batch expected, not {}", received.len()) };
    let [resource] = &request.resource_spans[..] else { panic!("one resource expected: {request:?}") };
    let spans: Vec<&Span> = resource.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["inner", "outer"], "each span once, and none of the exporter's own");
    assert_eq!(spans[0].parent_span_id, spans[1].span_id);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = line(log, "from within");
    assert_eq!(line["is_made"], true);
    assert_eq!(line["trace_id"], hex(&spans[0].trace_id));
    assert_eq!(line["span_id"], hex(&spans[0].span_id));
    assert_eq!(tally(log), [2, 2, 0]);
    collector::texts(resource.resource.as_ref().unwrap())
}

const PROTOCOLS: [(Protocol, &str); 2] = [(Protocol::Grpc, "grpc"), (Protocol::Http, "http/protobuf")];

#[test]
fn spans_arrive_with_everything_that_the_variables_ask_for() {
    for (protocol, name) in PROTOCOLS {
        let collector = Collector::start(protocol, None);
        let log = log_of(
            "service",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", name),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc,x-other=1"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                (
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "service.name=hers,team=game%20servers,deployment.environment.name=stage",
                ),
            ],
        );
        let received = collector.stop();
        let attributes = assert_complete(&received, &log);
        let attribute = |name: &str| attributes.get(name).map(String::as_str);
        assert_eq!(attribute("service.name"), Some("hers"), "an attribute comes before the role");
        assert_eq!(attribute("service.version"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(attribute("team"), Some("game servers"));
        assert_eq!(attribute("deployment.environment.name"), Some("stage"));
        assert_eq!(attribute("telemetry.sdk.language"), Some("rust"));
        assert_eq!(received[0].authorization.as_deref(), Some("Bearer abc"), "{name}");
        assert_eq!(received[0].encoding.as_deref(), Some("gzip"), "{name}");
    }
}

#[test]
fn http_is_the_default_and_the_endpoint_of_traces_is_taken_as_it_is() {
    let collector = Collector::start(Protocol::Http, None);
    let base = collector.endpoint();
    let log = log_of(
        "service",
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{base}/v1/traces")),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_SERVICE_NAME", "mine"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=hers"),
        ],
    );
    let attributes = assert_complete(&collector.stop(), &log);
    assert_eq!(attributes["deployment.environment.name"], "production");
    assert_eq!(attributes["service.name"], "mine");
    assert_eq!(line(&log, "OTEL_EXPORTER_OTLP_TIMEOUT")["level"], "WARN");
}

#[test]
fn over_tls_the_certificate_is_checked() {
    let certified = Certified::new();
    for (protocol, name) in PROTOCOLS {
        let collector = Collector::start(protocol, Some(&certified));
        let endpoint = collector.endpoint();
        assert!(endpoint.starts_with("https://"));
        let mut variables =
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", name)];
        // With the system's certificates nobody knows this collector.
        assert_eq!(tally(&log_of("service", &variables)), [2, 0, 2], "{name}");
        variables.push(("OTEL_EXPORTER_OTLP_CERTIFICATE", certified.path.to_str().unwrap()));
        let log = log_of("service", &variables);
        assert_complete(&collector.stop(), &log);
    }
}

#[test]
fn a_collector_that_is_away_costs_nothing_but_counted_spans() {
    for (_, name) in PROTOCOLS {
        // Nobody listens there.
        let log = log_of(
            "busy_service",
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_EXPORTER_OTLP_PROTOCOL", name)],
        );
        assert_eq!(tally(&log), [MANY as u64, 0, MANY as u64], "{name}");
        assert_eq!(line(&log, "spans do not reach the collector")["level"], "WARN");
    }
}

#[test]
fn a_collector_that_says_nothing_is_not_waited_for_longer_than_the_bound() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    for (_, name) in PROTOCOLS {
        let log = log_of(
            "service",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", name),
                // Waiting for this would take the test to its own end.
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000"),
            ],
        );
        assert_eq!(tally(&log), [2, 0, 2], "{name}");
        line(&log, "the last spans are lost");
    }
}

#[test]
fn what_the_exporter_cannot_do_is_told() {
    let collector = Collector::start(Protocol::Http, None);
    let log = log_of(
        "service",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()), ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")],
    );
    assert_complete(&collector.stop(), &log);
    assert!(log.iter().any(|line| line["level"] == "WARN" && line.to_string().contains("zstd")), "{log:?}");
}

#[test]
fn without_an_endpoint_or_when_disabled_nothing_is_traced() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for variables in
        [&[][..], &[endpoint, ("OTEL_SDK_DISABLED", "true")], &[endpoint, ("OTEL_TRACES_EXPORTER", "none")]]
    {
        let log = log_of("service", variables);
        assert_eq!(line(&log, "from within").get("trace_id"), None, "{variables:?}");
        assert_eq!(line(&log, "from within")["is_made"], false, "a span that nobody exports is not made");
        assert_eq!(tally(&log), [0, 0, 0], "{variables:?}");
    }
}

#[test]
fn the_sampler_is_the_one_that_is_named_and_a_mistake_is_told() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    for (sampler, argument, ended, complaint) in [
        ("always_off", "", 0, None),
        ("parentbased_always_off", "", 0, None),
        ("parentbased_traceidratio", "0", 0, None),
        ("traceidratio", "0", 0, None),
        ("traceidratio", "much", 2, Some("OTEL_TRACES_SAMPLER_ARG is \"much\"")),
        ("traceidratio", "1.5", 2, Some("OTEL_TRACES_SAMPLER_ARG is \"1.5\"")),
        ("sometimes", "", 2, Some("OTEL_TRACES_SAMPLER is \"sometimes\"")),
    ] {
        let variables = [endpoint, ("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let log = log_of("service", &variables);
        assert_eq!(tally(&log)[0], ended, "{sampler} {argument}");
        let complaints: Vec<_> =
            log.iter().filter(|line| line["message"].as_str().unwrap().starts_with("OTEL_")).collect();
        assert_eq!(complaints.len(), complaint.iter().len(), "{complaints:?}");
        if let Some(complaint) = complaint {
            assert_eq!(line(&log, complaint)["level"], "WARN");
        }
    }
}
