//! The witness: a receiver of spans in another language, which writes down what it is sent. It is believed, and nothing
//! of ours is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::platform::{free_address, root};

/// How spans travel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Grpc,
    HttpProtobuf,
}

/// A span as it arrived.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Span {
    pub(crate) service: String,
    pub(crate) resource: BTreeMap<String, Value>,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) span: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) flags: u8,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attrs: BTreeMap<String, Value>,
    pub(crate) events: Vec<Value>,
    /// As `trace:span`.
    pub(crate) links: Vec<String>,
}

/// OTLP's number of a server span.
pub(crate) const SERVER: u8 = 2;
/// OTLP's number of a client span.
pub(crate) const CLIENT: u8 = 3;
/// OTLP's number of the status that says that something failed.
pub(crate) const ERROR: u8 = 2;

impl Span {
    /// An attribute as text; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.attrs.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}

/// The receiver, until it is dropped.
pub(crate) struct Witness {
    child: Child,
    protocol: Protocol,
    endpoint: String,
    file: PathBuf,
    _folder: TempDir,
}

impl Witness {
    pub(crate) fn start(protocol: Protocol) -> Self {
        let python = root().join(".cache/python/bin/python");
        assert!(python.exists(), "the Python packages of the tests are missing: run `make setup`");
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let file = folder.path().join("spans");
        let mut command = Command::new(python);
        command.arg(root().join("tests/tools/otlp_receiver.py"));
        if let Protocol::HttpProtobuf = protocol {
            command.arg("--http");
        }
        command.arg(address.port().to_string()).arg(&file).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        errors.read_line(&mut said).unwrap();
        if !said.contains("otlp receiver up") {
            errors.read_to_string(&mut said).unwrap();
            panic!("the receiver of spans does not start; `make setup` installs what it needs:\n{said}");
        }
        Self { child, protocol, endpoint: format!("http://{address}"), file, _folder: folder }
    }

    /// Has a program send its spans here: all of them, and soon.
    pub(crate) fn observe(&self, command: &mut Command) {
        let protocol = match self.protocol {
            Protocol::Grpc => "grpc",
            Protocol::HttpProtobuf => "http/protobuf",
        };
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_BSP_SCHEDULE_DELAY", "100")
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "100000");
    }

    /// Every span so far, in the order of their starts.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        // The last line may still be being written.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut spans: Vec<Span> = complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        spans.sort_by_key(|span| span.start);
        spans
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
