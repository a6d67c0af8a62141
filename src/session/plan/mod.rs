//! The plan of a session before it starts: what is read, how much is asked and stored, and, once candidates were timed,
//! how long it takes. A config and the plan of its setup come in, a [`RunPlan`] goes out. `yosegi evolve --dry-run` and
//! the engine make one; both faces show it.

mod card;
mod disk;
mod time;
mod types;
mod work;

pub use card::{CARDS, Card, card};
pub use types::{CardEstimate, PlannedDisk, PlannedStage, PlannedTime, PlannedWork, RunPlan, Span};

use super::config::Config;
use super::evolve;
use super::home::Home;
use super::protocol::Target;
use crate::evaluate::StoredQuestion;
use crate::evaluate::plan::{MeasureRequest, SetupPlan, Timed};

/// Candidates that are timed at most.
const MOST_TIMED: usize = 10;

impl RunPlan {
    /// Plans a session. Everything that a start would refuse is refused here.
    ///
    /// # Errors
    /// The config's space or search does not fit the models, or its start or its questions cannot be used.
    pub fn new(
        home: &Home,
        config: &Config,
        setup: SetupPlan,
        questions: &[StoredQuestion],
    ) -> anyhow::Result<Self> {
        if let Some(layers) = setup.layers {
            evolve::check_spaces(config, layers)?;
            evolve::warm_start(home, config, &config.at_stage(0).any_space(layers)?)?;
        }
        evolve::checked_overlap(config, questions)?;
        let stages = work::stages(config, setup.layers)?;
        let work = PlannedWork::new(config, &setup, &stages);
        let disk = PlannedDisk::new(home, &work, &stages, setup.models.len(), None);
        Ok(Self { name: config.name.clone(), setup, stages, work, disk, time: None, card: None })
    }

    /// The candidates to time, of those that the first generation would propose.
    ///
    /// # Errors
    /// A model is not on this machine, or the space does not fit the models.
    pub fn to_measure(&self, config: &Config, questions: Option<usize>) -> anyhow::Result<MeasureRequest> {
        if let Some(sentence) = self.setup.refusal() {
            return Err(crate::error::BadInput::error(sentence));
        }
        let layers = self.setup.layers.filter(|_| self.setup.is_here());
        let Some(layers) = layers else {
            return Err(crate::error::BadInput::error(
                "nothing can be timed before all models are on this machine: fetch them first (`yosegi inspect MODEL`)",
            ));
        };
        let recipes = evolve::first_proposals(&config.at_stage(0), layers, MOST_TIMED)?;
        let targets = recipes.into_iter().map(|recipe| Target::Recipe(Box::new(recipe))).collect();
        Ok(MeasureRequest { targets, of: self.setup.train_questions(), questions })
    }

    /// The plan with what candidates took.
    #[must_use]
    pub fn with_times(mut self, home: &Home, timed: &[Timed]) -> Self {
        self.time = PlannedTime::new(&self, timed);
        let models = self.setup.models.len();
        self.disk = PlannedDisk::new(home, &self.work, &self.stages, models, self.time.as_ref());
        self
    }

    /// The plan with an estimate for a card.
    #[must_use]
    pub fn with_card(mut self, card: &Card) -> Self {
        self.card = CardEstimate::new(&self, card);
        self
    }
}
