//! A small HTTP client for what services tell of themselves: readiness and metrics. Every request has a bound.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use battlearena_identity::Secret;
use battlearena_tls::{Fetcher, Settings, Tls};
use http::HeaderValue;
use tokio::time::timeout;

/// Largest answer that is read, in bytes. A scrape has some 500 KiB.
const MOST_BYTES: usize = 64 << 20;

/// Asks services, directly: a proxy of the environment would answer in the place of a loopback address.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    fetcher: Fetcher,
    patience: Duration,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

/// How ports are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Probe {
    /// A probe that gives up on an answer after `patience`.
    pub(crate) fn new(patience: Duration, tls: &Tls) -> Self {
        Self { fetcher: tls.fetcher(MOST_BYTES), patience }
    }

    /// GETs a URL.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.answer(url, None).await
    }

    /// GETs a URL by an API key.
    pub(crate) async fn get_by_key(&self, url: &str, key: &Secret) -> anyhow::Result<Answer> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))?;
        value.set_sensitive(true);
        self.answer(url, Some(value)).await
    }

    async fn answer(&self, url: &str, authorization: Option<HeaderValue>) -> anyhow::Result<Answer> {
        let answer = timeout(self.patience, self.fetcher.get(url, authorization)).await;
        let fetched = answer.map_err(anyhow::Error::from).and_then(|answer| Ok(answer?));
        let fetched = fetched.with_context(|| format!("no answer from {url}"))?;
        let body = String::from_utf8_lossy(&fetched.body).into_owned();
        Ok(Answer { status: fetched.status.as_u16(), body })
    }

    /// Whether the URL answers 200.
    pub(crate) async fn is_ready(&self, url: &str) -> bool {
        self.get(url).await.is_ok_and(|answer| answer.status == 200)
    }
}

impl Scheme {
    /// As the ports of a process with these settings want it.
    pub(crate) fn of(settings: &Settings) -> Self {
        if settings.tls_certificate.is_some() { Self::Https } else { Self::Http }
    }

    /// The URL of a path on a service that listens on this address. A service that listens on every address is asked on
    /// loopback.
    pub(crate) fn url(self, address: SocketAddr, path: &str) -> String {
        format!("{self}://{}{path}", reachable(address))
    }

    /// The same for a socket.
    pub(crate) fn socket_url(self, address: SocketAddr, path: &str) -> String {
        let scheme = match self {
            Self::Http => "ws",
            Self::Https => "wss",
        };
        format!("{scheme}://{}{path}", reachable(address))
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        let url = |address: &str, path| Scheme::Http.url(address.parse().unwrap(), path);
        assert_eq!(url("0.0.0.0:8000", "/readyz"), "http://127.0.0.1:8000/readyz");
        assert_eq!(url("[::]:8000", ""), "http://[::1]:8000");
        assert_eq!(url("10.0.0.7:81", "/"), "http://10.0.0.7:81/");
        let here = "0.0.0.0:8002".parse().unwrap();
        assert_eq!(Scheme::Https.url(here, "/readyz"), "https://127.0.0.1:8002/readyz");
        assert_eq!(Scheme::Https.socket_url(here, "/ws"), "wss://127.0.0.1:8002/ws");
        assert_eq!(Scheme::Http.socket_url(here, "/ws"), "ws://127.0.0.1:8002/ws");
    }
}
