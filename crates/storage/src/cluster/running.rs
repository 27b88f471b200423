//! A PostgreSQL that runs: started, waited for, stopped. It is a direct child of this process, in a process group of
//! its own, and never reads this process's terminal.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;

use super::guard::Guard;
use super::{Cluster, ClusterError, Durability, LogTail, connection_string};

/// The user of a monitoring program: sees the statistics, and no row of any table.
pub const MONITOR: &str = "monitoring";

/// Makes [`MONITOR`] when there is none.
const CREATE_MONITOR: &str = "do $$ begin create role monitoring login in role pg_monitor; \
     exception when duplicate_object then null; end $$";

/// How long PostgreSQL may take until it answers.
const START: Duration = Duration::from_secs(30);

/// How long each attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How long PostgreSQL may take to end after SIGQUIT, which has it kill its own children after 5 seconds.
const QUIT: Duration = Duration::from_secs(7);

/// A PostgreSQL that answers. Dropping it asks PostgreSQL to stop at once, without waiting.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pid: u32,
    sockets: PathBuf,
    statement_statistics: bool,
    guard: Arc<Guard>,
    ended: Option<ExitStatus>,
}

impl Running {
    pub(super) async fn start(cluster: &Cluster) -> Result<Self, ClusterError> {
        let path = cluster.folder.logs().join("postgresql.log");
        let log = std::fs::File::options().create(true).append(true).open(&path);
        let log = log.map_err(|e| ClusterError::folder("write to", &path, e))?;
        let log_start = log.metadata().map_or(0, |metadata| metadata.len());

        let postgres = cluster.programs.postgres();
        let mut command = std::process::Command::new(&postgres);
        command.arg("-D").arg(cluster.folder.pgdata()).args(["-p", "5432"]);
        for setting in settings(cluster) {
            command.arg("-c").arg(setting);
        }
        command.current_dir(cluster.folder.pgdata()).env("LC_ALL", "C").process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if let Some(account) = &cluster.account {
            account.apply(&mut command);
        }
        let child = Command::from(command).spawn().map_err(|e| ClusterError::run(&postgres, e))?;
        let pid = child.id().ok_or_else(|| ClusterError::Lost(std::io::ErrorKind::NotFound.into()))?;
        cluster.guard.watch(pid);
        let mut running = Self {
            child,
            pid,
            sockets: cluster.sockets.clone(),
            statement_statistics: cluster.programs.has_statement_statistics(),
            guard: Arc::clone(&cluster.guard),
            ended: None,
        };
        match running.answered().await? {
            Started::Answers => Ok(running),
            Started::Ended(status) => {
                Err(ClusterError::Ended { status, log: LogTail::read(&path, log_start) })
            }
            Started::Silent => {
                let log = LogTail::read(&path, log_start);
                running.stop(Duration::from_secs(1)).await?;
                Err(ClusterError::Silent { seconds: START.as_secs(), log })
            }
        }
    }

    /// The process id of PostgreSQL's first process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The connection string of a database, for tokio-postgres. The database need not exist.
    pub fn connection_string(&self, database: &str) -> String {
        connection_string(&self.sockets, database)
    }

    /// Creates a database when there is none of that name, and returns its connection string.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached or refuses.
    pub async fn create_database(&self, name: &str) -> Result<String, ClusterError> {
        let statement = format!("create database \"{}\"", name.replace('"', "\"\""));
        match self.execute("postgres", &statement).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_DATABASE) => {
                Err(ClusterError::CreateDatabase { database: name.to_owned(), source: error })
            }
            _ => Ok(self.connection_string(name)),
        }
    }

    /// Lets [`MONITOR`] look at a database: its sizes and counts, and the statistics of its statements where PostgreSQL
    /// was installed with them.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached or refuses.
    pub async fn let_monitor_in(&self, database: &str) -> Result<(), ClusterError> {
        let failed = |source| ClusterError::Monitor { database: database.to_owned(), source };
        self.execute(database, CREATE_MONITOR).await.map_err(failed)?;
        if self.statement_statistics {
            let extension = "create extension if not exists pg_stat_statements";
            self.execute(database, extension).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Waits until PostgreSQL ends, for whatever reason. May be cancelled and called again.
    ///
    /// # Errors
    /// The system does not tell.
    pub async fn wait(&mut self) -> Result<ExitStatus, ClusterError> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        let status = self.child.wait().await.map_err(ClusterError::Lost)?;
        self.guard.forget();
        self.ended = Some(status);
        Ok(status)
    }

    /// Stops PostgreSQL: open transactions are rolled back and everything is written to disk. After `patience` it is
    /// made to end without that, and recovers at its next start; no commit is lost either way.
    ///
    /// # Errors
    /// The system does not tell whether it ended.
    pub async fn stop(mut self, patience: Duration) -> Result<ExitStatus, ClusterError> {
        self.signal(Signal::INT);
        if let Ok(status) = timeout(patience, self.wait()).await {
            return status;
        }
        self.signal(Signal::QUIT);
        if let Ok(status) = timeout(QUIT, self.wait()).await {
            return status;
        }
        self.signal(Signal::KILL);
        self.wait().await
    }

    fn signal(&self, signal: Signal) {
        // Until it has been waited for, the process id is nobody else's.
        if self.ended.is_none()
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(pid = self.pid, %error, "cannot signal PostgreSQL");
        }
    }

    async fn answered(&mut self) -> Result<Started, ClusterError> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if self.child.try_wait().map_err(ClusterError::Lost)?.is_some() {
                return Ok(Started::Ended(self.wait().await?));
            }
            if matches!(timeout(CONNECT, self.execute("postgres", "select 1")).await, Ok(Ok(()))) {
                return Ok(Started::Answers);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Started::Silent)
    }

    /// Runs one statement on a connection of its own, which is driven right here.
    async fn execute(&self, database: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
        let address = self.connection_string(database);
        let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await?;
        tokio::select! {
            result = client.batch_execute(statement) => result,
            Err(error) = connection => Err(error),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

enum Started {
    Answers,
    Ended(ExitStatus),
    Silent,
}

fn settings(cluster: &Cluster) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", cluster.sockets.display()),
        "unix_socket_permissions=0700".to_owned(),
        // The services' pools, the tools of an operator, and room for a second replica of each.
        "max_connections=200".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "log_line_prefix=%m [%p] %q%a ".to_owned(),
        "log_checkpoints=off".to_owned(),
        // Statements here are short; compiling one takes longer than running it.
        "jit=off".to_owned(),
    ];
    if cluster.programs.has_statement_statistics() {
        settings.push("shared_preload_libraries=pg_stat_statements".to_owned());
    }
    settings.extend(
        match cluster.durability {
            Durability::Durable => {
                ["shared_buffers=256MB", "wal_compression=on", "max_wal_size=2GB", "synchronous_commit=on"]
            }
            Durability::None => {
                ["shared_buffers=128MB", "fsync=off", "full_page_writes=off", "synchronous_commit=off"]
            }
        }
        .map(str::to_owned),
    );
    settings
}
