//! Where a process runs. One setting for all who ask: each flattens it into its own settings, and the command line has it
//! once.

use std::fmt;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches, ValueEnum, value_parser};

/// The id of the argument, and its name as an option.
const OPTION: &str = "environment";

/// Where a process runs. A closed set: a misspelt "production" must not be taken for development.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Environment {
    /// On a developer's machine: what is missing is made up, and loopback has no limit.
    #[default]
    Development,
    /// Where it counts: what is missing is refused.
    Production,
}

impl Environment {
    /// The environment variable that sets it.
    pub const VARIABLE: &'static str = "ARENA_ENV";

    /// The word for it, as the setting takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    /// Whether nothing may be made up for want of a setting.
    pub fn is_production(self) -> bool {
        self == Self::Production
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Args for Environment {
    fn augment_args(command: Command) -> Command {
        if command.get_arguments().any(|argument| argument.get_id() == OPTION) {
            return command;
        }
        let setting = Arg::new(OPTION)
            .long(OPTION)
            .env(Self::VARIABLE)
            .default_value(Self::Development.as_str())
            .value_parser(value_parser!(Self))
            .help("Where the process runs; in production nothing is made up for want of a setting");
        command.arg(setting)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Environment {
    /// Leaves the value where it is: others ask for it too.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        matches.get_one(OPTION).copied().ok_or_else(|| Error::new(ErrorKind::MissingRequiredArgument))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Args)]
    #[group(id = "one")]
    struct One {
        #[command(flatten)]
        environment: Environment,
    }

    #[derive(Debug, Args)]
    #[group(id = "other")]
    struct Other {
        #[command(flatten)]
        environment: Environment,
    }

    #[derive(Debug, Parser)]
    struct Both {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        other: Other,
    }

    #[test]
    fn all_who_ask_are_told_the_same() {
        for (words, expected) in [
            (vec!["test"], Environment::Development),
            (vec!["test", "--environment", "production"], Environment::Production),
        ] {
            let both = Both::try_parse_from(words).unwrap();
            assert_eq!((both.one.environment, both.other.environment), (expected, expected));
            assert_eq!(expected.is_production(), expected.to_string() == "production");
        }
    }

    #[test]
    fn an_environment_that_is_neither_is_refused() {
        for bad in ["prod", "Production", "staging", "", "production "] {
            assert!(Both::try_parse_from(["test", "--environment", bad]).is_err(), "{bad}");
        }
    }
}
