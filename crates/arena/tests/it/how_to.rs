//! docs/how-to-instrument.md is true: its quotes stand in the code, its queries can be read, and its metrics exist.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::platform::root;
use crate::prometheus::program;

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/how-to-instrument.md")).unwrap();
    let begin = format!("```{language}\n");
    let blocks: Vec<_> =
        page.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "no block in {language}");
    blocks
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn what_is_quoted_stands_in_the_code() {
    for block in blocks("rust") {
        let (path, quote) = block.split_once('\n').unwrap();
        let path = path.strip_prefix("// ").filter(|path| path.starts_with("crates/"));
        let path = path.unwrap_or_else(|| panic!("a quote must begin with its file: {block}"));
        let code = fs::read_to_string(root().join(path)).unwrap();
        let code = lines(&code);
        // Indentation is left out, and `// …` stands for anything.
        for part in quote.split("// …\n") {
            let part = lines(part);
            assert!(!part.is_empty(), "{block}");
            let found = code.windows(part.len()).any(|window| window == part);
            assert!(found, "{path} does not say:\n{}", part.join("\n"));
        }
    }
}

#[test]
fn queries_and_rules_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let mut queries = Vec::new();
    let mut rules = String::from("groups:\n  - name: panels\n    rules:\n");
    for panel in blocks("json") {
        let panel: Value = serde_json::from_str(&panel).unwrap();
        for field in ["title", "description"] {
            assert!(panel[field].is_string(), "{field} of {panel}");
        }
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "unit of {panel}");
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            rules.push_str(&format!("      - record: a:b:c{}\n        expr: {query}\n", queries.len()));
            queries.push(query);
        }
    }
    let alerts = blocks("yaml");
    for (number, text) in alerts.iter().chain([&rules]).enumerate() {
        let file = folder.path().join(format!("{number}.yml"));
        fs::write(&file, text).unwrap();
        let checked = Command::new(program("promtool")).args(["check", "rules"]).arg(&file).output();
        let checked = checked.expect("promtool: run `make setup`");
        assert!(checked.status.success(), "{text}{}", String::from_utf8_lossy(&checked.stderr));
    }
    queries.extend(
        alerts
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.trim().strip_prefix("expr: ").map(str::to_owned)),
    );
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let named: BTreeSet<&str> = queries
        .iter()
        .flat_map(|query| query.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')))
        .filter(|word| ["_total", "_bucket", "_seconds", "_bytes"].iter().any(|end| word.ends_with(end)))
        .collect();
    assert!(named.len() >= 3, "{named:?}");
    for name in named {
        let heading = format!("### `{}`\n", name.trim_end_matches("_bucket"));
        assert!(page.contains(&heading), "{name} is no metric of ours");
    }
}
