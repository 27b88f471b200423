//! From which address a request really comes, and what of it counts. Headers are believed as far as the proxies that
//! wrote them are ours.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::{Decision, Limit, Limiter, Network, Quota};

/// How many /64 networks of one /48 may use all that is theirs: a site has 65,536 of them.
const WIDER: u32 = 16;

/// What is known of the way to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// How many proxies of ours every request passes (`--trusted-proxies`). With 0 the header is ignored.
    pub trusted_proxies: usize,
    /// From where the proxies connect. Whoever connects from elsewhere came past them, and its header is ignored; when
    /// this is empty every peer is taken for a proxy.
    pub trusted_networks: Arc<[Network]>,
    /// Whether loopback has no limit: in development, where all players of a simulation come from there. Behind a proxy
    /// it has one all the same, since then the address is what a header says.
    pub exempt_loopback: bool,
}

/// What a limit by address counts: an IPv4 address, or the /64 network of an IPv6 one, of which a single host has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressKey(IpAddr);

/// A limit by address. Of IPv6 the /48 network that an address is in has a bucket too, 16 times as large: whoever is
/// given a whole site must not have as many buckets as it has networks.
pub struct AddressLimiter {
    near: Limiter<AddressKey>,
    wide: Limiter<AddressKey>,
}

impl AddressRules {
    /// The client's address: each proxy appends whom it saw, so that the entry which our outermost proxy wrote is
    /// counted from the right. `forwarded` are the values of all `X-Forwarded-For` headers in their order, as bytes: what
    /// a client wrote further left may be anything, and must not hide what our proxies wrote.
    ///
    /// When there are fewer entries than proxies the request came in behind the outermost ones, and the first entry is
    /// whom a proxy of ours saw. What cannot be read as an address falls back to who is connected.
    pub fn client<'a, H>(&self, peer: IpAddr, forwarded: impl Iterator<Item = &'a H>) -> IpAddr
    where
        H: AsRef<[u8]> + ?Sized + 'a,
    {
        let is_believed = self.trusted_proxies > 0
            && (self.trusted_networks.is_empty()
                || self.trusted_networks.iter().any(|network| network.contains(peer)));
        let headers: Vec<&[u8]> =
            if is_believed { forwarded.map(AsRef::as_ref).collect() } else { Vec::new() };
        let from_the_right = headers.iter().rev().flat_map(|header| header.rsplit(|byte| *byte == b','));
        let entry = from_the_right.take(self.trusted_proxies).last();
        entry.and_then(address).unwrap_or(peer).to_canonical()
    }

    /// What counts for limits; `None` when the address has none.
    pub fn key(&self, client: IpAddr) -> Option<AddressKey> {
        let client = client.to_canonical();
        if self.exempt_loopback && self.trusted_proxies == 0 && client.is_loopback() {
            return None;
        }
        Some(AddressKey(match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => network(address, 64),
        }))
    }
}

impl AddressKey {
    /// The /48 network of an IPv6 address.
    pub(super) fn wider(self) -> Option<Self> {
        match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Self(network(address, 48))),
        }
    }
}

impl AddressLimiter {
    /// See [`Limiter::new`].
    pub fn new(limit: Limit, quota: Quota, most_keys: usize, began: Instant) -> Self {
        Self {
            near: Limiter::new(limit, quota, most_keys, began),
            wide: Limiter::new(limit, quota.times(WIDER), most_keys, began),
        }
    }

    /// Takes a token of an address and of what it is in.
    pub fn take(&self, key: AddressKey, now: Instant) -> Decision {
        match (self.near.take(key, now), key.wider()) {
            (Decision::Allowed, Some(wider)) => self.wide.take(wider, now),
            (decision, _) => decision,
        }
    }
}

fn network(address: Ipv6Addr, prefix_bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - prefix_bits))).into()
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?.trim();
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    bare.parse().ok().or_else(|| entry.parse().ok().map(|address: SocketAddr| address.ip()))
}
