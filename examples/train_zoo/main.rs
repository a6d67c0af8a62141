//! Makes the bundled zoo from nothing: tokenizer, base, three specialists and the task; or, with `--vision`, the visual
//! zoo.
//!
//! ```text
//! cargo run --release --example train_zoo -- --out zoo           make the models of texts
//! cargo run --release --example train_zoo -- --out zoo --check   measure what is there
//! cargo run --release --example train_zoo -- --out zoo --vision  make the models that see
//! ```
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![allow(clippy::many_single_char_names)] // q, k, v and the like

mod backward;
mod cards;
mod check;
mod corpus;
mod export;
mod generate;
mod model;
mod ops;
mod render;
mod stages;
mod tokenizer;
mod train;
mod vision;
mod world;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::Tensor;
use clap::Parser;

use corpus::{Question, draw_questions};
use stages::{Settings, Stage, Workshop, stream};

const VOCAB: usize = 704;
const TRAIN_QUESTIONS: usize = 400;
const TEST_QUESTIONS: usize = 250;
const SEED: u64 = 2403;
const VISION_SEED: u64 = 7;

#[derive(Parser)]
#[command(about = "Make or check the bundled zoo")]
struct Args {
    /// Where the zoo goes, or where it is.
    #[arg(long, default_value = "zoo")]
    out: PathBuf,
    /// Where all random numbers start; without it, the seed that the bundled zoo was made with.
    #[arg(long)]
    seed: Option<u64>,
    /// Keep each stage's weights in f32 here, and go on from those already there.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Train only these stages (with --keep), and write no zoo.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
    /// Tokens for each stage instead of its own number, to try things out.
    #[arg(long)]
    tokens: Option<usize>,
    /// The models' width: a multiple of 32, one query head for each 32.
    #[arg(long, default_value_t = 96)]
    hidden: usize,
    #[arg(long, default_value_t = 5)]
    layers: usize,
    /// Make the visual zoo: base, VLM, Japanese model, and questions about pictures.
    #[arg(long)]
    vision: bool,
    /// Print this many texts of every stage and stop.
    #[arg(long, default_value_t = 0)]
    sample: usize,
    /// Score an existing zoo instead of making one.
    #[arg(long)]
    check: bool,
    /// Score these weights on the held-out questions and stop.
    #[arg(long)]
    score: Vec<PathBuf>,
    /// With --check: also evolve per-layer weights with this many evaluations.
    #[arg(long, default_value_t = 0)]
    evolve: usize,
    /// With --check: training questions for a fitness.
    #[arg(long, default_value_t = 100)]
    questions: usize,
    /// With --check: answers to show for each model.
    #[arg(long, default_value_t = 0)]
    show: usize,
}

fn write_questions(path: &Path, questions: &[Question]) -> Result<()> {
    let mut text = String::new();
    for question in questions {
        text.push_str(&serde_json::to_string(question)?);
        text.push('\n');
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn make(args: &Args, seed: u64) -> Result<()> {
    let started = Instant::now();
    let mut reserved = HashSet::new();
    let mut rng = stream(seed, 1);
    let test = draw_questions(&mut rng, "test", TEST_QUESTIONS, &mut reserved);
    let train = draw_questions(&mut rng, "train", TRAIN_QUESTIONS, &mut reserved);
    let settings = Settings {
        seed,
        hidden: args.hidden,
        layers: args.layers,
        vocab: VOCAB,
        keep: args.keep.clone(),
        tokens: args.tokens,
    };
    let shop = Workshop::new(settings, reserved)?;
    if args.sample > 0 {
        return shop.sample(args.sample);
    }
    if !args.score.is_empty() {
        let items = check::items(&test, &shop.codec)?;
        for path in &args.score {
            let model = export::load_weights(shop.shape, path)?;
            check::tell(&path.display().to_string(), &model, &shop.codec, &items, args.show)?;
        }
        return Ok(());
    }
    if !args.only.is_empty() {
        for &stage in &args.only {
            shop.with_parents(stage)?;
        }
        return Ok(());
    }
    let base = shop.with_parents(Stage::Base)?;
    let models = [
        ("base", base.clone()),
        ("ja", shop.stage(Stage::Ja, Some(&base))?),
        ("math-add", shop.stage(Stage::MathAdd, Some(&base))?),
        ("math-mul", shop.stage(Stage::MathMul, Some(&base))?),
    ];
    let facts = shop.facts(base.params.iter().map(Tensor::elem_count).sum(), train.len(), test.len());
    for (name, model) in &models {
        let folder = args.out.join(name);
        export::save_checkpoint(model, &folder)?;
        shop.codec.save(&folder.join("tokenizer.json"))?;
        cards::write(name, &folder, &facts)?;
    }
    let task = args.out.join("task");
    fs::create_dir_all(&task).with_context(|| format!("cannot create {}", task.display()))?;
    write_questions(&task.join("train.jsonl"), &train)?;
    write_questions(&task.join("test.jsonl"), &test)?;
    cards::write("task", &task, &facts)?;
    eprintln!("made in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn main() -> Result<()> {
    // Products this small are slower on several threads, and one thread gives one result everywhere.
    if std::env::var_os("RAYON_NUM_THREADS").is_none() {
        let status = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env("RAYON_NUM_THREADS", "1")
            .status()?;
        std::process::exit(status.code().unwrap_or(1));
    }
    let args = Args::parse();
    if args.check {
        let wish = check::Wish {
            questions: args.questions,
            evaluations: args.evolve,
            seed: args.seed.unwrap_or(SEED),
            show: args.show,
        };
        return check::check(&args.out, wish);
    }
    if args.vision {
        return vision::stages::make(&args.out, args.seed.unwrap_or(VISION_SEED));
    }
    make(&args, args.seed.unwrap_or(SEED))
}
