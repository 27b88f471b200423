//! A statement: SQL that can be pasted into psql, with the names that its metrics and spans carry.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use battlearena_telemetry::sql::Handle;

/// One prepared SQL statement. Declared as a `static` beside the function that runs it; prepared once a connection.
pub struct Statement {
    pub(crate) name: &'static str,
    pub(crate) verb: &'static str,
    pub(crate) table: &'static str,
    pub(crate) text: &'static str,
    handle: OnceLock<Handle>,
}

impl Statement {
    /// `name` is unique in the service (label `query`), `verb` is the SQL command (label `query_type`), `table` is the
    /// one that the statement is about, empty when it is about none.
    pub const fn new(
        name: &'static str,
        verb: &'static str,
        table: &'static str,
        text: &'static str,
    ) -> Self {
        Self { name, verb, table, text, handle: OnceLock::new() }
    }

    /// The statement of the mechanism's tables in one schema: `{schema}` in the text is replaced. Each is made once and
    /// kept for the life of the process; there are as many as schemas times call sites.
    pub(crate) fn in_schema(
        name: &'static str,
        verb: &'static str,
        table: &'static str,
        schema: &str,
        text: &'static str,
    ) -> &'static Self {
        static KEPT: Mutex<Option<HashMap<(String, &'static str), &'static Statement>>> = Mutex::new(None);
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_default().entry((schema.to_owned(), text)).or_insert_with(|| {
            let text = Box::leak(text.replace("{schema}", schema).into_boxed_str());
            Box::leak(Box::new(Self::new(name, verb, table, text)))
        })
    }

    /// Creates the series of these statements at zero, so that their first use is visible to `rate()`.
    pub fn register(statements: &[&Self]) {
        for statement in statements {
            statement.handle();
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.handle.get_or_init(|| Handle::new(self.verb, self.name))
    }
}
