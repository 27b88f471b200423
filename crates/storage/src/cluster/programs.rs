//! Finds PostgreSQL's programs on this machine. Runs `postgres --version` and nothing else.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// PostgreSQL's programs, all of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    bin: PathBuf,
    major: u32,
}

/// PostgreSQL is not installed, or too old.
#[derive(Debug, thiserror::Error)]
#[error(
    "PostgreSQL {OLDEST} or newer is not installed (looked in PATH and in the usual folders for initdb and postgres); \
     install it with: {INSTALL}"
)]
pub struct NotFound;

/// The oldest major version that will do.
const OLDEST: u32 = 14;

const INSTALL: &str =
    if cfg!(target_os = "macos") { "brew install postgresql@17" } else { "apt-get install postgresql" };

/// Where installations are kept side by side: a folder, how the names in it begin, and where the programs are in each.
const INSTALLATIONS: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/usr", "pgsql-", "bin"),
];

impl Programs {
    /// Looks in `PATH` first, then in the folders of Debian, Homebrew and the PostgreSQL project's packages, where the
    /// newest wins.
    ///
    /// # Errors
    /// [`NotFound`], with the command that installs PostgreSQL.
    pub fn find() -> Result<Self, NotFound> {
        Self::find_in(std::env::var_os("PATH").as_deref())
    }

    pub(super) fn find_in(path: Option<&OsStr>) -> Result<Self, NotFound> {
        let in_path = path.into_iter().flat_map(std::env::split_paths);
        if let Some(programs) = in_path.filter_map(|bin| Self::at(&bin)).next() {
            return Ok(programs);
        }
        installed().into_iter().filter_map(|bin| Self::at(&bin)).max_by_key(Self::major).ok_or(NotFound)
    }

    /// The major version: 14 or more.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The folder of the programs.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.bin.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.bin.join("postgres")
    }

    /// Whether the installation brings pg_stat_statements; some packages leave it to another one.
    pub(super) fn has_statement_statistics(&self) -> bool {
        ["../lib", "../lib/postgresql"].iter().any(|folder| {
            ["so", "dylib"].iter().any(|ending| {
                self.bin.join(folder).join("pg_stat_statements").with_extension(ending).is_file()
            })
        })
    }

    fn at(bin: &Path) -> Option<Self> {
        // The link in PATH may be in a folder that holds some of the programs only.
        let postgres = bin.join("postgres").canonicalize().ok()?;
        let bin = postgres.parent()?.to_owned();
        if !bin.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let major = parse_major(&String::from_utf8_lossy(&output.stdout))?;
        (major >= OLDEST).then_some(Self { bin, major })
    }
}

fn installed() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (folder, prefix, bin) in INSTALLATIONS {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        let named = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        found.extend(named.map(|entry| entry.path().join(bin)));
    }
    found
}

/// Reads "postgres (PostgreSQL) 17.2 (Debian 17.2-1)" and "postgres (PostgreSQL) 18beta1".
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("initdb: error"), None);
    }

    #[test]
    fn the_usual_folders_stand_in_for_an_empty_path() {
        let programs = Programs::find_in(None).unwrap();
        assert!(programs.major() >= OLDEST && programs.initdb().is_file());
    }

    #[test]
    fn the_message_tells_how_to_install() {
        assert!(NotFound.to_string().contains("install postgresql"), "{NotFound}");
    }
}
