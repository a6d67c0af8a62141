//! What running out of memory has taught about a model's batches.

/// What memory allows of a batch, as far as it was found out by running out of it.
#[derive(Default)]
pub(crate) struct Found {
    /// Most positions of one thread's cache; none while memory never ran out.
    pub most: Option<usize>,
    /// Sequences at once before and after, until somebody was told.
    news: Option<(usize, usize)>,
    told: bool,
}

impl Found {
    /// Memory ran out with so many sequences of `capacity` tokens; half of them may go on.
    pub fn ran_out(&mut self, slots: usize, half: usize, capacity: usize) {
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
