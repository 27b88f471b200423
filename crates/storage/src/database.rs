//! The pool. Connections are driven on the runtime that built it, whoever asks for one: actix workers are runtimes of
//! their own, which end before the last connection should. Every wait is bounded: a dead database answers quickly.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use battlearena_telemetry::sql::PoolMetrics;
use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Span;

use crate::session::{Target, measured};
use crate::{DatabaseSettings, Session, Statement, StorageError};

/// A pool of connections to the one database. Cheap to clone.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    dedicated: Arc<Dedicated>,
    connecting: Arc<Connecting>,
    pulse: Arc<tokio::sync::Mutex<Option<Client>>>,
    pool_wait: Duration,
    statement_timeout: Duration,
    metrics: Arc<PoolMetrics>,
}

struct Dedicated {
    config: Config,
    runtime: Handle,
}

/// Remembers that connecting failed a moment ago: a database that is starting up again is not helped by hundreds of
/// attempts a second. Milliseconds since `began`, 0 for never.
struct Connecting {
    began: Instant,
    pause_until_ms: AtomicU64,
}

impl Connecting {
    const PAUSE: Duration = Duration::from_millis(100);

    fn pauses(&self) -> bool {
        let until = self.pause_until_ms.load(Ordering::Relaxed);
        until > 0 && self.began.elapsed() < Duration::from_millis(until)
    }

    /// Somebody else has connected: the pool may at once.
    fn succeeded(&self) {
        self.pause_until_ms.store(0, Ordering::Relaxed);
    }

    fn failed(&self) {
        let until = (self.began.elapsed() + Self::PAUSE).as_millis();
        self.pause_until_ms.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Database {
    /// Prepares a pool; connects nothing yet. Must be called on the runtime that shall drive the connections.
    ///
    /// # Errors
    /// [`StorageError::Other`] for a connection string, or a file with the password, that cannot be read.
    pub fn new(settings: &DatabaseSettings, application_name: &str) -> Result<Self, StorageError> {
        let statement_timeout = settings.statement_timeout();
        let url = settings.database_password.complete(&settings.database_url);
        let mut config: Config = url
            .map_err(|error| StorageError::Other(Box::new(error)))?
            .parse()
            .map_err(|error: tokio_postgres::Error| StorageError::Other(Box::new(error)))?;
        // The server gives up on its own what a client has given up, also when the client cannot say so any more.
        config
            .application_name(application_name)
            .connect_timeout(settings.pool_wait())
            .tcp_user_timeout(Duration::from_secs(5))
            .keepalives_idle(Duration::from_secs(10))
            .options(format!(
                "-c statement_timeout={} -c idle_in_transaction_session_timeout=10000 -c timezone=UTC",
                statement_timeout.as_millis()
            ));
        // Without a name of its own, a database is called as its user is: so PostgreSQL has it.
        if let Some(name) = config.get_dbname().or_else(|| config.get_user()) {
            battlearena_telemetry::sql::set_namespace(name);
        }
        let runtime = Handle::current();
        let manager = Manager::from_connect(
            config.clone(),
            DriveOn(runtime.clone()),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let wait = Some(settings.pool_wait());
        let pool = Pool::builder(manager)
            .max_size(usize::from(settings.database_pool_size))
            .runtime(Runtime::Tokio1)
            .wait_timeout(wait)
            .create_timeout(wait)
            .recycle_timeout(wait)
            .build()
            .map_err(|error| StorageError::Other(Box::new(error)))?;
        let metrics = Arc::new(PoolMetrics::new());
        metrics.max.set(f64::from(settings.database_pool_size));
        Ok(Self {
            pool,
            dedicated: Arc::new(Dedicated { config, runtime }),
            connecting: Arc::new(Connecting { began: Instant::now(), pause_until_ms: AtomicU64::new(0) }),
            pulse: Arc::default(),
            pool_wait: settings.pool_wait(),
            statement_timeout,
            metrics,
        })
    }

    /// Takes a connection from the pool, or opens one.
    ///
    /// # Errors
    /// [`StorageError::PoolTimeout`] or [`StorageError::Unavailable`], within the pool's bound.
    pub async fn connection(&self) -> Result<Connection, StorageError> {
        if self.connecting.pauses() && self.pool.status().available == 0 {
            return Err(StorageError::Unavailable("connecting failed a moment ago".into()));
        }
        let asked = Instant::now();
        let result = self.pool.get().await;
        self.metrics.wait.record_in(&Span::current(), asked.elapsed().as_secs_f64());
        let object = result.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => {
                self.metrics.timeouts.increment(1);
                StorageError::PoolTimeout(self.pool_wait)
            }
            PoolError::Timeout(_) => {
                self.connecting.failed();
                StorageError::Unavailable("connecting took too long".into())
            }
            PoolError::Backend(error) => {
                self.connecting.failed();
                StorageError::from(error).or_unavailable()
            }
            error => StorageError::Unavailable(Box::new(error)),
        })?;
        Ok(Connection {
            object: Some(object),
            unfinished: AtomicU32::new(0),
            statement_timeout: self.statement_timeout,
        })
    }

    /// Runs one statement by itself and returns all rows.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn query(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StorageError> {
        self.connection().await?.session().query(statement, parameters).await
    }

    /// Runs one statement by itself that returns at most one row.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn query_opt(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, StorageError> {
        self.connection().await?.session().query_opt(statement, parameters).await
    }

    /// Runs one statement by itself that returns exactly one row.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn query_one(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, StorageError> {
        self.connection().await?.session().query_one(statement, parameters).await
    }

    /// Runs one statement by itself and returns how many rows it changed.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn execute(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StorageError> {
        self.connection().await?.session().execute(statement, parameters).await
    }

    /// Asks the database for a sign of life, on a connection of its own: a pool that is busy says nothing about it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`], within the bound for connections.
    pub async fn ping(&self) -> Result<(), StorageError> {
        let asking = async {
            let mut pulse = self.pulse.lock().await;
            // Taken out while it is in use: a client that was given up in the middle does not come back.
            let client = match pulse.take().filter(|client| !client.is_closed()) {
                Some(client) => client,
                None => self.dedicated(|_| {}).await?,
            };
            client
                .simple_query("select 1")
                .await
                .map_err(|error| StorageError::from(error).or_unavailable())?;
            *pulse = Some(client);
            Ok(())
        };
        let silent = |_| StorageError::Unavailable("the database does not answer".into());
        tokio::time::timeout(self.pool_wait, asking).await.map_err(silent)?
    }

    /// Keeps the gauges of the pool up to date until told to stop.
    pub async fn keep_observing_pool(self, every: Duration, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.observe_pool();
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    fn observe_pool(&self) {
        let status = self.pool.status();
        let idle = status.available.min(status.size);
        self.metrics.active.set((status.size - idle) as f64);
        self.metrics.idle.set(idle as f64);
    }

    /// Closes all connections as they come back. Statements that run are finished.
    pub fn close(&self) {
        self.pool.close();
    }

    /// Opens a connection outside of the pool, for session-level locks and notifications. Notifications go to
    /// `on_message`; the connection ends when the client is dropped.
    pub(crate) async fn dedicated(
        &self,
        on_message: impl Fn(AsyncMessage) + Send + 'static,
    ) -> Result<Client, StorageError> {
        let connecting = self.dedicated.config.connect(NoTls);
        let (client, mut connection) = tokio::time::timeout(self.pool_wait, connecting)
            .await
            .map_err(|_| StorageError::Unavailable("connecting took too long".into()))?
            .map_err(|error| StorageError::from(error).or_unavailable())?;
        self.connecting.succeeded();
        // Not a task of its own: it ends with the client, whose owner is one.
        self.dedicated.runtime.spawn(async move {
            let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
            while let Some(Ok(message)) = futures::StreamExt::next(&mut messages).await {
                on_message(message);
            }
        });
        Ok(client)
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }
}

/// A connection on loan from the pool. One that was given up in the middle of a statement is closed, not returned:
/// what comes next on it would wait for the abandoned statement.
pub struct Connection {
    object: Option<Object>,
    unfinished: AtomicU32,
    statement_timeout: Duration,
}

impl Connection {
    /// Where single statements run.
    pub fn session(&self) -> Session<'_> {
        Session {
            target: Target::Connection(self.client()),
            unfinished: &self.unfinished,
            statement_timeout: self.statement_timeout,
        }
    }

    /// Begins a transaction (read committed). Dropped without a commit it is rolled back.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn begin(&mut self) -> Result<Transaction<'_>, StorageError> {
        static BEGIN: Statement = Statement::new("begin", "BEGIN", "", "begin");
        let Self { object, unfinished, statement_timeout } = self;
        let Some(object) = object.as_mut() else {
            return Err(StorageError::Unavailable("the connection was given up".into()));
        };
        let inner = measured(&BEGIN, *statement_timeout, unfinished, object.transaction()).await?;
        Ok(Transaction { inner, unfinished, statement_timeout: *statement_timeout })
    }

    #[expect(clippy::expect_used, reason = "the object is only taken in drop")]
    fn client(&self) -> &Object {
        self.object.as_ref().expect("taken only in drop")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if *self.unfinished.get_mut() > 0
            && let Some(object) = self.object.take()
        {
            drop(Object::take(object));
        }
    }
}

/// A transaction. Everything or nothing: without [`Transaction::commit`] it is rolled back, also by `?`, a panic or a
/// caller that went away.
pub struct Transaction<'c> {
    inner: deadpool_postgres::Transaction<'c>,
    unfinished: &'c AtomicU32,
    statement_timeout: Duration,
}

impl Transaction<'_> {
    /// Where the transaction's statements run.
    pub fn session(&self) -> Session<'_> {
        Session {
            target: Target::Transaction(&self.inner),
            unfinished: self.unfinished,
            statement_timeout: self.statement_timeout,
        }
    }

    /// Commits.
    ///
    /// # Errors
    /// See [`StorageError`]. After [`StorageError::Unavailable`] and the time-outs it is unknown whether the
    /// transaction was committed.
    pub async fn commit(self) -> Result<(), StorageError> {
        static COMMIT: Statement = Statement::new("commit", "COMMIT", "", "commit");
        measured(&COMMIT, self.statement_timeout, self.unfinished, self.inner.commit()).await
    }

    /// Rolls back and waits for it, so that the connection is free at once.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn rollback(self) -> Result<(), StorageError> {
        static ROLLBACK: Statement = Statement::new("rollback", "ROLLBACK", "", "rollback");
        measured(&ROLLBACK, self.statement_timeout, self.unfinished, self.inner.rollback()).await
    }
}

/// Counts the statements of a connection that have not come to their end.
pub(crate) struct InUse<'a>(&'a AtomicU32);

impl<'a> InUse<'a> {
    pub(crate) fn new(unfinished: &'a AtomicU32) -> Self {
        unfinished.fetch_add(1, Ordering::Relaxed);
        Self(unfinished)
    }

    pub(crate) fn finished(self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct DriveOn(Handle);

impl Connect for DriveOn {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>>
    {
        let config = config.clone();
        Box::pin(async move {
            // Connecting on the main runtime registers the socket with its reactor. Whoever gives up waiting ends it.
            let connecting = self.0.spawn(async move { config.connect(NoTls).await });
            let (client, connection) = match AbortOnDropHandle::new(connecting).await {
                Ok(result) => result?,
                // The runtime is going down. The pool's bound ends this wait.
                Err(_) => std::future::pending().await,
            };
            let driver = self.0.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a database connection ended");
                }
            });
            Ok((client, driver))
        })
    }
}
