//! Ranking points: what a match is worth to a participant.

/// For having won against somebody.
const WIN: i64 = 50;
/// For each full hundred of score.
const PER_HUNDRED_SCORE: i64 = 1;
/// Score counts up to here, so that one absurd score does not own the leaderboard.
const MOST_SCORE: i64 = 10_000;

/// Points of one participant: 1 for each full 100 of score, up to 100, and 50 for the winner, unless nobody else played.
/// Never negative.
pub(crate) fn points(score: i64, is_winner: bool, players: usize) -> i64 {
    let for_score = score.clamp(0, MOST_SCORE) / 100 * PER_HUNDRED_SCORE;
    for_score + if is_winner && players > 1 { WIN } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn points_of_scores() {
        let table = [
            (0, false, 2, 0),
            (0, true, 2, 50),
            (99, false, 2, 0),
            (100, false, 2, 1),
            (2550, true, 10, 75),
            (2550, true, 1, 25),
            (0, true, 1, 0),
        ];
        for (score, winner, players, expected) in table {
            assert_eq!(
                points(score, winner, players),
                expected,
                "score {score}, winner {winner} of {players}"
            );
        }
        assert_eq!(points(i64::MAX, true, 2), 150);
    }
}
