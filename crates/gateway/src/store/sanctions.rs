//! Statements about bans and mutes. A change and the event that tells of it are one statement.

use battlearena_proto::PlayerId;
use battlearena_storage::{Row, Session, Statement, StorageError};
use jiff::Timestamp;

use crate::domain::sanction::{Order, SanctionKind};

pub(crate) const ALL: [&Statement; 3] = [&IMPOSE, &LIFT, &SANCTIONS_OF];

static IMPOSE: Statement = Statement::new(
    "impose_sanction",
    "INSERT",
    "sanctions",
    "with imposed as (
       insert into gateway.sanctions (player_id, kind, reason, created_by, until)
       values ($1, $2, $3, $4, $5) returning player_id, kind, reason, created_by, until
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'player_sanctioned',
            json_build_object('player_id', player_id, 'kind', kind, 'reason', reason, 'until', until, 'by', created_by,
                              'lifted', false),
            $6::text
     from imposed",
);

/// Writes a sanction down. The one in force, if there is one, is to be lifted first, in the same transaction.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn impose(
    session: Session<'_>,
    player: PlayerId,
    order: &Order,
    by: &str,
    traceparent: Option<&str>,
) -> Result<(), StorageError> {
    let Order { kind, reason, until } = order;
    session.execute(&IMPOSE, &[&player.get(), &kind.as_str(), reason, &by, until, &traceparent]).await?;
    Ok(())
}

static LIFT: Statement = Statement::new(
    "lift_sanction",
    "UPDATE",
    "sanctions",
    "with lifted as (
       update gateway.sanctions set lifted_at = now(), lifted_by = $3
       where player_id = $1 and kind = $2 and lifted_at is null and (until is null or until > now())
       returning player_id, kind, reason, until, lifted_by
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'player_sanctioned',
            json_build_object('player_id', player_id, 'kind', kind, 'reason', reason, 'until', until, 'by', lifted_by,
                              'lifted', true),
            $4::text
     from lifted",
);

/// Ends a sanction; `false` when none was in force.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn lift(
    session: Session<'_>,
    player: PlayerId,
    kind: SanctionKind,
    by: &str,
    traceparent: Option<&str>,
) -> Result<bool, StorageError> {
    Ok(session.execute(&LIFT, &[&player.get(), &kind.as_str(), &by, &traceparent]).await? > 0)
}

/// A ban or mute, past or in force.
#[derive(Debug, Clone)]
pub(crate) struct Sanction {
    pub(crate) kind: String,
    pub(crate) reason: String,
    pub(crate) by: String,
    pub(crate) created_at: Timestamp,
    pub(crate) until: Option<Timestamp>,
    pub(crate) lifted_at: Option<Timestamp>,
    pub(crate) lifted_by: Option<String>,
}

static SANCTIONS_OF: Statement = Statement::new(
    "sanctions_of_player",
    "SELECT",
    "sanctions",
    "select kind, reason, created_by, created_at, until, lifted_at, lifted_by
     from gateway.sanctions where player_id = $1 order by id desc limit 1000",
);

/// The sanctions of a player, newest first, at most 1000.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn of_player(session: Session<'_>, player: PlayerId) -> Result<Vec<Sanction>, StorageError> {
    let rows = session.query(&SANCTIONS_OF, &[&player.get()]).await?;
    let sanction = |row: &Row| Sanction {
        kind: row.get(0),
        reason: row.get(1),
        by: row.get(2),
        created_at: row.get(3),
        until: row.get(4),
        lifted_at: row.get(5),
        lifted_by: row.get(6),
    };
    Ok(rows.iter().map(sanction).collect())
}
