//! Estimates the time that work of a known size still takes, from how fast it was in the last few seconds. A meter
//! calls it.

/// After this many seconds a speed counts for about a third of what it counted first.
const FADES: f64 = 4.0;

/// Speeds that are taken over less time than this are chance, in seconds.
const SHORTEST: f64 = 0.05;

/// The speed of a piece of work so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TimeLeft {
    /// When the last bytes were counted, in seconds after the begin, and how many were done.
    at: f64,
    done: u64,
    /// Bytes a second.
    speed: Option<f64>,
}

impl TimeLeft {
    /// Seconds that are left when `done` of `of` bytes are done, `seconds` after the begin; `None` while nothing moves.
    pub fn after(&mut self, seconds: f64, done: u64, of: u64) -> Option<u64> {
        let passed = seconds - self.at;
        if passed >= SHORTEST {
            let now = done.saturating_sub(self.done) as f64 / passed;
            let old = (-passed / FADES).exp();
            self.speed = Some(self.speed.map_or(now, |speed| old * speed + (1.0 - old) * now));
            (self.at, self.done) = (seconds, done);
        }
        let left = of.saturating_sub(done) as f64 / self.speed.filter(|speed| *speed >= 1.0)?;
        Some(left.min(1e9).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn a_steady_speed_is_found_at_once() {
        let mut left = TimeLeft::default();
        assert_eq!(left.after(1.0, GB, 11 * GB), Some(10));
        assert_eq!(left.after(2.0, 2 * GB, 11 * GB), Some(9));
        // Too soon for another speed.
        assert_eq!(left.after(2.01, 2 * GB, 11 * GB), Some(9));
        assert_eq!(left.after(11.0, 11 * GB, 11 * GB), Some(0));
    }

    /// Pages that are cached come first: the estimate follows the disk within some seconds, without a jump.
    #[test]
    fn a_change_of_speed_is_followed() {
        let mut left = TimeLeft::default();
        assert_eq!(left.after(1.0, 4 * GB, 20 * GB), Some(4));
        let mut last = 4;
        for second in 2..=16 {
            let done = 4 * GB + (second - 1) * GB / 2;
            let now = left.after(second as f64, done, 20 * GB).unwrap();
            assert!(now + 1 >= last.min(18), "{second}: {last} {now}");
            last = now;
        }
        // 8.5 GB are left at half a gigabyte a second.
        assert!((14..=18).contains(&last), "{last}");
    }

    #[test]
    fn what_stands_still_has_no_time_left_to_tell() {
        let mut left = TimeLeft::default();
        assert_eq!(left.after(1.0, 0, GB), None);
        assert_eq!(left.after(2.0, GB / 2, GB).map(|s| s < 10), Some(true));
        assert!(left.after(200.0, GB / 2, GB).is_none_or(|s| s > 1_000_000));
    }
}
