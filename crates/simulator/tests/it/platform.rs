//! A small platform that keeps books: the gateway's routes over real HTTP, GetTotals over real gRPC. It
//! checks what it is sent as the gateway does, and misbehaves on demand.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use battlearena_proto::analytics::analytics_service_server::{AnalyticsService, AnalyticsServiceServer};
use battlearena_proto::analytics::*;
use battlearena_proto::realtime::realtime_service_client::RealtimeServiceClient;
use battlearena_proto::realtime::{ListMessagesRequest, Message};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// How the platform misbehaves.
#[derive(Debug, Default, Clone)]
pub(crate) struct Faults {
    /// Every so many requests with a key, the connection ends after the change was made.
    pub(crate) drop_keyed: Option<u64>,
    /// Every so many requests with a key, 503 comes instead of the change.
    pub(crate) refuse_keyed: Option<u64>,
    /// Every so many log-ins, the connection ends after it was counted.
    pub(crate) drop_log_ins: Option<u64>,
    /// Keys are not remembered, so that a retry is applied again.
    pub(crate) forget_keys: bool,
    /// Every end of a match is answered with 503.
    pub(crate) no_ends: bool,
    /// A log-in with an unknown player or a malformed body is welcome.
    pub(crate) accept_mistakes: bool,
    /// Log-ins are never answered.
    pub(crate) stall_log_ins: bool,
    /// Where the rooms of real sockets are.
    pub(crate) rooms: Option<RealtimeServiceClient<Channel>>,
    /// The offset of a message that no room's history tells.
    pub(crate) forget_message: Option<i64>,
    /// What GetTotals adds to the log-ins.
    pub(crate) lie: i64,
    /// Cancelled with the hundredth log-in.
    pub(crate) stop: Option<CancellationToken>,
}

/// What happened.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) players: i64,
    pub(crate) log_ins: i64,
    pub(crate) refused_log_ins: i64,
    matches: Vec<Match>,
    pub(crate) transactions: HashMap<(String, &'static str), (i64, i64)>,
    /// By key: the path, the body and the answer.
    answered: HashMap<String, (String, Bytes, (StatusCode, Value))>,
    keyed: u64,
    /// Requests with a key that had been seen before.
    pub(crate) repeated: u64,
    /// Every request, in the order of arrival.
    pub(crate) requests: Vec<Arrived>,
    /// Calls of GetTotals.
    pub(crate) asked_for_totals: u64,
    system_events: i64,
    /// Complaints about what was sent.
    pub(crate) complaints: Vec<String>,
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) traceparent: Option<String>,
    /// How it was answered; 0 when it was not.
    pub(crate) status: u16,
}

#[derive(Debug)]
struct Match {
    match_type: String,
    players: Vec<i64>,
    status: &'static str,
}

impl Books {
    /// Matches that reached a status: started, in_progress, completed or crashed.
    pub(crate) fn matches(&self, status: &str) -> usize {
        self.matches.iter().filter(|entry| status == "started" || entry.status == status).count()
    }
}

/// The running platform; it ends with the value.
pub(crate) struct Platform {
    pub(crate) url: String,
    pub(crate) analytics: String,
    pub(crate) books: Arc<Mutex<Books>>,
    _servers: JoinSet<()>,
}

impl Platform {
    pub(crate) async fn start(faults: Faults) -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let mut servers = JoinSet::new();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", http.local_addr().unwrap());
        servers.spawn(serve_http(http, books.clone(), Arc::new(faults.clone())));
        let grpc = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let analytics = format!("http://{}", grpc.local_addr().unwrap());
        let service = AnalyticsServiceServer::new(Analytics { books: books.clone(), lie: faults.lie });
        servers.spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(TcpListenerStream::new(grpc)).await.unwrap();
        });
        Self { url, analytics, books, _servers: servers }
    }
}

async fn serve_http(listener: TcpListener, books: Arc<Mutex<Books>>, faults: Arc<Faults>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (books, faults) = (books.clone(), faults.clone());
        let service = service_fn(move |request| handle(request, books.clone(), faults.clone()));
        connections.spawn(async move {
            // A dropped answer is an error of the service: hyper closes the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

#[derive(Debug, thiserror::Error)]
#[error("dropped")]
struct Dropped;

async fn handle(
    request: Request<Incoming>,
    books: Arc<Mutex<Books>>,
    faults: Arc<Faults>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let traceparent = request.headers().get("traceparent").map(|value| value.to_str().unwrap().to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let number = {
        let requests = &mut books.lock().unwrap().requests;
        requests.push(Arrived { method, path, traceparent, status: 0 });
        requests.len() - 1
    };
    let answer = respond(request, books.clone(), faults).await;
    if let Ok(answer) = &answer {
        books.lock().unwrap().requests[number].status = answer.status().as_u16();
    }
    answer
}

async fn respond(
    request: Request<Incoming>,
    books: Arc<Mutex<Books>>,
    faults: Arc<Faults>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let key = head.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    let path = head.uri.path().to_owned();
    if faults.stall_log_ins && path.ends_with("/login") {
        std::future::pending::<Infallible>().await;
    }
    if let (Some(rooms), Some(room)) = (&faults.rooms, room_of_history(&path)) {
        let answer = history(rooms.clone(), &faults, room, head.uri.query().unwrap_or_default()).await;
        return Ok(Response::new(Full::new(answer.to_string().into())));
    }
    let (status, answer) = books.lock().unwrap().answer(&faults, &head.method, path, key, body)?;
    let body = if status == StatusCode::NO_CONTENT { Bytes::new() } else { answer.to_string().into() };
    Ok(Response::builder().status(status).body(Full::new(body)).unwrap())
}

fn room_of_history(path: &str) -> Option<&str> {
    path.strip_prefix("/api/chat/")?.strip_suffix("/history")
}

/// A page of a room's history as the gateway tells it.
async fn history(
    mut rooms: RealtimeServiceClient<Channel>,
    faults: &Faults,
    room: &str,
    query: &str,
) -> Value {
    let number = |name| query.split('&').find_map(|pair| pair.strip_prefix(name)?.parse().ok());
    let request = ListMessagesRequest {
        room: room.to_owned(),
        limit: number("limit=").unwrap() as i32,
        before_offset: number("before=").unwrap_or(0),
        viewer_id: 0,
    };
    let page = rooms.list_messages(request).await.unwrap().into_inner().messages;
    let told = page.iter().filter(|message| Some(message.offset) != faults.forget_message);
    let entry = |message: &Message| {
        json!({"id": message.offset, "username": message.username, "text": message.text,
               "timestamp": "2030-01-01T00:00:00Z"})
    };
    json!({"messages": told.map(entry).collect::<Vec<_>>()})
}

fn every(nth: Option<u64>, count: u64) -> bool {
    nth.is_some_and(|nth| count.is_multiple_of(nth))
}

fn refusal(status: u16, code: &str) -> (StatusCode, Value) {
    let error = json!({"error": {"code": code, "message": "no", "request_id": "r-1"}});
    (StatusCode::from_u16(status).unwrap(), error)
}

fn logged_in(player_id: i64) -> Value {
    json!({"player_id": player_id, "username": "p", "level": 1, "last_login": "2030-01-01T00:00:00Z"})
}

impl Books {
    fn answer(
        &mut self,
        faults: &Faults,
        method: &Method,
        path: String,
        key: Option<String>,
        body: Bytes,
    ) -> Result<(StatusCode, Value), Dropped> {
        if *method == Method::GET {
            return Ok(self.read(&path));
        }
        if path.ends_with("/heartbeat") {
            return Ok((StatusCode::NO_CONTENT, Value::Null));
        }
        let Some(key) = key else {
            if path != "/api/players/login" {
                self.complaints.push(format!("no key on {path}"));
            }
            return self.log_in(faults, &body);
        };
        if let Some((old_path, old_body, answer)) = self.answered.get(&key) {
            self.repeated += 1;
            if (old_path, old_body) != (&path, &body) {
                self.complaints.push(format!("another request with key {key}"));
            }
            return Ok(answer.clone());
        }
        self.keyed += 1;
        if every(faults.refuse_keyed, self.keyed) {
            return Ok(refusal(503, "unavailable"));
        }
        if faults.no_ends && path.ends_with("/complete") {
            return Ok(refusal(503, "unavailable"));
        }
        let answer = self.apply(&path, &body);
        if answer.0.is_success() && !faults.forget_keys {
            self.answered.insert(key, (path, body, answer.clone()));
        }
        if every(faults.drop_keyed, self.keyed) { Err(Dropped) } else { Ok(answer) }
    }

    fn log_in(&mut self, faults: &Faults, body: &[u8]) -> Result<(StatusCode, Value), Dropped> {
        let body = serde_json::from_slice::<Value>(body).ok();
        let guesses = body.as_ref().is_some_and(|body| body["password"].is_string());
        let player_id = match body.map(|body| body["player_id"].as_i64()) {
            Some(Some(player_id)) if player_id <= self.players => player_id,
            _ if faults.accept_mistakes => return Ok((StatusCode::OK, logged_in(1))),
            Some(_) if guesses => {
                self.refused_log_ins += 1;
                return Ok(refusal(401, "unauthenticated"));
            }
            Some(_) => return Ok(refusal(404, "not_found")),
            None => return Ok(refusal(400, "malformed")),
        };
        self.log_ins += 1;
        if self.log_ins == 100
            && let Some(stop) = &faults.stop
        {
            stop.cancel();
        }
        if every(faults.drop_log_ins, self.log_ins as u64) {
            return Err(Dropped);
        }
        Ok((StatusCode::OK, logged_in(player_id)))
    }

    fn read(&self, path: &str) -> (StatusCode, Value) {
        let path = path.split('?').next().unwrap();
        let parts: Vec<_> = path.trim_start_matches("/api/").split('/').collect();
        let answer = match parts[..] {
            ["stats", "players"] => {
                json!({"total_players": self.players, "active_today": 0, "active_now": 0, "new_today": 0})
            }
            ["stats", "matches"] => json!({
                "total_matches": 0, "in_progress": 0, "completed_today": 0, "crashed_today": 0,
                "crash_rate_percent": 0, "avg_duration_seconds": 0
            }),
            ["stats", "revenue"] => json!({
                "revenue_today": 9.99, "revenue_month": 12, "transactions_today": 0, "failed_today": 0
            }),
            ["players", id] => json!({
                "player_id": id.parse::<i64>().unwrap(), "username": "p", "email": "p@players.example",
                "level": 1, "total_points": 0, "account_balance": 0.0, "created_at": "2030-01-01T00:00:00Z",
                "last_login": null, "is_active": true
            }),
            ["players", _, "rank"] => json!({"rank": null, "points": 0}),
            ["players", _, "matches"] => json!({"matches": []}),
            ["leaderboard"] => json!({"leaderboard": []}),
            _ => return refusal(404, "not_found"),
        };
        (StatusCode::OK, answer)
    }

    fn apply(&mut self, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let body: Value = serde_json::from_slice(body).unwrap();
        match path {
            "/api/players/register" => {
                self.players += 1;
                (StatusCode::OK, json!({"player_id": self.players, "username": body["username"]}))
            }
            "/api/matches/start" => self.start_match(&body),
            "/api/matches/complete" => self.end_match(&body, "completed"),
            "/api/matches/crash" => self.end_match(&body, "crashed"),
            "/api/transactions/create" => self.purchase(&body),
            "/api/system/event" => {
                self.system_events += 1;
                let (kind, severity, message) = (&body["event_type"], &body["severity"], &body["message"]);
                let answer = json!({"event_id": self.system_events, "event_type": kind, "severity": severity,
                                    "message": message});
                (StatusCode::OK, answer)
            }
            _ => refusal(404, "not_found"),
        }
    }

    fn start_match(&mut self, body: &Value) -> (StatusCode, Value) {
        let players: Vec<i64> = serde_json::from_value(body["player_ids"].clone()).unwrap();
        if players.iter().any(|id| !(1..=self.players).contains(id)) {
            return refusal(422, "invalid");
        }
        let match_type = body["match_type"].as_str().unwrap().to_owned();
        let answer = json!({
            "match_id": self.matches.len() + 1, "match_type": match_type, "status": "in_progress",
            "player_count": players.len(), "server_region": body["server_region"]
        });
        self.matches.push(Match { match_type, players, status: "in_progress" });
        (StatusCode::OK, answer)
    }

    fn end_match(&mut self, body: &Value, status: &'static str) -> (StatusCode, Value) {
        let at = body["match_id"].as_u64().unwrap() as usize;
        let Some(entry) = self.matches.get_mut(at - 1) else { return refusal(404, "not_found") };
        if entry.status != "in_progress" {
            return refusal(409, "conflict");
        }
        if status == "completed" {
            let took_part = |id: &Value| entry.players.contains(&id.as_i64().unwrap());
            let stats = body["participant_stats"].as_array().unwrap();
            let complete = stats.len() == entry.players.len();
            if !complete
                || !took_part(&body["winner_id"])
                || !stats.iter().all(|row| took_part(&row["player_id"]))
            {
                return refusal(422, "invalid");
            }
        }
        entry.status = status;
        (StatusCode::OK, json!({"match_id": at, "status": status}))
    }

    fn purchase(&mut self, body: &Value) -> (StatusCode, Value) {
        let item_type = body["item_type"].as_str().unwrap().to_owned();
        let cents = (body["amount"].as_f64().unwrap() * 100.0).round() as i64;
        let decided: i64 = self.transactions.values().map(|(count, _)| count).sum();
        let status = if decided % 10 == 9 { "failed" } else { "completed" };
        let total = self.transactions.entry((item_type, status)).or_default();
        *total = (total.0 + 1, total.1 + cents);
        let answer = json!({
            "transaction_id": decided + 1, "player_id": body["player_id"], "item": body["item_name"],
            "amount": body["amount"], "status": status
        });
        (StatusCode::OK, answer)
    }

    fn totals(&self) -> GetTotalsResponse {
        let mut matches = HashMap::<(String, String), i64>::new();
        for entry in &self.matches {
            *matches.entry((entry.match_type.clone(), "started".into())).or_default() += 1;
            if entry.status != "in_progress" {
                *matches.entry((entry.match_type.clone(), entry.status.into())).or_default() += 1;
            }
        }
        let transactions =
            self.transactions.iter().map(|((item_type, status), &(count, amount_minor))| TransactionTotal {
                item_type: item_type.clone(),
                status: (*status).to_owned(),
                count,
                amount_minor,
            });
        GetTotalsResponse {
            registrations: self.players,
            logins: self.log_ins,
            refused_log_ins: self.refused_log_ins,
            system_events: self.system_events,
            matches: matches
                .into_iter()
                .map(|((match_type, status), count)| MatchTotal { match_type, status, count })
                .collect(),
            transactions: transactions.collect(),
            ..GetTotalsResponse::default()
        }
    }
}

struct Analytics {
    books: Arc<Mutex<Books>>,
    lie: i64,
}

type Answered<T> = Result<tonic::Response<T>, tonic::Status>;

fn not_here<T>() -> Answered<T> {
    Err(tonic::Status::unimplemented("not in this platform"))
}

#[tonic::async_trait]
impl AnalyticsService for Analytics {
    type ExportPointsStream = tokio_stream::Empty<Result<ExportPointsResponse, tonic::Status>>;

    async fn get_totals(&self, _: tonic::Request<GetTotalsRequest>) -> Answered<GetTotalsResponse> {
        let mut books = self.books.lock().unwrap();
        books.asked_for_totals += 1;
        let mut totals = books.totals();
        // Before the first log-in there is nothing to lie about: the lie must be growth.
        if totals.logins > 0 {
            totals.logins += self.lie;
        }
        Ok(tonic::Response::new(totals))
    }

    async fn get_player_stats(
        &self,
        _: tonic::Request<GetPlayerStatsRequest>,
    ) -> Answered<GetPlayerStatsResponse> {
        not_here()
    }

    async fn get_match_stats(
        &self,
        _: tonic::Request<GetMatchStatsRequest>,
    ) -> Answered<GetMatchStatsResponse> {
        not_here()
    }

    async fn get_revenue_stats(
        &self,
        _: tonic::Request<GetRevenueStatsRequest>,
    ) -> Answered<GetRevenueStatsResponse> {
        not_here()
    }

    async fn get_leaderboard(
        &self,
        _: tonic::Request<GetLeaderboardRequest>,
    ) -> Answered<GetLeaderboardResponse> {
        not_here()
    }

    async fn get_player_rank(
        &self,
        _: tonic::Request<GetPlayerRankRequest>,
    ) -> Answered<GetPlayerRankResponse> {
        not_here()
    }

    async fn export_points(
        &self,
        _: tonic::Request<ExportPointsRequest>,
    ) -> Answered<Self::ExportPointsStream> {
        not_here()
    }
}
