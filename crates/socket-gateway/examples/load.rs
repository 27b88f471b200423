//! Load on the sockets of a running platform: who stays idle, how fast clients connect, how fast chat fans out.
//!
//! ```text
//! load idle 127.0.0.1:8002 5000 PID          resident memory of process PID a socket
//! load connects 127.0.0.1:8002 10000 64      connects and hellos a second, 64 at a time
//! load fan-out 127.0.0.1:8002 200 100 10     200 in a room, 100 messages a second in all, 10 seconds [1 that reads nothing]
//! ```
//!
//! The clients are bare: they mask and send, and look at frames no further than they must, so that what is measured is
//! the server. Latency is counted from the moment at which a message was due.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool at the desk: it prints, and ends at the first failure"
)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["idle", address, count, pid] => {
            idle(address.parse().unwrap(), count.parse().unwrap(), pid.parse().unwrap()).await;
        }
        ["connects", address, count, at_once] => {
            connects(address.parse().unwrap(), count.parse().unwrap(), at_once.parse().unwrap()).await;
        }
        ["fan-out", address, people, rate, seconds, ref slow @ ..] => {
            let load = FanOut {
                address: address.parse().unwrap(),
                people: people.parse().unwrap(),
                rate: rate.parse().unwrap(),
                seconds: seconds.parse().unwrap(),
                slow: slow.first().map_or(0, |count| count.parse().unwrap()),
            };
            load.run().await;
        }
        _ => panic!("see the head of the file for the usage"),
    }
}

/// One connection, after its handshake.
struct Client {
    stream: TcpStream,
    /// What was read and not looked at.
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: SocketAddr, player_id: usize) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut client = Self { stream, buffer: Vec::new() };
        let end = loop {
            if let Some(end) = find(&client.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            client.read().await;
        };
        assert!(client.buffer.starts_with(b"HTTP/1.1 101"), "the handshake was refused");
        client.buffer.drain(..end);
        client
            .say(&format!(
                r#"{{"type":"hello","protocol":1,"player_id":{player_id},"username":"p{player_id}"}}"#
            ))
            .await;
        client.hear(b"\"welcome\"").await;
        client
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(&frame(text.as_bytes())).await.unwrap();
    }

    /// Reads until there is a frame with this in it; throws it away, and those before.
    async fn hear(&mut self, part: &[u8]) {
        loop {
            while let Some((start, end)) = next_frame(&self.buffer) {
                let found = find(&self.buffer[start..end], part).is_some();
                self.buffer.drain(..end);
                if found {
                    return;
                }
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        assert!(
            self.stream.read_buf(&mut self.buffer).await.unwrap() > 0,
            "the server closed the connection"
        );
    }
}

/// A masked text frame; the mask is zero, so that the payload is as it is.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Where the payload of the first frame begins and ends.
fn next_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let [_, length, ..] = *bytes else { return None };
    let (start, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize),
        length => (2, usize::from(length)),
    };
    (bytes.len() >= start + length).then_some((start, start + length))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn idle(address: SocketAddr, count: usize, pid: u32) {
    // What a first connection loads stays, and is not a socket's.
    drop(Client::connect(address, 1).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = resident_kib(pid);
    let clients = open(address, count, 64).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = resident_kib(pid);
    println!(
        "{} idle sockets: {before} KiB before, {after} KiB after: {:.2} KiB a socket",
        clients.len(),
        (after - before) as f64 / clients.len() as f64
    );
}

async fn open(address: SocketAddr, count: usize, at_once: usize) -> Vec<Client> {
    let next = Arc::new(AtomicU64::new(0));
    let mut opening = JoinSet::new();
    for _ in 0..at_once {
        let next = next.clone();
        opening.spawn(async move {
            let mut clients = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed) as usize;
                if number >= count {
                    return clients;
                }
                clients.push(Client::connect(address, number + 1).await);
            }
        });
    }
    opening.join_all().await.into_iter().flatten().collect()
}

async fn connects(address: SocketAddr, count: usize, at_once: usize) {
    let began = Instant::now();
    let clients = open(address, count, at_once).await;
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} connects with hello in {seconds:.2} s: {:.0}/s",
        clients.len(),
        clients.len() as f64 / seconds
    );
}

/// People in one room who talk.
#[derive(Clone, Copy)]
struct FanOut {
    address: SocketAddr,
    people: usize,
    /// Messages a second, of all together.
    rate: f64,
    seconds: u64,
    /// People who read nothing.
    slow: usize,
}

impl FanOut {
    async fn run(self) {
        let room = format!("load-{}", std::process::id());
        let mut clients = open(self.address, self.people, 32).await;
        for client in &mut clients {
            client.say(&format!(r#"{{"type":"join","room":"{room}"}}"#)).await;
            client.hear(b"\"joined\"").await;
        }
        let _slow: Vec<_> = (0..self.slow).map(|number| sit(self.address, &room, number)).collect();
        let began = Instant::now();
        let until = Duration::from_secs(self.seconds);
        let latencies = Arc::new(Mutex::new(Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap()));
        let mut running = JoinSet::new();
        for (number, client) in clients.into_iter().enumerate() {
            let (room, latencies) = (room.clone(), latencies.clone());
            running.spawn(async move {
                let (mut reader, mut writer) = client.stream.into_split();
                let every = Duration::from_secs_f64(self.people as f64 / self.rate);
                let first = every.mul_f64(number as f64 / self.people as f64);
                let write = async {
                    for message in 0.. {
                        let due = first + every * message;
                        if due > until {
                            break;
                        }
                        tokio::time::sleep_until((began + due).into()).await;
                        let text = format!(
                            r#"{{"type":"message","room":"{room}","client_id":"{number}-{message}","text":"@{:012}@"}}"#,
                            due.as_micros()
                        );
                        writer.write_all(&frame(text.as_bytes())).await.unwrap();
                    }
                    std::future::pending::<()>().await;
                };
                let read = listen(&mut reader, client.buffer, began, until + Duration::from_secs(3));
                let heard = tokio::select! { heard = read => heard, () = write => unreachable!() };
                latencies.lock().unwrap().add(&heard).unwrap();
            });
        }
        running.join_all().await;
        let latencies = latencies.lock().unwrap();
        let at = |percentile| latencies.value_at_quantile(percentile) as f64 / 1000.0;
        println!(
            "{} in a room, {} messages/s, {} s: {} deliveries, {:.0}/s, p50 {:.2} ms, p95 {:.2}, p99 {:.2}, max {:.2}",
            self.people,
            self.rate,
            self.seconds,
            latencies.len(),
            latencies.len() as f64 / self.seconds as f64,
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0),
        );
    }
}

/// Reads messages and notes how long each was on its way.
async fn listen(
    reader: &mut tokio::net::tcp::OwnedReadHalf,
    mut buffer: Vec<u8>,
    began: Instant,
    until: Duration,
) -> Histogram<u64> {
    let mut heard = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).unwrap();
    let end = tokio::time::sleep_until((began + until).into());
    tokio::pin!(end);
    loop {
        let read = tokio::select! {
            read = reader.read_buf(&mut buffer) => read.unwrap(),
            () = &mut end => return heard,
        };
        assert!(read > 0, "a client that reads was cut");
        let now = began.elapsed().as_micros() as u64;
        let mut start = 0;
        while let Some((payload, end)) = next_frame(&buffer[start..]) {
            let text = &buffer[start + payload..start + end];
            // Only messages have the mark, and acknowledgements have no text.
            if let Some(mark) = find(text, b"\"@") {
                let due: u64 = std::str::from_utf8(&text[mark + 2..mark + 14]).unwrap().parse().unwrap();
                heard.saturating_record(now.saturating_sub(due).max(1));
            }
            start += end;
        }
        buffer.drain(..start);
    }
}

/// Joins the room and reads nothing from then on.
fn sit(address: SocketAddr, room: &str, number: usize) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 512];
    assert!(stream.read(&mut answer).unwrap() > 0);
    let player = 1_000_000 + number;
    let hello = format!(r#"{{"type":"hello","protocol":1,"player_id":{player},"username":"slow"}}"#);
    stream.write_all(&frame(hello.as_bytes())).unwrap();
    stream.write_all(&frame(format!(r#"{{"type":"join","room":"{room}"}}"#).as_bytes())).unwrap();
    stream
}
