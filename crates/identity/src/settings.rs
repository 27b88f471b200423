//! What can be set about identity; a role flattens what concerns it into its own settings. What depends on the mode or
//! the environment is decided by whoever builds the service.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use battlearena_runtime::{Environment, Exposed, check_exposure};
use clap::{Args, ValueEnum, value_parser};

use crate::credential::ServiceKeyName;
use crate::limits::Network;
use crate::secret::{Secret, SecretSetting};

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Whoever proves who it is, as the policy has it.
    Required,
    /// Whoever comes: for demonstrations on this machine.
    Open,
}

/// Settings of every service's [`Gatekeeper`](crate::Gatekeeper).
#[derive(Debug, Clone, Args)]
#[group(id = "identity")]
pub struct Settings {
    /// Who may call: in open mode anybody may act for every player, which is for demonstrations on this machine.
    #[arg(long, env = "ARENA_AUTH", value_enum, default_value_t = AuthMode::Required)]
    pub auth: AuthMode,

    /// Where the public keys of access tokens are.
    #[arg(
        long,
        env = "ARENA_JWKS_URL",
        default_value = "http://127.0.0.1:8000/.well-known/jwks.json",
        value_name = "URL"
    )]
    pub jwks_url: String,

    /// How long public keys are trusted when no newer ones can be fetched; afterwards no token is accepted (503).
    #[arg(long, env = "ARENA_JWKS_MAX_AGE_SECONDS", default_value_t = 3600, value_parser = value_parser!(u32).range(120..=604_800), value_name = "SECONDS")]
    pub jwks_max_age: u32,

    #[expect(missing_docs, reason = "documented by its name")]
    #[command(flatten)]
    pub service_key: SecretSetting<ServiceKeyName>,

    /// How long an access token is accepted, and how long a revocation is remembered: the same for all services.
    #[arg(long, env = "ARENA_ACCESS_TOKEN_TTL_SECONDS", default_value_t = 300, value_parser = value_parser!(u32).range(10..=3600), value_name = "SECONDS")]
    pub access_token_ttl: u32,

    /// Proxies of ours that every request passes: the client's address is counted from the right of X-Forwarded-For.
    #[arg(long, env = "ARENA_TRUSTED_PROXIES", default_value_t = 0, value_parser = value_parser!(u8).range(0..=16), value_name = "COUNT")]
    pub trusted_proxies: u8,

    /// Networks that those proxies connect from (`10.0.0.0/8`), separated by commas: X-Forwarded-For of anybody else is
    /// ignored [default: any; in production they must be set]
    #[arg(long, env = "ARENA_TRUSTED_PROXY_NETWORKS", value_delimiter = ',', value_name = "NETWORK")]
    pub trusted_proxy_networks: Vec<Network>,

    /// Requests a second from one address, in the long run; twice as many at once. Loopback has no limit in development.
    #[arg(long, env = "ARENA_LIMIT_ADDRESS", default_value_t = 200, value_parser = value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub address_requests: u32,

    /// Requests a second of one player, in the long run; twice as many at once.
    #[arg(long, env = "ARENA_LIMIT_ACCOUNT", default_value_t = 50, value_parser = value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub account_requests: u32,

    /// Requests that are worked on at the same time; those beyond are turned away at once.
    #[arg(long, env = "ARENA_LIMIT_IN_FLIGHT", default_value_t = 4096, value_parser = value_parser!(u32).range(1..=1_000_000), value_name = "COUNT")]
    pub requests_in_flight: u32,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub environment: Environment,
}

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
}

impl Settings {
    /// Open mode, everything else at its default.
    pub fn open() -> Self {
        Self {
            auth: AuthMode::Open,
            jwks_url: String::new(),
            jwks_max_age: 3600,
            service_key: SecretSetting::given(None),
            access_token_ttl: 300,
            trusted_proxies: 0,
            trusted_proxy_networks: Vec::new(),
            address_requests: 200,
            account_requests: 50,
            requests_in_flight: 4096,
            environment: Environment::Development,
        }
    }

    /// Required mode, everything else at its default.
    pub fn required(service_key: Secret, jwks_url: impl Into<String>) -> Self {
        let service_key = SecretSetting::given(Some(service_key));
        Self { auth: AuthMode::Required, jwks_url: jwks_url.into(), service_key, ..Self::open() }
    }

    /// How long an access token is accepted.
    pub fn life(&self) -> Duration {
        Duration::from_secs(self.access_token_ttl.into())
    }

    /// How long public keys are trusted when no newer ones can be fetched.
    pub fn jwks_trust(&self) -> Duration {
        Duration::from_secs(self.jwks_max_age.into())
    }

    /// Whether this is no development any more, so that nothing is made up for want of a setting.
    pub fn is_production(&self) -> bool {
        self.environment.is_production()
    }

    /// Keeps open mode on this machine, unless told otherwise, and proxies that nobody knows out of production.
    ///
    /// # Errors
    /// [`Exposed`]: open mode would listen where other machines reach it, or in production; or in production anybody
    /// would be taken for a proxy of ours.
    pub fn check_exposure(&self, address: SocketAddr, open_bind_any: bool) -> Result<(), Exposed> {
        if self.is_production() && self.trusted_proxies > 0 && self.trusted_proxy_networks.is_empty() {
            return Err(Exposed::AnyProxy);
        }
        match self.auth {
            AuthMode::Required => Ok(()),
            AuthMode::Open => check_exposure(address, open_bind_any, self.environment),
        }
    }
}

impl SignerSettings {
    /// The variable that names the folder, for [`crate::keys::FolderRules::Strict`].
    pub const FOLDER_VARIABLE: &'static str = "ARENA_SIGNING_KEYS";

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
        Settings::augment_args(SignerSettings::augment_args(Command::new("gateway")))
    }

    fn parsed(words: &[&str]) -> Settings {
        let matches = command().try_get_matches_from([&["gateway"], words].concat()).unwrap();
        Settings::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn settings_do_not_clash_and_have_the_documented_defaults() {
        command().debug_assert();
        let matches = command().try_get_matches_from(["gateway"]).unwrap();
        assert_eq!(SignerSettings::from_arg_matches(&matches).unwrap().overlap(), Duration::from_secs(120));
        let (parsed, made) = (parsed(&["--auth", "open", "--jwks-url", ""]), Settings::open());
        assert_eq!(format!("{parsed:?}"), format!("{made:?}"));
        assert_eq!((made.life(), made.is_production()), (Duration::from_secs(300), false));
    }

    #[test]
    fn open_mode_stays_at_home() {
        let anywhere = "0.0.0.0:8000".parse().unwrap();
        assert!(parsed(&["--auth", "open"]).check_exposure(anywhere, false).is_err());
        assert!(parsed(&["--auth", "open"]).check_exposure(anywhere, true).is_ok());
        assert!(parsed(&["--auth", "required"]).check_exposure(anywhere, false).is_ok());
    }

    #[test]
    fn production_believes_only_proxies_that_it_knows() {
        let check = |words: &[&str]| parsed(words).check_exposure("0.0.0.0:8000".parse().unwrap(), false);
        let behind = ["--environment", "production", "--trusted-proxies", "1"];
        let refused = check(&behind).unwrap_err().to_string();
        assert!(refused.contains("ARENA_TRUSTED_PROXY_NETWORKS"), "{refused}");
        let known = ["--trusted-proxy-networks", "10.0.0.0/8"];
        assert_eq!(check(&[&behind[..], &known].concat()), Ok(()));
        assert_eq!((check(&behind[..2]), check(&behind[2..])), (Ok(()), Ok(())));
    }

    #[test]
    fn the_folder_is_set_by_the_variable_that_messages_name() {
        let help = command().render_long_help().to_string();
        assert!(help.contains(&format!("[env: {}=", SignerSettings::FOLDER_VARIABLE)), "{help}");
    }

    #[test]
    fn production_is_set_by_the_option_that_the_whole_process_has() {
        let command = battlearena_telemetry::Settings::augment_args(command());
        command.clone().debug_assert();
        let matches = command.try_get_matches_from(["gateway", "--environment", "production"]).unwrap();
        let telemetry = battlearena_telemetry::Settings::from_arg_matches(&matches).unwrap();
        let identity = Settings::from_arg_matches(&matches).unwrap();
        assert!(telemetry.environment.is_production() && identity.is_production());
    }

    #[test]
    fn lives_have_bounds() {
        for bad in ["9", "3601", "-1", "soon"] {
            let words = ["gateway", "--access-token-ttl", bad];
            assert!(command().try_get_matches_from(words).is_err(), "{bad}");
        }
    }
}
