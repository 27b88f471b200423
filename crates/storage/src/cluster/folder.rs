//! The data folder: whose it is, who may use it, and the cluster that `initdb` makes in it. A cluster appears in one
//! rename, whole or not at all.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::FlockOperation;
use tokio::process::Command;

use super::error::LogTail;
use super::{Account, ClusterError, Durability, Programs, SUPERUSER};

/// A data folder that is ours to use.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

/// What a private cluster has in its folder. Anything else is somebody's.
const ENTRIES: &[&str] = &["pgdata", "pgdata.new", "run", "logs", "secrets", "lock"];

impl Folder {
    /// Makes the folder when there is none, and refuses one that holds something else or that the user who runs
    /// PostgreSQL cannot reach.
    pub(super) fn prepare(root: &Path, account: Option<&Account>) -> Result<Self, ClusterError> {
        let root = std::path::absolute(root).map_err(|e| ClusterError::folder("find", root, e))?;
        if let Ok(entries) = fs::read_dir(&root) {
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            if let Some(entry) = names.into_iter().find(|name| !ENTRIES.contains(&name.as_str())) {
                return Err(ClusterError::NotOurs { path: root, entry });
            }
        }
        let is_new = !root.exists();
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&root)
            .map_err(|e| ClusterError::folder("create", &root, e))?;
        // Another user passes through on the way to pgdata and run, which are private, but cannot look around.
        let mode = if account.is_some() { 0o711 } else { 0o700 };
        fs::set_permissions(&root, fs::Permissions::from_mode(mode))
            .map_err(|e| ClusterError::folder("protect", &root, e))?;
        let folder = Self { root };
        make_private(&folder.logs(), None)?;
        make_private(&folder.root.join("run"), account)?;
        if let Some(account) = account
            && !account.can_use(&folder.root.join("run"))
        {
            if is_new {
                // What was refused does not stay behind. The first error is the one that matters.
                let _ = fs::remove_dir_all(&folder.root);
            }
            return Err(ClusterError::OutOfReach { user: account.name.clone(), path: folder.root });
        }
        Ok(folder)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn pgdata(&self) -> PathBuf {
        self.root.join("pgdata")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(super) fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// Takes the folder for this process. The lock lasts as long as any copy of the file is open.
    pub(super) fn lock(&self) -> Result<File, ClusterError> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| ClusterError::folder("open", &path, e))?;
        let in_use = || ClusterError::InUse { path: self.root.clone(), owner: self.postmaster() };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use()),
            Err(error) => return Err(ClusterError::folder("lock", &path, error.into())),
        }
        // A PostgreSQL that somebody started on the folder by hand knows nothing of our lock.
        if self.answers() { Err(in_use()) } else { Ok(file) }
    }

    /// Refuses data of another major version, which these programs could not read.
    pub(super) fn check_version(&self, programs: &Programs) -> Result<(), ClusterError> {
        let Ok(version) = fs::read_to_string(self.pgdata().join("PG_VERSION")) else { return Ok(()) };
        match version.trim().parse() {
            Ok(data) if data != programs.major() => Err(ClusterError::OtherVersion {
                path: self.root.clone(),
                data,
                bin: programs.bin().to_owned(),
                programs: programs.major(),
            }),
            _ => Ok(()),
        }
    }

    /// Runs `initdb` unless there is a cluster. Takes a few seconds.
    pub(super) async fn init(
        &self,
        programs: &Programs,
        account: Option<&Account>,
        durability: Durability,
    ) -> Result<(), ClusterError> {
        if self.pgdata().join("PG_VERSION").is_file() {
            return Ok(());
        }
        let new = self.root.join("pgdata.new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ClusterError::folder("remove the unfinished", &new, error));
            }
            _ => {}
        }
        make_private(&new, account)?;

        let mut command = std::process::Command::new(programs.initdb());
        command.args(["--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject"]);
        command.arg(format!("--username={SUPERUSER}")).arg("--pgdata").arg(&new);
        if durability == Durability::None {
            command.arg("--no-sync");
        }
        command.current_dir(&new).env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(account) = account {
            account.apply(&mut command);
        }
        let output = Command::from(command)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|e| ClusterError::run(&programs.initdb(), e))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let output_tail = LogTail::of(&String::from_utf8_lossy(&said));
            return Err(ClusterError::Init { status: output.status, output: output_tail });
        }
        fs::rename(&new, self.pgdata()).map_err(|e| ClusterError::folder("rename", &new, e))
    }

    /// The process id in `postmaster.pid`, which a PostgreSQL that was killed leaves behind.
    fn postmaster(&self) -> Option<u32> {
        self.postmaster_file()?.lines().next()?.trim().parse().ok()
    }

    /// Whether a PostgreSQL listens on the socket that `postmaster.pid` tells of.
    fn answers(&self) -> bool {
        let Some(file) = self.postmaster_file() else { return false };
        // Lines: process id, data folder, start time, port, socket folder, …
        let mut lines = file.lines().skip(3);
        let (Some(port), Some(folder)) = (lines.next(), lines.next()) else { return false };
        UnixStream::connect(Path::new(folder.trim()).join(format!(".s.PGSQL.{}", port.trim()))).is_ok()
    }

    fn postmaster_file(&self) -> Option<String> {
        fs::read_to_string(self.pgdata().join("postmaster.pid")).ok()
    }
}

/// Makes a folder, when there is none, that only the user who runs PostgreSQL (and root) can look into.
pub(super) fn make_private(path: &Path, account: Option<&Account>) -> Result<(), ClusterError> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(ClusterError::folder("create", path, error));
        }
        _ => {}
    }
    if let Some(account) = account {
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            .map_err(|e| ClusterError::folder("give away", path, e))?;
    }
    Ok(())
}
