//! Sockets against the real socket-gateway, over a network that breaks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use battlearena_client::calls::{self, NewPlayer, Page};
use battlearena_client::socket::{
    Channel, Disconnect, Event, FeedEvent, NotTaken, Recovery, Refused, Socket, SocketSettings,
};
use battlearena_proto::{ErrorKind, PlayerId};
use battlearena_runtime::{CancellationToken, Tasks};
use battlearena_socket_gateway::{App, Config};
use battlearena_storage::testing::TestDatabase;
use tokio::task::JoinSet;

use crate::platform::{Platform, eventually, socket_config};
use crate::proxy::Proxy;

/// A socket-gateway that can be stopped and started again on the same database.
struct Server {
    database: String,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: Tasks,
}

impl Server {
    async fn start(more: &[&str]) -> Self {
        let migrator = battlearena_socket_gateway::migrator().unwrap();
        let database = TestDatabase::create(&[migrator]).await.url;
        Self::run(socket_config(&database, more), database).await
    }

    async fn run(config: Config, database: String) -> Self {
        battlearena_telemetry::start_for_tests();
        let app = App::build(config).await.unwrap();
        let (address, stop, tasks) = (app.http_addr(), CancellationToken::new(), Tasks::new());
        let token = stop.clone();
        tasks.spawn("socket-gateway", async move { app.run(token).await.unwrap() });
        Self { database, address, stop, tasks }
    }

    async fn restart(self) -> Self {
        self.stop.cancel();
        self.tasks.stop(Duration::from_secs(30)).await.unwrap();
        Self::run(socket_config(&self.database, &[]), self.database).await
    }

    fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }
}

/// A socket whose events are written down.
struct Client {
    socket: Socket,
    events: Arc<Mutex<Vec<Event>>>,
    _reader: JoinSet<()>,
}

impl Client {
    fn open(url: &str, player_id: i64) -> Self {
        let settings = SocketSettings::new(url, PlayerId(player_id), format!("player {player_id}"));
        let (socket, mut source) = Socket::open(settings);
        let (events, mut reader) = (Arc::<Mutex<Vec<Event>>>::default(), JoinSet::new());
        let log = events.clone();
        reader.spawn(async move {
            while let Some(event) = source.next().await {
                log.lock().unwrap().push(event);
            }
        });
        Self { socket, events, _reader: reader }
    }

    /// One that has joined a room.
    async fn in_room(url: &str, player_id: i64, room: &str) -> Self {
        let client = Self::open(url, player_id);
        client.socket.join(room, None).unwrap();
        client.wait(|event| matches!(event, Event::Entered(_))).await;
        client
    }

    fn all<T>(&self, pick: impl FnMut(&Event) -> Option<T>) -> Vec<T> {
        self.events.lock().unwrap().iter().filter_map(pick).collect()
    }

    /// The first event of a kind, once there is one.
    async fn wait(&self, is: impl Fn(&Event) -> bool) -> Event {
        eventually(async || self.all(|event| is(event).then(|| event.clone())).into_iter().next()).await
    }

    fn heard(&self) -> Vec<(i64, String)> {
        self.all(|event| match event {
            Event::Message(message) => Some((message.offset, message.text.clone())),
            _ => None,
        })
    }

    fn acknowledged(&self) -> usize {
        self.all(|event| matches!(event, Event::Acknowledged(_)).then_some(())).len()
    }

    /// Says something, as soon as the socket takes it.
    async fn say(&self, room: &str, text: &str) {
        eventually(async || match self.socket.say(room, text) {
            Ok(name) => Some(name),
            Err(NotTaken::Busy) => None,
            Err(NotTaken::Ended) => panic!("the socket has ended"),
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_survives_cuts_and_a_restart() {
    const SPEAKERS: usize = 4;
    const EACH: usize = 60;
    let mut server = Server::start(&[]).await;
    let proxy = Proxy::start(server.address).await;
    let mut clients = Vec::new();
    for player in 1..=SPEAKERS {
        clients.push(Client::in_room(&proxy.url, player as i64, "general").await);
    }
    for turn in 0..EACH {
        for (player, client) in clients.iter().enumerate() {
            client.say("general", &format!("{player}: {turn}")).await;
        }
        if turn % 15 == 0 {
            // Everybody is there to see what comes, and what was said last is still under way.
            let there = |client: &Client| client.heard().len() >= turn * SPEAKERS;
            eventually(async || clients.iter().all(there).then_some(())).await;
        }
        match turn {
            15 | 45 => proxy.cut(),
            30 => {
                server = server.restart().await;
                proxy.lead_to(Some(server.address));
            }
            _ => {}
        }
    }
    let all = SPEAKERS * EACH;
    for client in &clients {
        eventually(async || (client.heard().len() >= all && client.acknowledged() >= EACH).then_some(()))
            .await;
        assert_eq!((client.heard().len(), client.acknowledged()), (all, EACH));
    }
    let history = clients[0].heard();
    assert!(
        history.iter().map(|(offset, _)| *offset).eq(1..=all as i64),
        "no gap, nothing twice: {history:?}"
    );
    assert!(clients.iter().all(|client| client.heard() == history), "one history for all");
    let mut texts: Vec<_> = history.into_iter().map(|(_, text)| text).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), all, "nothing is stored twice");
    let drained = |event: &Event| {
        matches!(event, Event::Disconnected { cause: Disconnect::ServerLeaves, .. }).then_some(())
    };
    assert!(
        clients.iter().any(|client| !client.all(drained).is_empty()),
        "the server said when to come back"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_too_much_is_told_and_reads_it_up() {
    let server = Server::start(&["--recovery-messages", "5"]).await;
    let proxy = Proxy::start(server.address).await;
    let listener = Client::in_room(&proxy.url, 1, "general").await;
    let speaker = Client::in_room(&server.url(), 2, "general").await;
    speaker.say("general", "before").await;
    eventually(async || (listener.heard().len() == 1).then_some(())).await;
    proxy.lead_to(None);
    proxy.cut();
    for turn in 2..=30 {
        speaker.say("general", &format!("{turn}")).await;
    }
    eventually(async || (speaker.acknowledged() == 30).then_some(())).await;
    proxy.lead_to(Some(server.address));
    let lost = listener
        .wait(|event| {
            matches!(event, Event::Entered(entered) if matches!(entered.recovery, Recovery::Lost { .. }))
        })
        .await;
    let Event::Entered(entered) = lost else { panic!("{lost:?}") };
    let Recovery::Lost { since } = entered.recovery else { panic!() };
    assert_eq!((since.offset, entered.position.offset), (1, 30));
    assert_eq!(since.epoch, entered.position.epoch);

    listener.socket.history("general", 100, Some(entered.position.offset + 1)).unwrap();
    let history = listener.wait(|event| matches!(event, Event::History(_))).await;
    let Event::History(history) = history else { panic!("{history:?}") };
    assert!(history.messages.iter().map(|message| message.offset).eq(1..=30));
    assert!(history.messages.iter().all(|message| message.room == "general"));
    speaker.say("general", "after").await;
    eventually(async || (listener.heard().last()? == &(31, "after".to_owned())).then_some(())).await;
    assert_eq!(listener.heard().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_goes_on_where_it_stood_before_its_own_restart() {
    let server = Server::start(&[]).await;
    let first = Client::in_room(&server.url(), 1, "general").await;
    first.say("general", "one").await;
    let Event::Entered(entered) = first.wait(|event| matches!(event, Event::Entered(_))).await else {
        panic!()
    };
    eventually(async || (first.acknowledged() == 1).then_some(())).await;
    drop(first);
    let second = Client::open(&server.url(), 1);
    second.socket.listen(Channel::room("general"), Some(entered.position)).unwrap();
    eventually(async || (second.heard() == [(1, "one".to_owned())]).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_is_noticed_and_an_idle_one_is_not() {
    let server = Server::start(&["--heartbeat-seconds", "1"]).await;
    let proxy = Proxy::start(server.address).await;
    let client = Client::in_room(&proxy.url, 1, "general").await;
    let idle = Client::in_room(&server.url(), 2, "general").await;
    proxy.stall();
    let lost = client.wait(|event| matches!(event, Event::Disconnected { .. })).await;
    assert!(matches!(lost, Event::Disconnected { cause: Disconnect::Silent, .. }), "{lost:?}");
    idle.say("general", "are you there?").await;
    eventually(async || (client.heard().len() == 1).then_some(())).await;
    assert!(idle.all(|event| matches!(event, Event::Disconnected { .. }).then_some(())).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_and_go() {
    let server = Server::start(&[]).await;
    let ann = Client::in_room(&server.url(), 1, "lobby").await;
    let bob = Client::in_room(&server.url(), 2, "lobby").await;
    let names = |event: &Event| match event {
        Event::PresenceChanged(changed) => changed.joined.iter().map(|who| who.player_id).max(),
        _ => None,
    };
    eventually(async || ann.all(names).contains(&PlayerId(2)).then_some(())).await;
    ann.socket.presence("lobby").unwrap();
    let Event::Presence(who) = ann.wait(|event| matches!(event, Event::Presence(_))).await else { panic!() };
    assert!(who.count == 2 && who.players.iter().map(|one| one.player_id.get()).eq([1, 2]));
    bob.socket.leave(Channel::room("lobby")).unwrap();
    let left = |event: &Event| matches!(event, Event::PresenceChanged(changed) if changed.count == 1 && !changed.left.is_empty());
    ann.wait(left).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_told_and_ends_nothing() {
    let server = Server::start(&[]).await;
    let client = Client::in_room(&server.url(), 1, "lobby").await;
    client.socket.join("no such room", None).unwrap();
    client.socket.say_as("lobby", "mine", "\u{7}").unwrap();
    client.socket.say_as("elsewhere", "other", "hello").unwrap();
    let refused = async || {
        let all = client.all(|event| match event {
            Event::Refused(Refused { client_id, code, .. }) => Some((client_id.clone(), code.clone())),
            _ => None,
        });
        (all.len() == 3).then_some(all)
    };
    let mut refused = eventually(refused).await;
    refused.sort();
    let word = str::to_owned;
    assert_eq!(
        refused,
        [
            (None, word("invalid")),
            (Some(word("mine")), word("invalid")),
            (Some(word("other")), word("conflict"))
        ]
    );
    client.say("lobby", "still here").await;
    eventually(async || (client.heard().len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_commands_goes_out_in_time() {
    let server = Server::start(&["--commands-per-second", "200", "--commands-burst", "50"]).await;
    let client = Client::in_room(&server.url(), 1, "lobby").await;
    for turn in 0..300 {
        client.say("lobby", &format!("{turn}")).await;
    }
    eventually(async || (client.acknowledged() == 300).then_some(())).await;
    assert!(client.heard().iter().map(|(_, text)| text.clone()).eq((0..300).map(|turn| turn.to_string())));
    let lost = client.all(|event| matches!(event, Event::Disconnected { .. }).then_some(()));
    assert!(lost.is_empty(), "the server does not take it for a flood");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_wanted_does_not_try_again() {
    let server = Server::start(&[]).await;
    let client = Client::open(&server.url(), -1);
    let Event::Ended { reason } = client.wait(|event| matches!(event, Event::Ended { .. })).await else {
        panic!()
    };
    assert!(reason.contains("unauthenticated"), "{reason}");
    let elsewhere = Client::open(&server.url().replace("/ws", "/elsewhere"), 1);
    elsewhere.wait(|event| matches!(event, Event::Ended { .. })).await;
    eventually(async || (client.socket.presence("lobby") == Err(NotTaken::Ended)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_socket_ends() {
    let server = Server::start(&[]).await;
    let settings = SocketSettings::new(server.url(), PlayerId(1), "ann");
    let (socket, mut events) = Socket::open(settings);
    assert!(matches!(events.next().await, Some(Event::Connected { .. })));
    socket.close();
    assert_eq!(events.next().await, None);
    // One that never got a connection ends as well.
    let (socket, mut events) = Socket::open(SocketSettings::new("ws://127.0.0.1:9/ws", PlayerId(1), "ann"));
    socket.close();
    assert_eq!(events.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_socket_reads_what_was_said() {
    let platform = Platform::start().await;
    let client = Client::in_room(&platform.addresses.sockets, 1, "general").await;
    for text in ["one", "two", "three"] {
        client.say("general", text).await;
    }
    eventually(async || (client.acknowledged() == 3).then_some(())).await;
    let texts =
        |page: calls::ChatMessages| page.messages.into_iter().map(|m| (m.id, m.text)).collect::<Vec<_>>();
    let newest = platform.gateway.send(calls::general_history(Page::newest(2))).await.unwrap();
    assert_eq!(texts(newest), [(2, "two".to_owned()), (3, "three".to_owned())]);
    let older = Page { limit: 2, before: Some(2) };
    let older = platform.gateway.send(calls::chat_history("general", older)).await.unwrap();
    assert_eq!(texts(older), [(1, "one".to_owned())]);
    let nobody =
        platform.gateway.send(calls::chat_history("nobody-was-here", Page::newest(9))).await.unwrap();
    assert!(nobody.messages.is_empty());
    let error =
        platform.gateway.send(calls::chat_history("no/such room", Page::newest(9))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    platform.was_counted_alike();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_what_happens() {
    let platform = Platform::start().await;
    let client = Client::open(&platform.addresses.sockets, 1);
    client.socket.listen(Channel::Feed, None).unwrap();
    client.wait(|event| matches!(event, Event::Entered(_))).await;
    let ann = calls::register(&NewPlayer::named("ann", "ann@example.com"));
    let ann = platform.gateway.send(ann).await.unwrap().player_id;
    let told = client.wait(|event| matches!(event, Event::Feed(_))).await;
    let Event::Feed(FeedEvent { kind, data, .. }) = told else { panic!("{told:?}") };
    assert_eq!((kind.as_str(), data["player_id"].as_i64()), ("player_registered", Some(ann.get())));
    assert!(!data.to_string().contains('@'), "no address: {data}");
}
