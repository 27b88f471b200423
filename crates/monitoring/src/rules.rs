//! Prometheus rule files, as they are read and written. Keeps the order of what it reads; knows no rule by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// Its groups; the rules of one are evaluated one after the other.
    pub groups: Vec<Group>,
}

/// Rules that are evaluated together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Unique in its file.
    pub name: String,
    /// How often, as a duration of Prometheus; without it, as often as the server is configured to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// In the order of their evaluation.
    pub rules: Vec<Rule>,
}

/// A recording rule (`record`) or an alerting rule (`alert`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The name of the metric that is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The name of the alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// The PromQL expression.
    pub expr: String,
    /// How long the expression must hold before the alert fires.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// How long the alert goes on firing after the expression has ceased to hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_firing_for: Option<String>,
    /// Added to what is recorded or alerted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What the alert tells people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl RuleFile {
    /// The file as text: expressions as blocks, nothing folded that stood on one line.
    ///
    /// # Errors
    /// What the writer of YAML says.
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        let options =
            serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX, compact_list_indent: false };
        serde_saphyr::to_string_with_options(self, options)
    }
}
