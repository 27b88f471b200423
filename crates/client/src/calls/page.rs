//! A page of a list, from its newest end. Only says which one; the gateway decides whether there is such a page.

use std::fmt::{self, Display};

/// How many entries, and before which id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// 1 to 100.
    pub limit: u32,
    /// Only entries with a smaller id; `None` for the newest.
    pub before: Option<i64>,
}

impl Page {
    /// The newest `limit` entries.
    pub fn newest(limit: u32) -> Self {
        Self { limit, before: None }
    }
}

/// As a query.
impl Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, before } = *self;
        write!(f, "limit={limit}")?;
        before.map_or(Ok(()), |id| write!(f, "&before={id}"))
    }
}
