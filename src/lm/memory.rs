//! How many sequences there is memory for.

use super::{LmError, model::Model, ops::Backend};

/// Share of the free memory that caches and logits may take: the rest is for activations and for
/// whoever else runs here.
const SHARE: f64 = 0.8;

/// Slots of each thread's cache, at most `wanted`, in multiples of `group`, for sequences of
/// `capacity` tokens.
///
/// # Errors
/// Not even one group for one thread fits.
pub(super) fn slots<B: Backend>(
    model: &Model<B>,
    threads: usize,
    wanted: usize,
    group: usize,
    capacity: usize,
) -> Result<usize, LmError> {
    if model.has_spare(threads, wanted, capacity) {
        return Ok(wanted);
    }
    let Some(free) = model.backend.free_bytes() else { return Ok(wanted) };
    let cache = model.backend.cache_bytes(&model.shape, model.steps.len(), capacity);
    let row = size_of::<f32>() * (2 * model.shape.vocab + 4 * model.shape.intermediate);
    let found = fitting(free, cache.saturating_add(row), threads, wanted, group);
    if found == 0 {
        let needed = cache.saturating_add(row).saturating_mul(group);
        return Err(LmError::Room {
            tokens: capacity,
            sequences: group * threads,
            needed: needed.saturating_mul(threads),
            free,
        });
    }
    Ok(found)
}

/// The most slots, at most `wanted`, that fit in every thread's part; 0 where a group does not.
fn fitting(free: usize, bytes: usize, threads: usize, wanted: usize, group: usize) -> usize {
    let part = (free as f64 * SHARE) as usize / threads.max(1);
    let slots = (part / bytes.max(1)).min(wanted);
    slots - slots % group.max(1)
}

/// Bytes of memory that this process can still have: what the system has available, and what a
/// control group leaves.
pub(super) fn free() -> Option<usize> {
    let here = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let group = read("memory.max").and_then(|max| max.trim().parse::<usize>().ok()).and_then(|max| {
        let used: usize = read("memory.current")?.trim().parse().ok()?;
        // Pages of files can be given up.
        let files = read("memory.stat").and_then(|text| stat(&text, "inactive_file")).unwrap_or(0);
        Some(max.saturating_sub(used.saturating_sub(files)))
    });
    match (here, group) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `MemAvailable` of `/proc/meminfo`.
fn available(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// A figure of `memory.stat`.
fn stat(text: &str, name: &str) -> Option<usize> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_what_fits() {
        assert_eq!(fitting(1000, 10, 1, 64, 1), 64);
        assert_eq!(fitting(1000, 10, 2, 64, 1), 40);
        assert_eq!(fitting(1000, 10, 2, 64, 7), 35);
        assert_eq!(fitting(1000, 900, 1, 64, 1), 0);
        assert_eq!(fitting(1000, 300, 1, 64, 5), 0);
    }

    #[test]
    fn figures_are_read_as_the_system_writes_them() {
        let text = "MemTotal:       100 kB\nMemAvailable:   2048 kB\n";
        assert_eq!(available(text), Some(2048 * 1024));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
        assert_eq!(stat("anon 5\ninactive_file 4096\n", "inactive_file"), Some(4096));
    }
}
