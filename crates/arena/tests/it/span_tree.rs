//! A trace as text, one line a span, each below its parent. Attributes that the semantic conventions prescribe are
//! checked here, once for all, and left out of the text; what is particular to a span is in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::stage::DATABASE;
use crate::witness::{CLIENT, ERROR, SERVER, Span};

/// Values that no test can know beforehand; they are shown as `*`.
const UNKNOWABLE: [&str; 1] = ["login.timestamp"];

/// A span in one line, and what is below it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    line: String,
    below: Vec<Node>,
}

/// Spells out what is expected.
pub(crate) fn node(line: impl Into<String>, below: impl IntoIterator<Item = Node>) -> Node {
    Node { line: line.into(), below: below.into_iter().collect() }
}

impl Node {
    /// The lines, each below its parent. Siblings are in the order of the alphabet: those that run at the same time have
    /// no other.
    pub(crate) fn text(&self) -> String {
        let mut below: Vec<String> = self.below.iter().map(Self::text).collect();
        below.sort();
        let below = below.concat().replace('\n', "\n  ");
        format!("{}\n  {below}", self.line).trim_end_matches("  ").to_owned()
    }
}

/// The trees of one trace: what hangs on `root` (a span of ours that nobody exported), and what hangs on nothing.
pub(crate) fn text(spans: &[Span], trace: &str, root: &str) -> String {
    let of_trace: Vec<&Span> = spans.iter().filter(|span| span.trace == trace).collect();
    let known: BTreeSet<&str> = of_trace.iter().map(|span| span.span.as_str()).collect();
    let below = |parent: &str| -> Vec<Node> { children(&of_trace, parent, spans) };
    let mut nodes = below(root);
    for span in of_trace.iter().filter(|span| span.parent != root && !known.contains(span.parent.as_str())) {
        nodes.push(node(format!("ORPHAN {}", line(span, spans)), below(&span.span)));
    }
    let mut texts: Vec<String> = nodes.iter().map(Node::text).collect();
    texts.sort();
    texts.concat()
}

fn children(of_trace: &[&Span], parent: &str, all: &[Span]) -> Vec<Node> {
    let found = of_trace.iter().filter(|span| span.parent == parent);
    found.map(|span| node(line(span, all), children(of_trace, &span.span, all))).collect()
}

/// What is wrong with spans, whatever they are: orphans (whose parent is neither there nor one of `ours`), spans that came
/// twice, calls that were not answered by exactly one server, statements and calls that break the conventions.
pub(crate) fn complaints(spans: &[Span], ours: &BTreeSet<&str>) -> Vec<String> {
    let mut by_id: BTreeMap<&str, &Span> = BTreeMap::new();
    let mut below: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    let mut complaints = Vec::new();
    let mut complain = |what: &str, span: &Span| {
        complaints.push(format!("{what}: {} in {}", line(span, &[]), span.trace));
    };
    for span in spans {
        if by_id.insert(&span.span, span).is_some() {
            complain("it came twice", span);
        }
        below.entry(&span.parent).or_default().push(span);
    }
    for span in spans {
        match by_id.get(span.parent.as_str()) {
            Some(parent) if parent.trace != span.trace => complain("its parent has another trace", span),
            Some(parent) if parent.start > span.start => complain("it began before its parent", span),
            Some(_) => {}
            None if span.parent.is_empty() || ours.contains(span.parent.as_str()) => {}
            None => complain("an orphan", span),
        }
        if span.end < span.start || span.flags & 1 == 0 {
            complain("no time, or not sampled", span);
        }
        let served = below.get(span.span.as_str()).into_iter().flatten().filter(|child| child.kind == SERVER);
        if span.kind == CLIENT && span.text("rpc.response.status_code") == "OK" && served.count() != 1 {
            complain("it was not served once", span);
        }
        if !conventions(span).broken.is_empty() {
            complain("it breaks a convention", span);
        }
    }
    complaints
}

/// `service kind name`, then what is particular: `ERROR`, attributes, events and links; `BREAKS` what is not as it should
/// be.
fn line(span: &Span, all: &[Span]) -> String {
    let kind = ["", "", "server ", "client ", "producer ", "consumer "][usize::from(span.kind)];
    let mut line = format!("{} {kind}{}", span.service, span.name);
    if span.status == ERROR {
        line.push_str(" ERROR");
    }
    let Checked { particular, broken } = conventions(span);
    for (name, value) in particular {
        let value = if UNKNOWABLE.contains(&name.as_str()) { "*".to_owned() } else { value };
        line.push_str(&format!(" {name}={value}"));
    }
    for event in &span.events {
        line.push_str(&format!(" event {}", event["name"].as_str().unwrap()));
    }
    for link in &span.links {
        let (_, id) = link.split_once(':').unwrap();
        let linked = all.iter().find(|other| other.span == id);
        line.push_str(&format!(" linked to {}", linked.map_or("a stranger", |other| &other.name)));
    }
    for complaint in broken {
        line.push_str(&format!(" BREAKS {complaint}"));
    }
    line
}

/// A span's attributes: what the conventions leave open, and what breaks them.
struct Checked {
    particular: BTreeMap<String, String>,
    broken: Vec<String>,
}

impl Checked {
    /// Takes an attribute that must have one value.
    fn fixed(&mut self, name: &str, expected: &str) {
        let value = self.taken(name);
        if value != expected {
            self.broken.push(format!("{name} is {value:?}, not {expected:?}"));
        }
    }

    /// Takes an attribute that must be there.
    fn some(&mut self, name: &str) {
        if self.taken(name).is_empty() {
            self.broken.push(format!("no {name}"));
        }
    }

    /// Takes an attribute; empty when there is none.
    fn taken(&mut self, name: &str) -> String {
        self.particular.remove(name).unwrap_or_default()
    }

    fn held(&mut self, holds: bool, what: &str) {
        if !holds {
            self.broken.push(what.to_owned());
        }
    }
}

/// The semantic conventions of HTTP servers, gRPC and PostgreSQL.
fn conventions(span: &Span) -> Checked {
    let particular = span.attrs.keys().map(|name| (name.clone(), span.text(name))).collect();
    let mut checked = Checked { particular, broken: Vec::new() };
    let has = |name: &str| span.attrs.contains_key(name);
    if has("http.request.method") {
        let (method, route) = (checked.taken("http.request.method"), checked.taken("http.route"));
        let name = if route.is_empty() { method } else { format!("{method} {route}") };
        checked.held(span.name == name && span.kind == SERVER, "the name or kind of an HTTP server span");
        checked.some("url.path");
        checked.fixed("url.scheme", "http");
        let status = span.text("http.response.status_code");
        let fault = status.parse().is_ok_and(|status: u16| status >= 500);
        checked
            .held((span.status == ERROR) == fault, "the rule that faults of ours are errors, and no others");
        checked.fixed("error.type", if fault { &status } else { "" });
    } else if has("rpc.system.name") {
        checked.fixed("rpc.system.name", "grpc");
        checked.fixed("rpc.method", &span.name);
        if span.kind == CLIENT {
            checked.fixed("server.address", "127.0.0.1");
            checked.some("server.port");
        }
        let code = span.text("rpc.response.status_code");
        checked.held(!code.is_empty(), "the rule that a call has a code");
        let faults =
            ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
        let fault = faults.contains(&code.as_str());
        checked
            .held((span.status == ERROR) == fault, "the rule that faults of ours are errors, and no others");
        let failed = fault || span.kind == CLIENT && code != "OK";
        checked.fixed("error.type", if failed { &code } else { "" });
    } else if has("db.system.name") {
        checked.fixed("db.system.name", "postgresql");
        checked.fixed("db.namespace", DATABASE);
        let (operation, table) = (checked.taken("db.operation.name"), checked.taken("db.collection.name"));
        let name = format!("{operation} {table}");
        checked.held(span.name == name.trim_end() && span.kind == CLIENT, "the name or kind of a statement");
        checked.some("db.query.text");
    }
    checked
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn span(id: &str, parent: &str, kind: u8, attrs: Value) -> Span {
        let resource = json!({"service.name": "a"});
        let span = json!({"service": "a", "resource": resource, "name": "s", "trace": "t", "span": id,
            "parent": parent, "kind": kind, "status": 0, "flags": 1, "start": 1, "end": 2, "attrs": attrs,
            "events": [], "links": []});
        serde_json::from_value(span).unwrap()
    }

    #[test]
    fn a_tree_does_not_depend_on_the_order_of_its_spans() {
        let (one, two) = (span("1", "0", 1, json!({})), span("2", "1", 3, json!({"x": 7})));
        let expected = node("a s", [node("a client s x=7", [])]).text();
        assert_eq!(expected, "a s\n  a client s x=7\n");
        assert_eq!(text(&[two.clone(), one.clone()], "t", "0"), expected);
        assert_eq!(text(&[one], "u", "0"), "");
        assert_eq!(text(&[two], "t", "0"), "ORPHAN a client s x=7\n");
    }

    #[test]
    fn what_is_wrong_is_found() {
        let ours = BTreeSet::from(["0"]);
        let sound = [span("1", "0", 2, json!({})), span("2", "1", 1, json!({}))];
        assert_eq!(complaints(&sound, &ours), Vec::<String>::new());
        let rpc = json!({"rpc.system.name": "grpc", "rpc.method": "s", "rpc.response.status_code": "OK",
            "server.address": "127.0.0.1", "server.port": 1});
        let sql =
            json!({"db.system.name": "postgresql", "db.namespace": "another", "db.query.text": "select 1"});
        let wrong = [
            (vec![span("1", "9", 1, json!({}))], "an orphan"),
            (vec![span("1", "0", 1, json!({})); 2], "it came twice"),
            (vec![Span { end: 0, ..span("1", "0", 1, json!({})) }], "no time, or not sampled"),
            (vec![Span { flags: 0, ..span("1", "0", 1, json!({})) }], "no time, or not sampled"),
            (vec![span("1", "0", 3, rpc)], "it was not served once"),
            (vec![span("1", "0", 3, sql)], "it breaks a convention"),
            (
                vec![
                    span("1", "0", 1, json!({})),
                    Span { trace: "u".into(), ..span("2", "1", 1, json!({})) },
                ],
                "its parent has another trace",
            ),
            (
                vec![span("1", "0", 1, json!({})), Span { start: 0, ..span("2", "1", 1, json!({})) }],
                "it began before its parent",
            ),
        ];
        for (spans, what) in wrong {
            let found = complaints(&spans, &ours);
            assert!(found.len() == 1 && found[0].starts_with(what), "{what}: {found:?}");
        }
    }
}
