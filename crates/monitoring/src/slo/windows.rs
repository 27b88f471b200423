//! The windows of burn-rate alerts, and time made shorter for trying them out.

use std::time::Duration;

use super::SloError;

/// How the rules are to be made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// By what windows, `for` and intervals are divided, 1 for real time. Names keep their windows, so that dashboards and
    /// alerts fit.
    pub time_scale: u32,
    /// How often the services are scraped.
    pub scrape_interval: Duration,
}

/// A window as names and labels have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) name: &'static str,
    length: Duration,
}

/// Two windows that must both burn, and how fast: Google's SRE workbook, "Alerting on SLOs", multiwindow, multi-burn-rate.
pub(super) struct Burn {
    /// Times the rate at which the budget lasts just as long as the period.
    pub(super) factor: &'static str,
    /// For being sure.
    pub(super) long: Window,
    /// For ceasing soon after the trouble has.
    pub(super) short: Window,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const fn window(name: &'static str, seconds: u64) -> Window {
    Window { name, length: Duration::from_secs(seconds) }
}

/// The shortest window, by which all others are summed up where they are long.
pub(super) const SHORTEST: Window = window("5m", 5 * MINUTE);

/// What pages: 2 % of a month's budget within an hour, or 5 % within six.
pub(super) const PAGE: [Burn; 2] = [
    Burn { factor: "14.4", long: window("1h", HOUR), short: SHORTEST },
    Burn { factor: "6", long: window("6h", 6 * HOUR), short: window("30m", 30 * MINUTE) },
];

/// What is looked at on a working day: 10 % of a month's budget within a day or three.
pub(super) const TICKET: [Burn; 2] = [
    Burn { factor: "3", long: window("1d", DAY), short: window("2h", 2 * HOUR) },
    Burn { factor: "1", long: window("3d", 3 * DAY), short: window("6h", 6 * HOUR) },
];

/// Four samples make a rate: windows of Prometheus 3 are open on the left, so three intervals need one more.
const SCRAPES: u32 = 4;

impl Default for Options {
    fn default() -> Self {
        Self { time_scale: 1, scrape_interval: Duration::from_secs(5) }
    }
}

impl Options {
    pub(super) fn check(&self) -> Result<(), SloError> {
        let (scale, scrape) = (self.time_scale, self.scrape_interval);
        let scaled = SHORTEST.length / scale.max(1);
        if scale == 0 || scaled < scrape * SCRAPES {
            return Err(SloError::TooShort { window: SHORTEST.name, scaled, scale, scrape });
        }
        Ok(())
    }

    /// A line for the head of the file when its rules are not for use.
    pub(super) fn remark(&self) -> String {
        match self.time_scale {
            1 => String::new(),
            scale => format!("# Time is scaled 1:{scale}, for trying out.\n"),
        }
    }

    /// A time in the form of Prometheus, shortened by the scale.
    pub(super) fn time(&self, time: Duration) -> String {
        promql(time / self.time_scale.max(1))
    }

    /// The length of a window.
    pub(super) fn range(&self, window: Window) -> String {
        self.time(window.length)
    }

    /// The same in seconds.
    pub(super) fn seconds(&self, window: Window) -> f64 {
        (window.length / self.time_scale.max(1)).as_secs_f64()
    }

    /// How many samples a rule of this interval leaves in a window.
    pub(super) fn samples(window: Window, interval: Duration) -> f64 {
        window.length.as_secs_f64() / interval.as_secs_f64()
    }
}

impl Window {
    /// The period of an objective.
    pub(super) fn days(days: u32) -> Self {
        // Its name is not used: it has no burn rate of its own.
        window("period", u64::from(days) * DAY)
    }
}

/// A duration in PromQL, in the largest unit that fits.
fn promql(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let fitting = units.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{millis}ms"), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        let texts = [86_400_000, 21_600_000, 300_000, 90_000, 1500]
            .map(|millis| promql(Duration::from_millis(millis)));
        assert_eq!(texts, ["1d", "6h", "5m", "90s", "1500ms"]);
    }

    #[test]
    fn a_window_has_four_scrapes_at_least() {
        let options =
            |time_scale, seconds| Options { time_scale, scrape_interval: Duration::from_secs(seconds) };
        options(15, 5).check().unwrap();
        options(75, 1).check().unwrap();
        for (scale, scrape) in [(16, 5), (76, 1), (0, 5)] {
            let error = options(scale, scrape).check().unwrap_err();
            assert!(matches!(error, SloError::TooShort { window: "5m", .. }), "{error}");
        }
    }
}
