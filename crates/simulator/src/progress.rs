//! What a person at a terminal sees meanwhile, on standard error. Without a terminal it shows nothing.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const REFRESH: Duration = Duration::from_millis(250);

/// A line that moves. It disappears with the value.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { bar: ProgressBar::new_spinner() }
    }

    /// Turns into a bar that is full after `duration`.
    pub(crate) fn measure(&self, duration: Duration) {
        // The template is a constant; should it be refused, the bar looks plain.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {elapsed}/{prefix} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(format!("{}s", duration.as_secs()));
        self.bar.set_length(duration.as_millis().try_into().unwrap_or(u64::MAX));
    }

    /// Awaits, and shows meanwhile what `status` says.
    pub(crate) async fn during<F: Future, S: Display>(
        &self,
        work: F,
        mut status: impl FnMut() -> S,
    ) -> F::Output {
        let started = Instant::now();
        let mut ticks = tokio::time::interval(REFRESH);
        // Kept apart, so that what awaits this does not become as large twice over.
        let mut work = Box::pin(work);
        loop {
            tokio::select! {
                output = &mut work => return output,
                _ = ticks.tick() => {
                    self.bar.set_position(started.elapsed().as_millis().try_into().unwrap_or(u64::MAX));
                    self.bar.set_message(status().to_string());
                    self.bar.tick();
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
