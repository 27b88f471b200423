//! Against the real programs. Ends by waiting for the end of things, never by the clock.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tokio::time::{Duration, sleep};

use rustix::process::{Pid, Signal, kill_process};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder that the user who runs PostgreSQL can reach.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("cluster-test-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

async fn query(address: &str, statement: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await?;
    let rows = tokio::select! {
        rows = client.simple_query(statement) => rows?,
        Err(error) = connection => return Err(error),
    };
    Ok(rows.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

fn is_alive(pid: u32) -> bool {
    // A zombie has ended; where there is no /proc, `kill -0` has to do.
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
        Err(_) => Command::new("kill")
            .args(["-0", &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success(),
    }
}

#[tokio::test]
async fn data_survive_a_restart_and_a_kill() {
    let folder = folder();
    let data = folder.path().join("data");
    let cluster = Cluster::create_or_open(Settings::durable(&data)).await.unwrap();
    let running = cluster.start().await.unwrap();
    running.create_database("arena").await.unwrap();
    running.create_database("arena").await.unwrap();
    query(&running.connection_string("arena"), "create table kept as select 7 as n").await.unwrap();

    let mut running = running;
    kill_process(Pid::from_raw(running.pid().try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    assert!(!running.wait().await.unwrap().success());
    drop(running);
    // Its orphans may need a moment to notice before the next one may start.
    let running = loop {
        match cluster.start().await {
            Ok(running) => break running,
            Err(ClusterError::Ended { .. }) => sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(query(&running.connection_string("arena"), "select n from kept").await.unwrap().unwrap(), "7");
    assert!(running.stop(PATIENCE).await.unwrap().success());
    cluster.close().await.unwrap();

    let cluster = Cluster::create_or_open(Settings::durable(&data)).await.unwrap();
    let running = cluster.start().await.unwrap();
    assert_eq!(query(&running.connection_string("arena"), "select n from kept").await.unwrap().unwrap(), "7");
    let mode = fs::metadata(cluster.sockets.as_path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "the socket has no password but its folder");
    assert_eq!(
        query(&running.connection_string("postgres"), "show listen_addresses").await.unwrap().unwrap(),
        ""
    );
    assert!(running.stop(PATIENCE).await.unwrap().success());
    cluster.close().await.unwrap();
}

#[tokio::test]
async fn the_monitor_sees_statistics_and_no_rows() {
    let running = ephemeral().await.unwrap();
    let address = running.create_database("watched").await.unwrap();
    running.let_monitor_in("watched").await.unwrap();
    running.let_monitor_in("watched").await.unwrap();
    query(&address, "create table private as select 7 as n").await.unwrap();
    let monitor = address.replace(&format!("user={SUPERUSER}"), &format!("user={MONITOR}"));
    let others = "select count(*) from pg_stat_statements where query like 'create table private%'";
    assert_eq!(query(&monitor, others).await.unwrap().unwrap(), "1");
    assert!(query(&monitor, "select pg_database_size('watched')").await.is_ok());
    let refused = query(&monitor, "select n from private").await.unwrap_err();
    assert_eq!(refused.code(), Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE));
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = folder();
    let data = folder.path().join("data");
    let cluster = Cluster::create_or_open(Settings::durable(&data)).await.unwrap();
    let running = cluster.start().await.unwrap();
    let error = Cluster::create_or_open(Settings::durable(&data)).await.unwrap_err();
    assert!(matches!(error, ClusterError::InUse { owner, .. } if owner == Some(running.pid())), "{error}");

    // Without our lock, as if somebody had started PostgreSQL by hand.
    fs::remove_file(data.join("lock")).unwrap();
    let error = Cluster::create_or_open(Settings::durable(&data)).await.unwrap_err();
    assert!(error.to_string().contains("is in use by another process"), "{error}");
    running.stop(PATIENCE).await.unwrap();
    cluster.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_with_something_else_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("thesis.tex"), "").unwrap();
    let error = Cluster::create_or_open(Settings::durable(folder.path())).await.unwrap_err();
    assert!(matches!(&error, ClusterError::NotOurs { entry, .. } if entry == "thesis.tex"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "it is left as it was");
}

#[tokio::test]
async fn data_of_another_version_are_refused() {
    let folder = folder();
    fs::create_dir(folder.path().join("pgdata")).unwrap();
    fs::write(folder.path().join("pgdata/PG_VERSION"), "9\n").unwrap();
    let error = Cluster::create_or_open(Settings::durable(folder.path())).await.unwrap_err();
    assert!(matches!(error, ClusterError::OtherVersion { data: 9, .. }), "{error}");
}

#[tokio::test]
async fn a_failed_start_quotes_the_log() {
    let folder = folder();
    let cluster = Cluster::create_or_open(Settings::durable(folder.path())).await.unwrap();
    fs::write(cluster.folder.pgdata().join("postgresql.auto.conf"), "shared_buffers = 'plenty'\n").unwrap();
    fs::write(cluster.folder.pgdata().join("postgresql.conf"), "no_such_setting = on\n").unwrap();
    let error = cluster.start().await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    cluster.close().await.unwrap();
}

#[tokio::test]
async fn a_folder_behind_a_closed_door_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root has somebody else run PostgreSQL.
    }
    let folder = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::create_or_open(Settings::durable(folder.path().join("data"))).await.unwrap_err();
    assert!(matches!(error, ClusterError::OutOfReach { .. }), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing stays behind");
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere() {
    let folder = folder();
    let data = folder.path().join("long, and with spaces ".repeat(6));
    let cluster = Cluster::create_or_open(Settings::durable(&data)).await.unwrap();
    let sockets = cluster.sockets.clone();
    assert!(!sockets.starts_with(&data));
    let running = cluster.start().await.unwrap();
    running.stop(PATIENCE).await.unwrap();
    cluster.close().await.unwrap();
    assert!(!sockets.exists());
}

const VICTIM: [&str; 2] = ["--exact", "cluster::tests::victim"];

/// Not a test by itself: the next one runs it in a process of its own, and kills that.
#[tokio::test]
async fn victim() {
    if std::env::args().skip(1).take(2).eq(VICTIM) {
        let running = ephemeral().await.unwrap();
        println!("\nvictim {} {}", running.pid(), running.connection_string("postgres"));
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn an_ephemeral_cluster_does_not_outlive_a_killed_process() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let mut victim = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(VICTIM)
        .arg("--nocapture")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let line = loop {
        let line = lines.next_line().await.unwrap().expect("the victim started");
        if let Some(line) = line.strip_prefix("victim ") {
            break line.to_owned();
        }
    };
    let (pid, address) = line.split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    let sockets = Path::new(address.strip_prefix("host=").unwrap().split(' ').next().unwrap());
    query(address, "create table lost ()").await.unwrap();

    victim.kill().await.unwrap();
    // The guard is somebody else's child now: its work is all that can be seen of it.
    while is_alive(pid) || sockets.parent().unwrap().exists() {
        sleep(Duration::from_millis(20)).await;
    }
    assert!(query(address, "select 1").await.is_err());
}
