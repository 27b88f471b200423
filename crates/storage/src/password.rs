//! The database's password as a file: a connection string may then stand where others can read it. Keeps nothing: the
//! file is read when a connection string is completed.

use std::io;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Where the password is, if the connection string has none.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DatabasePassword {
    /// File with the password of the database. It takes the place of one in the connection string.
    #[arg(long, env = "ARENA_DATABASE_PASSWORD_FILE", value_name = "FILE", global = true)]
    pub database_password_file: Option<PathBuf>,
}

impl DatabasePassword {
    /// The connection string with the password, in the form that it has: a URL, or words and values.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn complete(&self, database_url: &str) -> io::Result<String> {
        let Some(file) = self.database_password_file.as_ref().filter(|path| !path.as_os_str().is_empty())
        else {
            return Ok(database_url.to_owned());
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            let told = format!("cannot read the database's password from {}: {error}", file.display());
            io::Error::new(error.kind(), told)
        })?;
        Ok(with_password(database_url, text.trim_end_matches(['\r', '\n'])))
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
    use std::io::Write as _;

    use tokio_postgres::Config;

    use super::*;

    #[test]
    fn the_file_gives_the_password_to_both_forms_whatever_it_is_made_of() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, r#"a &b=c?d'e\f%20"g/ü"#).unwrap();
        let password = DatabasePassword { database_password_file: Some(file.path().to_owned()) };
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
        let nowhere = DatabasePassword { database_password_file: Some("/nowhere/at/all".into()) };
        assert!(nowhere.complete("host=x").unwrap_err().to_string().contains("/nowhere/at/all"));
    }
}
