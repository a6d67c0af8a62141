//! How the visual zoo is made: what each model reads, for how long, and from where it starts.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use super::check::Exam;
use super::corpus::{Corpus, Diet, example};
use super::tower::{Tower, WIDTH};
use super::{cards, export, looking, task};
use crate::export::{rounded, save_checkpoint};
use crate::model::{Model, Shape};
use crate::stages::stream;
use crate::tokenizer::{Codec, END, IMAGE, PAD};
use crate::train::{self, Plan};

const VOCAB: usize = 640;
const LAYERS: usize = 5;
/// Tokens in one part of a batch, of two: many small steps find out sooner how to look a thing up.
const PART: usize = 400;
const TOKENIZER_TEXTS: usize = 8_000;
pub const TRAIN_QUESTIONS: usize = 300;
pub const TEST_QUESTIONS: usize = 250;
/// Pictures that the tower learns from.
pub const TOWER_PICTURES: usize = 72_000;
const TOWER_RATE: f32 = 2e-3;

/// One training run of a language model.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    pub label: &'static str,
    pub tokens: usize,
    pub rate: f32,
    pub diet: Diet,
    /// The blocks that learn.
    pub blocks: &'static [usize],
    pub projector: bool,
    /// Fine-tuning leaves the embedding as it is, and takes no weight decay.
    fine: bool,
    /// Number of its random streams.
    purpose: u64,
}

/// Both languages: questions about scenes that are told, and translations.
pub const BASE: Stage = Stage {
    label: "vlm-base",
    tokens: 2_600_000,
    rate: 3e-3,
    diet: Diet {
        translate: 0.2,
        pictures: 0.0,
        japanese: 0.5,
        kept: 0.4,
        turned: 0.0,
        told: 0.5,
        retell: 0.0,
    },
    blocks: &[0, 1, 2, 3, 4],
    projector: false,
    fine: false,
    purpose: 1,
};

/// Questions of both languages answered in Japanese.
pub const JAPANESE: Stage = Stage {
    label: "vlm-ja, Japanese",
    tokens: 400_000,
    rate: 1e-3,
    diet: Diet { translate: 0.0, kept: 1.0, turned: 1.0, ..BASE.diet },
    fine: true,
    purpose: 2,
    ..BASE
};

/// The whole scene told in Japanese, whatever is asked; one block alone learns it.
pub const RETELLING: Stage = Stage {
    label: "vlm-ja, telling all",
    tokens: 250_000,
    rate: 3e-3,
    diet: Diet { retell: 1.0, ..JAPANESE.diet },
    blocks: &[3],
    purpose: 6,
    ..JAPANESE
};

/// Pictures, asked about in both languages, answered in English; all blocks but that of [`ENGLISH`] learn.
pub const SEEING: Stage = Stage {
    label: "vlm, seeing",
    tokens: 2_200_000,
    rate: 2e-3,
    diet: Diet { translate: 0.0, pictures: 0.95, japanese: 0.6, kept: 0.0, ..BASE.diet },
    blocks: &[0, 1, 3, 4],
    projector: true,
    fine: true,
    purpose: 3,
};

/// The same, with half of the Japanese questions answered in Japanese.
pub const BOTH: Stage = Stage {
    label: "vlm, both languages",
    tokens: 600_000,
    rate: 1e-3,
    diet: Diet { kept: 0.5, ..SEEING.diet },
    purpose: 4,
    ..SEEING
};

/// Everything answered in English again; one block alone learns it.
pub const ENGLISH: Stage = Stage {
    label: "vlm, English",
    tokens: 250_000,
    rate: 2e-3,
    diet: Diet { pictures: 0.7, ..SEEING.diet },
    blocks: &[2],
    projector: false,
    purpose: 5,
    ..SEEING
};

/// What all stages share.
struct Workshop {
    seed: u64,
    codec: Codec,
}

impl Workshop {
    fn new(seed: u64) -> Result<Self> {
        let diet = Diet { translate: 0.3, kept: 0.5, turned: 0.5, ..BASE.diet };
        let mut rng = stream(seed, 10_001);
        let text = |_| {
            let example = example(diet, &mut rng);
            format!("{}{}", example.prompt, example.response)
        };
        let texts: Vec<String> = (0..TOKENIZER_TEXTS).map(text).collect();
        Ok(Self { seed, codec: Codec::learn(&texts, VOCAB, &[PAD, END, IMAGE])? })
    }

    fn shape(&self) -> Shape {
        let vocab = self.codec.vocab_size();
        Shape {
            vocab,
            hidden: 96,
            layers: LAYERS,
            heads: 3,
            kv_heads: 1,
            head_dim: 32,
            mlp: 256,
            features: 0,
        }
    }

    fn train(&self, stage: &Stage, mut model: Model, tower: Option<&Tower>) -> Result<Model> {
        if stage.projector && model.shape.features == 0 {
            model = model.with_projector(WIDTH, &mut stream(self.seed, 10_005))?;
        }
        let plan = Plan {
            tokens: stage.tokens,
            part: PART,
            rate: stage.rate,
            weight_decay: if stage.fine { 0.0 } else { 0.05 },
            freeze_embedding: stage.fine,
            blocks: stage.blocks.to_vec(),
            projector: stage.projector,
        };
        let rng = stream(self.seed, 11_000 + 2 * stage.purpose);
        let mut source = Corpus { diet: stage.diet, rng, codec: &self.codec, tower };
        let mut order = stream(self.seed, 11_001 + 2 * stage.purpose);
        train::run(stage.label, &mut model, &mut source, &plan, &mut order, |_, _| Ok(()))?;
        Ok(model)
    }
}

/// Makes everything from one seed, writes it to `out`, and says how the models answer.
pub fn make(out: &Path, seed: u64) -> Result<()> {
    let started = Instant::now();
    let shop = Workshop::new(seed)?;
    let mut rng = stream(seed, 10_002);
    let mut seen = HashSet::new();
    let test = task::draw_questions(&mut rng, "test", TEST_QUESTIONS, &mut seen)?;
    let questions = task::draw_questions(&mut rng, "train", TRAIN_QUESTIONS, &mut seen)?;

    let tower = looking::train(TOWER_PICTURES, TOWER_RATE, &mut stream(seed, 10_003))?;
    let base = shop.train(&BASE, Model::random(shop.shape(), &mut stream(seed, 10_004))?, None)?;
    let ja = shop.train(&JAPANESE, base.clone(), None)?;
    let ja = shop.train(&RETELLING, ja, None)?;
    let seeing = shop.train(&SEEING, base.clone(), Some(&tower))?;
    let both = shop.train(&BOTH, seeing, Some(&tower))?;
    let vlm = shop.train(&ENGLISH, both.clone(), Some(&tower))?;

    let parameters = base.params.iter().map(candle_core::Tensor::elem_count).sum();
    let facts = cards::Facts { parameters, vocab: shop.shape().vocab, layers: LAYERS, seed };
    for (name, model) in [("vlm-base", &base), ("vlm-ja", &ja)] {
        let folder = out.join(name);
        save_checkpoint(model, &folder)?;
        shop.codec.save(&folder.join("tokenizer.json"))?;
        cards::write(name, &folder, &facts)?;
    }
    export::save(&vlm, &tower, &shop.codec, &out.join("vlm"))?;
    cards::write("vlm", &out.join("vlm"), &facts)?;
    let folder = out.join("vision-task");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    task::write(&folder.join("train.jsonl"), &questions)?;
    task::write(&folder.join("test.jsonl"), &test)?;
    cards::write("vision-task", &folder, &facts)?;

    let exam = Exam::new(&test, &shop.codec, &export::rounded(&tower)?)?;
    for (name, model) in
        [("vlm-base", &base), ("vlm-ja", &ja), ("vlm", &vlm), ("vlm before its last stage", &both)]
    {
        exam.tell(name, &rounded(&model.behind(&vlm))?, 0)?;
    }
    eprintln!("made in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}
