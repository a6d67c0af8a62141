//! Gets a generation's candidates from the optimiser, and tells the optimiser their fitness. The run's `step` and
//! `apply` call it.

use anyhow::Context;

use super::Evolution;
use crate::error::BadInput;
use crate::recipe::Recipe;
use crate::search::{AnySpace, Genome, Optimiser, Setup};
use crate::session::config::{Config, Start};
use crate::session::protocol::{Candidate, CandidateId, Event, Origin, Target};
use crate::session::state::Entry;

pub(super) fn optimiser(config: &Config, space: &AnySpace, start: &Genome) -> anyhow::Result<Optimiser> {
    let setup = Setup {
        kind: &config.search.algorithm,
        genes: space.genes(),
        binary: &space.binary(),
        active: space.active(),
        start,
        population: Some(config.search.population).filter(|&p| p > 0),
        seed: config.seed.wrapping_add(config.at as u64),
        options: config.search.options.clone(),
    };
    Optimiser::with(setup).map_err(|e| BadInput::error(format!("[search]: {e}")))
}

/// Checks that the spaces and searches of all stages fit models of `layers` decoder blocks.
///
/// # Errors
/// The method, the number of blocks or the optimiser does not allow a space.
pub fn check_spaces(config: &Config, layers: usize) -> anyhow::Result<()> {
    for at in 0..config.stage.len().max(1) {
        let stage = config.at_stage(at);
        let space = stage.any_space(layers)?;
        optimiser(&stage, &space, &space.start())?;
    }
    Ok(())
}

/// Candidates of a generation, the first one if they grow.
///
/// # Errors
/// The optimiser does not allow the space.
pub fn population(config: &Config, space: &AnySpace) -> anyhow::Result<usize> {
    Ok(optimiser(config, space, &space.start())?.population())
}

/// Recipes that the first generation of a stage proposes if it begins at the space's own start.
///
/// # Errors
/// The optimiser or the number of blocks does not allow the space.
pub fn first_proposals(config: &Config, layers: usize, count: usize) -> anyhow::Result<Vec<Recipe>> {
    let space = config.any_space(layers)?;
    let asked = optimiser(config, &space, &space.start())?.ask();
    let genomes = asked.iter().cycle().take(if asked.is_empty() { 0 } else { count });
    Ok(genomes.map(|genome| space.to_recipe(genome)).collect())
}

impl Evolution {
    /// A hand-made recipe takes part in the next ranking if it is a point of the space.
    pub(super) fn inject_evaluated(&mut self, id: CandidateId) {
        let Some(entry) = self.state.entry(id) else { return };
        let by_hand = entry.candidate.origin == Origin::Hand && !entry.candidate.genome.is_empty();
        if let (true, Some(score)) = (by_hand, entry.train()) {
            let objectives = self.objectives(id, score.fitness);
            self.injected.push((Genome(entry.candidate.genome.clone()), objectives));
        }
    }

    /// Tells the optimiser the fitness of a whole generation.
    pub(super) fn tell(&mut self) {
        let Some(generation) = self.state.generations.last() else { return };
        self.part.extend_from_slice(&generation.candidates);
        let fitness = self.told(&self.part);
        let rows: Vec<Vec<f64>> =
            self.part.iter().zip(&fitness).map(|(&id, &fitness)| self.objectives(id, fitness)).collect();
        if let Some(optimiser) = &mut self.optimiser
            && fitness.len() == optimiser.population()
        {
            self.part.clear();
            for (genome, objectives) in self.injected.drain(..) {
                optimiser.inject(&genome, &objectives);
            }
            optimiser.tell_all(&rows);
        }
    }

    /// The genomes of the next generation. Repeated calls before the generation is stored return the same ones.
    pub(super) fn ask(&mut self) -> anyhow::Result<Vec<Genome>> {
        if let Some(asked) = &self.asked {
            return Ok(asked.clone());
        }
        if self.optimiser.is_none() {
            self.optimiser = Some(optimiser(&self.config, &self.space, &self.start())?);
        }
        let optimiser = self.optimiser.as_mut().context("an optimiser was just made")?;
        let asked = optimiser.ask().split_off(self.part.len());
        self.asked = Some(asked.clone());
        Ok(asked)
    }

    /// The search distribution's first mean, as `[search] start` says.
    fn start(&self) -> Genome {
        if self.config.at == 0 && !self.begin.is_empty() {
            return self.space.reflect(&Genome(self.begin.clone()));
        }
        let from = match &self.config.search.start {
            Start::Word(word) if word == "grid" => self.best_of(Origin::Grid),
            Start::Word(_) => self.best_of(Origin::Uniform),
            Start::Number(_) => None,
        };
        match from.and_then(|id| self.state.entry(id)) {
            Some(entry) if self.config.at == 0 => self.space.reflect(&Genome(entry.candidate.genome.clone())),
            Some(Entry { candidate: Candidate { target: Target::Recipe(recipe), .. }, .. }) => {
                self.space.from_recipe(recipe).unwrap_or_else(|_| self.space.start())
            }
            _ => self.space.start(),
        }
    }

    /// The event that begins the next generation, or ends the search if the optimiser's numbers are not finite.
    pub(super) fn generation_started(&mut self) -> anyhow::Result<Event> {
        let mut asked = self.ask()?;
        let left = self.stage_budget().saturating_sub(self.state.evaluations);
        asked.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        let optimiser = self.optimiser.as_ref().context("asking makes an optimiser")?;
        let (sigma, mean) = (optimiser.sigma(), optimiser.mean().0);
        let genes = asked.iter().flat_map(|genome| &genome.0).chain(&mean).chain([&sigma]);
        if !genes.into_iter().all(|number| number.is_finite()) {
            let reason =
                "the search has run out of all numbers: its step size or mean is not finite any more";
            return Ok(Event::Ended { reason: reason.to_owned() });
        }
        let generation = self.generation() + 1;
        let first = self.next_id();
        let candidate = |(i, genome): (usize, Genome)| Candidate {
            id: first + i as u64,
            label: format!("g{generation} #{}", i + 1),
            origin: Origin::Search,
            target: Target::Recipe(Box::new(self.space.to_recipe(&genome))),
            genome: genome.0,
        };
        Ok(Event::GenerationStarted {
            generation,
            sigma,
            mean,
            candidates: asked.into_iter().enumerate().map(candidate).collect(),
        })
    }

    pub(super) fn generation_finished(&self) -> Event {
        let ids = self.state.generations.last().map(|g| g.candidates.as_slice()).unwrap_or_default();
        let fitness: Vec<f64> =
            ids.iter().map(|&id| self.fitness(id)).filter(|fitness| fitness.is_finite()).collect();
        let n = fitness.len().max(1) as f64;
        let mean = fitness.iter().sum::<f64>() / n;
        let variance = fitness.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n;
        let best = self.leader();
        Event::GenerationFinished {
            generation: self.generation(),
            best,
            best_fitness: Some(self.fitness(best)).filter(|f| f.is_finite()).unwrap_or(0.0),
            mean_fitness: mean,
            std_fitness: variance.sqrt(),
            evaluations: self.state.evaluations,
            front: self.front(),
        }
    }

    /// The best candidate; before there is one, the best merge among the baselines.
    pub(super) fn leader(&self) -> CandidateId {
        let baseline = || self.best_of(Origin::Grid).or_else(|| self.best_of(Origin::Uniform));
        let merge = || self.state.entries.iter().find(|e| matches!(e.candidate.target, Target::Recipe(_)));
        self.state.best.or_else(baseline).or_else(|| merge().map(|e| e.candidate.id)).unwrap_or(0)
    }
}

/// Whether two numbers are equal up to the last digits, since another machine's exponential function may round
/// differently.
pub(super) fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() <= 1e-9 * (1.0 + y.abs()))
}
