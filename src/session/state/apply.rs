//! Applies events to the state of a session: each event changes its part of the state. Every reader of a journal
//! applies the journal's events here, in order.

use super::{Begun, Entry, Finish, Generation, SessionState};
use crate::session::config::{budget_in, stage_names};
use crate::session::protocol::{
    Candidate, CandidateId, Cost, Event, Origin, Outcome, Record, Score, Split, SplitScore, Status, TaskScore,
};

impl SessionState {
    /// Applies the next event.
    pub fn apply(&mut self, record: &Record) {
        self.seq = record.seq;
        self.updated_ms = record.at_ms;
        if let Some(cost) = &record.cost {
            self.tokens += cost.tokens;
            self.seconds += cost.seconds();
        }
        match &record.event {
            Event::Created { .. } => self.created(&record.event, record.at_ms),
            Event::Baseline { candidate, scores, failed, values } => {
                self.baseline(candidate, scores, failed.as_deref(), record.cost);
                if let Some(entry) = self.entries.last_mut() {
                    entry.values.clone_from(values);
                }
            }
            Event::GenerationStarted { generation, sigma, mean, candidates } => {
                self.generations.push(Generation {
                    generation: *generation,
                    sigma: *sigma,
                    mean: mean.clone(),
                    candidates: candidates.iter().map(|c| c.id).collect(),
                    ..Generation::default()
                });
                for candidate in candidates {
                    self.put(candidate, Some(*generation));
                }
            }
            Event::StageStarted { stage: _, name: _, genes, winner, recipe } => {
                self.genes.clone_from(genes);
                self.ended = None;
                self.begun.push(Begun {
                    first: self.entries.len() as CandidateId,
                    generation: self.generations.len() as u64 + 1,
                    evaluations: self.evaluations,
                    winner: *winner,
                    recipe: recipe.as_deref().cloned(),
                });
            }
            Event::Injected { candidate } => self.put(candidate, None),
            Event::Evaluated { id, generation: _, outcome, tasks, stopped } => {
                if let Some(entry) = self.entry_mut(*id) {
                    entry.stopped = *stopped;
                }
                self.evaluated(*id, outcome, tasks, record.cost);
            }
            Event::Block { id, score, values } => {
                if let Some(entry) = self.entry_mut(*id) {
                    entry.values.extend_from_slice(values);
                    entry.so_far = entry.so_far.and(*score);
                    entry.cost = entry.cost.and(record.cost.unwrap_or_default());
                }
            }
            Event::Questions { generation, order, learnt: _ } => {
                if let Some(row) = self.generations.iter_mut().rev().find(|g| g.generation == *generation) {
                    row.order.clone_from(order);
                }
            }
            Event::Estimated { generation: _, estimates, off: _ } => {
                for &(id, fitness) in estimates {
                    if let Some(entry) = self.entry_mut(id) {
                        entry.estimate = Some(fitness);
                    }
                }
            }
            Event::GenerationFinished { .. } => self.generation_finished(&record.event),
            Event::HeldOut { id, score, tasks } => {
                if let Some(entry) = self.entry_mut(*id) {
                    entry.test = Some(*score);
                    entry.test_tasks.clone_from(tasks);
                }
            }
            Event::Ended { reason } => self.ended = Some(reason.clone()),
            Event::Extended { budget } => self.extend(*budget),
            Event::Paused => self.status = Status::Paused,
            Event::Resumed => {
                self.status = Status::Running;
                self.reason = None;
            }
            Event::Stopped { reason } => {
                self.status = Status::Stopped;
                self.reason = Some(reason.clone());
            }
            Event::Finished { reason, best, train, test, mean, evaluations: _, recipe } => {
                self.status = Status::Finished;
                self.reason = Some(reason.clone());
                self.best = Some(*best);
                self.finished = Some(Finish {
                    best: *best,
                    mean: *mean,
                    train: *train,
                    test: *test,
                    recipe: (**recipe).clone(),
                });
            }
        }
    }

    fn created(&mut self, event: &Event, at_ms: u64) {
        let Event::Created {
            version: _,
            name,
            config,
            seed,
            genes,
            layers,
            train_questions,
            test_questions,
            budget,
            device,
            device_note,
            dtype,
            language_by,
            search: _,
            begin,
        } = event
        else {
            return;
        };
        self.created_ms = at_ms;
        self.name.clone_from(name);
        self.config.clone_from(config);
        self.seed = *seed;
        self.genes.clone_from(genes);
        self.stages = stage_names(config);
        let may = budget_in(config);
        (self.most_tokens, self.most_seconds) = (may.tokens, may.seconds);
        self.layers = *layers;
        self.train_questions = *train_questions;
        self.test_questions = *test_questions;
        self.budget = *budget;
        self.device.clone_from(device);
        self.device_note.clone_from(device_note);
        self.dtype.clone_from(dtype);
        self.language_by.clone_from(language_by);
        self.overlap = begin.as_ref().map_or(0, |b| b.overlap);
        self.languages = begin.as_ref().map(|b| b.languages.clone()).unwrap_or_default();
        self.status = Status::Running;
    }

    fn generation_finished(&mut self, event: &Event) {
        let Event::GenerationFinished {
            generation,
            best,
            best_fitness,
            mean_fitness,
            std_fitness,
            evaluations,
            front,
        } = event
        else {
            return;
        };
        self.front.clone_from(front);
        if let Some(row) = self.generations.iter_mut().rev().find(|g| g.generation == *generation) {
            row.complete = true;
            row.best = Some(*best);
            row.best_fitness = *best_fitness;
            row.mean_fitness = *mean_fitness;
            row.std_fitness = *std_fitness;
            row.evaluations = *evaluations;
        }
    }

    /// Reverts the session's end; the measurements made at the end stay.
    fn extend(&mut self, budget: u64) {
        self.budget = budget;
        self.status = Status::Running;
        (self.finished, self.ended, self.reason) = (None, None, None);
        self.extended = true;
        let mut best: Option<(f64, CandidateId)> = None;
        for entry in &self.entries {
            let searched = matches!(entry.candidate.origin, Origin::Search | Origin::Hand);
            if let (true, Some(score)) = (searched && !entry.stopped, entry.train())
                && best.is_none_or(|(fitness, _)| score.fitness > fitness)
            {
                best = Some((score.fitness, entry.candidate.id));
            }
        }
        self.best = best.map(|(_, id)| id);
    }

    fn put(&mut self, candidate: &Candidate, generation: Option<u64>) {
        self.entries.push(Entry {
            candidate: candidate.clone(),
            generation,
            outcome: None,
            test: None,
            train_tasks: Vec::new(),
            test_tasks: Vec::new(),
            cost: Cost::default(),
            values: Vec::new(),
            so_far: Score::default(),
            stopped: false,
            estimate: None,
        });
    }

    fn baseline(
        &mut self,
        candidate: &Candidate,
        scores: &[SplitScore],
        failed: Option<&str>,
        cost: Option<Cost>,
    ) {
        self.put(candidate, None);
        if let Some(entry) = self.entries.last_mut() {
            entry.cost = cost.unwrap_or_default();
            entry.outcome = failed.map(|why| Outcome::Failed(why.to_owned()));
            for s in scores {
                match s.split {
                    Split::Train => {
                        entry.outcome = Some(Outcome::Scored(s.score));
                        entry.train_tasks.clone_from(&s.tasks);
                    }
                    Split::Test => {
                        entry.test = Some(s.score);
                        entry.test_tasks.clone_from(&s.tasks);
                    }
                }
            }
        }
    }

    fn evaluated(&mut self, id: CandidateId, outcome: &Outcome, tasks: &[TaskScore], cost: Option<Cost>) {
        self.evaluations += 1;
        let Some(entry) = self.entry_mut(id) else { return };
        entry.outcome = Some(outcome.clone());
        entry.train_tasks = tasks.to_vec();
        entry.cost = entry.cost.and(cost.unwrap_or_default());
        let Some(score) = entry.train().filter(|_| !entry.stopped) else { return };
        let beaten = match self.best.and_then(|b| self.entry(b)).and_then(Entry::train) {
            None => true,
            Some(best) => score.fitness > best.fitness,
        };
        if beaten {
            self.best = Some(id);
        }
    }
}
