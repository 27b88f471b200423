//! Alertmanager's configuration for the secrets that there are: the entries of receivers that cannot work are left out.
//! Looks whether secrets exist and never reads one; routes and inhibitions are taken as they stand.
//!
//! Alertmanager takes a file of a secret that does not exist, and then fails at every message.

use std::path::Path;

use serde_json::{Map, Value};

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template is no YAML, or the result cannot be written as YAML.
    #[error("the template of Alertmanager's configuration")]
    Yaml(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The template has no list of receivers.
    #[error("the template of Alertmanager's configuration has no receivers")]
    NoReceivers,
    /// A secret is there, and what goes with it is not.
    #[error("the receiver \"{receiver}\" has its secret and needs the setting {setting}")]
    NoSetting {
        /// Its name.
        receiver: String,
        /// The name of the environment variable.
        setting: String,
    },
}

/// Renders a template: every entry of a receiver (`slack_configs` and the like) stays when each `*_file` in it names a file
/// in the folder `secrets` that is not empty. What stays has the files' whole paths, and `${NAME}` replaced by
/// `setting("NAME")`.
///
/// # Errors
/// The template is not as it should be, or an entry stays whose setting is missing.
pub fn render(
    template: &str,
    secrets: &Path,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<String, RenderError> {
    let mut configuration: Value =
        serde_saphyr::from_str(template).map_err(|error| RenderError::Yaml(error.into()))?;
    let receivers = configuration.get_mut("receivers").and_then(Value::as_array_mut);
    for receiver in receivers.ok_or(RenderError::NoReceivers)? {
        let name = receiver.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(receiver) = receiver.as_object_mut() else { continue };
        receiver.retain(|_, entries| {
            if let Value::Array(entries) = entries {
                entries.retain_mut(|entry| has_secrets(entry, secrets));
            }
            entries.as_array().is_none_or(|entries| !entries.is_empty())
        });
        fill_in(receiver, &setting).map_err(|setting| RenderError::NoSetting { receiver: name, setting })?;
    }
    serde_saphyr::to_string(&configuration).map_err(|error| RenderError::Yaml(error.into()))
}

/// Whether every secret of an entry exists. Their names become paths.
fn has_secrets(entry: &mut Value, secrets: &Path) -> bool {
    let Value::Object(entry) = entry else { return true };
    entry.iter_mut().filter(|(key, _)| key.ends_with("_file")).all(|(_, value)| {
        let path = secrets.join(value.as_str().unwrap_or_default());
        let exists = path.metadata().is_ok_and(|file| file.is_file() && file.len() > 0);
        *value = path.to_string_lossy().into();
        exists
    })
}

/// Puts the settings into every text. The error is the name of one that is missing.
fn fill_in(object: &mut Map<String, Value>, setting: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    object.values_mut().try_for_each(|value| fill_in_value(value, setting))
}

fn fill_in_value(value: &mut Value, setting: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
                *text = setting(name).ok_or_else(|| name.to_owned())?;
            }
            Ok(())
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| fill_in_value(value, setting)),
        Value::Object(object) => fill_in(object, setting),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TEMPLATE: &str = r##"
route: { receiver: all }
receivers:
  - name: all
    slack_configs:
      - &slack { api_url_file: slack, channel: "#one", title: "{{ .Status }}: $5" }
      - { <<: *slack, channel: "#two" }
    email_configs:
      - { auth_password_file: smtp, to: "${MAIL_TO}" }
  - name: nobody
"##;

    fn rendered(secrets: &[(&str, &str)], mail_to: Option<&str>) -> Result<Value, RenderError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in secrets {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let setting = |name: &str| mail_to.filter(|_| name == "MAIL_TO").map(str::to_owned);
        let text = render(TEMPLATE, folder.path(), setting)?;
        let text = text.replace(folder.path().to_str().unwrap(), "SECRETS");
        Ok(serde_saphyr::from_str(&text).unwrap())
    }

    #[test]
    fn without_secrets_receivers_stay_and_tell_nobody() {
        let all = rendered(&[], None).unwrap();
        assert_eq!(all["receivers"], serde_json::json!([{"name": "all"}, {"name": "nobody"}]));
        assert_eq!(all["route"]["receiver"], "all");
    }

    #[test]
    fn what_has_its_secret_stays_with_its_path_and_settings() {
        let all =
            rendered(&[("slack", "https://example.com"), ("smtp", "s3cret")], Some("a@b.example")).unwrap();
        let slack = &all["receivers"][0]["slack_configs"];
        assert_eq!(slack[0]["channel"], "#one");
        assert_eq!(slack[1]["channel"], "#two");
        assert_eq!(slack[1]["api_url_file"], "SECRETS/slack");
        assert_eq!(slack[1]["title"], "{{ .Status }}: $5");
        assert_eq!(all["receivers"][0]["email_configs"][0]["to"], "a@b.example");
    }

    #[test]
    fn an_empty_secret_is_none() {
        let all = rendered(&[("slack", "")], None).unwrap();
        assert!(all["receivers"][0].get("slack_configs").is_none(), "{all}");
    }

    #[test]
    fn a_secret_without_its_setting_is_refused() {
        let error = rendered(&[("smtp", "s3cret")], None).unwrap_err();
        assert_eq!(error.to_string(), "the receiver \"all\" has its secret and needs the setting MAIL_TO");
    }
}
