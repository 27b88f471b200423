//! What can be set about TLS, the same for every role.

use std::path::PathBuf;

use battlearena_runtime::Environment;

/// Settings of TLS. Without any of them ports are plain, and `https://` addresses are checked against the authorities
/// that the system trusts.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "tls")]
pub struct Settings {
    /// Certificate chain of this process, its own certificate first (PEM); with it, ports speak TLS only.
    #[arg(long, env = "ARENA_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// Private key of the certificate (PEM, not encrypted).
    #[arg(long, env = "ARENA_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Authorities of callers (PEM): gRPC ports take only those who show a certificate signed by one of them.
    #[arg(long, env = "ARENA_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Authorities of the services that are called (PEM), instead of those that the system trusts.
    #[arg(long, env = "ARENA_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// Lets services call each other without TLS in production, on networks that something else encrypts, such as a mesh.
    #[arg(long, env = "ARENA_ALLOW_PLAINTEXT")]
    pub allow_plaintext: bool,

    /// In production, a key file that others can read is refused, and so is a service without TLS on another machine.
    #[command(flatten)]
    pub environment: Environment,
}

impl Settings {
    /// The same for a child process: environment names with their values. Where a process runs is not among them.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Self { tls_certificate, tls_key, tls_client_ca, tls_ca, allow_plaintext, environment: _ } = self;
        let files = [
            ("ARENA_TLS_CERTIFICATE", tls_certificate),
            ("ARENA_TLS_KEY", tls_key),
            ("ARENA_TLS_CLIENT_CA", tls_client_ca),
            ("ARENA_TLS_CA", tls_ca),
        ];
        let files =
            files.into_iter().filter_map(|(name, file)| Some((name, file.as_ref()?.display().to_string())));
        files.chain([("ARENA_ALLOW_PLAINTEXT", allow_plaintext.to_string())]).collect()
    }
}

pub(crate) const CERTIFICATE: &str = "--tls-certificate (ARENA_TLS_CERTIFICATE)";
pub(crate) const KEY: &str = "--tls-key (ARENA_TLS_KEY)";
pub(crate) const CLIENT_CA: &str = "--tls-client-ca (ARENA_TLS_CLIENT_CA)";
pub(crate) const CA: &str = "--tls-ca (ARENA_TLS_CA)";
pub(crate) const ALLOW_PLAINTEXT: &str = "--allow-plaintext (ARENA_ALLOW_PLAINTEXT)";

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn messages_name_the_settings_as_they_are() {
        let command = Settings::augment_args(Command::new("test"));
        command.clone().debug_assert();
        let named = |arg: &clap::Arg| {
            format!("--{} ({})", arg.get_long().unwrap(), arg.get_env().unwrap().to_str().unwrap())
        };
        let names: Vec<_> = command.get_arguments().map(named).collect();
        assert_eq!(names[..5], [CERTIFICATE, KEY, CLIENT_CA, CA, ALLOW_PLAINTEXT]);
    }

    #[test]
    fn a_child_is_given_the_same() {
        let words =
            ["--tls-certificate=1", "--tls-key=2", "--tls-client-ca=3", "--tls-ca=4", "--allow-plaintext"];
        let command = Settings::augment_args(Command::new("test").no_binary_name(true));
        let settings = Settings::from_arg_matches(&command.clone().get_matches_from(words)).unwrap();
        let told = settings.environment().into_iter().map(|(name, value)| {
            let arg =
                command.get_arguments().find(|arg| arg.get_env().is_some_and(|env| env == name)).unwrap();
            let long = arg.get_long().unwrap();
            if value == "true" { format!("--{long}") } else { format!("--{long}={value}") }
        });
        assert_eq!(told.collect::<Vec<_>>(), words);
    }
}
