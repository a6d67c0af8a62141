//! How much memory this process can still take: the least of what the machine, the control groups and the process's own
//! limits leave. Nothing comes in; bytes go out, with the name of the limit that gives the least. `lm` asks before it
//! sizes a batch, `evaluate` before it loads a model; the engine gives back what it has freed.
//!
//! A card's free memory is not here: its driver gives it.

mod control_group;
mod process;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::limits;

/// The limit that leaves the least memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The memory that the system says is available.
    Machine,
    /// The control group of this process, or one around it.
    ControlGroup,
    /// The process's address space (`ulimit -v`). Mapped files count too.
    AddressSpace,
    /// The process's private memory (`ulimit -d`).
    Data,
}

impl Limit {
    /// What it is, for a sentence.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Machine => "the machine's memory",
            Self::ControlGroup => "the limit of the control group",
            Self::AddressSpace => "the process's limit, ulimit -v",
            Self::Data => "the process's limit, ulimit -d",
        }
    }
}

/// Memory that this process can still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    pub bytes: u64,
    /// The limit that leaves no more than that.
    pub limit: Limit,
}

/// The memory that this process can still take; `None` if the system does not say.
#[must_use]
pub fn free() -> Option<Free> {
    let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemAvailable:"));
    let group =
        read("/proc/self/cgroup").and_then(|text| control_group::free(&text, Path::new("/sys/fs/cgroup")));
    let (limits, status) = (read("/proc/self/limits"), read("/proc/self/status"));
    let own = |limit| process::free(limits.as_deref()?, status.as_deref()?, limit);
    let known = [
        (Limit::Machine, machine),
        (Limit::ControlGroup, group),
        (Limit::AddressSpace, own(Limit::AddressSpace)),
        (Limit::Data, own(Limit::Data)),
    ];
    least(&known)
}

/// Returns to the system what was freed here. The allocator keeps small pieces for later, which then count as used.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim releases free memory at the top and in the middle of every heap, under the heap's locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The smallest known number.
fn least(known: &[(Limit, Option<u64>)]) -> Option<Free> {
    let known = known.iter().filter_map(|(limit, bytes)| Some(Free { bytes: (*bytes)?, limit: *limit }));
    known.min_by_key(|free| free.bytes)
}

/// A number of bytes in readable units, as makers count them: `14.5 GB`, `270 MB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let giga = bytes as f64 / 1e9;
    if giga < 0.9995 { format!("{:.0} MB", giga * 1e3) } else { format!("{giga:.1} GB") }
}

fn read(path: &str) -> Option<String> {
    limits::read_text(Path::new(path), limits::SMALL_FILE).ok()
}

/// The bytes that a line such as `MemAvailable:   2048 kB` gives.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_the_system_writes_them() {
        let text = "MemTotal:       100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(2048 * 1024));
        assert_eq!(kilobytes("MemTotal: 1 kB\n", "MemAvailable:"), None);
    }

    #[test]
    fn the_least_wins_and_says_its_name() {
        let known = [(Limit::Machine, Some(9)), (Limit::ControlGroup, None), (Limit::Data, Some(7))];
        assert_eq!(least(&known), Some(Free { bytes: 7, limit: Limit::Data }));
        assert_eq!(least(&[(Limit::Machine, None)]), None);
    }

    #[test]
    fn sizes_have_the_unit_that_fits() {
        assert_eq!(size(14_480_000_000), "14.5 GB");
        assert_eq!(size(269_600_000), "270 MB");
        assert_eq!(size(999_600_000), "1.0 GB");
    }
}
