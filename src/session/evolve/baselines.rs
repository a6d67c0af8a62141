//! Measures the baselines before the search: the base, each source, the uniform merge, the grid of global weights. The
//! run's state comes in, the next baseline to measure goes out. The run's `step` calls it first.

use super::{Evolution, Work, WorkKind};
use crate::session::protocol::{Candidate, Origin, Split, Target};

impl Evolution {
    /// The next baseline that has not been measured.
    pub(super) fn baseline(&self) -> Option<Work> {
        let measured = self.state.baselines().count();
        // The first stage's pool. A model that joins the pool later has been measured already.
        let (config, pool) = (&self.whole, &self.whole.pool);
        let model = |reference: &String| (reference.clone(), Target::Model(reference.clone()));
        let (origin, (label, target), splits) = if measured == 0 {
            (Origin::Base, model(&pool.base), vec![Split::Train, Split::Test])
        } else if let Some(source) = pool.sources.get(measured - 1) {
            (Origin::Source, model(source), vec![Split::Train, Split::Test])
        } else if measured == pool.sources.len() + 1 {
            let n = pool.sources.len();
            let recipe = config.global_recipe(&vec![1.0 / n as f64; n]);
            (
                Origin::Uniform,
                ("uniform".to_owned(), Target::Recipe(Box::new(recipe))),
                vec![Split::Train, Split::Test],
            )
        } else {
            let grid = if config.baselines.grid.is_empty() { Vec::new() } else { config.grid() };
            let weights = grid.get(measured - pool.sources.len() - 2)?;
            let label = weights.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            (
                Origin::Grid,
                (label, Target::Recipe(Box::new(config.global_recipe(weights)))),
                vec![Split::Train],
            )
        };
        let genome = match &target {
            Target::Recipe(recipe) => self.space.from_recipe(recipe).map(|g| g.0).unwrap_or_default(),
            Target::Model(_) => Vec::new(),
        };
        let candidate = Candidate { id: self.next_id(), label, origin, genome, target };
        Some(Work { kind: WorkKind::Baseline, candidate, splits, questions: None })
    }
}
