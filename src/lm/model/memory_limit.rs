//! The limit on a model's batch size that was found by running out of memory.
//!
//! `decoding::batch_size` writes and reads it; [`crate::lm::Decoder::news`] tells the user once.

/// The largest batch that memory allows, as far as it is known.
#[derive(Default)]
pub(crate) struct MemoryLimit {
    /// Most positions of one thread's cache; `None` if memory has never run out.
    pub positions: Option<usize>,
    /// Sequences at once before and after the reduction, until the user has been told.
    news: Option<(usize, usize)>,
    told: bool,
}

impl MemoryLimit {
    /// Records that memory ran out with `slots` sequences of `capacity` tokens, and that `half` of them go on.
    pub fn ran_out(&mut self, slots: usize, half: usize, capacity: usize) {
        let positions = half.saturating_mul(capacity);
        self.positions = Some(self.positions.map_or(positions, |most| most.min(positions)));
        if !self.told {
            self.news = Some((self.news.map_or(slots, |(before, _)| before), half));
        }
    }

    /// A sentence for the user, once.
    pub fn news(&mut self) -> Option<String> {
        let (before, after) = self.news.take()?;
        self.told = true;
        Some(format!(
            "memory ran out with {before} sequences at once: {after} at once from here on, with the same answers"
        ))
    }
}
