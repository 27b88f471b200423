//! Makes a [`Stream`] of an accepted connection, by a handshake that has a bound. One address has only so many under way
//! at a time: silence from there takes nobody else's place.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::metrics::{HandshakeFailure, Metrics};
use crate::stream::Stream;

/// How long a handshake may take: a few round trips on a bad line.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Handshakes of one address at the same time: a quarter of what [`Incoming`](crate::Incoming) takes in all.
const OF_ONE_ADDRESS: u32 = 256;

/// Accepts connections, over TLS when there is a certificate. Clones count together.
#[derive(Clone)]
pub struct Acceptor(Option<Shaking>);

#[derive(Clone)]
struct Shaking {
    acceptor: TlsAcceptor,
    under_way: Arc<UnderWay>,
    metrics: Metrics,
}

/// Handshakes under way, by address. Who has none is not in it.
#[derive(Default)]
struct UnderWay(Mutex<HashMap<IpAddr, u32>>);

/// A handshake that is counted; over when dropped.
struct Counted {
    under_way: Arc<UnderWay>,
    address: IpAddr,
}

impl Acceptor {
    pub(crate) fn new(config: Option<ServerConfig>, metrics: &Metrics) -> Self {
        Self(config.map(|config| Shaking {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            under_way: Arc::default(),
            metrics: metrics.clone(),
        }))
    }

    /// Whether connections are accepted without a handshake.
    pub fn is_plain(&self) -> bool {
        self.0.is_none()
    }

    /// Makes the handshake. Without a certificate there is none, and the result is immediate.
    ///
    /// # Errors
    /// The client speaks no TLS, or none that fits; it shows no certificate where it must; it is gone, or takes longer
    /// than five seconds; 256 others of its address are under way.
    pub async fn accept(&self, connection: TcpStream) -> io::Result<Stream> {
        let Some(shaking) = &self.0 else { return Ok(Stream::plain(connection)) };
        shaking.accept(connection).await.inspect_err(|error| {
            let failure = match error.kind() {
                io::ErrorKind::TimedOut => HandshakeFailure::Timeout,
                io::ErrorKind::QuotaExceeded => HandshakeFailure::Throttled,
                _ => HandshakeFailure::Refused,
            };
            shaking.metrics.handshake_failed(failure);
        })
    }
}

impl Shaking {
    async fn accept(&self, connection: TcpStream) -> io::Result<Stream> {
        let _counted = self.under_way.count(connection.peer_addr()?.ip())?;
        let handshake = self.acceptor.accept(connection.into());
        tokio::time::timeout(HANDSHAKE, handshake).await?.map(Stream::encrypted)
    }
}

impl UnderWay {
    fn count(self: &Arc<Self>, address: IpAddr) -> io::Result<Counted> {
        let address = neighbourhood(address);
        let mut under_way = self.lock();
        let count = under_way.entry(address).or_default();
        if *count >= OF_ONE_ADDRESS {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        *count += 1;
        Ok(Counted { under_way: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock();
        if let Some(count) = under_way.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.address);
            }
        }
    }
}

/// Whoever has an IPv6 address has 2^64 of them.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_neighbourhood_has_places_of_its_own_and_gets_them_back() {
        let under_way = Arc::new(UnderWay::default());
        let enter = |address: &str| under_way.count(address.parse().unwrap()).ok();
        let mut taken: Vec<_> = (0..OF_ONE_ADDRESS).map(|_| enter("2001:db8::1").unwrap()).collect();
        assert!(enter("2001:db8::ffff").is_none());
        let elsewhere = [enter("2001:db8:0:1::1").unwrap(), enter("192.0.2.1").unwrap()];
        taken.pop();
        taken.push(enter("2001:db8::2").unwrap());
        assert!(enter("2001:db8::3").is_none());
        drop((taken, elsewhere));
        assert!(under_way.lock().is_empty());
        assert_eq!(neighbourhood("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
