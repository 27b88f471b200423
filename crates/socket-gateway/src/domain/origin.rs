//! From which web pages a browser may connect. A browser names the page's origin (RFC 6454) in each handshake and lets
//! any page open a socket anywhere: that the page is one of ours is for the server to see. Other clients name none.

/// The word that lets pages of every origin in.
const ANY: &str = "*";

/// The origins that are let in besides the server's own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    /// Origins as browsers write them, `https://game.example`; `*` for all.
    pub(crate) fn new(allowed: &[String]) -> Self {
        Self(allowed.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Whether a handshake may go on that names these `Origin` and `Host` headers.
    pub(crate) fn admit(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.to_ascii_lowercase();
        let is_own = match (origin.split_once("://"), host) {
            (Some((_, authority)), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        };
        is_own || self.0.iter().any(|allowed| *allowed == ANY || *allowed == origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_those_that_are_named_come_in() {
        let none = Origins::default();
        let one = Origins::new(&["https://Game.example/".to_owned()]);
        let any = Origins::new(&["*".to_owned()]);
        let host = Some("127.0.0.1:8002");
        for (origin, host, expected) in [
            (None, host, [true, true, true]),
            (Some("http://127.0.0.1:8002"), host, [true, true, true]),
            (Some("http://127.0.0.1:8000"), host, [false, false, true]),
            (Some("http://127.0.0.1:8002"), None, [false, false, true]),
            (Some("https://game.example"), host, [false, true, true]),
            (Some("http://game.example"), host, [false, false, true]),
            (Some("https://game.example.evil"), host, [false, false, true]),
            (Some("https://evil/https://game.example"), host, [false, false, true]),
            (Some("null"), host, [false, false, true]),
            (Some(""), Some(""), [false, false, true]),
        ] {
            let admitted = [&none, &one, &any].map(|origins| origins.admit(origin, host));
            assert_eq!(admitted, expected, "{origin:?} {host:?}");
        }
    }
}
