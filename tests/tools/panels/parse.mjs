// Parses queries with the grammars that Prometheus' and Grafana's own editors use. Reads a JSON list of {language, text}
// and writes a list of {error, metrics, labelled}: where the text is wrong, the names of the metrics that it selects, and
// selectors of the same metrics with the same labels, whatever their values.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "node_modules") + "/");
const promql = require("@prometheus-io/lezer-promql").parser.configure({ top: "PromQL" });
const logql = require("@grafana/lezer-logql").parser;

function loosened(selector, text) {
  const labels = selector.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? [];
  const asked = labels.filter((one) => {
    const [operator, value] = ["MatchOp", "StringLiteral"].map((part) => text.slice(...span(one.getChild(part))));
    return operator.startsWith("=") && value !== '".*"'; // the others also hold without the label
  });
  const there = asked.map((one) => `${text.slice(...span(one.getChild("LabelName")))}!=""`);
  return `${text.slice(...span(selector.getChild("Identifier")))}{${there.join(",")}}`;
}

const span = ({ from, to }) => [from, to];

function look({ language, text }) {
  const metrics = new Set();
  const labelled = new Set();
  let error = null;
  (language === "promql" ? promql : logql).parse(text).iterate({
    enter(node) {
      if (node.type.isError) error ??= `at ${node.from}: ${text.slice(node.from, node.from + 20)}`;
      if (node.name === "Identifier" && node.node.parent?.name === "VectorSelector") {
        metrics.add(text.slice(node.from, node.to));
        labelled.add(loosened(node.node.parent, text));
      }
    },
  });
  return { error, metrics: [...metrics], labelled: [...labelled] };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(look)));
