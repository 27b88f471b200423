//! A small HTTP client for what services tell of themselves: readiness and metrics. Every request has a bound.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use battlearena_identity::Secret;

/// Asks services; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    client: reqwest::Client,
}

/// What a service answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as text.
    pub(crate) body: String,
}

impl Probe {
    /// A probe that gives up on an answer after `patience`.
    pub(crate) fn new(patience: Duration) -> anyhow::Result<Self> {
        // A proxy of the environment would answer in the place of a loopback address.
        let client = reqwest::Client::builder().no_proxy().timeout(patience).build()?;
        Ok(Self { client })
    }

    /// GETs a URL.
    pub(crate) async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        Self::answer(url, self.client.get(url)).await
    }

    /// GETs a URL by an API key.
    pub(crate) async fn get_by_key(&self, url: &str, key: &Secret) -> anyhow::Result<Answer> {
        Self::answer(url, self.client.get(url).bearer_auth(key.expose())).await
    }

    async fn answer(url: &str, request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await.with_context(|| format!("no answer from {url}"))?;
        let status = response.status().as_u16();
        let body = response.text().await.with_context(|| format!("no complete answer from {url}"))?;
        Ok(Answer { status, body })
    }

    /// Whether the URL answers 200.
    pub(crate) async fn is_ready(&self, url: &str) -> bool {
        self.get(url).await.is_ok_and(|answer| answer.status == 200)
    }
}

/// The URL of a path on a service that listens on this address. A service that listens on every address is asked on
/// loopback.
pub(crate) fn url(address: SocketAddr, path: &str) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}{path}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_asked_on_loopback() {
        assert_eq!(url("0.0.0.0:8000".parse().unwrap(), "/readyz"), "http://127.0.0.1:8000/readyz");
        assert_eq!(url("[::]:8000".parse().unwrap(), ""), "http://[::1]:8000");
        assert_eq!(url("10.0.0.7:81".parse().unwrap(), "/"), "http://10.0.0.7:81/");
    }
}
