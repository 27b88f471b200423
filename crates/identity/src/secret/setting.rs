//! A secret as a setting: from the environment or from a file, and never from the command line, which every user of
//! the machine can read.

use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

use battlearena_runtime::{Environment, SecretFile};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, value_parser};

use super::{Secret, SecretError};

/// What a secret is called.
pub trait SecretName: 'static {
    /// The environment variable that holds it, for instance `ARENA_SERVICE_KEY`.
    const VARIABLE: &'static str;
    /// The environment variable that names its file: [`SecretName::VARIABLE`] and `_FILE`.
    const FILE_VARIABLE: &'static str;
    /// The name as an option, for instance `service-key`.
    const OPTION: &'static str;
    /// The option that names its file: [`SecretName::OPTION`] and `-file`.
    const FILE_OPTION: &'static str;
    /// What it is, for `--help`.
    const HELP: &'static str;
}

/// A secret as a clap setting, to be flattened into the settings of a role: `VARIABLE` in the environment, or
/// `VARIABLE_FILE` / `--…-file` with the path of a file. Has no default, and `--help` shows no value.
pub struct SecretSetting<N> {
    value: Option<Secret>,
    file: Option<PathBuf>,
    /// Decides about a file that others can read.
    environment: Environment,
    name: PhantomData<fn() -> N>,
}

impl<N: SecretName> SecretSetting<N> {
    /// As if the environment had given it.
    pub fn given(secret: Option<Secret>) -> Self {
        Self { value: secret, file: None, environment: Environment::default(), name: PhantomData }
    }

    /// The secret if it was given, from whichever source; a file loses the newline at its end.
    ///
    /// # Errors
    /// [`SecretError::Ambiguous`]; [`SecretError::File`] when it cannot be read, is too large, or, in production, can be
    /// read by others.
    pub fn read(&self) -> Result<Option<Secret>, SecretError> {
        let setting = N::VARIABLE;
        match (&self.value, &self.file) {
            (Some(_), Some(_)) => Err(SecretError::Ambiguous { setting }),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, Some(file)) => {
                let unusable = |source| SecretError::File { setting, source };
                let file = SecretFile::read(file).map_err(unusable)?;
                file.check_exposure(self.environment).map_err(unusable)?;
                Ok(Some(Secret::of(file.text.expose().trim_end_matches(['\r', '\n']))))
            }
            (None, None) => Ok(None),
        }
    }

    /// The secret, which must be there and strong: what production asks for.
    ///
    /// # Errors
    /// [`SecretError`], which names the setting.
    pub fn read_strong(&self) -> Result<Secret, SecretError> {
        let secret = self.read()?.ok_or(SecretError::Missing { setting: N::VARIABLE })?;
        secret.check_strength(N::VARIABLE)?;
        Ok(secret)
    }
}

impl<N> Clone for SecretSetting<N> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
            file: self.file.clone(),
            environment: self.environment,
            name: PhantomData,
        }
    }
}

impl<N: SecretName> fmt::Debug for SecretSetting<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(N::VARIABLE).field("value", &self.value).field("file", &self.file).finish()
    }
}

impl<N: SecretName> clap::Args for SecretSetting<N> {
    fn augment_args(command: Command) -> Command {
        let value = Arg::new(N::OPTION)
            .long(N::OPTION)
            .env(N::VARIABLE)
            .hide(true)
            .hide_env_values(true)
            .value_parser(value_parser!(Secret));
        let file = Arg::new(N::FILE_OPTION)
            .long(N::FILE_OPTION)
            .env(N::FILE_VARIABLE)
            .value_name("FILE")
            .help(format!(
                "{}: a file that holds it; or the environment variable {} does",
                N::HELP,
                N::VARIABLE
            ))
            .value_parser(value_parser!(PathBuf));
        Environment::augment_args(command.arg(value).arg(file))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<N: SecretName> clap::FromArgMatches for SecretSetting<N> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if matches.value_source(N::OPTION) == Some(ValueSource::CommandLine) {
            let message = format!(
                "--{} is not taken from the command line, where others can read it: set {} or {}\n",
                N::OPTION,
                N::VARIABLE,
                N::FILE_VARIABLE
            );
            return Err(clap::Error::raw(ErrorKind::ArgumentConflict, message));
        }
        let given = |secret: &&Secret| !secret.expose().is_empty();
        Ok(Self {
            value: matches.get_one::<Secret>(N::OPTION).filter(given).cloned(),
            file: matches
                .get_one::<PathBuf>(N::FILE_OPTION)
                .filter(|path| !path.as_os_str().is_empty())
                .cloned(),
            environment: Environment::from_arg_matches(matches)?,
            name: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    /// A variable that every process of `cargo test` has.
    struct Inherited;

    impl SecretName for Inherited {
        const VARIABLE: &'static str = "CARGO_MANIFEST_DIR";
        const FILE_VARIABLE: &'static str = "ARENA_TEST_INHERITED_FILE";
        const OPTION: &'static str = "inherited";
        const FILE_OPTION: &'static str = "inherited-file";
        const HELP: &'static str = "What cargo sets";
    }

    struct Absent;

    impl SecretName for Absent {
        const VARIABLE: &'static str = "ARENA_TEST_ABSENT";
        const FILE_VARIABLE: &'static str = "ARENA_TEST_ABSENT_FILE";
        const OPTION: &'static str = "absent";
        const FILE_OPTION: &'static str = "absent-file";
        const HELP: &'static str = "What nobody sets";
    }

    fn parse<N: SecretName>(words: &[&str]) -> Result<SecretSetting<N>, clap::Error> {
        let command = SecretSetting::<N>::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], words].concat())?;
        SecretSetting::from_arg_matches(&matches)
    }

    #[test]
    fn the_environment_gives_it_and_nothing_shows_it() {
        let setting = parse::<Inherited>(&[]).unwrap();
        let secret = setting.read().unwrap().unwrap();
        assert!(secret.expose().ends_with("identity"));
        assert!(!format!("{setting:?}").contains(secret.expose()));
        let help =
            SecretSetting::<Inherited>::augment_args(Command::new("test")).render_long_help().to_string();
        assert!(help.contains("CARGO_MANIFEST_DIR") && help.contains("--inherited-file"), "{help}");
        assert!(!help.contains(secret.expose()), "{help}");
    }

    #[test]
    fn the_command_line_does_not() {
        let error = parse::<Absent>(&["--absent", "in-argv-for-all-to-see"]).unwrap_err().to_string();
        assert!(error.contains("ARENA_TEST_ABSENT_FILE") && !error.contains("in-argv"), "{error}");
    }

    #[test]
    fn a_file_gives_it_without_its_newline() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, "q8Zr2Lk5Vn1Xc7Bm4Ts9Wd3Fg6Hj0Pyu\r\n").unwrap();
        let setting = parse::<Absent>(&["--absent-file", path]).unwrap();
        assert_eq!(setting.read_strong().unwrap().expose(), "q8Zr2Lk5Vn1Xc7Bm4Ts9Wd3Fg6Hj0Pyu");
        assert!(matches!(
            parse::<Inherited>(&["--inherited-file", path]).unwrap().read(),
            Err(SecretError::Ambiguous { setting: "CARGO_MANIFEST_DIR" })
        ));
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_too_large_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let read = |words: &[&str]| {
            let words = [&["--absent-file", path], words].concat();
            parse::<Absent>(&words).unwrap().read_strong().map_err(|error| {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                format!("{error}: {}", source.unwrap_or_default())
            })
        };
        std::fs::write(file.path(), "q8Zr2Lk5Vn1Xc7Bm4Ts9Wd3Fg6Hj0Pyu").unwrap();
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o644)).unwrap();
        assert!(read(&[]).is_ok());
        let error = read(&["--environment", "production"]).unwrap_err();
        assert!(error.contains("ARENA_TEST_ABSENT_FILE") && error.contains("mode 644"), "{error}");
        std::fs::set_permissions(file.path(), Permissions::from_mode(0o600)).unwrap();
        assert!(read(&["--environment", "production"]).is_ok());
        std::fs::write(file.path(), "q8Zr2Lk5Vn1Xc7Bm4Ts9Wd3Fg6Hj0Pyu\n".repeat(250)).unwrap();
        assert!(read(&[]).unwrap_err().contains("more than 8192 bytes"));
    }

    #[test]
    fn what_is_missing_weak_or_unreadable_is_named() {
        let message = |words: &[&str]| parse::<Absent>(words).unwrap().read_strong().unwrap_err().to_string();
        assert!(message(&[]).starts_with("ARENA_TEST_ABSENT is missing"));
        assert!(message(&["--absent-file", "/nowhere/at/all"]).contains("ARENA_TEST_ABSENT_FILE"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "changeme\n").unwrap();
        let weak = message(&["--absent-file", file.path().to_str().unwrap()]);
        assert!(
            weak.starts_with("ARENA_TEST_ABSENT is a placeholder") && !weak.contains("changeme"),
            "{weak}"
        );
    }
}
