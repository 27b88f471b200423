//! What can be set about TLS, the same for every role.

use std::path::PathBuf;

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
}

pub(crate) const CERTIFICATE: &str = "--tls-certificate (ARENA_TLS_CERTIFICATE)";
pub(crate) const KEY: &str = "--tls-key (ARENA_TLS_KEY)";
pub(crate) const CLIENT_CA: &str = "--tls-client-ca (ARENA_TLS_CLIENT_CA)";
pub(crate) const CA: &str = "--tls-ca (ARENA_TLS_CA)";

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;

    #[test]
    fn messages_name_the_settings_as_they_are() {
        let command = Settings::augment_args(Command::new("test"));
        command.clone().debug_assert();
        let named = |arg: &clap::Arg| {
            format!("--{} ({})", arg.get_long().unwrap(), arg.get_env().unwrap().to_str().unwrap())
        };
        let names: Vec<_> = command.get_arguments().map(named).collect();
        assert_eq!(names, [CERTIFICATE, KEY, CLIENT_CA, CA]);
    }
}
