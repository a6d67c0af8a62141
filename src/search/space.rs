//! The parameter space: which numbers of a recipe are searched, and within which bounds.

use serde::{Deserialize, Serialize};

use super::gene::{GeneInfo, GeneKind, GeneRange, Genome, fold, nearest, short_names};
use crate::recipe::{LayerGroup, MaskStream, Method, Param, Recipe, Source, Values};

/// How fine the genes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Groups {
    /// One gene a layer group: embedding, each block, final norm and head.
    #[default]
    Layer,
    /// One gene for the whole model.
    Global,
}

/// Everything that a space is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpaceConfig {
    pub method: Method,
    pub groups: Groups,
    /// The embedding and the final norm and head share one gene (of [`Groups::Layer`]).
    pub tie_ends: bool,
    pub weight: GeneRange,
    /// Not searched where the method has no density; recipes then say 1.
    pub density: GeneRange,
    pub normalize: Option<bool>,
    pub lambda: f64,
    pub base: String,
    /// The fine-tunes, in recipe order.
    pub sources: Vec<String>,
    /// Decoder blocks of the models.
    pub layers: usize,
    pub mask: MaskStream,
    /// Seed of the mask stream, the same for every candidate.
    pub seed: u64,
}

/// Why a space can't be made, or a recipe does not fit one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpaceError {
    #[error(
        "{key} of the search space runs from {low} to {high} with start {start} and sigma {sigma}: \
         give finite numbers with min ≤ start ≤ max and sigma above 0"
    )]
    Range { key: &'static str, low: f64, high: f64, start: f64, sigma: f64 },
    #[error("a density lies in (0, 1], but the search space lets it run from {low} to {high}: narrow it")]
    Density { low: f64, high: f64 },
    #[error("the search space has no sources: name at least one fine-tune")]
    NoSources,
    #[error("the source {0} stands twice in the search space: name each fine-tune once")]
    TwiceNamed(String),
    #[error("every number of the search space is fixed: give weight or density bounds that differ")]
    NothingToSearch,
    #[error("the recipe's {key} is {recipe}, this search space's is {space}: make them equal first")]
    Differs { key: &'static str, recipe: String, space: String },
    #[error("the recipe merges {0}, which is not a source of this search space: take it out first")]
    UnknownSource(String),
    #[error(
        "the recipe's {key} of {source_name} has values for {found} blocks, the models have {layers}: \
         give one a block"
    )]
    Blocks { key: &'static str, source_name: String, found: usize, layers: usize },
    #[error("the recipe's {key} of {source_name} is not a finite number: give it one")]
    NotFinite { key: &'static str, source_name: String },
    #[error("the genome has {found} numbers, this search space has {dim} genes")]
    Length { found: usize, dim: usize },
}

/// A search space over recipes of one method, base and list of sources.
#[derive(Clone, Debug)]
pub struct Space {
    config: SpaceConfig,
    genes: Vec<GeneInfo>,
}

impl Space {
    /// Checks the bounds and lays out the genes: source by source, weights before densities,
    /// layer groups from the input to the output.
    pub fn new(config: SpaceConfig) -> Result<Self, SpaceError> {
        if config.sources.is_empty() {
            return Err(SpaceError::NoSources);
        }
        for (i, source) in config.sources.iter().enumerate() {
            if config.sources[..i].contains(source) {
                return Err(SpaceError::TwiceNamed(source.clone()));
            }
        }
        check_range("weight", config.weight)?;
        if config.method.uses_density() {
            let density = config.density;
            check_range("density", density)?;
            if density.low <= 0.0 || density.high > 1.0 {
                return Err(SpaceError::Density { low: density.low, high: density.high });
            }
        }
        let genes = genes_of(&config);
        if genes.is_empty() {
            return Err(SpaceError::NothingToSearch);
        }
        Ok(Self { config, genes })
    }

    /// Number of genes.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.genes.len()
    }

    /// The genes, in genome order.
    #[must_use]
    pub fn genes(&self) -> &[GeneInfo] {
        &self.genes
    }

    /// What the space was made from.
    #[must_use]
    pub const fn config(&self) -> &SpaceConfig {
        &self.config
    }

    /// Where the search begins.
    #[must_use]
    pub fn start(&self) -> Genome {
        Genome(self.genes.iter().map(|g| g.start).collect())
    }

    /// The genome whose weights are all `weight` (folded into the bounds), densities at their start.
    #[must_use]
    pub fn uniform(&self, weight: f64) -> Genome {
        Genome(
            self.genes
                .iter()
                .map(|g| if g.kind == GeneKind::Weight { fold(weight, g) } else { g.start })
                .collect(),
        )
    }

    /// The genome with one weight a source for all its groups, in source order; a missing one is 0.
    #[must_use]
    pub fn global(&self, weights: &[f64]) -> Genome {
        let value = |g: &GeneInfo| match g.kind {
            GeneKind::Weight => nearest(weights.get(g.source).copied().unwrap_or(0.0), g),
            GeneKind::Density => g.start,
        };
        Genome(self.genes.iter().map(value).collect())
    }

    /// The genome with every number folded into its bounds. Missing numbers are at their start,
    /// surplus ones are dropped.
    #[must_use]
    pub fn fold(&self, genome: &Genome) -> Genome {
        let at = |i: usize| genome.0.get(i).copied().unwrap_or(f64::NAN);
        Genome(self.genes.iter().enumerate().map(|(i, g)| fold(at(i), g)).collect())
    }

    /// The recipe that a genome stands for. Any numbers are allowed: they are folded into the
    /// bounds, and one that is not a number is read as the gene's start.
    #[must_use]
    pub fn to_recipe(&self, genome: &Genome) -> Recipe {
        let folded = self.fold(genome);
        let mut sources: Vec<Source> = self.config.sources.iter().map(|model| self.constant(model)).collect();
        let layers = self.config.layers;
        for (gene, &value) in self.genes.iter().zip(&folded.0) {
            let source = &mut sources[gene.source];
            let slot = match gene.kind {
                GeneKind::Weight => source.weight_mut(),
                GeneKind::Density => source.density_mut(),
            };
            match gene.group {
                None => *slot = Values::All(value),
                Some(group) => {
                    slot.set(group, layers, value);
                    if self.config.tie_ends && group == LayerGroup::Embedding {
                        slot.set(LayerGroup::Head, layers, value);
                    }
                }
            }
        }
        let mut recipe = Recipe::new(self.config.method, Some(&self.config.base));
        recipe.sources = sources;
        if self.config.lambda.to_bits() != 1_f64.to_bits() {
            recipe.parameters.set(Param::Lambda, self.config.lambda);
        }
        if let Some(normalize) = self.config.normalize {
            recipe.parameters.set(Param::Normalize, normalize);
        }
        recipe.mask = self.config.mask;
        recipe.seed = self.config.seed;
        recipe
    }

    /// The point of the space nearest to a recipe made by hand: a source that the recipe leaves out
    /// has weight 0, a gene that rules several groups takes their mean, and what lies outside the
    /// bounds moves to the bound. The mask's stream and seed are the space's own. A recipe that no
    /// genome can stand for (another method, base, lambda, normalisation or source) is refused.
    pub fn from_recipe(&self, recipe: &Recipe) -> Result<Genome, SpaceError> {
        self.check_frame(recipe)?;
        let find = |model: &str| recipe.sources.iter().find(|s| s.model == model);
        let mut out = Vec::with_capacity(self.dim());
        for gene in &self.genes {
            let Some(source) = find(&self.config.sources[gene.source]) else {
                out.push(if gene.kind == GeneKind::Weight { nearest(0.0, gene) } else { gene.start });
                continue;
            };
            let (key, values) = match gene.kind {
                GeneKind::Weight => ("weight", source.weight()),
                GeneKind::Density => ("density", source.density()),
            };
            let value = self.value(gene, values);
            if !value.is_finite() {
                return Err(SpaceError::NotFinite { key, source_name: source.model.clone() });
            }
            out.push(nearest(value, gene));
        }
        Ok(Genome(out))
    }

    fn constant(&self, model: &str) -> Source {
        let source = Source::new(model).with(Param::Weight, self.config.weight.start);
        if self.config.method.uses_density() {
            source.with(Param::Density, self.config.density.start)
        } else {
            source
        }
    }

    /// Mean of a recipe's values over the groups that a gene rules.
    fn value(&self, gene: &GeneInfo, values: &Values) -> f64 {
        let at = |group| values.at(group, self.config.layers).unwrap_or(f64::NAN);
        match gene.group {
            None => mean(&LayerGroup::all(self.config.layers).map(at).collect::<Vec<_>>()),
            Some(LayerGroup::Embedding) if self.config.tie_ends => {
                mean(&[at(LayerGroup::Embedding), at(LayerGroup::Head)])
            }
            Some(group) => at(group),
        }
    }

    fn check_frame(&self, recipe: &Recipe) -> Result<(), SpaceError> {
        let config = &self.config;
        let differs = |key, recipe: &dyn std::fmt::Display, space: &dyn std::fmt::Display| {
            Err(SpaceError::Differs { key, recipe: recipe.to_string(), space: space.to_string() })
        };
        if recipe.method != config.method {
            return differs("method", &recipe.method.name(), &config.method.name());
        }
        if recipe.donor() != config.base {
            return differs("base", &recipe.donor(), &config.base);
        }
        if (recipe.lambda() - config.lambda).abs() > 1e-9 {
            return differs("lambda", &recipe.lambda(), &config.lambda);
        }
        let normalizes = config.normalize.unwrap_or(config.method.normalizes());
        if recipe.normalizes() != normalizes {
            return differs("normalize", &recipe.normalizes(), &normalizes);
        }
        for source in &recipe.sources {
            if !config.sources.contains(&source.model) {
                return Err(SpaceError::UnknownSource(source.model.clone()));
            }
            for (key, values) in [("weight", source.weight()), ("density", source.density())] {
                let Values::Each { layers: blocks, .. } = values else { continue };
                if blocks.len() != config.layers {
                    return Err(SpaceError::Blocks {
                        key,
                        source_name: source.model.clone(),
                        found: blocks.len(),
                        layers: config.layers,
                    });
                }
            }
        }
        Ok(())
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    // A value that all share is returned as it is, so that a recipe survives the way back.
    match values {
        [first, rest @ ..] if rest.iter().all(|v| v.to_bits() == first.to_bits()) => *first,
        _ => values.iter().sum::<f64>() / values.len() as f64,
    }
}

fn check_range(key: &'static str, r: GeneRange) -> Result<(), SpaceError> {
    let finite = [r.low, r.high, r.start, r.sigma].iter().all(|v| v.is_finite());
    let ordered = r.low <= r.start && r.start <= r.high;
    if finite && ordered && (r.is_fixed() || r.sigma > 0.0) {
        Ok(())
    } else {
        Err(SpaceError::Range { key, low: r.low, high: r.high, start: r.start, sigma: r.sigma })
    }
}

fn genes_of(config: &SpaceConfig) -> Vec<GeneInfo> {
    let groups: Vec<Option<LayerGroup>> = match config.groups {
        Groups::Global => vec![None],
        Groups::Layer => LayerGroup::all(config.layers)
            .filter(|&g| !(config.tie_ends && g == LayerGroup::Head))
            .map(Some)
            .collect(),
    };
    let mut kinds = vec![(GeneKind::Weight, "weight", config.weight)];
    if config.method.uses_density() {
        kinds.push((GeneKind::Density, "density", config.density));
    }
    let names = short_names(&config.sources);
    let mut genes = Vec::new();
    for (source, short) in names.iter().enumerate() {
        for &(kind, word, range) in kinds.iter().filter(|(_, _, range)| !range.is_fixed()) {
            for &group in &groups {
                let place = match group {
                    None => String::new(),
                    Some(LayerGroup::Embedding) if config.tie_ends => "[embed+head]".to_owned(),
                    Some(group) => format!("[{group}]"),
                };
                let GeneRange { low, high, start, sigma } = range;
                let name = format!("{short}.{word}{place}");
                genes.push(GeneInfo { name, kind, source, group, low, high, start, sigma });
            }
        }
    }
    genes
}
