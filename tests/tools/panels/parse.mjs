// Parses queries with the grammars that Prometheus' and Grafana's own editors use. Reads a JSON list of {language, text}
// and writes a list of {error, metrics}: where the text is wrong, and the names of the metrics that it selects.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const require = createRequire(resolve(process.argv[2], "node_modules") + "/");
const promql = require("@prometheus-io/lezer-promql").parser.configure({ top: "PromQL" });
const logql = require("@grafana/lezer-logql").parser;

function look({ language, text }) {
  const metrics = new Set();
  let error = null;
  (language === "promql" ? promql : logql).parse(text).iterate({
    enter(node) {
      if (node.type.isError) error ??= `at ${node.from}: ${text.slice(node.from, node.from + 20)}`;
      if (node.name === "Identifier" && node.node.parent?.name === "VectorSelector")
        metrics.add(text.slice(node.from, node.to));
    },
  });
  return { error, metrics: [...metrics] };
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(look)));
