//! Asks services over plain HTTP, and sums up what they measure.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::exposition;

/// The services of the platform.
pub(crate) const SERVICES: [&str; 4] = ["gateway", "socket-gateway", "match", "analytics"];

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The HTTP address of a service among the flags of `arena up`.
pub(crate) fn http(addresses: &[String], service: &str) -> String {
    let flag = format!("--{service}-http=");
    addresses.iter().find_map(|address| address.strip_prefix(&flag)).unwrap().to_owned()
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Sends a request as it is spelled: `head` has the request line and headers, each with its line end. What every request
/// needs besides is added.
pub(crate) fn ask(address: &str, head: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = body.len();
    write!(stream, "{head}host: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "not an answer");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// Reads a page.
pub(crate) fn get(address: &str, path: &str) -> Answer {
    ask(address, &format!("GET {path} HTTP/1.1\r\n"), "").unwrap()
}

/// Sends JSON, which must be accepted.
pub(crate) fn post(address: &str, path: &str, body: &Value) -> Value {
    let head = format!("POST {path} HTTP/1.1\r\ncontent-type: application/json\r\n");
    let answer = ask(address, &head, &body.to_string()).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// One metric in a scrape.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    /// Names of labels, without a histogram's `le`.
    pub(crate) labels: BTreeSet<String>,
    /// Lines of samples: each bucket, sum and count of a histogram is one.
    pub(crate) series: usize,
    /// The sum of all values; of a histogram, how many it has seen.
    pub(crate) total: f64,
}

/// What a service's metrics say.
pub(crate) fn scrape(address: &str) -> BTreeMap<String, Family> {
    parse(&get(address, "/metrics").body)
}

/// Reads the plain text format.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            help.clone_into(&mut families.entry(name.to_owned()).or_default().help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.kind.is_empty(), "two types: {line}");
            kind.clone_into(&mut family.kind);
        } else {
            sample(&mut families, line);
        }
    }
    families
}

fn sample(families: &mut BTreeMap<String, Family>, line: &str) {
    let (name, labels, value) = exposition::sample(line);
    let part = ["_bucket", "_sum", "_count"].into_iter().find(|part| {
        let family = name.strip_suffix(part).and_then(|name| families.get(name));
        family.is_some_and(|family| family.kind == "histogram")
    });
    let name = name.strip_suffix(part.unwrap_or("")).unwrap();
    let family = families.get_mut(name).unwrap_or_else(|| panic!("no type: {line}"));
    family.series += 1;
    if part.is_none_or(|part| part == "_count") {
        family.total += value;
    }
    family.labels.extend(labels.into_keys().filter(|name| name != "le"));
}
