//! The leaderboard, which lives in memory, against the tables that it is made of.

use std::time::Duration;

use battlearena_storage::Database;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::Line;
use crate::prove::platform::Platform;

/// The most that the API tells.
const PLACES: usize = 100;

/// How long the memory may take to follow the tables.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Deserialize)]
struct Answer {
    leaderboard: Vec<Place>,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Place {
    rank: i64,
    player_id: i64,
    points: i64,
}

/// The first hundred places are those of the tables: more points first, and of equals the older account.
pub(super) async fn compare(platform: &Platform, database: &Database) -> anyhow::Result<Vec<Line>> {
    let expected = from_tables(database).await?;
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        let answer: Answer =
            serde_json::from_str(&platform.get(&format!("/api/leaderboard?limit={PLACES}")).await?)?;
        let found = answer.leaderboard;
        let wrong = expected.iter().zip(&found).filter(|(expected, found)| expected != found).count();
        let compared = vec![
            Line::equal("places", found.len() as i64, expected.len() as i64),
            Line::equal("places that differ", wrong as i64, 0),
        ];
        if compared.iter().all(Line::holds) || Instant::now() > give_up_at {
            return Ok(compared);
        }
        sleep(POLL).await;
    }
}

async fn from_tables(database: &Database) -> anyhow::Result<Vec<Place>> {
    let text = "select coalesce(array_agg(player_id order by rank), '{}'), coalesce(array_agg(points order by rank), '{}')
                from (select player_id, points, row_number() over (order by points desc, player_id) as rank
                      from analytics.players order by rank limit $1) as best";
    let row = database.connection().await?.session().query_text(text, &[&(PLACES as i64)]).await?;
    let (players, points) = (row.get::<_, Vec<i64>>(0), row.get::<_, Vec<i64>>(1));
    let places = players.into_iter().zip(points).zip(1..);
    Ok(places.map(|((player_id, points), rank)| Place { rank, player_id, points }).collect())
}
