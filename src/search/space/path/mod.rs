//! The data flow space (Akiba et al. 2024, arXiv 2403.13187, section 3.2): which layers of which models a token passes,
//! in which order, and by what factor its hidden state is scaled before each layer. A [`PathSpaceConfig`] comes in;
//! genomes become recipes with a path, and paths made by hand become genomes. `AnySpace` calls it.
//!
//! All layers of all models, model by model, repeated r times, are the *slots*. One switch for each slot says whether
//! the slot is on the path, so that 2^(M r) paths are searched instead of M^T. As in the paper, a path begins with the
//! first model's first layer, ends with that model's last layer, and uses its embedding, final norm and head; only the
//! layers in between are searched. At the start the first model's own layers, in the first repeat, are likely to be on,
//! all others unlikely.
//!
//! [`Scales`] gives the factor on the input of each layer. A genome uses a factor only while its hop is on the path
//! ([`PathSpace::active`]).

mod scales;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::gene::{ActiveGenes, GeneInfo, GeneRange, Genome, reflect, short_names};
use crate::limits::GENES;
use crate::recipe::{Method, Recipe, Step};
pub use scales::Scales;

/// Maximum number of slots of a space.
const MAX_SLOTS: usize = 4096;

/// The inputs for making a path space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathSpaceConfig {
    /// The models. The first gives the embedding, the head, and the path's two ends.
    pub models: Vec<String>,
    /// Decoder blocks of each model.
    pub layers: Vec<usize>,
    /// The number of times that the sequence of all layers is repeated (r).
    pub repeats: usize,
    pub scales: Scales,
    /// Bounds, start and first step size of a scale. With equal bounds no scale is searched.
    pub scale: GeneRange,
    /// First probability of on for the first model's own layers.
    pub likely: f64,
    /// First probability of on for all other layers.
    pub seldom: f64,
    /// Maximum number of layers of a path; 0 means no limit.
    pub longest: usize,
}

/// Why a path space can't be made, or a recipe does not fit one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PathError {
    /// No model is named.
    #[error("a path needs models: name at least one in space.path.models")]
    NoModels,
    /// A model is named twice.
    #[error("{0} stands twice in space.path.models: name each model once")]
    TwiceNamed(String),
    /// A model has no layers.
    #[error("{0} has no layers: take it out of space.path.models")]
    NoLayers(String),
    /// The number of repeats is 0.
    #[error("space.path.repeats is 0: every layer can be passed once at least, give 1 or more")]
    NoRepeats,
    /// More slots than a space may have.
    #[error(
        "{layers} layers, {repeats} times over, are over {MAX_SLOTS} slots: take fewer models or repeats"
    )]
    Slots { layers: usize, repeats: usize },
    /// More genes than a search can have.
    #[error("{0} genes are too many: take scales = \"hop\" or \"network\"")]
    Genes(usize),
    /// Bounds, start or step size of the scales that do not form a range.
    #[error(
        "scales of a path run from {low} to {high} with start {start} and sigma {sigma}: give finite numbers \
         on one side of 0 with min ≤ start ≤ max and sigma above 0"
    )]
    Scale { low: f64, high: f64, start: f64, sigma: f64 },
    /// A probability outside 0 to 1.
    #[error("space.path.{key} is {value}: a probability lies between 0 and 1, give 0.01 to 0.99")]
    Probability { key: &'static str, value: f64 },
    /// A maximum length that is too short for the path's two ends.
    #[error("space.path.longest is {found}: a path has its two ends at least, give {least} or more, or 0")]
    Longest { found: usize, least: usize },
    /// A space with only one path.
    #[error("there is nothing to search: one layer passed once, and no scale; name more models or repeats")]
    NothingToSearch,
    /// A recipe that is not a path of this space.
    #[error("the recipe is no path of {0} layers that this search space has: {1}")]
    Recipe(usize, String),
}

/// A layer as the indices of its model and of the layer in that model.
type LayerRef = (usize, usize);

/// A search space over paths.
#[derive(Clone, Debug)]
pub struct PathSpace {
    config: PathSpaceConfig,
    /// The layer of each slot, in the order in which a path passes them.
    slots: Vec<LayerRef>,
    genes: Vec<GeneInfo>,
}

/// One layer of a path that a genome stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Hop {
    place: LayerRef,
    /// The slot of the layer; the last layer has none.
    slot: Option<usize>,
}

impl PathSpace {
    /// Checks the config and lays out the genes: one switch for each slot, then the scales.
    pub fn new(config: PathSpaceConfig) -> Result<Self, PathError> {
        check(&config)?;
        let all = || (0..config.models.len()).flat_map(|m| (0..config.layers[m]).map(move |l| (m, l)));
        let slots: Vec<LayerRef> = (0..config.repeats).flat_map(|_| all()).collect();
        // The very first slot is always on: it is the beginning of the path.
        let slots = slots[1..].to_vec();
        let mut space = Self { config, slots, genes: Vec::new() };
        let scales = space.scale_count();
        if scales > GENES {
            return Err(PathError::Genes(scales));
        }
        space.genes = space.lay_out();
        if space.genes.is_empty() {
            return Err(PathError::NothingToSearch);
        }
        Ok(space)
    }

    /// Number of genes.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.genes.len()
    }

    /// The genes in genome order: one switch for each slot, then the scales.
    #[must_use]
    pub fn genes(&self) -> &[GeneInfo] {
        &self.genes
    }

    /// Which genes are switches.
    #[must_use]
    pub fn binary(&self) -> Vec<bool> {
        (0..self.dim()).map(|i| i < self.slots.len()).collect()
    }

    /// The config from which the space was made.
    #[must_use]
    pub const fn config(&self) -> &PathSpaceConfig {
        &self.config
    }

    /// The genome at which the search begins: switches at their first probabilities, scales at their start.
    #[must_use]
    pub fn start(&self) -> Genome {
        Genome(self.genes.iter().map(|g| g.start).collect())
    }

    /// The genome with every number reflected into its bounds and every switch set to on or off. A missing number gets
    /// its start.
    #[must_use]
    pub fn reflect(&self, genome: &Genome) -> Genome {
        let one = |(i, gene): (usize, &GeneInfo)| {
            let x = reflect(genome.0.get(i).copied().unwrap_or(f64::NAN), gene);
            if i < self.slots.len() { f64::from(u8::from(x > 0.5)) } else { x }
        };
        Genome(self.genes.iter().enumerate().map(one).collect())
    }

    /// The recipe of a genome. Any numbers are allowed.
    #[must_use]
    pub fn to_recipe(&self, genome: &Genome) -> Recipe {
        let genome = self.reflect(genome);
        let hops = self.hops(&genome.0);
        let mut recipe = Recipe::new(Method::Passthrough, Some(&self.config.models[0]));
        recipe.path = hops
            .iter()
            .enumerate()
            .map(|(t, hop)| Step {
                model: self.config.models[hop.place.0].clone(),
                layer: hop.place.1,
                scale: if t == 0 { 1.0 } else { self.scale(&genome.0, &hops[t - 1], hop, t, hops.len()) },
            })
            .collect();
        recipe
    }

    /// Which genes a genome uses: the switches up to the slot at which the path reaches its maximum length, and the
    /// scales of the hops on the path.
    #[must_use]
    pub fn active(&self) -> ActiveGenes {
        let space = self.clone();
        std::sync::Arc::new(move |genome: &[f64]| {
            let genome = space.reflect(&Genome(genome.to_vec())).0;
            let hops = space.hops(&genome);
            let mut out = vec![false; space.dim()];
            let full = space.config.longest > 0 && hops.len() >= space.config.longest;
            let last = hops.iter().rev().find_map(|hop| hop.slot).filter(|_| full);
            out[..last.map_or(space.slots.len(), |slot| slot + 1)].fill(true);
            space.mark_scales(&hops, &mut out);
            out
        })
    }

    /// The genome of a path made by hand. Each layer takes the first free slot that holds it. Scales outside the bounds
    /// move to the nearest bound. Scales of hops that are not on the path get their start.
    ///
    /// # Errors
    /// A path that no genome of this space stands for.
    pub fn from_recipe(&self, recipe: &Recipe) -> Result<Genome, PathError> {
        let path = &recipe.path;
        let refuse = |why: String| Err(PathError::Recipe(path.len(), why));
        let places = self.places(recipe)?;
        let (first, last) = self.ends();
        let n = places.len();
        if n == 0 || recipe.donor() != self.config.models[0] {
            return refuse(format!("it must be a path with base {}", self.config.models[0]));
        }
        if places[0] != first || places[n - 1] != last {
            return refuse(format!("it must begin and end with the ends of {}", self.config.models[0]));
        }
        if self.config.longest > 0 && n > self.config.longest {
            return refuse(format!("{} layers are the most here", self.config.longest));
        }
        if (path[0].scale - 1.0).abs() > 1e-9 {
            return refuse("what enters the first layer has no scale here".to_owned());
        }
        let mut hops = vec![Hop { place: first, slot: None }];
        let mut next = 0;
        for place in places.iter().take(n - 1).skip(1) {
            let Some(slot) = (next..self.slots.len()).find(|&slot| self.slots[slot] == *place) else {
                return refuse(format!("its order needs more than {} repeats", self.config.repeats));
            };
            hops.push(Hop { place: *place, slot: Some(slot) });
            next = slot + 1;
        }
        if n > 1 {
            hops.push(Hop { place: last, slot: None });
        }
        let mut genome = self.start().0;
        genome[..self.slots.len()].fill(0.0);
        hops.iter().filter_map(|hop| hop.slot).for_each(|slot| genome[slot] = 1.0);
        let scales: Vec<f64> = path.iter().map(|step| step.scale).collect();
        if let Err(why) = self.put_scales(&hops, &scales, &mut genome) {
            return refuse(why);
        }
        Ok(Genome(genome))
    }

    /// The layers of the path of a genome that is already reflected.
    fn hops(&self, genome: &[f64]) -> Vec<Hop> {
        let (first, last) = self.ends();
        let mut hops = vec![Hop { place: first, slot: None }];
        let room = if self.config.longest == 0 { usize::MAX } else { self.config.longest };
        for (slot, &place) in self.slots.iter().enumerate() {
            // The last place is reserved for the end of the path.
            if genome[slot] > 0.5 && hops.len() + 1 < room {
                hops.push(Hop { place, slot: Some(slot) });
            }
        }
        // A first model of one layer begins and ends with that layer; if it is the only one, it is passed once.
        if first != last || hops.len() > 1 {
            hops.push(Hop { place: last, slot: None });
        }
        hops
    }

    /// The first model's first and last layer.
    fn ends(&self) -> (LayerRef, LayerRef) {
        ((0, 0), (0, self.config.layers[0] - 1))
    }

    fn places(&self, recipe: &Recipe) -> Result<Vec<LayerRef>, PathError> {
        let place = |step: &Step| {
            let model = self.config.models.iter().position(|m| *m == step.model);
            let found = model.filter(|&m| step.layer < self.config.layers[m]);
            let why = || format!("layer {} of {} is not in it", step.layer, step.model);
            found.map(|m| (m, step.layer)).ok_or_else(|| PathError::Recipe(recipe.path.len(), why()))
        };
        recipe.path.iter().map(place).collect()
    }

    /// Number of layers of all models before this one: the layer's row and column in the matrix of scales.
    fn number(&self, (model, layer): LayerRef) -> usize {
        self.config.layers[..model].iter().sum::<usize>() + layer
    }

    fn all_layers(&self) -> usize {
        self.config.layers.iter().sum()
    }

    fn lay_out(&self) -> Vec<GeneInfo> {
        let short = short_names(&self.config.models);
        let (first, last) = self.ends();
        let mut genes = Vec::with_capacity(self.slots.len() + self.scale_count());
        for (slot, &(model, layer)) in self.slots.iter().enumerate() {
            let own = model == 0 && slot + 1 < self.config.layers[0] && (model, layer) != last;
            debug_assert!((model, layer) != first || !own);
            let name = format!("{}.{layer}{}", short[model], self.repeat_suffix(slot));
            let start = if own { self.config.likely } else { self.config.seldom };
            // Optimisers without switches read a number with a threshold at ½; this gives them the same first
            // probability.
            let sigma =
                ((start - 0.5).abs() / -crate::search::normal::quantile(start.min(1.0 - start))).max(0.1);
            genes.push(gene(name, (model, layer), GeneRange { low: 0.0, high: 1.0, start, sigma }));
        }
        self.lay_out_scales(&short, &mut genes);
        genes
    }

    /// `#2` for a slot of the second repeat; empty if there is only one repeat.
    fn repeat_suffix(&self, slot: usize) -> String {
        let round = (slot + 1) / self.all_layers() + 1;
        if self.config.repeats > 1 { format!("#{round}") } else { String::new() }
    }
}

fn gene(name: String, (model, _): LayerRef, range: GeneRange) -> GeneInfo {
    let GeneRange { low, high, start, sigma } = range;
    GeneInfo { source: Some(model), ..GeneInfo::number(name, (low, high), start, sigma) }
}

fn check(config: &PathSpaceConfig) -> Result<(), PathError> {
    if config.models.is_empty() || config.layers.len() != config.models.len() {
        return Err(PathError::NoModels);
    }
    for (i, model) in config.models.iter().enumerate() {
        if config.models[..i].contains(model) {
            return Err(PathError::TwiceNamed(model.clone()));
        }
        if config.layers[i] == 0 {
            return Err(PathError::NoLayers(model.clone()));
        }
    }
    if config.repeats == 0 {
        return Err(PathError::NoRepeats);
    }
    let layers: usize = config.layers.iter().sum();
    if layers.checked_mul(config.repeats).is_none_or(|slots| slots > MAX_SLOTS) {
        return Err(PathError::Slots { layers, repeats: config.repeats });
    }
    let GeneRange { low, high, start, sigma } = config.scale;
    let finite = [low, high, start, sigma].iter().all(|v| v.is_finite());
    let ordered = low <= start && start <= high && (low > 0.0 || high < 0.0);
    if !(finite && ordered && (low >= high || sigma > 0.0)) {
        return Err(PathError::Scale { low, high, start, sigma });
    }
    for (key, value) in [("likely", config.likely), ("seldom", config.seldom)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(PathError::Probability { key, value });
        }
    }
    let least = if config.layers[0] == 1 { 1 } else { 2 };
    if config.longest > 0 && config.longest < least {
        return Err(PathError::Longest { found: config.longest, least });
    }
    Ok(())
}
