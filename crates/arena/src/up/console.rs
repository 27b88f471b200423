//! What the operator sees: lines, and below them, on a terminal, one line that is drawn anew. Standard output that is
//! closed is no reason to stop.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

/// Standard output; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Console {
    status: Arc<Mutex<String>>,
    terminal: bool,
}

/// Back to the begin of the line, and erase it.
const ERASE: &str = "\r\x1b[2K";

impl Console {
    pub(super) fn new() -> Self {
        Self { status: Arc::default(), terminal: std::io::stdout().is_terminal() }
    }

    /// Whether somebody may be watching.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Prints a line, or several.
    pub(super) fn say(&self, text: &str) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.is_empty() {
            write(&format!("{text}\n"));
        } else {
            write(&format!("{ERASE}{text}\n{status}"));
        }
    }

    /// Replaces the status line; an empty one removes it. Not for output that goes to a file.
    pub(super) fn set_status(&self, text: &str) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if !(status.is_empty() && text.is_empty()) {
            write(&format!("{ERASE}{text}"));
        }
        text.clone_into(&mut status);
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // The platform goes on without a reader.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
