//! The training runs, what each starts from and reads, and the workshop that carries them out.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::cards::Facts;
use crate::corpus::{Corpus, Diet};
use crate::export;
use crate::model::{Model, Shape};
use crate::tokenizer::Codec;
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

    pub fn diet(self) -> Diet {
        match self {
            Stage::Broad => Diet::Broad,
            Stage::Base => Diet::Base,
            Stage::Ja => Diet::Japanese,
            Stage::MathAdd => Diet::Sums,
            Stage::MathMul => Diet::Products,
        }
    }

    fn plan(self) -> Plan {
        let (tokens, rate, freeze) = match self {
            Stage::Broad => (3_000_000, 3e-3, false),
            Stage::Base => (2_100_000, 2.5e-3, false),
            Stage::Ja => (800_000, 1e-3, true),
            Stage::MathAdd | Stage::MathMul => (1_300_000, 1e-3, true),
        };
        Plan { tokens, rate, weight_decay: if freeze { 0.0 } else { 0.05 }, freeze_embedding: freeze }
    }
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
        let codec = Codec::learn(&texts, settings.vocab)?;
        let shape = Shape {
            vocab: codec.vocab_size(),
            hidden: settings.hidden,
            layers: settings.layers,
            heads: settings.hidden / 32,
            kv_heads: 1,
            head_dim: 32,
            mlp: (settings.hidden * 8 / 3).next_multiple_of(32),
        };
        Ok(Self { settings, shape, codec, reserved })
    }

    /// What the pages say about this making.
    pub fn facts(&self, parameters: usize, train: usize, test: usize) -> Facts {
        let stages = [Stage::Broad, Stage::Base, Stage::Ja, Stage::MathAdd];
        Facts {
            parameters,
            hidden: self.shape.hidden,
            layers: self.shape.layers,
            vocab: self.shape.vocab,
            seed: self.settings.seed,
            train,
            test,
            millions: stages.map(|stage| stage.plan().tokens as f64 / 1e6),
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
        let purpose = 100 * (1 + stage as u64);
        let mut model = match parent {
            Some(parent) => parent.clone(),
            None => Model::random(self.shape, &mut stream(self.settings.seed, purpose))?,
        };
        let mut plan = stage.plan();
        plan.tokens = self.settings.tokens.unwrap_or(plan.tokens);
        let mut corpus = self.corpus(stage);
        let mut rng = stream(self.settings.seed, purpose + 2);
        let keep = self.settings.keep.as_deref();
        train::run(label, &mut model, &self.codec, &mut corpus, &plan, &mut rng, |read, model| match keep {
            Some(folder) if read % 1_000_000 < 110_000 && read < plan.tokens => {
                export::save_stage(model, folder, &format!("{label}-at-{}", read / 1_000_000))
            }
            _ => Ok(()),
        })?;
        if let Some(folder) = &self.settings.keep {
            export::save_stage(&model, folder, label)?;
        }
        Ok(model)
    }

    fn corpus(&self, stage: Stage) -> Corpus {
        let rng = stream(self.settings.seed, 100 * (1 + stage as u64) + 1);
        Corpus::new(stage.diet(), rng, self.reserved.clone())
    }

    /// Prints what the stages read.
    pub fn sample(&self, count: usize) -> Result<()> {
        for &stage in Stage::value_variants() {
            println!("## {}", stage.label());
            let mut corpus = self.corpus(stage);
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
        Ok(())
    }

    /// A stage with everything it starts from.
    pub fn with_parents(&self, stage: Stage) -> Result<Model> {
        let parent = stage.parent().map(|parent| self.with_parents(parent)).transpose()?;
        self.stage(stage, parent.as_ref())
    }
}
