//! What must not stand open: a port that asks nobody who they are, and a header that says from where they come.

use std::net::SocketAddr;

use crate::environment::Environment;

/// Open mode, or trust in anybody's header, where it must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// A port without authentication on an address that others reach.
    #[error(
        "open mode lets anybody act for every player, so it listens on loopback only, and {address} is not; \
         --open-bind-any allows it"
    )]
    Reachable {
        /// The address.
        address: SocketAddr,
    },
    /// A port without authentication where it counts.
    #[error(
        "open mode lets anybody act for every player: in production --auth (ARENA_AUTH) has to be required"
    )]
    Production,
    /// Whoever reaches a port says from where it comes.
    #[error(
        "--trusted-proxies (ARENA_TRUSTED_PROXIES) believes X-Forwarded-For of whoever connects: in production \
         ARENA_TRUSTED_PROXY_NETWORKS must name the networks that the proxies connect from"
    )]
    AnyProxy,
}

/// Lets an address of open mode pass that only this machine reaches, or any when the operator said so; in production
/// none.
///
/// # Errors
/// [`Exposed`].
pub fn check_exposure(
    address: SocketAddr,
    open_bind_any: bool,
    environment: Environment,
) -> Result<(), Exposed> {
    match environment {
        Environment::Production => Err(Exposed::Production),
        Environment::Development if address.ip().is_loopback() || open_bind_any => Ok(()),
        Environment::Development => Err(Exposed::Reachable { address }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_mode_stays_at_home() {
        let check =
            |address: &str, any| check_exposure(address.parse().unwrap(), any, Environment::Development);
        assert!(check("127.0.0.1:8000", false).is_ok() && check("[::1]:8000", false).is_ok());
        assert!(check("0.0.0.0:8000", false).unwrap_err().to_string().contains("--open-bind-any"));
        assert!(check("[::]:8000", false).is_err() && check("192.0.2.1:8000", false).is_err());
        assert!(check("0.0.0.0:8000", true).is_ok());
    }

    #[test]
    fn open_mode_is_not_for_production() {
        let refused =
            check_exposure("127.0.0.1:8000".parse().unwrap(), true, Environment::Production).unwrap_err();
        assert!(refused.to_string().contains("ARENA_AUTH"), "{refused}");
    }
}
