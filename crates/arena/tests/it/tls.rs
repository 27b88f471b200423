//! The whole platform over TLS, with certificates that the test makes: log-in, match and chat; a caller of gRPC without a
//! certificate; certificates that are renewed while it runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use battlearena_client::calls::{self, LogIn, NewPlayer};
use battlearena_client::grpc::{self, GameServer, Outcome};
use battlearena_client::socket::{Event, Events, Socket, SocketSettings};
use battlearena_client::{Credentials, Gateway, Retry, SecretString, Tls};
use battlearena_proto::matches::GetMatchRequest;
use battlearena_proto::{MatchType, PlayerId};
use battlearena_tls::Settings;
use futures::future::try_join_all;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tonic::Code;

use crate::platform::{Platform, arena, arena_up, child, free_address, free_addresses, until};

const SERVICES: [&str; 4] = ["gateway", "socket-gateway", "match", "analytics"];

/// A platform over TLS, and the folder of its certificates.
struct Encrypted {
    up: Platform,
    addresses: Vec<String>,
    folder: TempDir,
}

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts a certificate for this machine, and its key, where the platform looks for them.
    fn issue_into(&self, folder: &Path) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        put(folder, "tls.key", &key.serialize_pem());
        put(folder, "tls.crt", &certificate.pem());
    }
}

/// Replaces a file as deployments do: by renaming a new one.
fn put(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let (fresh, path) = (folder.join("fresh"), folder.join(name));
    std::fs::write(&fresh, text).unwrap();
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(fresh, &path).unwrap();
    path
}

impl Encrypted {
    /// Starts it with a certificate of `old`; everybody trusts `new` too.
    fn start(old: &Authority, new: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        old.issue_into(folder.path());
        put(folder.path(), "ca.crt", &(old.0.pem() + &new.0.pem()));
        let mut addresses = free_addresses();
        addresses.extend(
            ["gateway-admin", "socket-gateway-admin"].map(|flag| format!("--{flag}={}", free_address())),
        );
        let mut command = arena_up(&addresses);
        command.arg("--ephemeral").args(Self::flags(folder.path()));
        command.arg(format!("--tls-client-ca={}", folder.path().join("ca.crt").display()));
        Self { up: Platform::start(command), addresses, folder }
    }

    fn flags(folder: &Path) -> Vec<String> {
        let files = [("--tls-certificate", "tls.crt"), ("--tls-key", "tls.key"), ("--tls-ca", "ca.crt")];
        files.map(|(flag, file)| format!("{flag}={}", folder.join(file).display())).into()
    }

    fn address(&self, flag: &str) -> &str {
        self.addresses.iter().find_map(|given| given.strip_prefix(&format!("--{flag}="))).unwrap()
    }

    fn url(&self, flag: &str, path: &str) -> String {
        format!("https://{}{path}", self.address(flag))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A member of the cluster, as far as TLS is concerned.
    fn member(&self) -> Tls {
        Tls::mutual(&self.file("ca.crt"), &self.file("tls.crt"), &self.file("tls.key")).unwrap()
    }

    fn gateway(&self, tls: &Tls) -> Gateway {
        Gateway::new(&self.url("gateway-http", "").parse().unwrap(), Retry::default()).unwrap().with_tls(tls)
    }

    fn matches(&self) -> http::Uri {
        self.url("match-grpc", "").parse().unwrap()
    }

    /// A series of a service's metrics.
    async fn number(&self, flag: &str, series: &str) -> f64 {
        let settings = Settings { tls_ca: Some(self.file("ca.crt")), ..Settings::default() };
        let fetcher = battlearena_tls::Tls::load(&settings).unwrap().fetcher(64 << 20);
        let scrape = fetcher.get(&self.url(flag, "/metrics"), None).await.unwrap().body;
        let text = String::from_utf8(scrape.to_vec()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)).unwrap();
        value.trim().parse().unwrap()
    }

    /// Whether ports show a certificate which this authority signed.
    async fn shows(&self, authority: &Path, flags: &[&str]) -> bool {
        let settings = Settings { tls_ca: Some(authority.to_owned()), ..Settings::default() };
        let fetcher = battlearena_tls::Tls::load(&settings).unwrap().fetcher(1 << 20);
        let urls: Vec<_> = flags.iter().map(|flag| self.url(flag, "/livez")).collect();
        try_join_all(urls.iter().map(|url| fetcher.get(url, None))).await.is_ok()
    }
}

async fn until_event(events: &mut Events, is: impl Fn(&Event) -> bool) {
    let look = async { while !is(&events.next().await.unwrap()) {} };
    tokio::time::timeout(Duration::from_secs(30), look).await.unwrap();
}

/// What a caller hears who asks for a match that is not there.
async fn ask(matches: &http::Uri, tls: &Tls) -> Code {
    let mut request = tonic::Request::new(GetMatchRequest { match_id: 1_000_000 });
    request.set_timeout(Duration::from_secs(20));
    grpc::matches(matches, tls).get_match(request).await.unwrap_err().code()
}

/// A player registers, logs in, plays a match and talks, all of it over TLS.
async fn play(platform: &Encrypted, name: &str) {
    // Players have no certificate.
    let players = Tls::trusting(&platform.file("ca.crt")).unwrap();
    let gateway = platform.gateway(&players);
    let device = SecretString::from(format!("{:032x}", rand::random::<u128>()));
    let new = NewPlayer { device_id: Some(&device), ..NewPlayer::named(name, "p@example.com") };
    let player_id: PlayerId = gateway.send(calls::register(&new)).await.unwrap().player_id;
    let logged_in = gateway.send(calls::log_in(LogIn::Device(&device))).await.unwrap();
    let session = Credentials::session(&gateway, logged_in.tokens.unwrap());

    let key = SecretString::from(std::fs::read_to_string(platform.up.game_server_key()).unwrap().trim());
    let server = GameServer::new(&platform.matches(), Retry::default())
        .with_tls(&platform.member())
        .with_credentials(Credentials::key(&gateway, &key));
    let started = server.start(MatchType::Solo, &[player_id], "eu-west").await.unwrap();
    let outcome =
        Outcome { winner_id: player_id, duration: Duration::from_secs(9), participant_stats: vec![] };
    server.complete(started.match_id, outcome).await.unwrap();

    let url = format!("wss://{}/ws", platform.address("socket-gateway-http"));
    let settings = SocketSettings { tls: players, ..SocketSettings::of(url, session) };
    let (socket, mut events) = Socket::open(settings);
    socket.join("lobby", None).unwrap();
    // Larger than a record of TLS, by way of many frames.
    for number in 0..20 {
        socket.say("lobby", format!("{name} {number} {}", "x".repeat(1900))).unwrap();
    }
    for number in 0..20 {
        let text = format!("{name} {number} ");
        until_event(
            &mut events,
            |event| matches!(event, Event::Message(said) if said.text.starts_with(&text)),
        )
        .await;
    }
    socket.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_platform_runs_over_tls_and_takes_up_new_certificates() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let platform = Encrypted::start(&old, &new);
    play(&platform, "ann").await;

    // Who has no certificate gets no further than the handshake; with one, it is asked for a token.
    assert_eq!(ask(&platform.matches(), &platform.member()).await, Code::Unauthenticated);
    let players = Tls::trusting(&platform.file("ca.crt")).unwrap();
    let refused = r#"tls_handshake_failures_total{reason="refused"}"#;
    assert_eq!(platform.number("match-http", refused).await, 0.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(platform.number("match-http", "tls_certificate_expiry_seconds").await > now);
    // It may have sent its question before it hears of the end.
    let heard = ask(&platform.matches(), &players).await;
    assert!([Code::Unavailable, Code::Cancelled, Code::Unknown].contains(&heard), "{heard:?}");
    assert!(platform.number("match-http", refused).await > 0.0);

    let (only_old, only_new) = (
        put(platform.folder.path(), "old.crt", &old.0.pem()),
        put(platform.folder.path(), "new.crt", &new.0.pem()),
    );
    let ports = [
        "gateway-http",
        "gateway-admin",
        "socket-gateway-http",
        "socket-gateway-admin",
        "match-http",
        "analytics-http",
    ];
    assert!(platform.shows(&only_old, &ports).await);
    assert!(!platform.shows(&only_new, &ports[..1]).await);
    let running = SERVICES.map(|service| child(platform.up.pid(), service).unwrap());
    new.issue_into(platform.folder.path());
    let renewed = async {
        while !platform.shows(&only_new, &ports).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), renewed).await.unwrap();
    play(&platform, "bob").await;
    assert_eq!(
        SERVICES.map(|service| child(platform.up.pid(), service).unwrap()),
        running,
        "nobody began anew"
    );

    let family = crate::platform::descendants(platform.up.pid());
    platform.up.signal(Signal::TERM);
    let (status, said) = platform.up.wait();
    assert_eq!(status.code(), Some(0), "{said}");
    crate::platform::all_gone(&family);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_for_where_it_is_served() {
    let authority = Authority::new("ours");
    let platform = Encrypted::start(&authority, &authority);
    let health = |role: &str, more: &[String]| {
        let flags = platform.addresses.iter().filter(|flag| flag.starts_with(&format!("--{role}-")));
        let output = arena().args(["health", "--role", role]).args(flags).args(more).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let flags = Encrypted::flags(platform.folder.path());
    for role in SERVICES {
        until("a service that is ready", || health(role, &flags).0);
    }
    let admin = platform.url("gateway-admin", "/readyz");
    assert!(health("gateway", &flags).1.starts_with(&format!("ready: {admin} answers 200")));
    assert!(!health("gateway", &[]).0, "in the clear nobody answers");

    let settings = Settings { tls_ca: Some(platform.file("ca.crt")), ..Settings::default() };
    let fetcher = battlearena_tls::Tls::load(&settings).unwrap().fetcher(1 << 20);
    for (flag, path, status) in [
        ("gateway-http", "/readyz", 404),
        ("gateway-http", "/metrics", 404),
        ("socket-gateway-http", "/metrics", 404),
        ("gateway-admin", "/metrics", 200),
        ("socket-gateway-admin", "/metrics", 200),
    ] {
        let answer = fetcher.get(&platform.url(flag, path), None).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{flag} {path}");
    }
    platform.up.signal(Signal::TERM);
    assert_eq!(platform.up.wait().0.code(), Some(0));
}

/// What a service says that does not start.
fn refused(role: &str, arguments: &[&str]) -> String {
    let none =
        ["--database-url=postgresql://127.0.0.1:9/none", "--http=127.0.0.1:0", "--environment=production"];
    let output = arena()
        .arg(role)
        .args(none)
        .args(arguments)
        .env("ARENA_SERVICE_KEY", "q8Zr2Lk5Vn1Xc7Bm4Ts9Wd3Fg6Hj0PyuRe")
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn in_production_no_service_is_called_in_the_clear_across_machines() {
    let grpc = "--grpc=127.0.0.1:0";
    let log = "--event-log-url=http://analytics.example:9004";
    let said = refused("match", &[grpc, log]);
    assert!(
        said.contains("--event-log-url (ARENA_EVENT_LOG_URL) is http://analytics.example:9004"),
        "{said}"
    );
    let said = refused("analytics", &[grpc, "--jwks-url=http://gateway.example:8000/.well-known/jwks.json"]);
    assert!(said.contains("--jwks-url (ARENA_JWKS_URL) is http://gateway.example:8000/"), "{said}");
    let keys = tempfile::tempdir().unwrap();
    battlearena_identity::keys::create_key(keys.path()).unwrap();
    let keys = format!("--signing-keys={}", keys.path().display());
    for (flag, setting) in [
        ("--match-url", "--match-url (ARENA_GATEWAY_MATCH_URL)"),
        ("--socket-gateway-url", "--socket-gateway-url (ARENA_GATEWAY_SOCKET_GATEWAY_URL)"),
    ] {
        let said = refused("gateway", &[&keys, &format!("{flag}=http://elsewhere.example:1")]);
        assert!(said.contains(&format!("{setting} is http://elsewhere.example:1")), "{said}");
    }
}

#[test]
fn a_key_that_others_can_read_starts_nothing_in_production() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    Authority::new("ours").issue_into(folder.path());
    let key = folder.path().join("tls.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let certificate = format!("--tls-certificate={}", folder.path().join("tls.crt").display());
    let said =
        refused("match", &["--grpc=127.0.0.1:0", &certificate, &format!("--tls-key={}", key.display())]);
    assert!(said.contains("--tls-key (ARENA_TLS_KEY)") && said.contains("chmod 600"), "{said}");
}
