//! Why there is no cluster, in words that tell what to do.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::NotFound;

/// The last lines of a log, to be quoted in an error.
#[derive(Debug)]
pub struct LogTail(String);

/// How many lines of a log are quoted.
const QUOTED_LINES: usize = 15;

/// How much of the end of a log is read for them.
const TAIL_BYTES: u64 = 16 * 1024;

impl LogTail {
    /// The end of what a log file holds after its first `from` bytes. A log that cannot be read is an empty one.
    pub fn read(path: &Path, from: u64) -> Self {
        let read = || -> io::Result<String> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Self::of(&read().unwrap_or_default())
    }

    pub(super) fn of(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        Self(lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n  "))
    }
}

impl std::fmt::Display for LogTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { f.write_str("it said nothing") } else { write!(f, "it said:\n  {}", self.0) }
    }
}

/// A private cluster cannot be made, opened, started or used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// PostgreSQL is not installed.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Nobody may run PostgreSQL here.
    #[error(
        "PostgreSQL refuses to run as root, and this system has neither a user postgres nor a user nobody"
    )]
    NoAccount,
    /// The folder belongs to somebody else.
    #[error("the folder {path} holds \"{entry}\", which is not ours: choose an empty folder")]
    NotOurs {
        /// The data folder.
        path: PathBuf,
        /// The first thing in it that a private cluster does not have.
        entry: String,
    },
    /// Another process has the folder.
    #[error("the folder {path} is in use by another process{}", owner.map(|pid| format!(" (PostgreSQL is process {pid})")).unwrap_or_default())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process id of the PostgreSQL on it, when there is one.
        owner: Option<u32>,
    },
    /// The data are of another major version than the programs.
    #[error(
        "the data in {path} are of PostgreSQL {data}, and the programs in {bin} are of PostgreSQL {programs}: \
             install PostgreSQL {data}, or choose another folder"
    )]
    OtherVersion {
        /// The data folder.
        path: PathBuf,
        /// Major version of the data.
        data: u32,
        /// Where the programs were found.
        bin: PathBuf,
        /// Major version of the programs.
        programs: u32,
    },
    /// The user who runs PostgreSQL cannot get there.
    #[error(
        "root has PostgreSQL run by the user {user}, who cannot enter {path}: choose a folder whose parents \
             everybody may pass, such as one in /var/lib"
    )]
    OutOfReach {
        /// Who must get there.
        user: String,
        /// The folder.
        path: PathBuf,
    },
    /// The system's folder for temporary files has too long a name, or an unusual one.
    #[error("{path} cannot hold a unix socket: set TMPDIR to a folder with a short, plain name")]
    NoSocketFolder {
        /// The folder that was tried.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot {action} {path}")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// Which program.
        program: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb failed ({status}); {output}")]
    Init {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: LogTail,
    },
    /// PostgreSQL ended while it was to start.
    #[error("PostgreSQL did not start ({status}); {log}")]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: LogTail,
    },
    /// PostgreSQL runs but does not answer.
    #[error("PostgreSQL did not answer within {seconds} s; {log}")]
    Silent {
        /// How long it had.
        seconds: u64,
        /// The end of its log.
        log: LogTail,
    },
    /// A statement of the cluster's own failed.
    #[error("cannot create the database \"{database}\"")]
    CreateDatabase {
        /// Its name.
        database: String,
        /// What PostgreSQL says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The user of the monitoring could not be made, or not be let in.
    #[error("cannot let the monitoring look at the database \"{database}\"")]
    Monitor {
        /// Its name.
        database: String,
        /// What PostgreSQL says.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Waiting for the child, or stopping it, failed.
    #[error("lost track of PostgreSQL")]
    Lost(#[source] io::Error),
    /// The folder is not let go of in time.
    #[error("the guard of the folder did not end in time")]
    NotClosed,
}

impl ClusterError {
    pub(super) fn folder(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Folder { action, path: path.to_owned(), source }
    }

    pub(super) fn run(program: &Path, source: io::Error) -> Self {
        Self::Run { program: program.to_owned(), source }
    }
}
