//! Whether every address is free, before anything is started.

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::roles::Listener;

/// An address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{role} needs {address}, which {reason}: choose another with {flag}")]
pub(super) struct Taken {
    role: &'static str,
    address: SocketAddr,
    flag: &'static str,
    reason: String,
}

/// Listens on all of them for a moment, at the same time, so that an address that two of them have is found too.
///
/// # Errors
/// [`Taken`] for the first that is not free.
pub(super) fn check(listeners: &[Listener]) -> Result<(), Taken> {
    let mut held = Vec::new();
    for listener in listeners {
        match TcpListener::bind(listener.address) {
            Ok(socket) => held.push(socket),
            Err(error) => {
                let (role, address, flag) = (listener.role.name(), listener.address, listener.flag);
                return Err(Taken { role, address, flag, reason: reason(&error) });
            }
        }
    }
    Ok(())
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "is taken".to_owned(),
        io::ErrorKind::AddrNotAvailable => "is no address of this machine".to_owned(),
        _ => format!("cannot be listened on ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Role;

    fn listener(address: SocketAddr) -> Listener {
        Listener { role: Role::Match, flag: "--match-grpc", address, purpose: "a test", grpc: true }
    }

    #[test]
    fn a_taken_port_is_named_with_who_needs_it_and_how_to_move_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = check(&[listener(address)]).unwrap_err().to_string();
        assert_eq!(error, format!("match needs {address}, which is taken: choose another with --match-grpc"));
        drop(taken);
        check(&[listener(address)]).unwrap();
    }

    #[test]
    fn two_that_want_the_same_are_found() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(check(&[listener(address), listener(address)]).is_err());
    }
}
