//! The database's password as a file: a connection string may then stand where others can read it. Keeps nothing: the
//! file is read when a connection string is completed.

use std::io;
use std::path::PathBuf;

use battlearena_runtime::{Environment, SecretFile, SecretFileError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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
    /// The file cannot be read, or in production others can read it too.
    pub fn complete(&self, database_url: &str) -> io::Result<String> {
        let Some(file) = self.database_password_file.as_ref().filter(|path| !path.as_os_str().is_empty())
        else {
            return Ok(database_url.to_owned());
        };
        let unusable = |error: SecretFileError| io::Error::other(format!("the database's password: {error}"));
        let file = SecretFile::read(file).map_err(unusable)?;
        file.check_exposure(self.environment).map_err(unusable)?;
        Ok(with_password(database_url, file.text.expose().trim_end_matches(['\r', '\n'])))
    }
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

    use tokio_postgres::Config;

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
        let file = tempfile::NamedTempFile::new().unwrap();
        let password = DatabasePassword { environment: Environment::Production, ..named(file.path()) };
        for (mode, is_fine) in [(0o644, false), (0o600, true), (0o440, true)] {
            file.as_file().set_permissions(Permissions::from_mode(mode)).unwrap();
            assert_eq!(password.complete("host=x").is_ok(), is_fine, "{mode:o}");
        }
    }
}
