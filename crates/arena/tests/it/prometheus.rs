//! Debian's Prometheus with our configuration: every service is scraped, and what it scrapes is sound.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::platform::{Platform, arena_up, free_address, free_addresses, until};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of the Prometheus package: installed, or unpacked by `make setup`.
fn program(name: &str) -> PathBuf {
    let unpacked = root().join(".cache/deb/usr/bin").join(name);
    if unpacked.exists() { unpacked } else { name.into() }
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our configuration, with the addresses of a platform in the file of targets.
fn configuration(addresses: &[String], folder: &Path) -> PathBuf {
    let ours = root().join("deploy/prometheus");
    fs::create_dir_all(folder.join("targets")).unwrap();
    fs::copy(ours.join("prometheus.yml"), folder.join("prometheus.yml")).unwrap();
    let mut targets = fs::read_to_string(ours.join("targets/native.yml")).unwrap();
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
    fs::write(folder.join("targets/native.yml"), targets).unwrap();
    folder.join("prometheus.yml")
}

#[test]
fn prometheus_scrapes_every_service_without_a_complaint() {
    let addresses = free_addresses();
    let mut command = arena_up(&addresses);
    command.arg("--ephemeral");
    let _up = Platform::start(command);
    let folder = tempfile::tempdir().unwrap();
    let configuration = configuration(&addresses, folder.path());
    let checked = Command::new(program("promtool")).args(["check", "config"]).arg(&configuration).output();
    let checked = checked.expect("promtool: run `make setup`");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let address = free_address();
    let log = folder.path().join("prometheus.log");
    let prometheus = Command::new(program("prometheus"))
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn();
    let _prometheus = Prometheus(prometheus.expect("prometheus: run `make setup`"));
    for service in ["gateway", "socket-gateway", "match", "analytics"] {
        let query = format!("up{{job=\"battlearena\",service=\"{service}\"}} == 1");
        until(&format!("{service} to be scraped"), || {
            let output = Command::new(program("promtool"))
                .args(["query", "instant", &format!("http://{address}"), &query])
                .output()
                .unwrap();
            String::from_utf8_lossy(&output.stdout).contains(service)
        });
    }
    let log = fs::read_to_string(log).unwrap();
    let complaints: Vec<_> =
        log.lines().filter(|line| line.contains("level=warn") || line.contains("level=error")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}
