//! How many sequences there is memory for, beforehand and when it turns out to be less.

use super::{
    LmError,
    model::{Model, Workspace},
    ops::Backend,
};

/// Share of the free memory that caches and logits may take: the rest is for activations and for
/// whoever else runs here.
const SHARE: f64 = 0.8;

/// What memory allows of a batch, as far as it was found out by running out of it.
#[derive(Default)]
pub(crate) struct Found {
    /// Most positions of one thread's cache; none while memory never ran out.
    most: Option<usize>,
    /// Sequences at once before and after, until somebody was told.
    news: Option<(usize, usize)>,
    told: bool,
}

impl Found {
    /// Memory ran out with so many sequences of `capacity` tokens; half of them may go on.
    fn ran_out(&mut self, slots: usize, half: usize, capacity: usize) {
        let positions = half.saturating_mul(capacity);
        self.most = Some(self.most.map_or(positions, |most| most.min(positions)));
        if !self.told {
            self.news = Some((self.news.map_or(slots, |(before, _)| before), half));
        }
    }

    /// What a person should hear: once.
    pub fn news(&mut self) -> Option<String> {
        let (before, after) = self.news.take()?;
        self.told = true;
        Some(format!(
            "memory ran out with {before} sequences at once: {after} at once from here on, with the same answers"
        ))
    }
}

/// Slots of each thread's cache, at most `wanted`, in multiples of `group`, for sequences of
/// `capacity` tokens.
///
/// What earlier generations left counts as free: it serves again if it is nearly as large as memory
/// allows, else it is given up here.
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
    let group = group.max(1);
    let most = model.found().most.map_or(usize::MAX, |most| (most / capacity.max(1)).max(group));
    let wanted = wanted.min(most) / group * group;
    let kept = model.kept(threads, wanted, capacity).min(wanted) / group * group;
    if kept == wanted && kept > 0 {
        return Ok(kept);
    }
    let bytes = sequence_bytes(model, capacity);
    let fits = |free: Option<usize>| free.map_or(wanted, |free| fitting(free, bytes, threads, wanted, group));
    let reachable = fits(model.backend.free_bytes().map(|free| free.saturating_add(model.kept_bytes())));
    if kept > 0 && kept.saturating_mul(4) >= reachable.saturating_mul(3) {
        return Ok(kept);
    }
    model.give_up();
    let free = model.backend.free_bytes();
    match fits(free) {
        0 => Err(LmError::Room {
            tokens: capacity,
            sequences: group * threads,
            needed: bytes.saturating_mul(group).saturating_mul(threads),
            free: free.unwrap_or(0),
        }),
        found => Ok(found),
    }
}

/// Half as many slots, in multiples of `group`, once `what` of so many bytes had no room. Frees the
/// workspace that ran out, and those that are kept.
///
/// # Errors
/// There is one group only.
pub(super) fn halved<B: Backend>(
    model: &Model<B>,
    (workspace, slots, capacity): (Option<Workspace<B>>, usize, usize),
    group: usize,
    (what, bytes): (&'static str, usize),
) -> Result<usize, LmError> {
    let left = model.backend.free_bytes();
    drop(workspace);
    model.give_up();
    let half = slots / 2 / group * group;
    // The last step before one group may be less than half.
    let half = if slots > group { half.max(group) } else { half };
    if half > 0 {
        model.found().ran_out(slots, half, capacity);
        return Ok(half);
    }
    let (Some(left), Some(free)) = (left, model.backend.free_bytes()) else {
        return Err(LmError::Memory { what, bytes });
    };
    // What was taken, and what more was asked for.
    let needed = free.saturating_sub(left).saturating_add(bytes);
    Err(LmError::Room { tokens: capacity, sequences: group, needed, free })
}

/// Bytes that a sequence of so many tokens takes: keys, values and logits.
fn sequence_bytes<B: Backend>(model: &Model<B>, capacity: usize) -> usize {
    let cache = model.backend.cache_bytes(&model.shape, model.steps.len(), capacity);
    let row = size_of::<f32>() * (2 * model.shape.vocab + 4 * model.shape.intermediate);
    cache.saturating_add(row)
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
