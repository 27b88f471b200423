//! A page of a list, newest first.

use battlearena_proto::Failure;

use super::text;

/// How many entries, and before which id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// 1 to 100.
    pub(crate) limit: i32,
    /// Only entries with a smaller id; `None` for the newest.
    pub(crate) before: Option<i64>,
}

impl Page {
    /// Entries on a page when the caller does not say.
    const USUAL: i64 = 10;

    /// Holds the parameters of a page against the rules.
    ///
    /// # Errors
    /// Invalid, naming the parameter.
    pub(crate) fn new(limit: Option<i64>, before: Option<i64>) -> Result<Self, Failure> {
        let limit = limit.unwrap_or(Self::USUAL);
        text::number("limit", limit, 1..=100)?;
        if before.is_some_and(|before| before < 1) {
            return Err(Failure::invalid("before", "before must be an id, which is 1 or more"));
        }
        Ok(Self { limit: limit as i32, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_bounds() {
        assert_eq!(Page::new(None, None).unwrap(), Page { limit: 10, before: None });
        assert_eq!(Page::new(Some(100), Some(7)).unwrap(), Page { limit: 100, before: Some(7) });
        for limit in [0, -1, 101, i64::MAX] {
            assert_eq!(Page::new(Some(limit), None).unwrap_err().field(), Some("limit"));
        }
        for before in [0, -1] {
            assert_eq!(Page::new(None, Some(before)).unwrap_err().field(), Some("before"));
        }
    }
}
