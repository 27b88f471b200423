//! Prometheus with our configuration, in the oldest and the newest version that we know: every service is scraped,
//! exemplars included, and what it scrapes is sound: in both formats, by parsers that are not ours.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::platform::{Platform, free_address, free_addresses, open_arena_up, root, until};
use crate::scrape::{SERVICES, ask, get, http, parse, post};

/// A program of the oldest Prometheus package that will do: installed, or unpacked by `make setup`.
pub(crate) fn program(name: &str) -> PathBuf {
    let unpacked = root().join(".cache/deb/usr/bin").join(name);
    if unpacked.exists() { unpacked } else { name.into() }
}

/// A program of the newest Prometheus package, unpacked by `make setup`.
fn newest_program(name: &str) -> PathBuf {
    root().join(".cache/deb-sid/usr/bin").join(name)
}

/// Runs a program with a text as its input.
pub(crate) fn feed(mut command: Command, text: &str) -> Output {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our configuration without the rules, with the addresses of a platform in the file of targets.
fn configuration(addresses: &[String], folder: &Path) -> PathBuf {
    let ours = root().join("deploy/prometheus");
    fs::create_dir_all(folder.join("targets/optional")).unwrap();
    fs::copy(ours.join("prometheus.yml"), folder.join("prometheus.yml")).unwrap();
    let mut targets = fs::read_to_string(ours.join("targets/native/services.yml")).unwrap();
    for (usual, flag) in [
        ("8000", "--gateway-http="),
        ("8002", "--socket-gateway-http="),
        ("8004", "--analytics-http="),
        ("8006", "--match-http="),
    ] {
        let here = addresses.iter().find_map(|address| address.strip_prefix(flag)).unwrap();
        let replaced = targets.replace(&format!("127.0.0.1:{usual}"), here);
        assert_ne!(replaced, targets, "no target at port {usual}");
        targets = replaced;
    }
    fs::write(folder.join("targets/services.yml"), targets).unwrap();
    folder.join("prometheus.yml")
}

/// A port that nobody listens at: spans are made and dropped, and their ids stand in exemplars all the same.
fn traced_into_the_void(command: &mut Command) {
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", free_address()))
        .env("OTEL_TRACES_SAMPLER", "always_on");
}

#[test]
fn prometheus_scrapes_every_service_with_exemplars_and_without_a_complaint() {
    let addresses = free_addresses();
    let mut command = open_arena_up(&addresses);
    command.arg("--ephemeral");
    traced_into_the_void(&mut command);
    let _up = Platform::start(command);
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(&addresses, folder.path());
    let player = json!({"username": "exemplary", "email": "exemplary@example.com"});
    post(&http(&addresses, "gateway"), "/api/players/register", &player);
    for service in SERVICES {
        get(&http(&addresses, service), "/no/such/path");
        both_formats_are_sound(&http(&addresses, service), service);
    }

    // Prometheus 3 always expands external labels, and knows no feature of that name any more.
    scrapes_everything(program, "exemplar-storage,expand-external-labels", &configuration);
    scrapes_everything(newest_program, "exemplar-storage", &configuration);
}

#[test]
fn every_installation_has_a_configuration() {
    let ours = root().join("deploy/prometheus");
    let folder = tempfile::tempdir().unwrap();
    fs::copy(ours.join("prometheus.yml"), folder.path().join("prometheus.yml")).unwrap();
    std::os::unix::fs::symlink(ours.join("rules"), folder.path().join("rules")).unwrap();
    for kind in ["native", "compose"] {
        let targets = folder.path().join("targets");
        fs::create_dir_all(targets.join("optional")).unwrap();
        for file in fs::read_dir(ours.join("targets").join(kind)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), targets.join(file.file_name())).unwrap();
        }
        for own in ["services-own.yml", "stack-own.yml"] {
            let group = "- targets: [\"127.0.0.1:1\"]\n  labels: { service: own }\n";
            fs::write(targets.join("optional").join(own), group).unwrap();
        }
        sound(&folder.path().join("prometheus.yml"));
        fs::remove_dir_all(targets).unwrap();
    }
    // The token for the kubelets is where a pod has it, and here is none.
    let token = folder.path().join("token");
    fs::write(&token, "a token").unwrap();
    let kubernetes = fs::read_to_string(ours.join("prometheus-kubernetes.yml")).unwrap();
    let there = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert!(kubernetes.contains(there), "no kubelet is scraped");
    fs::write(folder.path().join("kubernetes.yml"), kubernetes.replace(there, token.to_str().unwrap()))
        .unwrap();
    sound(&folder.path().join("kubernetes.yml"));
}

/// `promtool check config` takes it, with its rules and its targets.
fn sound(configuration: &Path) {
    let checked =
        Command::new(newest_program("promtool")).args(["check", "config"]).arg(configuration).output();
    let checked = checked.expect("promtool: run `make setup`");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    assert!(said.contains("rule files found"), "{said}");
    assert!(!said.contains("WARNING"), "{said}");
}

/// One version of Prometheus takes the configuration, scrapes every service with exemplars, and complains about nothing.
fn scrapes_everything(program: fn(&str) -> PathBuf, features: &str, configuration: &Path) {
    let checked = Command::new(program("promtool")).args(["check", "config"]).arg(configuration).output();
    let checked = checked.expect("promtool: run `make setup`");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let folder = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let log = folder.path().join("prometheus.log");
    let prometheus = Command::new(program("prometheus"))
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg(format!("--enable-feature={features}"))
        .envs([("ARENA_CLUSTER", "native"), ("ARENA_ENVIRONMENT", "test"), ("ARENA_REPLICA", "1")])
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn();
    let _prometheus = Prometheus(prometheus.expect("prometheus: run `make setup`"));
    for service in SERVICES {
        let query = format!("up{{job=\"battlearena\",service=\"{service}\"}} == 1");
        until(&format!("{service} to be scraped"), || {
            let output = Command::new(program("promtool"))
                .args(["query", "instant", &format!("http://{address}"), &query])
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).contains(service)
        });
        let exemplars =
            exemplars(&address, &format!("http_request_duration_seconds_bucket{{service=\"{service}\"}}"));
        assert!(!exemplars.is_empty(), "{service} has no exemplars");
        for trace in exemplars {
            assert!(trace.len() == 32 && trace.bytes().all(|b| b.is_ascii_hexdigit()), "{service}: {trace}");
        }
    }
    let log = fs::read_to_string(log).unwrap().to_lowercase();
    let complaints: Vec<_> =
        log.lines().filter(|line| line.contains("level=warn") || line.contains("level=error")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The trace ids of the exemplars that Prometheus has stored.
fn exemplars(address: &str, query: &str) -> Vec<String> {
    let form = format!("query={}&start=0&end=4102444800", query.replace('=', "%3D").replace('"', "%22"));
    let head = "POST /api/v1/query_exemplars HTTP/1.0\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let answer = ask(address, head, &form).unwrap();
    let answer: Value =
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
    assert_eq!(answer["status"], "success", "{answer}");
    let series = answer["data"].as_array().unwrap().iter();
    let exemplars = series.flat_map(|series| series["exemplars"].as_array().unwrap());
    exemplars.map(|exemplar| exemplar["labels"]["trace_id"].as_str().unwrap().to_owned()).collect()
}

/// Who asks for OpenMetrics gets it, in a form that the reference parser takes; everybody else gets the plain text.
fn both_formats_are_sound(address: &str, service: &str) {
    let accepting = |accept: &str| ask(address, &format!("GET /metrics HTTP/1.1\r\n{accept}"), "").unwrap();
    for accept in ["", "accept: */*\r\n", "accept: text/plain\r\n", "accept: text/html, text/plain;q=0.5\r\n"]
    {
        let plain = accepting(accept);
        let content_type = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(plain.head.lines().any(|line| line == content_type), "{service} {accept:?}: {}", plain.head);
        assert!(!plain.body.contains("trace_id"), "{service}: exemplars in plain text");
        parse(&plain.body);
    }
    let prometheus = "accept: application/openmetrics-text;version=1.0.0,\
                      application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n";
    let open = accepting(prometheus);
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(open.head.lines().any(|line| line == content_type), "{service}: {}", open.head);
    assert!(open.body.contains("# {trace_id=\""), "{service} has no exemplars");
    let python = root().join(".cache/python/bin/python");
    let program = "import sys; from prometheus_client.openmetrics.parser import text_string_to_metric_families as read; \
                   print(sum(1 for _ in read(sys.stdin.read())))";
    let mut parser = Command::new(python);
    parser.args(["-c", program]);
    let output = feed(parser, &open.body);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{service}: {errors}");
    let families: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(families > 20, "{service}: {families} families");
}
