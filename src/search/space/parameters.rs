//! The space of a merge's parameters: which numbers of a recipe are searched, and within which bounds. A
//! [`SpaceConfig`] comes in; genomes become recipes, and recipes made by hand become genomes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gene::{GeneInfo, GeneRange, Genome, nearest, reflect, short_names};
use super::layout::{Groups, Layout};
use crate::recipe::{Kind, MaskStream, Method, Param, ParamSpec, Recipe, Scope, Source, Values};

/// The inputs for making a space.
#[derive(Clone, Debug, PartialEq)]
pub struct SpaceConfig {
    pub method: Method,
    pub groups: Groups,
    /// The embedding shares one gene with the final norm and head.
    pub tie_ends: bool,
    /// Bounds of the method's parameters; equal bounds fix a parameter. A missing parameter has the method's default
    /// and is not written into recipes.
    pub parameters: BTreeMap<Param, SearchedParam>,
    pub base: String,
    /// The fine-tunes, in recipe order.
    pub sources: Vec<String>,
    /// Decoder blocks of the models.
    pub layers: usize,
    pub mask: MaskStream,
    /// Seed of the mask stream; it is the same for every candidate.
    pub seed: u64,
}

/// A parameter's bounds, and its groups if they differ from the space's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchedParam {
    pub range: GeneRange,
    pub groups: Option<Groups>,
}

impl From<GeneRange> for SearchedParam {
    fn from(range: GeneRange) -> Self {
        Self { range, groups: None }
    }
}

/// Why a space can't be made, or a recipe does not fit one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SpaceError {
    /// Bounds, start or step size that do not form a range.
    #[error(
        "{key} of the search space runs from {low} to {high} with start {start} and sigma {sigma}: \
         give finite numbers with min ≤ start ≤ max and sigma above 0"
    )]
    Range { key: &'static str, low: f64, high: f64, start: f64, sigma: f64 },
    /// A bound outside the values that the method allows.
    #[error("{key} of the search space reaches {value}, but {key} of {method} {problem}")]
    Bound { key: &'static str, method: &'static str, value: f64, problem: String },
    /// A parameter that the method does not have.
    #[error("{method} has no {key}: take it out of the search space (its parameters: {known})")]
    Parameter { key: &'static str, method: &'static str, known: String },
    /// A required parameter that is missing.
    #[error("{method} needs {key}: give it bounds or a value in the search space")]
    Missing { key: &'static str, method: &'static str },
    /// A parameter whose values can't have fractions.
    #[error("{key} of {method} is no number with fractions: give the search space one value for it")]
    NoGene { key: &'static str, method: &'static str },
    /// Groups of layers that do not fit the models.
    #[error("the search space's {0}")]
    Groups(String),
    /// No source is named.
    #[error("the search space has no sources: name at least one fine-tune")]
    NoSources,
    /// A source that is named twice.
    #[error("the source {0} stands twice in the search space: name each fine-tune once")]
    TwiceNamed(String),
    /// All numbers are fixed.
    #[error("every number of the search space is fixed: give weight or density bounds that differ")]
    NothingToSearch,
    /// Genes whose recipe is not valid.
    #[error("the search space makes no recipe: {0}")]
    Recipe(String),
    /// A recipe that differs from the space in something that is not searched.
    #[error("the recipe's {key} is {recipe}, this search space's is {space}: make them equal first")]
    Differs { key: &'static str, recipe: String, space: String },
    /// A recipe with a feature that no point of the space has.
    #[error("the recipe has {0}, which no point of this search space has: take it out first")]
    Foreign(&'static str),
    /// A recipe with a source that the space does not have.
    #[error("the recipe merges {0}, which is not a source of this search space: take it out first")]
    UnknownSource(String),
    /// A recipe with values for another number of blocks.
    #[error(
        "the recipe's {key} of {source_name} has values for {found} blocks, the models have {layers}: \
         give one a block"
    )]
    Blocks { key: &'static str, source_name: String, found: usize, layers: usize },
    /// A recipe with a number that is not finite.
    #[error("the recipe's {key} of {source_name} is not a finite number: give it one")]
    NotFinite { key: &'static str, source_name: String },
}

/// A search space over recipes of one method, base and list of sources.
#[derive(Clone, Debug)]
pub struct Space {
    config: SpaceConfig,
    params: Vec<ParamGenes>,
    genes: Vec<GeneInfo>,
}

/// One parameter of a source, or of the whole merge, with the genes that set it.
#[derive(Clone, Debug)]
struct ParamGenes {
    spec: &'static ParamSpec,
    /// Index of the source; `None` for a parameter that applies to the whole merge.
    source: Option<usize>,
    /// The index of the parameter's first gene, and the layout of its genes; `None` if the parameter is fixed.
    genes: Option<(usize, Layout)>,
    fixed: f64,
}

impl Space {
    /// Checks the bounds and lays out the genes: source by source, then the parameters of the whole merge, each in the
    /// order of the method's table, groups from input to output.
    pub fn new(config: SpaceConfig) -> Result<Self, SpaceError> {
        if config.sources.is_empty() {
            return Err(SpaceError::NoSources);
        }
        for (i, source) in config.sources.iter().enumerate() {
            if config.sources[..i].contains(source) {
                return Err(SpaceError::TwiceNamed(source.clone()));
            }
        }
        check_parameters(&config)?;
        let mut space = Self { params: Vec::new(), genes: Vec::new(), config };
        let names = short_names(&space.config.sources);
        for (source, short) in names.iter().enumerate() {
            space.lay_out(Scope::PerModel, Some(source), &format!("{short}."))?;
        }
        space.lay_out(Scope::Global, None, "")?;
        if space.genes.is_empty() {
            return Err(SpaceError::NothingToSearch);
        }
        let recipe = space.to_recipe(&space.start());
        recipe.check(space.config.layers).map_err(|e| SpaceError::Recipe(e.to_string()))?;
        Ok(space)
    }

    /// Adds the genes of all parameters of a scope.
    fn lay_out(&mut self, scope: Scope, source: Option<usize>, prefix: &str) -> Result<(), SpaceError> {
        let Self { config, params, genes } = self;
        let per_model = config.method.per_model().any(|p| config.parameters.contains_key(&p.param));
        for spec in config.method.parameters().iter().filter(|p| p.scope == scope) {
            let Some(SearchedParam { range, groups }) = config.parameters.get(&spec.param) else { continue };
            let GeneRange { low, high, start, sigma } = *range;
            let mut param_genes = ParamGenes { spec, source, genes: None, fixed: start };
            if !range.is_fixed() {
                // A factor on the whole merge is a single number when the sources have weights, unless the config says
                // otherwise.
                let usual =
                    if scope == Scope::Global && per_model { Groups::Global } else { config.groups.clone() };
                let groups = groups.as_ref().unwrap_or(&usual);
                let layout =
                    Layout::new(groups, config.tie_ends, config.layers).map_err(SpaceError::Groups)?;
                let first = genes.len();
                for place in layout.labels() {
                    let name = format!("{prefix}{}{place}", spec.param.name());
                    genes.push(GeneInfo { name, param: Some(spec.param), source, low, high, start, sigma });
                }
                param_genes.genes = Some((first, layout));
            }
            params.push(param_genes);
        }
        Ok(())
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

    /// The config from which the space was made.
    #[must_use]
    pub const fn config(&self) -> &SpaceConfig {
        &self.config
    }

    /// The genome at which the search begins.
    #[must_use]
    pub fn start(&self) -> Genome {
        Genome(self.genes.iter().map(|g| g.start).collect())
    }

    /// The genome that gives each source one weight for all its groups, in source order (0 if none is given). All other
    /// genes are at their start.
    #[must_use]
    pub fn global(&self, weights: &[f64]) -> Genome {
        let value = |g: &GeneInfo| match (g.param, g.source) {
            (Some(Param::Weight), Some(source)) => nearest(weights.get(source).copied().unwrap_or(0.0), g),
            _ => g.start,
        };
        Genome(self.genes.iter().map(value).collect())
    }

    /// The genome with every number reflected into its bounds. A missing number gets its start; surplus numbers are
    /// dropped.
    #[must_use]
    pub fn reflect(&self, genome: &Genome) -> Genome {
        let at = |i: usize| genome.0.get(i).copied().unwrap_or(f64::NAN);
        Genome(self.genes.iter().enumerate().map(|(i, g)| reflect(at(i), g)).collect())
    }

    /// The recipe of a genome. Any numbers are allowed: they are reflected into the bounds, and NaN becomes the gene's
    /// start.
    #[must_use]
    pub fn to_recipe(&self, genome: &Genome) -> Recipe {
        let folded = self.reflect(genome).0;
        let mut recipe = Recipe::new(self.config.method, Some(&self.config.base));
        recipe.sources = self.config.sources.iter().map(|model| Source::new(model)).collect();
        for param_genes in &self.params {
            let values = match &param_genes.genes {
                Some((first, layout)) => layout.values(&folded[*first..*first + layout.labels().len()]),
                None => Values::All(param_genes.fixed),
            };
            match param_genes.source {
                Some(source) => recipe.sources[source].parameters.set(param_genes.spec.param, values),
                None => recipe.parameters.set(param_genes.spec.param, values),
            }
        }
        recipe.mask = self.config.mask;
        recipe.seed = self.config.seed;
        recipe
    }

    /// The genome nearest to a recipe made by hand. A source that the recipe leaves out gets weight 0. A gene that
    /// covers several tensors gets their mean. A value outside the bounds moves to the bound. Mask stream and seed are
    /// the space's.
    ///
    /// # Errors
    /// A recipe with another method, base, fixed parameter or source, which no genome stands for.
    pub fn from_recipe(&self, recipe: &Recipe) -> Result<Genome, SpaceError> {
        let recipe = &recipe.as_whole_models(self.config.layers);
        self.check_frame(recipe)?;
        let mut out = self.start().0;
        for param_genes in &self.params {
            let Some((first, layout)) = &param_genes.genes else { continue };
            let genes = &self.genes[*first..*first + layout.labels().len()];
            let numbers = match self.given(recipe, param_genes.spec, param_genes.source) {
                Given::Absent => genes
                    .iter()
                    .map(|g| if param_genes.spec.param == Param::Weight { 0.0 } else { g.start })
                    .collect(),
                Given::Value(values) => layout.numbers(&values),
            };
            for (i, (number, gene)) in numbers.into_iter().zip(genes).enumerate() {
                if !number.is_finite() {
                    let source_name =
                        param_genes.source.map_or("the merge", |s| &self.config.sources[s]).to_owned();
                    return Err(SpaceError::NotFinite { key: param_genes.spec.param.name(), source_name });
                }
                out[first + i] = nearest(number, gene);
            }
        }
        Ok(Genome(out))
    }

    /// A parameter's value in a recipe: the source's, else the whole merge's, else the method's default.
    fn given(&self, recipe: &Recipe, spec: &ParamSpec, source: Option<usize>) -> Given {
        let own = match source {
            None => None,
            Some(i) => {
                let model = &self.config.sources[i];
                let Some(source) = recipe.sources.iter().find(|s| s.model == *model) else {
                    return Given::Absent;
                };
                source.parameters.get(spec.param)
            }
        };
        let given = own.or_else(|| recipe.parameters.get(spec.param)).cloned();
        Given::Value(given.unwrap_or(Values::All(spec.default.unwrap_or(1.0))))
    }

    fn check_frame(&self, recipe: &Recipe) -> Result<(), SpaceError> {
        let config = &self.config;
        let differs = |key, recipe: &dyn std::fmt::Display, space: &dyn std::fmt::Display| {
            Err(SpaceError::Differs { key, recipe: recipe.to_string(), space: space.to_string() })
        };
        let foreign = [
            (!recipe.before.is_empty(), "other recipes before it"),
            (!recipe.path.is_empty(), "a path"),
            (!recipe.slices.is_empty(), "slices"),
            (recipe.module.is_some(), "modules"),
            (recipe.align.is_some(), "an alignment"),
            (recipe.tokenizer.is_some(), "a vocabulary of its own"),
        ];
        if let Some((_, what)) = foreign.into_iter().find(|(has, _)| *has) {
            return Err(SpaceError::Foreign(what));
        }
        if recipe.method != config.method {
            return differs("method", &recipe.method.name(), &config.method.name());
        }
        if recipe.donor() != config.base {
            return differs("base", &recipe.donor(), &config.base);
        }
        for source in &recipe.sources {
            if !config.sources.contains(&source.model) {
                return Err(SpaceError::UnknownSource(source.model.clone()));
            }
            for (param, values) in source.parameters.iter() {
                for (_, values) in values.parts() {
                    let Values::Each { layers: blocks, .. } = values else { continue };
                    if blocks.len() != config.layers {
                        return Err(SpaceError::Blocks {
                            key: param.name(),
                            source_name: source.model.clone(),
                            found: blocks.len(),
                            layers: config.layers,
                        });
                    }
                }
            }
        }
        // A parameter that is not searched must have the same value in the recipe and the space.
        for spec in config.method.parameters().iter().filter(|p| !p.ignored) {
            let own = config.parameters.get(&spec.param);
            let Some(value) = own.map_or(spec.default, |s| s.range.is_fixed().then_some(s.range.start))
            else {
                continue;
            };
            let sources: Vec<Option<usize>> = match spec.scope {
                Scope::Global => vec![None],
                Scope::PerModel => (0..config.sources.len()).map(Some).collect(),
            };
            for source in sources {
                let Given::Value(values) = self.given(recipe, spec, source) else { continue };
                let other = values.values().into_iter().find(|v| (v - value).abs() > 1e-9 || v.is_nan());
                match (other, spec.kind) {
                    (Some(other), Kind::Flag) => {
                        return differs(spec.param.name(), &(other != 0.0), &(value != 0.0));
                    }
                    (Some(other), _) => return differs(spec.param.name(), &other, &value),
                    (None, _) => {}
                }
            }
        }
        Ok(())
    }
}

/// A recipe's statement about a parameter of a source.
enum Given {
    /// The source is not in the recipe.
    Absent,
    Value(Values),
}

fn check_parameters(config: &SpaceConfig) -> Result<(), SpaceError> {
    let method = config.method.name();
    let specs = config.method.parameters();
    for (param, SearchedParam { range, .. }) in &config.parameters {
        let key = param.name();
        let Some(spec) = specs.iter().find(|p| p.param == *param && !p.ignored) else {
            let known: Vec<&str> = specs.iter().filter(|p| !p.ignored).map(|p| p.param.name()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(SpaceError::Parameter { key, method, known });
        };
        let GeneRange { low, high, start, sigma } = *range;
        let finite = [low, high, start, sigma].iter().all(|v| v.is_finite());
        if !(finite && low <= start && start <= high && (low >= high || sigma > 0.0)) {
            return Err(SpaceError::Range { key, low, high, start, sigma });
        }
        if spec.kind != Kind::Number && !range.is_fixed() {
            return Err(SpaceError::NoGene { key, method });
        }
        for value in [low, high] {
            if let Some(problem) = spec.problem(value) {
                return Err(SpaceError::Bound { key, method, value, problem });
            }
        }
    }
    let missing = |p: &&ParamSpec| p.default.is_none() && !config.parameters.contains_key(&p.param);
    match specs.iter().find(missing) {
        Some(spec) => Err(SpaceError::Missing { key: spec.param.name(), method }),
        None => Ok(()),
    }
}
