//! Who can reach a port that asks nobody who they are.

use std::net::SocketAddr;

/// A port without authentication on an address that others reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "open mode lets anybody act for every player, so it listens on loopback only, and {address} is not; \
     --open-bind-any allows it"
)]
pub struct Exposed {
    /// The address.
    pub address: SocketAddr,
}

/// Lets an address pass that only this machine reaches, or any when the operator said so.
///
/// # Errors
/// [`Exposed`].
pub fn check_exposure(address: SocketAddr, open_bind_any: bool) -> Result<(), Exposed> {
    if address.ip().is_loopback() || open_bind_any { Ok(()) } else { Err(Exposed { address }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_mode_stays_at_home() {
        let check = |address: &str, any| check_exposure(address.parse().unwrap(), any);
        assert!(check("127.0.0.1:8000", false).is_ok() && check("[::1]:8000", false).is_ok());
        assert!(check("0.0.0.0:8000", false).unwrap_err().to_string().contains("--open-bind-any"));
        assert!(check("[::]:8000", false).is_err() && check("192.0.2.1:8000", false).is_err());
        assert!(check("0.0.0.0:8000", true).is_ok());
    }
}
