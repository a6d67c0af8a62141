//! Merges candidates on the card, where base and sources stay in memory, and writes results straight to a decoder's
//! weights. A recipe comes in, a [`Candidate`] goes out; the decoder then asks for its tensors one by one.
//!
//! The cut and the factor that the kernel needs for a task vector are computed on the CPU from the mapped models, once
//! per source, and cached in the pool. A tensor's inputs are sent when it is first merged, as long as the card has
//! room. If the kernel cannot merge a tensor, the CPU merges it and the decoder sends the result.

use std::collections::HashMap;

use rayon::prelude::*;

use super::launch::{Launch, MAX_SOURCES};
use super::queue;
use crate::checkpoint::{Dtype, ModelConfig, tensor_shapes};
use crate::gpu::{DeviceWrite, Driver, Fault};
use crate::merge::kernels::group::Group;
use crate::merge::methods::{self, Problem, Rule, Sparsify};
use crate::merge::plan::planned::{Plan, PlannedInput, PlannedTensor};
use crate::merge::remerge::stale;
use crate::merge::run::{RandomSource, launch};
use crate::merge::{MergeError, Pool};
use crate::recipe::{LayerGroup, Method, Recipe};

/// Share of the card's free memory for base and sources; the rest is for keys and values.
const SHARE: f64 = 0.85;

/// Base and sources of a pool on a card, and the plan of the tensors that the decoder holds now.
pub(crate) struct Resident<D: Driver> {
    card: D,
    /// Key: the model's index, and the name under which the model stores the tensor.
    tensors: HashMap<(usize, String), D::Buffer>,
    /// Free bytes on the card for base and source tensors that are not sent yet.
    room: usize,
    made: Option<Plan>,
}

/// Values of a tensor that was merged on the CPU.
pub(crate) type Tensor = (Dtype, Vec<u8>);

/// How a tensor is merged.
#[derive(Clone)]
enum Way {
    /// Unchanged since the last candidate.
    Unchanged,
    /// The kernel merges it with these arguments.
    Card(Box<Launch>),
    /// The kernel cannot merge it; the CPU does.
    Cpu,
    /// The CPU merges it this once, because rows follow that are not merged.
    Whole,
}

/// A candidate whose tensors are being written to the card.
pub(crate) struct Candidate {
    plan: Plan,
    places: HashMap<String, usize>,
    /// One entry per tensor of the plan.
    ways: Vec<Way>,
    /// Whether the decoder must be rebuilt rather than overwritten.
    pub rebuild: bool,
    /// For each layer group, whether any of its tensors is merged again.
    pub groups: Vec<bool>,
    pub config: ModelConfig,
    /// Tensors that the kernel does not support, and tensors whose inputs had no room on the card.
    pub unlike: usize,
    pub crowded: usize,
    /// Tensors merged on the card, or sent once because of rows that are not merged.
    pub done: usize,
}

/// The result of [`Resident::begin`].
pub(crate) enum Begun {
    /// The card can merge the recipe.
    Candidate(Box<Candidate>),
    /// The CPU must merge the whole recipe, for this reason.
    OnCpu(String),
}

fn failed(fault: Fault) -> MergeError {
    MergeError::Card(match fault {
        Fault::Memory { what, bytes } => format!("no room for {bytes} bytes of {what}"),
        Fault::Failed(why) => why,
    })
}

impl<D: Driver> Resident<D> {
    /// Reserves room for a pool's models on a card; sends nothing yet. `loaded` says that the decoder is already there.
    pub(crate) fn new(card: D, pool: &Pool, loaded: bool) -> Self {
        let elements = |(_, shape): (String, Vec<usize>)| shape.iter().product::<usize>();
        let decoder = || tensor_shapes(pool.config()).into_iter().map(elements).sum::<usize>() * 2;
        let free = card.free().unwrap_or(0).saturating_sub(if loaded { 0 } else { decoder() });
        Self { card, tensors: HashMap::new(), room: (free as f64 * SHARE) as usize, made: None }
    }

    /// Address of an input on the card; `None` if the card has no room for it.
    fn address(&mut self, pool: &Pool, input: &PlannedInput) -> Result<Option<u64>, Fault> {
        let key = (input.model, pool.stored_name(input).to_owned());
        if let Some(buffer) = self.tensors.get(&key) {
            return Ok(Some(self.card.address(buffer)));
        }
        let data = pool.view(input).data;
        if data.len() > self.room {
            return Ok(None);
        }
        let buffer = match self.card.alloc("base and sources", data.len()) {
            Ok(buffer) => buffer,
            Err(Fault::Memory { .. }) => {
                self.room = 0;
                return Ok(None);
            }
            Err(fault) => return Err(fault),
        };
        self.card.upload(data, &buffer, 0)?;
        self.room -= data.len();
        let address = self.card.address(&buffer);
        self.tensors.insert(key, buffer);
        Ok(Some(address))
    }

    /// Queues the merge of one tensor; `false` if its inputs have no room on the card.
    fn merge(
        &mut self,
        pool: &Pool,
        planned: &PlannedTensor,
        launch: Launch,
        to: u64,
    ) -> Result<bool, Fault> {
        let mut addresses = Vec::with_capacity(planned.inputs.len());
        for input in &planned.inputs {
            match self.address(pool, input)? {
                Some(address) => addresses.push(address),
                None => return Ok(false),
            }
        }
        let base = match planned.base.filter(|_| !launch.is_linear()) {
            Some(base) => addresses.remove(base),
            // A linear merge does not read the base: any valid address will do.
            None => addresses[0],
        };
        // SAFETY: every input and the tensor's place in the decoder hold the same number of elements. No buffer is
        // freed before the queue has finished.
        unsafe { queue::queue(&self.card, launch, base, &addresses, to, planned.len())? };
        Ok(true)
    }

    /// Plans a recipe against the pool. `has_decoder` says that the decoder filled last still exists, so unchanged
    /// tensors need not be merged again.
    pub(crate) fn begin(
        &mut self,
        pool: &Pool,
        recipe: &Recipe,
        has_decoder: bool,
    ) -> Result<Begun, MergeError> {
        let plan = pool.plan(recipe)?;
        if let Some(why) = refused(&plan) {
            return Ok(Begun::OnCpu(why));
        }
        let old = self.made.take().filter(|old| has_decoder && alike(old, &plan));
        let rebuild = old.is_none();
        let stale = stale(&plan, old.as_ref());
        let jobs = plan.tensors.par_iter().zip(&stale);
        let ways = jobs.map(|(planned, stale)| {
            if !stale {
                return Ok(Way::Unchanged);
            }
            // The kernel writes the merged rows alone. What follows them is the same for every candidate: it is sent
            // once, with the whole tensor, and then stays.
            if rebuild && planned.rest.is_some() {
                return Ok(Way::Whole);
            }
            pool.look_at_inputs(planned)?;
            let inputs = planned.inputs.iter().map(|input| pool.view(input)).collect();
            let group = Group { inputs, base: planned.base, shape: &planned.shape, work: planned.work };
            let launch =
                launch(plan.method, planned, &group, pool.cache(planned), plan.seed, pool.non_finite);
            let told = |Problem(problem)| MergeError::Method {
                method: plan.method.name(),
                tensor: planned.name.clone(),
                problem,
            };
            pool.intact(planned)?;
            launch.map(|launch| launch.map_or(Way::Cpu, |known| Way::Card(Box::new(known)))).map_err(told)
        });
        let ways = ways.collect::<Result<Vec<_>, MergeError>>()?;
        let mut groups = vec![false; LayerGroup::count(plan.layers)];
        for (planned, stale) in plan.tensors.iter().zip(stale) {
            groups[planned.group.index(plan.layers)] |= stale;
        }
        let places = plan.tensors.iter().enumerate().map(|(i, t)| (t.name.clone(), i)).collect();
        let config = plan.config.clone();
        let (unlike, crowded, done) = (0, 0, 0);
        Ok(Begun::Candidate(Box::new(Candidate {
            plan,
            places,
            ways,
            rebuild,
            groups,
            config,
            unlike,
            crowded,
            done,
        })))
    }

    /// Writes the candidate's tensor `name` to address `to`, as bfloat16.
    pub(crate) fn make(
        &mut self,
        pool: &Pool,
        candidate: &mut Candidate,
        name: &str,
        to: u64,
    ) -> Result<DeviceWrite<Tensor>, MergeError> {
        let missing = || MergeError::Card(format!("the recipe makes no tensor {name}"));
        let place = *candidate.places.get(name).ok_or_else(missing)?;
        let planned = &candidate.plan.tensors[place];
        match &candidate.ways[place] {
            Way::Unchanged => return Ok(DeviceWrite::Unchanged),
            Way::Card(launch) => {
                let merged = self.merge(pool, planned, **launch, to);
                pool.intact(planned)?;
                if merged.map_err(failed)? {
                    candidate.done += 1;
                    return Ok(DeviceWrite::Queued);
                }
                candidate.crowded += 1;
            }
            Way::Cpu => candidate.unlike += 1,
            Way::Whole => candidate.done += 1,
        }
        let mut data = vec![0; planned.bytes()];
        let numbers = RandomSource::Counter(candidate.plan.seed);
        pool.merge_tensor(&candidate.plan, planned, numbers, &mut data, false)?;
        Ok(DeviceWrite::OnHost((planned.stored, data)))
    }

    /// Waits until the candidate is on the card.
    pub(crate) fn finish(&mut self, candidate: Candidate) -> Result<(), MergeError> {
        if let Some(buffer) = self.tensors.values().next() {
            self.card.download(buffer, 0, &mut [0; 2]).map_err(failed)?;
        }
        self.made = Some(candidate.plan);
        Ok(())
    }
}

/// Why the CPU must merge the whole plan; `None` if the card can.
fn refused(plan: &Plan) -> Option<String> {
    let name = plan.method.name();
    if !plan.vision.is_empty() {
        return Some("the recipe merges the vision part too, which the CPU does".to_owned());
    }
    if plan.one_stream() {
        return Some(format!("{name} with the mask of mergekit draws from one stream, which the CPU has"));
    }
    let done = match methods::rule(plan.method) {
        Rule::Whole(_) => plan.method == Method::Linear,
        Rule::Family { sparsify, .. } => {
            matches!(sparsify, Sparsify::Nothing | Sparsify::Largest | Sparsify::AtRandom)
        }
    };
    if !done {
        return Some(format!(
            "{name} is not among the methods that the card does (linear, task_arithmetic, ties, dare_linear, \
             dare_ties)"
        ));
    }
    let reads_base = plan.method != Method::Linear;
    let most =
        plan.tensors.iter().map(|t| t.inputs.len() - usize::from(reads_base && t.base.is_some())).max();
    most.filter(|n| *n > MAX_SOURCES)
        .map(|n| format!("it has {n} sources and the card does at most {MAX_SOURCES}"))
}

/// Whether a decoder made for one plan has a place for every tensor of the other plan.
fn alike(old: &Plan, new: &Plan) -> bool {
    old.config == new.config
        && old.tensors.len() == new.tensors.len()
        && old
            .tensors
            .iter()
            .zip(&new.tensors)
            .all(|(a, b)| a.name == b.name && a.shape == b.shape && a.rest == b.rest)
}
