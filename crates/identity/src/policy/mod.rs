//! Who may call what: one written table for HTTP routes, RPCs and socket commands. What has no entry is closed to
//! everybody.

mod access;
#[cfg(test)]
mod sensitive;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use battlearena_proto::{ErrorKind, Failure};

pub use access::{Access, KeyAccess, PlayerAccess};
pub use table::TABLE;

use crate::caller::{Caller, unauthenticated};

/// Something that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door<'a> {
    /// An HTTP method, and the pattern of a route as it is written in the routing table.
    Http(&'a str, &'a str),
    /// `package.Service/Method`, without the slash in front.
    Rpc(&'a str),
    /// The `type` of a socket command.
    Socket(&'a str),
}

impl std::fmt::Display for Door<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(method, pattern) => write!(f, "{method} {pattern}"),
            Self::Rpc(name) | Self::Socket(name) => f.write_str(name),
        }
    }
}

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What.
    pub door: Door<'static>,
    /// Who may.
    pub access: Access,
}

/// The table, ready for lookups. Made once and shared.
#[derive(Debug)]
pub struct Policy(HashMap<Door<'static>, Access>);

impl Policy {
    /// The platform's own table.
    pub fn new() -> Self {
        Self::of(TABLE)
    }

    /// Another table: of two lines for one door the stricter cannot be told, so that none of them opens it.
    pub fn of(table: &[Entry]) -> Self {
        let mut doors = HashMap::with_capacity(table.len());
        for Entry { door, access } in table {
            doors.entry(*door).and_modify(|access| *access = Access::NOBODY).or_insert(*access);
        }
        Self(doors)
    }

    /// Lets a caller through a door, or not. What belongs to a player is a second question, for the handler that
    /// knows whose it is: [`Caller::own`].
    ///
    /// # Errors
    /// `unauthenticated` for who showed nothing where something is needed; `forbidden` otherwise, and for every
    /// caller where the table has no entry.
    pub fn check(&self, door: Door<'_>, caller: &Caller) -> Result<(), Failure> {
        match self.access(door) {
            Some(access) if access.admits(caller) => Ok(()),
            Some(_) if *caller == Caller::Anonymous => Err(unauthenticated()),
            Some(_) | None => Err(Failure::new(ErrorKind::Forbidden, "this is not allowed")),
        }
    }

    /// Who may go through a door; `None` when the table does not know it.
    pub fn access(&self, door: Door<'_>) -> Option<Access> {
        self.0.get(&door).copied()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}
