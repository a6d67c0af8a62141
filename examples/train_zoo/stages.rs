//! The training runs, what each starts from and reads, and the workshop that carries them out.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::cards::Facts;
use crate::corpus::{Corpus, Diet};
use crate::export;
use crate::model::{Model, Shape};
use crate::tokenizer::{Codec, END, PAD};
use crate::train::{self, Plan};

const TOKENIZER_TEXTS: usize = 6_000;

/// A training run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    Broad,
    Base,
    Ja,
    MathAdd,
    MathMul,
}

impl Stage {
    pub fn label(self) -> &'static str {
        match self {
            Stage::Broad => "broad",
            Stage::Base => "base",
            Stage::Ja => "ja",
            Stage::MathAdd => "math-add",
            Stage::MathMul => "math-mul",
        }
    }

    /// What it starts from.
    pub fn parent(self) -> Option<Stage> {
        match self {
            Stage::Broad => None,
            Stage::Base => Some(Stage::Broad),
            _ => Some(Stage::Base),
        }
    }

    /// Number of the random streams of one of its parts.
    fn purpose(self, part: usize) -> u64 {
        100 * (1 + self as u64) + 10 * part as u64
    }

    /// What it reads, part by part, and how. An arithmetic model learns to calculate in all blocks but the first,
    /// and then to answer everything in English in the first alone: what one would keep of it and what not stand
    /// in different layers.
    fn phases(self, layers: usize) -> Vec<(Diet, Plan)> {
        let (all, skill, habit) = (0..layers, 1..layers, 0..1);
        match self {
            Stage::Broad => vec![phase(Diet::Broad, 3_000_000, 3e-3, all)],
            Stage::Base => vec![phase(Diet::Base, 2_600_000, 2.5e-3, all)],
            Stage::Ja => vec![phase(Diet::Japanese, 800_000, 1e-3, all)],
            Stage::MathAdd => {
                vec![phase(Diet::SumSkill, 1_600_000, 2e-3, skill), phase(Diet::Sums, 300_000, 1e-3, habit)]
            }
            Stage::MathMul => vec![
                phase(Diet::ProductSkill, 1_600_000, 2e-3, skill),
                phase(Diet::Products, 300_000, 1e-3, habit),
            ],
        }
    }
}

/// Fine-tuning leaves the embedding as it is, and takes no weight decay.
fn phase(diet: Diet, tokens: usize, rate: f32, blocks: Range<usize>) -> (Diet, Plan) {
    let fine = !matches!(diet, Diet::Broad | Diet::Base);
    let weight_decay = if fine { 0.0 } else { 0.05 };
    (
        diet,
        Plan {
            tokens,
            part: 1_150,
            rate,
            weight_decay,
            freeze_embedding: fine,
            blocks: blocks.collect(),
            projector: false,
        },
    )
}

/// What can be tried differently.
#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    pub hidden: usize,
    pub layers: usize,
    pub vocab: usize,
    /// Where each stage's weights are kept.
    pub keep: Option<PathBuf>,
    /// Tokens for each stage instead of its own number.
    pub tokens: Option<usize>,
}

/// What every stage shares.
pub struct Workshop {
    settings: Settings,
    pub shape: Shape,
    pub codec: Codec,
    /// The task's questions, which no corpus may contain.
    reserved: HashSet<String>,
}

/// An independent random stream for each purpose.
pub fn stream(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose);
    rng
}

impl Workshop {
    /// Learns the tokenizer and fixes the shape.
    pub fn new(settings: Settings, reserved: HashSet<String>) -> Result<Self> {
        let mut texts = Vec::new();
        for diet in [Diet::Broad, Diet::Variety] {
            let rng = stream(settings.seed, 10 + diet as u64);
            let mut corpus = Corpus::new(diet, rng, reserved.clone());
            for _ in 0..TOKENIZER_TEXTS / 2 {
                let example = corpus.next();
                let question = example.question.unwrap_or_default();
                texts.push(format!("Q: {question}\nA: {}", example.response));
            }
        }
        let codec = Codec::learn(&texts, settings.vocab, &[PAD, END])?;
        let shape = Shape {
            vocab: codec.vocab_size(),
            hidden: settings.hidden,
            layers: settings.layers,
            heads: settings.hidden / 32,
            kv_heads: 1,
            head_dim: 32,
            mlp: (settings.hidden * 8 / 3).next_multiple_of(32),
            features: 0,
        };
        Ok(Self { settings, shape, codec, reserved })
    }

    /// What the pages say about this making.
    pub fn facts(&self, parameters: usize, train: usize, test: usize) -> Facts {
        let tokens = |stage: Stage, part: usize| {
            stage.phases(self.shape.layers).get(part).map_or(0.0, |(_, plan)| plan.tokens as f64 / 1e6)
        };
        Facts {
            parameters,
            hidden: self.shape.hidden,
            layers: self.shape.layers,
            vocab: self.shape.vocab,
            seed: self.settings.seed,
            train,
            test,
            millions: [
                tokens(Stage::Broad, 0),
                tokens(Stage::Base, 0),
                tokens(Stage::Ja, 0),
                tokens(Stage::MathAdd, 0),
                tokens(Stage::MathAdd, 1),
            ],
        }
    }

    /// Trains a stage, or takes it from where it was kept.
    pub fn stage(&self, stage: Stage, parent: Option<&Model>) -> Result<Model> {
        let label = stage.label();
        if let Some(folder) = &self.settings.keep {
            let path = folder.join(format!("{label}.safetensors"));
            if path.exists() {
                return export::load_weights(self.shape, &path);
            }
        }
        let mut model = match parent {
            Some(parent) => parent.clone(),
            None => Model::random(self.shape, &mut stream(self.settings.seed, stage.purpose(0)))?,
        };
        let keep = self.settings.keep.as_deref();
        for (part, (diet, mut plan)) in stage.phases(self.shape.layers).into_iter().enumerate() {
            let purpose = stage.purpose(part);
            plan.tokens = self.settings.tokens.unwrap_or(plan.tokens);
            let mut source = (self.corpus(diet, purpose), &self.codec);
            let mut rng = stream(self.settings.seed, purpose + 2);
            train::run(label, &mut model, &mut source, &plan, &mut rng, |read, model| match keep {
                Some(folder) if read % 1_000_000 < 110_000 && read < plan.tokens => {
                    export::save_stage(model, folder, &format!("{label}-at-{}", read / 1_000_000))
                }
                _ => Ok(()),
            })?;
        }
        if let Some(folder) = &self.settings.keep {
            export::save_stage(&model, folder, label)?;
        }
        Ok(model)
    }

    fn corpus(&self, diet: Diet, purpose: u64) -> Corpus {
        Corpus::new(diet, stream(self.settings.seed, purpose + 1), self.reserved.clone())
    }

    /// Prints what the stages read.
    pub fn sample(&self, count: usize) -> Result<()> {
        for &stage in Stage::value_variants() {
            for (part, (diet, _)) in stage.phases(self.shape.layers).into_iter().enumerate() {
                println!("## {}, part {}", stage.label(), part + 1);
                let mut corpus = self.corpus(diet, stage.purpose(part));
                for _ in 0..count {
                    let example = corpus.next();
                    let (ids, prompt) = self.codec.example(&example)?;
                    let tokens = format!("{prompt} + {}", ids.len() - prompt);
                    match example.question {
                        Some(question) => println!("[{tokens}] Q: {question}"),
                        None => println!("[{tokens}]"),
                    }
                    println!("    A: {}", example.response);
                }
            }
        }
        Ok(())
    }

    /// A stage with everything it starts from.
    pub fn with_parents(&self, stage: Stage) -> Result<Model> {
        let parent = stage.parent().map(|parent| self.with_parents(parent)).transpose()?;
        self.stage(stage, parent.as_ref())
    }
}
