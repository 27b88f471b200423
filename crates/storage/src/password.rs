//! The database's password as a file: a connection string may then stand where others can read it. Keeps nothing: the
//! file is read when a connection string is completed.

use std::io;
use std::path::PathBuf;

use battlearena_runtime::{Environment, SecretFile, SecretFileError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_postgres::Config;

/// Where the password is, if the connection string has none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DatabasePassword {
    /// File with the password of the database. It takes the place of one in the connection string.
    #[arg(long, env = "ARENA_DATABASE_PASSWORD_FILE", value_name = "FILE", global = true)]
    pub database_password_file: Option<PathBuf>,

    #[expect(missing_docs, reason = "documented by its type")]
    #[command(flatten)]
    pub environment: Environment,
}

impl DatabasePassword {
    /// The connection string with the password, in the form that it has: a URL, or words and values.
    ///
    /// # Errors
    /// The file cannot be read. In production: others can read it too, it holds a placeholder, or the password stands in
    /// the connection string, which others see as an argument or in logs of whoever passes it on.
    pub fn complete(&self, database_url: &str) -> io::Result<String> {
        let Some(file) = self.database_password_file.as_ref().filter(|path| !path.as_os_str().is_empty())
        else {
            return match database_url.parse::<Config>() {
                Ok(config) if self.environment.is_production() && config.get_password().is_some() => {
                    Err(io::Error::other(
                        "in production the database's password does not stand in the connection string: name its file \
                         by ARENA_DATABASE_PASSWORD_FILE",
                    ))
                }
                // One that cannot be read is told of by whoever connects.
                Ok(_) | Err(_) => Ok(database_url.to_owned()),
            };
        };
        let unusable = |error: SecretFileError| io::Error::other(format!("the database's password: {error}"));
        let file = SecretFile::read(file).map_err(unusable)?;
        file.check_exposure(self.environment).map_err(unusable)?;
        let password = file.text.expose().trim_end_matches(['\r', '\n']);
        if self.environment.is_production() && is_guessable(password) {
            return Err(io::Error::other(
                "the file that ARENA_DATABASE_PASSWORD_FILE names holds a placeholder, a default or fewer than 12 characters",
            ));
        }
        Ok(with_password(database_url, password))
    }
}

/// What installations begin with, in lower case.
const DEFAULTS: [&str; 8] =
    ["password", "postgres", "changeme", "change-me", "example", "secret", "battlearena", "placeholder"];

fn is_guessable(password: &str) -> bool {
    let lower = password.to_lowercase();
    password.chars().count() < 12
        || lower.starts_with('<')
        || DEFAULTS.iter().any(|word| lower.contains(word))
}

fn with_password(database_url: &str, password: &str) -> String {
    if database_url.starts_with("postgresql://") || database_url.starts_with("postgres://") {
        let join = if database_url.contains('?') { '&' } else { '?' };
        return format!("{database_url}{join}password={}", utf8_percent_encode(password, NON_ALPHANUMERIC));
    }
    let quoted = password.replace('\\', r"\\").replace('\'', r"\'");
    format!("{database_url} password='{quoted}'")
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn named(path: &std::path::Path) -> DatabasePassword {
        DatabasePassword { database_password_file: Some(path.to_owned()), ..DatabasePassword::default() }
    }

    #[test]
    fn the_file_gives_the_password_to_both_forms_whatever_it_is_made_of() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, r#"a &b=c?d'e\f%20"g/ü"#).unwrap();
        let password = named(file.path());
        for address in [
            "postgresql://arena@postgres/battlearena",
            "postgres://arena:another@postgres/battlearena?connect_timeout=3",
            "host=postgres user=arena dbname=battlearena",
        ] {
            let config: Config = password.complete(address).unwrap().parse().unwrap();
            assert_eq!(config.get_password(), Some(r#"a &b=c?d'e\f%20"g/ü"#.as_bytes()), "{address}");
            assert_eq!((config.get_user(), config.get_dbname()), (Some("arena"), Some("battlearena")));
        }
    }

    #[test]
    fn without_a_file_nothing_changes_and_one_that_is_missing_is_named() {
        assert_eq!(DatabasePassword::default().complete("host=x").unwrap(), "host=x");
        let nowhere = named("/nowhere/at/all".as_ref());
        assert!(nowhere.complete("host=x").unwrap_err().to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn production_refuses_a_file_that_others_can_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "vU7wq2Lr9xKd").unwrap();
        let password = DatabasePassword { environment: Environment::Production, ..named(file.path()) };
        for (mode, is_fine) in [(0o644, false), (0o600, true), (0o440, true)] {
            file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
            assert_eq!(password.complete("host=x").is_ok(), is_fine, "{mode:o}");
        }
    }

    #[test]
    fn production_refuses_passwords_that_are_none_and_those_in_the_connection_string() {
        let environment = Environment::Production;
        for (held, is_fine) in [
            ("", false),
            ("short", false),
            ("<your password>", false),
            ("Postgres-2026-prod", false),
            ("vU7wq2Lr9xKd", true),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "{held}").unwrap();
            let named = DatabasePassword { environment, ..named(file.path()) };
            assert_eq!(named.complete("host=x").is_ok(), is_fine, "{held}");
        }
        let none = DatabasePassword { environment, ..DatabasePassword::default() };
        for (url, is_fine) in [
            ("postgresql://arena:vU7wq2Lr9xKd@x/y", false),
            ("host=x password=z", false),
            ("host=/run user=a", true),
        ] {
            assert_eq!(none.complete(url).is_ok(), is_fine, "{url}");
        }
    }
}
