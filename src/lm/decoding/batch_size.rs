//! How many sequences there is memory for, beforehand and when it turns out to be less.

use crate::lm::{
    LmError,
    backend::Backend,
    model::{Model, Workspace},
};

/// Share of the free memory that caches and logits may take: the rest is for activations and for
/// whoever else runs here.
const SHARE: f64 = 0.8;

/// Slots of each thread's cache, at most `wanted`, in multiples of `group`, for sequences of
/// `capacity` tokens.
///
/// What earlier generations left counts as free: it serves again if it is nearly as large as memory
/// allows, else it is given up here.
///
/// # Errors
/// Not even one group for one thread fits.
pub(crate) fn slots<B: Backend>(
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
pub(crate) fn halved<B: Backend>(
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
}
