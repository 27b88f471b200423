//! What players log in with: their password, and their devices.

use battlearena_identity::credential::DeviceSecret;
use battlearena_identity::password::{Lane, Password, Verdict};
use battlearena_identity::{Secret, SessionId};
use battlearena_proto::{ErrorKind, Failure, PlayerId};
use battlearena_telemetry::note;
use battlearena_telemetry::trace::current_traceparent;
use tracing::field::Empty;
use tracing::instrument;

use super::Accounts;
use crate::domain::session::RevokedReason;
use crate::service::unknown_player;
use crate::store::credentials::{self, DEVICE_TAKEN, Device, Held, Linked};
use crate::store::sessions::{self, Revocation, Which};

/// Most devices of one player.
const MOST_DEVICES: i64 = 20;

impl Accounts {
    /// Sets or changes the password. All sessions but `kept` end; a change unlinks all devices but the one that opened it.
    ///
    /// # Errors
    /// Forbidden when the current password is wrong; invalid, naming the field, when it is missing or the new one is
    /// against the rules; conflict when it was changed meanwhile; throttled; the database's.
    #[instrument(
        name = "change_password",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn change_password(
        &self,
        player: PlayerId,
        current: Option<Password>,
        new: Secret,
        kept: Option<SessionId>,
    ) -> Result<(), Failure> {
        self.replace_password(player, current, new, kept).await.inspect_err(note)
    }

    async fn replace_password(
        &self,
        player: PlayerId,
        current: Option<Password>,
        new: Secret,
        kept: Option<SessionId>,
    ) -> Result<(), Failure> {
        let held = credentials::held(self.database.connection().await?.session(), player).await?;
        let held = held.ok_or_else(|| unknown_player(player))?;
        let new = Password::chosen(new, &[&held.username, &held.email])
            .map_err(|failure| failure.with_field("new_password"))?;
        let current = needed(&held, current)?;
        self.limits.own_password(player, kept)?;
        self.confirm(&held, current).await?;
        let hash = self.passwords.hash(Lane::Known, new).await?;
        let traceparent = current_traceparent();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if !credentials::lock(session, player).await? {
            return Err(unknown_player(player));
        }
        let old = held.password_hash.as_deref();
        if !credentials::set_password(session, player, &hash, old, traceparent.as_deref()).await? {
            return Err(changed_meanwhile());
        }
        if old.is_some() {
            credentials::unlink_others(session, player, kept, traceparent.as_deref()).await?;
        }
        let revocation = Revocation {
            player,
            which: Which::AllBut(kept),
            reason: RevokedReason::PasswordChanged,
            token_life_seconds: self.issuer.token_life_seconds(),
        };
        let ended = sessions::revoke(session, &revocation, traceparent.as_deref()).await?;
        transaction.commit().await?;
        self.sessions_ended(&ended);
        Ok(())
    }

    /// Compares the current password, of an account that has one.
    async fn confirm(&self, held: &Held, current: Option<Password>) -> Result<(), Failure> {
        let (Some(stored), Some(current)) = (&held.password_hash, current) else { return Ok(()) };
        if self.passwords.verify(Lane::Known, current, Some(stored)).await? == Verdict::Wrong {
            let failure = Failure::new(ErrorKind::Forbidden, "the current password is wrong");
            return Err(failure.with_field("current_password"));
        }
        Ok(())
    }

    /// Lets a device log in for a player, and returns its number. That it may already is no mistake. `from` is the session
    /// that asks for it.
    ///
    /// # Errors
    /// Forbidden when the current password is wrong; invalid when the account has one and it is missing; conflict when
    /// the device is another account's, or the player has too many; throttled; not found; the database's.
    #[instrument(
        name = "link_device",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn link_device(
        &self,
        player: PlayerId,
        device: &DeviceSecret,
        current: Option<Password>,
        from: Option<SessionId>,
    ) -> Result<i64, Failure> {
        self.link(player, device, current, from).await.inspect_err(note)
    }

    async fn link(
        &self,
        player: PlayerId,
        device: &DeviceSecret,
        current: Option<Password>,
        from: Option<SessionId>,
    ) -> Result<i64, Failure> {
        let held = credentials::held(self.database.connection().await?.session(), player).await?;
        let held = held.ok_or_else(|| unknown_player(player))?;
        let current = needed(&held, current)?;
        if held.password_hash.is_some() {
            self.limits.own_password(player, from)?;
            self.confirm(&held, current).await?;
        }
        let hash = device.hash();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if !credentials::lock(session, player).await? {
            return Err(unknown_player(player));
        }
        let means = credentials::means(session, player, &Device::Secret(hash)).await?;
        if means.password_hash != held.password_hash {
            return Err(changed_meanwhile());
        }
        if let Some(linked) = means.this_device {
            return Ok(linked.id);
        }
        if means.devices >= MOST_DEVICES {
            let message = format!("the player has {MOST_DEVICES} devices, unlink one first");
            return Err(Failure::conflict(message).with_field("device_id"));
        }
        let linked = credentials::link(session, player, &hash, current_traceparent().as_deref()).await;
        let id = linked.map_err(|error| match error.violates(DEVICE_TAKEN) {
            true => Failure::conflict("the device is linked to another account").with_field("device_id"),
            false => error.into(),
        })?;
        transaction.commit().await?;
        self.wake.wake();
        Ok(id)
    }

    /// Takes that from it, and ends the sessions that it opened. That it never could is no mistake.
    ///
    /// # Errors
    /// Conflict for the last way into the account; not found; the database's.
    #[instrument(
        name = "unlink_device",
        skip_all,
        fields(player.id = player.get(), error.type = Empty, otel.status_code = Empty)
    )]
    pub(crate) async fn unlink_device(&self, player: PlayerId, device: Device) -> Result<(), Failure> {
        self.unlink(player, device).await.inspect_err(note)
    }

    async fn unlink(&self, player: PlayerId, device: Device) -> Result<(), Failure> {
        let traceparent = current_traceparent();
        let mut connection = self.database.connection().await?;
        let transaction = connection.begin().await?;
        let session = transaction.session();
        if !credentials::lock(session, player).await? {
            return Err(unknown_player(player));
        }
        let means = credentials::means(session, player, &device).await?;
        let Some(Linked { id: _, hash }) = means.this_device else { return Ok(()) };
        if means.devices == 1 && means.password_hash.is_none() {
            let message =
                "this is the only way into the account: link another device or set a password first";
            let field = if matches!(device, Device::Id(_)) { "id" } else { "device_id" };
            return Err(Failure::conflict(message).with_field(field));
        }
        credentials::unlink(session, player, &hash, traceparent.as_deref()).await?;
        let revocation = Revocation {
            player,
            which: Which::OfDevice(&hash),
            reason: RevokedReason::DeviceUnlinked,
            token_life_seconds: self.issuer.token_life_seconds(),
        };
        let ended = sessions::revoke(session, &revocation, traceparent.as_deref()).await?;
        transaction.commit().await?;
        self.sessions_ended(&ended);
        Ok(())
    }
}

/// The current password, which an account that has one must give.
fn needed(held: &Held, current: Option<Password>) -> Result<Option<Password>, Failure> {
    match held.password_hash.is_some() && current.is_none() {
        true => Err(Failure::invalid("current_password", "the current password is needed")),
        false => Ok(current),
    }
}

fn changed_meanwhile() -> Failure {
    Failure::conflict("the password was changed meanwhile")
}
