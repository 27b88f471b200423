//! What can be set about identity; a role flattens what concerns it into its own settings. What depends on the mode or
//! the environment is decided by whoever builds the service.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

use crate::credential::ServiceKeyName;
use crate::secret::SecretSetting;

/// Settings of whoever makes tokens: the gateway.
#[derive(Debug, Clone, Args)]
pub struct SignerSettings {
    /// Folder of the keys that sign access tokens (*.pem, Ed25519, PKCS#8, mode 0600) [default: in the data folder, made at
    /// the first start; in production it must be set]
    #[arg(long, env = "ARENA_SIGNING_KEYS", value_name = "FOLDER")]
    pub signing_keys: Option<PathBuf>,

    /// How long a new signing key is published before it signs.
    #[arg(long, env = "ARENA_SIGNING_KEY_OVERLAP_SECONDS", default_value_t = 120, value_parser = value_parser!(u32).range(0..=86_400), value_name = "SECONDS")]
    pub signing_key_overlap: u32,

    /// How long an access token is accepted, and how long a revocation is remembered.
    #[arg(long, env = "ARENA_ACCESS_TOKEN_TTL_SECONDS", default_value_t = 300, value_parser = value_parser!(u32).range(10..=3600), value_name = "SECONDS")]
    pub access_token_ttl: u32,
}

/// Settings of whoever verifies tokens that the gateway made: the other services.
#[derive(Debug, Clone, Args)]
pub struct VerifierSettings {
    /// Where the public keys of access tokens are.
    #[arg(
        long,
        env = "ARENA_JWKS_URL",
        default_value = "http://127.0.0.1:8000/.well-known/jwks.json",
        value_name = "URL"
    )]
    pub jwks_url: String,

    #[expect(missing_docs, reason = "documented by its name")]
    #[command(flatten)]
    pub service_key: SecretSetting<ServiceKeyName>,
}

impl SignerSettings {
    /// The variable that names the folder, for [`crate::keys::MissingKeys::Refuse`].
    pub const FOLDER_VARIABLE: &'static str = "ARENA_SIGNING_KEYS";

    /// How long an access token is accepted.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.access_token_ttl.into())
    }

    /// How long a new key is published before it signs.
    pub fn overlap(&self) -> Duration {
        Duration::from_secs(self.signing_key_overlap.into())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    fn command() -> Command {
        VerifierSettings::augment_args(SignerSettings::augment_args(Command::new("gateway")))
    }

    #[test]
    fn settings_do_not_clash_and_have_the_documented_defaults() {
        command().debug_assert();
        let matches = command().try_get_matches_from(["gateway"]).unwrap();
        let signer = SignerSettings::from_arg_matches(&matches).unwrap();
        assert_eq!((signer.life(), signer.overlap()), (Duration::from_secs(300), Duration::from_secs(120)));
        let verifier = VerifierSettings::from_arg_matches(&matches).unwrap();
        assert_eq!(verifier.jwks_url, "http://127.0.0.1:8000/.well-known/jwks.json");
        assert!(verifier.service_key.read().unwrap().is_none());
    }

    #[test]
    fn the_folder_is_set_by_the_variable_that_messages_name() {
        let help = command().render_long_help().to_string();
        assert!(help.contains(&format!("[env: {}=", SignerSettings::FOLDER_VARIABLE)), "{help}");
    }

    #[test]
    fn lives_have_bounds() {
        for bad in ["9", "3601", "-1", "soon"] {
            let words = ["gateway", "--access-token-ttl", bad];
            assert!(command().try_get_matches_from(words).is_err(), "{bad}");
        }
    }
}
