//! A running `arena up` under test, and looks at the processes that belong to it. Whoever waits here is bounded by a
//! watchdog that fails the test, and never by a sleep that hopes.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const WATCHDOG: Duration = Duration::from_secs(90);

/// The program under test, with no settings from the environment of the test.
pub(crate) fn arena() -> Command {
    // A test run under `nohup` ignores SIGHUP, which its children would inherit.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_arena")]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ARENA_") || name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `arena up` on free ports.
pub(crate) fn arena_up(addresses: &[String]) -> Command {
    let mut command = arena();
    command.arg("up").args(addresses);
    command
}

/// `arena up` on free ports, in open mode.
pub(crate) fn open_arena_up(addresses: &[String]) -> Command {
    let mut command = arena_up(addresses);
    command.args(["--auth", "open"]);
    command
}

/// The flags of free addresses. They were free a moment ago, which is the best that can be had.
pub(crate) fn free_addresses() -> Vec<String> {
    let flags = [
        "gateway-http",
        "socket-gateway-http",
        "socket-gateway-grpc",
        "match-http",
        "match-grpc",
        "analytics-http",
        "analytics-grpc",
    ];
    flags.map(|flag| format!("--{flag}={}", free_address())).into()
}

/// A free address that no other test of this process gets. Its port is below those that the kernel gives to outgoing
/// connections (32768 and up): between this look and its use, nobody else takes it by chance.
pub(crate) fn free_address() -> SocketAddr {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Test runs at the same time begin at different ports.
        let drawn = std::process::id().wrapping_mul(64).wrapping_add(DRAWN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(drawn % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A platform that is up.
pub(crate) struct Platform {
    child: Child,
    lines: Receiver<String>,
    /// What was printed until everything was up.
    pub(crate) report: String,
}

impl Platform {
    /// Starts it, and waits until it says that it is up.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut platform = Self { child, lines, report: String::new() };
        platform.report = platform.read_until("  postgresql  ");
        platform
    }

    /// Everything that it prints up to the line that contains the text.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.lines.recv_timeout(WATCHDOG) {
                Ok(line) => seen.push_str(&format!("{line}\n")),
                Err(_) => {
                    let _ = self.child.kill();
                    let mut errors = String::new();
                    self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                    panic!("no {text:?} in {seen:?}; {errors}");
                }
            }
        }
        seen
    }

    /// The file with the key of a game server, of which it tells in required mode.
    pub(crate) fn game_server_key(&self) -> &str {
        let line = self.report.lines().find_map(|line| line.strip_prefix("  game server  "));
        line.and_then(|line| line.split_whitespace().next()).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the end of arena up", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap(), self.lines.try_iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // A failed test leaves nothing behind; after `wait` there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// Looks again and again until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < WATCHDOG, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process, as `ps` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) command: String,
}

/// Every process of this machine but those that have ended and not been waited for.
pub(crate) fn processes() -> BTreeSet<Process> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,args="]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let ended = words.next()?.starts_with('Z');
        let command = words.collect::<Vec<_>>().join(" ");
        (!ended).then_some(Process { pid, parent, command })
    };
    text.lines().filter_map(parse).collect()
}

/// The processes below this one, of all generations.
pub(crate) fn descendants(pid: u32) -> BTreeSet<Process> {
    let all = processes();
    let mut found: BTreeSet<Process> = BTreeSet::new();
    loop {
        let next: Vec<Process> = all
            .iter()
            .filter(|p| (p.parent == pid || found.iter().any(|f| f.pid == p.parent)) && !found.contains(p))
            .cloned()
            .collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}

/// The child of `arena up` whose command line ends like this.
pub(crate) fn child(up: u32, command: &str) -> Option<u32> {
    descendants(up)
        .iter()
        .find(|p| p.parent == up && p.command.ends_with(&format!(" {command}")))
        .map(|p| p.pid)
}

/// Waits until none of them runs any more. A process id alone may be somebody else's by now.
pub(crate) fn all_gone(family: &BTreeSet<Process>) {
    until("the end of every process", || {
        let now = processes();
        !family.iter().any(|p| now.iter().any(|q| p.pid == q.pid && p.command == q.command))
    });
}
