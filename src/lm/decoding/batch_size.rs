//! How many sequences fit in memory: estimated before a run, and halved when memory runs out.
//!
//! In: a model, threads, and the wanted number of sequences. Out: slots for each thread's cache. Called by
//! `generate`, `likelihood` and `batch`.

use crate::lm::{
    LmError,
    backend::Backend,
    model::{Model, Workspace},
};

/// Share of the free memory that caches and logits may take. The rest is for activations and other programs.
const MEMORY_SHARE: f64 = 0.8;

/// Slots of each thread's cache, at most `wanted`, in multiples of `group`, for sequences of
/// `capacity` tokens.
///
/// Buffers kept from earlier generations count as free: they are reused if they are nearly as large as memory allows,
/// else they are freed here.
///
/// # Errors
/// [`LmError::Room`] if not even one group for each thread fits.
pub(crate) fn slots<B: Backend>(
    model: &Model<B>,
    threads: usize,
    wanted: usize,
    group: usize,
    capacity: usize,
) -> Result<usize, LmError> {
    let group = group.max(1);
    let most = model.memory_limit().positions.map_or(usize::MAX, |most| (most / capacity.max(1)).max(group));
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
    model.free_kept();
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

/// Half as many slots, in multiples of `group`, after an allocation of `bytes` for `what` failed. Frees the workspace
/// that ran out of memory and all kept workspaces.
///
/// # Errors
/// [`LmError::Room`] or [`LmError::Memory`] if there is only one group.
pub(crate) fn halved<B: Backend>(
    model: &Model<B>,
    (workspace, slots, capacity): (Option<Workspace<B>>, usize, usize),
    group: usize,
    (what, bytes): (&'static str, usize),
) -> Result<usize, LmError> {
    let left = model.backend.free_bytes();
    drop(workspace);
    model.free_kept();
    let half = slots / 2 / group * group;
    // The last reduction, to one group, may be to less than half.
    let half = if slots > group { half.max(group) } else { half };
    if half > 0 {
        model.memory_limit().ran_out(slots, half, capacity);
        return Ok(half);
    }
    let (Some(left), Some(free)) = (left, model.backend.free_bytes()) else {
        return Err(LmError::Memory { what, bytes });
    };
    // The memory that the workspace held, plus the failed request.
    let needed = free.saturating_sub(left).saturating_add(bytes);
    Err(LmError::Room { tokens: capacity, sequences: group, needed, free })
}

/// Bytes for a sequence of `capacity` tokens: keys, values and logits.
fn sequence_bytes<B: Backend>(model: &Model<B>, capacity: usize) -> usize {
    let cache = model.backend.cache_bytes(&model.shape, model.steps.len(), capacity);
    let row = size_of::<f32>() * (2 * model.shape.vocab + 4 * model.shape.intermediate);
    cache.saturating_add(row)
}

/// The most slots, at most `wanted`, that fit in each thread's share of `free`; 0 if not even a group fits.
fn fitting(free: usize, bytes: usize, threads: usize, wanted: usize, group: usize) -> usize {
    let part = (free as f64 * MEMORY_SHARE) as usize / threads.max(1);
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
