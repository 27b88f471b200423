//! What can be set, with unit, default and environment name. Holds values only; nothing here acts.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::Uri;

use crate::mix::{Mix, Mode};

/// Settings of `arena simulate`.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address of the gateway: http://host:port.
    #[arg(long, env = "ARENA_SIMULATE_URL", default_value = "http://127.0.0.1:8000")]
    pub url: Uri,

    /// Address of analytics' gRPC port, which --check asks for the totals: http://host:port.
    #[arg(long, env = "ARENA_SIMULATE_ANALYTICS", default_value = "http://127.0.0.1:9004")]
    pub analytics: Uri,

    /// Address of the socket-gateway: ws://host:port/ws.
    #[arg(long, env = "ARENA_SIMULATE_SOCKET_URL", default_value = "ws://127.0.0.1:8002/ws")]
    pub socket_url: String,

    /// File with the API key of a game server, such as the game-server.key that `arena up` makes. Its holder plays the
    /// matches, and the players have accounts, devices and sessions of their own. Without it nobody shows anything, which
    /// open mode takes.
    #[arg(long, env = "ARENA_GAME_SERVER_KEY_FILE", value_name = "FILE")]
    pub game_server_key_file: Option<PathBuf>,

    /// How busy the players are: slow ×0.5, normal ×1, stress ×5, tournament ×10 of 100 log-ins, 20 match
    /// starts, 10 purchases and 2 system events a minute, by the hour of the day (UTC): 18–23 ×2, 0–6 ×0.3, 12–14
    /// ×1.5. --rate replaces it.
    #[arg(long, env = "ARENA_SIMULATE_MODE", value_enum, default_value_t = Mode::Normal)]
    pub mode: Mode,

    /// Operations a second in all, in the same mix; the hour of the day is then left out. The end of a match
    /// counts as an operation and comes 5 to 30 s after its start, so the first half minute stays up to an
    /// eighth below.
    #[arg(long, env = "ARENA_SIMULATE_RATE", value_parser = positive_rate)]
    pub rate: Option<f64>,

    /// Seed of the plan of traffic: the same seed plans the same arrivals and choices; the hour of the day is
    /// then left out. Without it, each run differs.
    #[arg(long, env = "ARENA_SIMULATE_SEED")]
    pub seed: Option<u64>,

    /// How long new operations arrive, such as 60s, 5m or 1h30m. Without it, until stopped.
    #[arg(long, env = "ARENA_SIMULATE_DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Players that must exist before traffic begins; the missing ones are registered first.
    #[arg(long, env = "ARENA_SIMULATE_PLAYERS", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    pub players: u32,

    /// Share of reads (player, leaderboard, statistics, rank, matches) among the operations, in percent, 0 to
    /// 45.
    #[arg(long, env = "ARENA_SIMULATE_READS", default_value_t = 5,
          value_parser = clap::value_parser!(u8).range(0..=45))]
    pub reads: u8,

    /// Share of deliberate mistakes (unknown player, malformed body, unknown match) among the operations, in
    /// percent, 0 to 45. They must be refused, with the right status.
    #[arg(long, env = "ARENA_SIMULATE_MISTAKES", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(0..=45))]
    pub mistakes: u8,

    /// Players with a socket, 0 to 10000: they sit in rooms of about eight, talk and listen, and every fifth follows the
    /// live feed. Together they say 120 messages a minute, times what the mode and the hour say; with --rate, a
    /// twentieth of it, but never more than 10 a second each.
    #[arg(long, env = "ARENA_SIMULATE_SOCKET_PLAYERS", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub socket_players: u32,

    /// Log in and do nothing else, at --rate: for a measurement of that one operation.
    #[arg(long, env = "ARENA_SIMULATE_LOG_INS_ONLY", conflicts_with_all = ["reads", "mistakes"])]
    pub log_ins_only: bool,

    /// Send a heartbeat for each open match every 10 s.
    #[arg(long, env = "ARENA_SIMULATE_HEARTBEATS")]
    pub heartbeats: bool,

    /// How long one attempt may take, such as 10s, before its answer is taken for lost.
    #[arg(long, env = "ARENA_SIMULATE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,

    /// How long a change is tried again, such as 30s, before its outcome is booked as unknown.
    #[arg(long, env = "ARENA_SIMULATE_GIVE_UP", default_value = "30s", value_parser = duration)]
    pub give_up: Duration,

    /// Most operations under way at once. It guards the machine only: an arrival beyond it is not sent, but
    /// counted and reported.
    #[arg(long, env = "ARENA_SIMULATE_MAX_IN_FLIGHT", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_in_flight: u32,

    /// Afterwards compare the growth of the platform's totals with what was done, and fail on a difference or
    /// on an error that was not deliberate. Nobody else may use the platform meanwhile.
    #[arg(long, env = "ARENA_SIMULATE_CHECK")]
    pub check: bool,

    /// Let --check hold in spite of errors; for runs under faults, whose differences still fail.
    #[arg(long, env = "ARENA_SIMULATE_ALLOW_ERRORS")]
    pub allow_errors: bool,

    /// How long --check waits for the event log to settle, before and after the traffic, such as 60s.
    #[arg(long, env = "ARENA_SIMULATE_SETTLE", default_value = "60s", value_parser = duration)]
    pub settle: Duration,

    /// Whom to trust, and what to show, where an address says https or wss.
    #[command(flatten)]
    pub tls: battlearena_tls::Settings,

    /// Print the summary as JSON.
    #[arg(long, env = "ARENA_SIMULATE_JSON")]
    pub json: bool,
}

impl Config {
    /// How often each kind of operation arrives, before the hour of the day.
    pub(crate) fn mix(&self) -> Mix {
        let base = match self.log_ins_only {
            true => Mix::log_ins_only(),
            false => Mix::base(f64::from(self.reads) / 100.0, f64::from(self.mistakes) / 100.0),
        };
        match self.rate {
            Some(rate) => base.at_rate(rate),
            None => base.times(self.mode.factor()),
        }
    }

    /// Messages a second that the socket players say in all, before the hour of the day.
    pub(crate) fn messages_per_second(&self) -> f64 {
        match self.rate {
            Some(rate) => (rate / 20.0).min(10.0 * f64::from(self.socket_players)),
            None => 2.0 * self.mode.factor(),
        }
    }

    /// Whether the hour of the day changes the rates.
    pub(crate) fn follows_the_hour(&self) -> bool {
        self.rate.is_none() && self.seed.is_none()
    }
}

/// Parses `60s`, `5m`, `1h30m`, `250ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(parsed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be longer than 0".to_owned()),
    }
}

fn positive_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1_000_000.0 => Ok(rate),
        Ok(_) => Err("must be more than 0 and at most 1000000".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn parse(arguments: &[&str]) -> Result<Config, clap::Error> {
        clap::Parser::try_parse_from([&["simulate"], arguments].concat()).map(|cli: Cli| cli.config)
    }

    #[test]
    fn durations_read_like_durations() {
        for (text, seconds) in [("60s", 60.0), ("5m", 300.0), ("1h30m", 5400.0), ("250ms", 0.25)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for text in ["", "fast", "-1s", "0s", "60"] {
            duration(text).unwrap_err();
        }
    }

    #[test]
    fn a_rate_or_a_seed_fixes_the_hour() {
        assert!(parse(&[]).unwrap().follows_the_hour());
        assert!(!parse(&["--seed", "7"]).unwrap().follows_the_hour());
        assert!(!parse(&["--rate", "50"]).unwrap().follows_the_hour());
    }

    #[test]
    fn a_rate_counts_all_operations_and_replaces_the_mode() {
        let mix = parse(&["--mode", "stress", "--rate", "2000"]).unwrap().mix();
        assert!((mix.operations_per_second() - 2000.0).abs() < 1e-6);
    }

    #[test]
    fn talk_follows_the_mode_or_the_rate() {
        let talk = |arguments: &[&str]| parse(arguments).unwrap().messages_per_second();
        assert_eq!(talk(&["--mode", "stress"]), 10.0);
        assert_eq!(talk(&["--rate", "2000"]), 100.0);
        assert_eq!(talk(&["--rate", "2000", "--socket-players", "5"]), 50.0);
    }

    #[test]
    fn absurd_values_are_refused() {
        for arguments in
            [["--players", "9"], ["--rate", "0"], ["--rate", "NaN"], ["--reads", "46"], ["--timeout", "0s"]]
        {
            assert!(parse(&arguments).is_err(), "{arguments:?}");
        }
    }
}
