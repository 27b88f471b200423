//! What can be told of a match request without knowing the match: the match service decides the rest.

use std::collections::BTreeSet;

use battlearena_proto::Failure;

use super::text;

/// The players of a new match: 1 to 100, each once.
///
/// # Errors
/// Invalid, naming the field `player_ids` and those who are there twice.
pub(crate) fn check_players(player_ids: &[i64]) -> Result<(), Failure> {
    if !(1..=100).contains(&player_ids.len()) {
        return Err(Failure::invalid("player_ids", "player_ids must name 1 to 100 players"));
    }
    let mut seen = BTreeSet::new();
    let twice: BTreeSet<i64> = player_ids.iter().copied().filter(|id| !seen.insert(*id)).collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(
        "player_ids",
        format!("player_ids names a player more than once: {}", listed(&twice)),
    ))
}

/// The answer to players whom nobody knows.
pub(crate) fn unknown_players(ids: &BTreeSet<i64>) -> Failure {
    Failure::invalid("player_ids", format!("player_ids names unknown players: {}", listed(ids)))
}

/// The region of a game server: 1 to 20 characters.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn check_region(server_region: &str) -> Result<(), Failure> {
    text::line("server_region", server_region, 1..=20)
}

/// Play time in seconds: at most a day.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn check_duration(seconds: i32) -> Result<(), Failure> {
    text::number("duration_seconds", seconds.into(), 0..=86_400)
}

/// What a game server says of a crash: 1 to 500 characters.
///
/// # Errors
/// Invalid, naming the field.
pub(crate) fn check_error_message(message: &str) -> Result<(), Failure> {
    text::prose("error_message", message, 1..=500)
}

fn listed(ids: &BTreeSet<i64>) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_distinct_and_bounded() {
        assert!(check_players(&[1]).is_ok());
        assert!(check_players(&(1..=100).collect::<Vec<_>>()).is_ok());
        for ids in [vec![], (1..=101).collect::<Vec<_>>()] {
            assert_eq!(check_players(&ids).unwrap_err().message(), "player_ids must name 1 to 100 players");
        }
        let failure = check_players(&[3, 1, 3, 2, 1, 3]).unwrap_err();
        assert_eq!(failure.message(), "player_ids names a player more than once: 1, 3");
        assert_eq!(failure.field(), Some("player_ids"));
    }

    #[test]
    fn the_other_fields_have_bounds() {
        assert!(
            check_region("").is_err()
                && check_region("us-east").is_ok()
                && check_region(&"x".repeat(21)).is_err()
        );
        assert!(
            check_duration(-1).is_err() && check_duration(86_400).is_ok() && check_duration(86_401).is_err()
        );
        assert!(check_error_message("").is_err() && check_error_message("line 1\nline 2").is_ok());
        assert!(check_error_message(&"x".repeat(501)).is_err());
    }
}
