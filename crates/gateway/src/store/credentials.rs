//! Statements about what players log in with. A change and the event that tells of it are one statement.

use battlearena_identity::SessionId;
use battlearena_identity::credential::CredentialHash;
use battlearena_proto::PlayerId;
use battlearena_storage::{Session, Statement, StorageError};

pub(crate) const ALL: [&Statement; 9] = [
    &PASSWORD_OF,
    &SET_PASSWORD,
    &REHASH_PASSWORD,
    &LOCK_MEANS,
    &LOCK_ACCOUNT,
    &MEANS_OF,
    &LINK_DEVICE,
    &UNLINK_DEVICE,
    &UNLINK_OTHERS,
];

/// The constraint that a device of another player violates.
pub(crate) const DEVICE_TAKEN: &str = "devices_pkey";

/// What an account has to log in with.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) region: String,
    /// PHC string; `None` without a password.
    pub(crate) password_hash: Option<String>,
}

static PASSWORD_OF: Statement = Statement::new(
    "password_of_player",
    "SELECT",
    "credentials",
    "select username, email, region, password_hash
     from gateway.players left join gateway.credentials on player_id = id
     where id = $1 and is_active",
);

/// What a player logs in with; `None` without such a player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn held(session: Session<'_>, player: PlayerId) -> Result<Option<Held>, StorageError> {
    let row = session.query_opt(&PASSWORD_OF, &[&player.get()]).await?;
    Ok(row.map(|row| Held {
        username: row.get(0),
        email: row.get(1),
        region: row.get(2),
        password_hash: row.get(3),
    }))
}

static SET_PASSWORD: Statement = Statement::new(
    "set_password",
    "INSERT",
    "credentials",
    "with changed as (
       insert into gateway.credentials as held (player_id, password_hash)
       select id, $2 from gateway.players where id = $1 and is_active
       on conflict on constraint credentials_pkey
       do update set password_hash = excluded.password_hash, changed_at = now() where held.password_hash = $3::text
       returning player_id
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'credential_changed', json_build_object('player_id', player_id, 'change', 'password_changed'), $4::text
     from changed",
);

/// Stores a password in the place of the one whose hash is `old`, or of none; `false` when it was changed meanwhile.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn set_password(
    session: Session<'_>,
    player: PlayerId,
    hash: &str,
    old: Option<&str>,
    traceparent: Option<&str>,
) -> Result<bool, StorageError> {
    Ok(session.execute(&SET_PASSWORD, &[&player.get(), &hash, &old, &traceparent]).await? > 0)
}

static REHASH_PASSWORD: Statement = Statement::new(
    "rehash_password",
    "UPDATE",
    "credentials",
    "update gateway.credentials set password_hash = $2 where player_id = $1 and password_hash = $3",
);

/// Stores the same password at a new cost, unless it was changed meanwhile.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn rehash(
    session: Session<'_>,
    player: PlayerId,
    hash: &str,
    old: &str,
) -> Result<(), StorageError> {
    session.execute(&REHASH_PASSWORD, &[&player.get(), &hash, &old]).await?;
    Ok(())
}

/// Which device of a player.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Device {
    /// By the hash of its secret.
    Secret(CredentialHash),
    /// By its number.
    Id(i64),
}

impl Device {
    /// The two parameters of a statement.
    fn parts(&self) -> (Option<&[u8]>, Option<i64>) {
        match self {
            Self::Secret(hash) => (Some(&hash.as_bytes()[..]), None),
            Self::Id(id) => (None, Some(*id)),
        }
    }
}

/// A device that may log in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linked {
    pub(crate) id: i64,
    pub(crate) hash: CredentialHash,
}

/// What an account has, while it is locked.
#[derive(Debug)]
pub(crate) struct Means {
    /// PHC string; `None` without a password.
    pub(crate) password_hash: Option<String>,
    pub(crate) devices: i64,
    /// The device in question, if it is among them.
    pub(crate) this_device: Option<Linked>,
}

// Both columns are asked for, so that both are locked; the devices in one order.
static LOCK_MEANS: Statement = Statement::new(
    "lock_means",
    "SELECT",
    "credentials",
    "with password as (
       select player_id from gateway.credentials where player_id = $1 for update
     ), device as (
       select id from gateway.devices where player_id = $1 order by device_hash for update
     )
     select (select count(*) from password), (select count(*) from device)",
);

// The subqueries see what was committed before the statement began, and whoever changes them holds the lock: so it is
// taken by a statement of its own first.
static LOCK_ACCOUNT: Statement = Statement::new(
    "lock_account",
    "SELECT",
    "players",
    "select id from gateway.players where id = $1 and is_active for no key update",
);

static MEANS_OF: Statement = Statement::new(
    "means_of_player",
    "SELECT",
    "devices",
    "select (select password_hash from gateway.credentials where player_id = $1), count(*),
            min(id) filter (where device_hash = $2 or id = $3),
            (array_agg(device_hash) filter (where device_hash = $2 or id = $3))[1]
     from gateway.devices where player_id = $1",
);

/// Locks an account until the transaction ends, and before it what the player logs in by: the order of a log-in, with
/// which nothing else would do but a deadlock. `false` without such a player.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn lock(session: Session<'_>, player: PlayerId) -> Result<bool, StorageError> {
    session.query_one(&LOCK_MEANS, &[&player.get()]).await?;
    Ok(session.query_opt(&LOCK_ACCOUNT, &[&player.get()]).await?.is_some())
}

/// What a locked account has to log in with.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn means(
    session: Session<'_>,
    player: PlayerId,
    device: &Device,
) -> Result<Means, StorageError> {
    let (hash, id) = device.parts();
    let row = session.query_one(&MEANS_OF, &[&player.get(), &hash, &id]).await?;
    let hash = row.get::<_, Option<&[u8]>>(3).and_then(|bytes| CredentialHash::try_from(bytes).ok());
    let this_device = row.get::<_, Option<i64>>(2).zip(hash).map(|(id, hash)| Linked { id, hash });
    Ok(Means { password_hash: row.get(0), devices: row.get(1), this_device })
}

static LINK_DEVICE: Statement = Statement::new(
    "link_device",
    "INSERT",
    "devices",
    "with linked as (
       insert into gateway.devices (device_hash, player_id) values ($2, $1) returning player_id, id
     ), event as (
       insert into gateway.outbox (kind, payload, traceparent)
       select 'credential_changed', json_build_object('player_id', player_id, 'change', 'device_linked'), $3::text
       from linked
     )
     select id from linked",
);

/// Lets a device log in for a player, and returns its number.
///
/// # Errors
/// See [`StorageError`]; a violation of [`DEVICE_TAKEN`] for a device that is linked.
pub(crate) async fn link(
    session: Session<'_>,
    player: PlayerId,
    device: &CredentialHash,
    traceparent: Option<&str>,
) -> Result<i64, StorageError> {
    let row =
        session.query_one(&LINK_DEVICE, &[&player.get(), &&device.as_bytes()[..], &traceparent]).await?;
    Ok(row.get(0))
}

static UNLINK_DEVICE: Statement = Statement::new(
    "unlink_device",
    "DELETE",
    "devices",
    "with unlinked as (
       delete from gateway.devices where player_id = $1 and device_hash = $2 returning player_id
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'credential_changed', json_build_object('player_id', player_id, 'change', 'device_unlinked'), $3::text
     from unlinked",
);

/// Takes that from it.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn unlink(
    session: Session<'_>,
    player: PlayerId,
    device: &CredentialHash,
    traceparent: Option<&str>,
) -> Result<(), StorageError> {
    session.execute(&UNLINK_DEVICE, &[&player.get(), &&device.as_bytes()[..], &traceparent]).await?;
    Ok(())
}

static UNLINK_OTHERS: Statement = Statement::new(
    "unlink_other_devices",
    "DELETE",
    "devices",
    "with unlinked as (
       delete from gateway.devices
       where player_id = $1 and device_hash is distinct from (
         select device_hash from gateway.sessions where id = $2 and player_id = $1
       )
       returning player_id
     )
     insert into gateway.outbox (kind, payload, traceparent)
     select 'credential_changed', json_build_object('player_id', player_id, 'change', 'device_unlinked'), $3::text
     from unlinked",
);

/// Takes that from every device but the one that opened a session, if there is one to keep.
///
/// # Errors
/// See [`StorageError`].
pub(crate) async fn unlink_others(
    session: Session<'_>,
    player: PlayerId,
    kept: Option<SessionId>,
    traceparent: Option<&str>,
) -> Result<(), StorageError> {
    session.execute(&UNLINK_OTHERS, &[&player.get(), &kept.map(|id| id.0), &traceparent]).await?;
    Ok(())
}
