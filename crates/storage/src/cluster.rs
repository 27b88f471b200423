//! A private PostgreSQL cluster: made in a folder, reached through a unix socket in a private folder and through no TCP
//! port, and never outliving the process that started it. Knows no tables.
//!
//! ```text
//! <data>/pgdata                the cluster itself
//! <data>/run                   its socket, where the path is short enough for one (a temporary folder elsewhere)
//! <data>/logs/postgresql.log   what it says
//! <data>/lock                  held while the folder is in use
//! ```
//!
//! PostgreSQL refuses to run as root, so root has it run by `postgres` or else `nobody`: the parents of the data folder
//! must then let that user pass (`/var/lib` does, a home of root's does not).

mod account;
mod error;
mod folder;
mod guard;
mod programs;
mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::OnceCell;

pub use error::{ClusterError, LogTail};
pub use programs::{NotFound, Programs};
pub use running::{MONITOR, Running};

use account::Account;
use folder::Folder;
use guard::Guard;

/// The superuser of every private cluster. Whoever may open the socket's folder is this user, without a password.
pub const SUPERUSER: &str = "arena";

/// How much a commit is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// A commit survives the loss of power.
    Durable,
    /// A commit survives nothing: for clusters that are thrown away.
    None,
}

/// What is to be decided about a private cluster.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder that holds it, made when absent. It must be empty or have held a private cluster before.
    pub data: PathBuf,
    /// What a commit is worth.
    pub durability: Durability,
    /// Whether the data folder is removed when the cluster is closed or its process ends, however it ends. Only for
    /// folders that were made here.
    remove_at_end: bool,
}

impl Settings {
    /// A cluster that keeps its data.
    pub fn durable(data: impl Into<PathBuf>) -> Self {
        Self { data: data.into(), durability: Durability::Durable, remove_at_end: false }
    }

    /// A cluster that forgets its data, in a new folder under the system's folder for temporary files.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn ephemeral() -> Result<Self, ClusterError> {
        let parent = std::env::temp_dir();
        let data = tempfile::Builder::new()
            .prefix("arena-")
            .tempdir_in(&parent)
            .map_err(|source| ClusterError::folder("create a temporary folder in", &parent, source))?
            .keep();
        Ok(Self { data, durability: Durability::None, remove_at_end: true })
    }
}

/// A cluster on disk, locked for this process, ready to be started as often as needed.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    account: Option<Account>,
    folder: Folder,
    sockets: PathBuf,
    durability: Durability,
    guard: Arc<Guard>,
}

impl Cluster {
    /// Opens the cluster in the data folder, and makes it first when the folder is empty.
    ///
    /// # Errors
    /// PostgreSQL's programs are missing or of another major version than the data, the folder holds something else, is
    /// in use or out of reach of the user who runs PostgreSQL, or `initdb` fails. What a refused folder held is not
    /// touched; an interrupted `initdb` leaves nothing that a later call would take for a cluster.
    pub async fn create_or_open(settings: Settings) -> Result<Self, ClusterError> {
        let opened = Self::open(&settings);
        if opened.is_err() && settings.remove_at_end {
            // The first error is the one that matters.
            let _ = std::fs::remove_dir_all(&settings.data);
        }
        let cluster = opened?;
        // The guard cleans up by now, even when this process is killed meanwhile.
        cluster.folder.init(&cluster.programs, cluster.account.as_ref(), cluster.durability).await?;
        Ok(cluster)
    }

    fn open(settings: &Settings) -> Result<Self, ClusterError> {
        let programs = Programs::find()?;
        let account = Account::for_postgres()?;
        let folder = Folder::prepare(&settings.data, account.as_ref())?;
        let lock = folder.lock()?;
        folder.check_version(&programs)?;
        let sockets = socket_folder(&folder, account.as_ref())?;
        let mut removed_at_end = Vec::new();
        if sockets.temporary {
            removed_at_end.push(sockets.path.as_path());
        }
        if settings.remove_at_end {
            removed_at_end.push(folder.root());
        }
        let guard = Arc::new(Guard::start(lock, &removed_at_end)?);
        let (sockets, durability) = (sockets.path, settings.durability);
        Ok(Self { programs, account, folder, sockets, durability, guard })
    }

    /// Starts PostgreSQL and waits until it answers. It is stopped when the returned value is dropped, and by its guard
    /// when this process ends, even by SIGKILL.
    ///
    /// # Errors
    /// PostgreSQL cannot be run, ends, or does not answer within 30 seconds; the error quotes the end of its log.
    pub async fn start(&self) -> Result<Running, ClusterError> {
        Running::start(self).await
    }

    /// The connection string of a database in this cluster, for tokio-postgres. The database need not exist.
    pub fn connection_string(&self, database: &str) -> String {
        connection_string(&self.sockets, database)
    }

    /// The folder of PostgreSQL's log, `postgresql.log`, with room for the logs of others.
    pub fn logs(&self) -> PathBuf {
        self.folder.logs()
    }

    /// A place for a folder of secrets of others, which is not made here.
    pub fn secrets(&self) -> PathBuf {
        self.folder.secrets()
    }

    /// The folder of PostgreSQL's socket, for other programs than ours.
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Lets go of the folder and waits until that is done, for at most 30 seconds: the lock is free, and the folder is
    /// gone when it was to be removed. Stop the running PostgreSQL first.
    ///
    /// # Errors
    /// The guard does not end in time.
    pub async fn close(self) -> Result<(), ClusterError> {
        match Arc::into_inner(self.guard) {
            Some(guard) => guard.finish().await,
            None => Ok(()),
        }
    }
}

/// This process's own throw-away cluster, started at the first call and removed when the process ends, however it ends.
///
/// # Errors
/// As [`Cluster::create_or_open`] and [`Cluster::start`]; the next call tries again.
pub async fn ephemeral() -> Result<&'static Running, ClusterError> {
    static RUNNING: OnceCell<Running> = OnceCell::const_new();
    RUNNING
        .get_or_try_init(|| async {
            let cluster = Cluster::create_or_open(Settings::ephemeral()?).await?;
            cluster.start().await
        })
        .await
}

struct SocketFolder {
    path: PathBuf,
    temporary: bool,
}

/// `sun_path` has room for 108 bytes on Linux and 104 on macOS, with a closing zero.
const LONGEST_SOCKET_PATH: usize = 103;

/// PostgreSQL names its socket after the port, although there is no port.
const SOCKET_NAME: &str = ".s.PGSQL.5432";

fn socket_folder(folder: &Folder, account: Option<&Account>) -> Result<SocketFolder, ClusterError> {
    let beside = folder.root().join("run");
    if fits_socket(&beside) {
        folder::make_private(&beside, account)?;
        return Ok(SocketFolder { path: beside, temporary: false });
    }
    let parent = std::env::temp_dir();
    let path = tempfile::Builder::new()
        .prefix("arena-")
        .tempdir_in(&parent)
        .map(TempDir::keep)
        .map_err(|source| ClusterError::folder("create a temporary folder in", &parent, source))?;
    if !fits_socket(&path) {
        return Err(ClusterError::NoSocketFolder { path });
    }
    folder::make_private(&path, account)?;
    Ok(SocketFolder { path, temporary: true })
}

/// Plain characters only, so that the path needs no quotes in settings and connection strings, where a comma would
/// begin a second path.
fn fits_socket(folder: &Path) -> bool {
    folder.to_str().is_some_and(|path| {
        path.len() + 1 + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH
            && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
    })
}

fn connection_string(sockets: &Path, database: &str) -> String {
    let database = database.replace('\\', r"\\").replace('\'', r"\'");
    format!("host={} port=5432 user={SUPERUSER} dbname='{database}'", sockets.display())
}

#[cfg(test)]
mod tests;
