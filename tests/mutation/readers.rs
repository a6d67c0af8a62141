//! Every reader: which files it is given, how they are changed, and how it is called.

use std::fs;
use std::path::{Path, PathBuf};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use yosegi::checkpoint::Checkpoint;
use yosegi::limits;
use yosegi::lm::{Decoder, Device, Tokenizer};
use yosegi::merge::{MergeError, Pool};
use yosegi::picture::PictureSource;
use yosegi::recipe::{Recipe, RecipeFile};
use yosegi::search::{Optimiser, Setup};
use yosegi::session::Home;
use yosegi::session::config::Config;
use yosegi::session::journal;
use yosegi::task::{Places, Split, Suite, Task};

use super::mutate::{self, Notation};
use super::seeds::{self, Seeds};

/// What a reader refuses with: a sentence, or several.
pub type Outcome = Result<(), Vec<String>>;

pub struct Reader {
    pub name: &'static str,
    /// What its sentences name.
    pub place: &'static str,
    /// Its part of all mutants; a costly reader has a smaller one.
    pub share: u64,
    pub change: fn(&mut ChaCha8Rng, &Seeds) -> Vec<u8>,
    pub read: fn(&mut Lab, &[u8]) -> Outcome,
}

pub const COUNT: usize = 25;

macro_rules! readers {
    ($($name:literal $place:literal $share:literal, $change:expr, $read:expr;)*) => {
        pub static READERS: [Reader; COUNT] =
            [$(Reader { name: $name, place: $place, share: $share, change: $change, read: $read }),*];
    };
}

readers! {
    "recipe" "r.toml" 30, |rng, s| text(rng, &s.recipes, Notation::Toml), |lab, b| recipe(&lab.put("r.toml", b));
    "yaml" "r.yaml" 30, |rng, s| text(rng, &s.yaml, Notation::Yaml), |lab, b| recipe(&lab.put("r.yaml", b));
    "config" "c.toml" 30, |rng, s| text(rng, &s.configs, Notation::Toml), config;
    "task" "/" 15, |rng, s| text(rng, &s.tasks, Notation::Toml), task;
    "suite" "suite.toml" 3, |rng, s| text(rng, &s.suites, Notation::Toml), suite;
    "keys" "keys.toml" 5, |rng, s| text(rng, &s.keys, Notation::Toml), keys;
    "jsonl" "data.jsonl" 12, |rng, s| text(rng, &s.jsonl, Notation::Json), |lab, b| data(lab, "data.jsonl", b);
    "csv" "data.csv" 6, |rng, s| text(rng, &s.tables[..1], Notation::Lines), |lab, b| data(lab, "data.csv", b);
    "tsv" "data.tsv" 4, |rng, s| text(rng, &s.tables[1..], Notation::Lines), |lab, b| data(lab, "data.tsv", b);
    "parquet" "data.parquet" 12, |rng, s| bytes(rng, &s.parquet), |lab, b| data(lab, "data.parquet", b);
    "pictures" "seen.parquet" 8, |rng, s| bytes(rng, &s.seen), |lab, b| data(lab, "seen.parquet", b);
    "model" "base" 12, |rng, s| text(rng, &s.models[..1], Notation::Json), |lab, b| model(lab, "config.json", b);
    "llava" "llava" 6, super::llava::change, super::llava::read;
    "safetensors" "base" 12, |rng, s| weights(rng, &s.safetensors), |lab, b| model(lab, "model.safetensors", b);
    "index" "index" 5, |rng, s| text(rng, &s.indices, Notation::Json), index;
    "tokenizer" "tokenizer" 12, |rng, s| text(rng, &s.tokenizers, Notation::Json), tokenizer;
    "vocabulary" "" 5, |rng, s| text(rng, &s.tokenizers[..1], Notation::Json), vocabulary;
    "pieces" "pieces" 6, |rng, s| bytes(rng, &s.pieces), pieces;
    "words" "/a" 8, words_change, words;
    "pickle" "pickled" 6, |rng, s| bytes(rng, &s.pickles), pickle;
    "adapter" "plain" 5, |rng, s| text(rng, &s.adapters, Notation::Json), |lab, b| adapter(lab, "adapter_config.json", b);
    "adapter-weights" "plain" 4, |rng, s| weights(rng, &s.adapter_weights),
        |lab, b| adapter(lab, "adapter_model.safetensors", b);
    "journal" "journal.db" 4, |rng, s| bytes(rng, std::slice::from_ref(&s.journal)), journal_file;
    "events" "journal.db" 6, event, journal_event;
    "picture" "picture.bin" 12, |rng, s| bytes(rng, &s.pictures), picture;
}

fn one<'s>(rng: &mut ChaCha8Rng, seeds: &'s [Vec<u8>]) -> &'s [u8] {
    &seeds[rng.random_range(0..seeds.len())]
}

fn text(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>], notation: Notation) -> Vec<u8> {
    let seed = one(rng, seeds).to_vec();
    mutate::text(rng, &seed, notation)
}

fn bytes(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let seed = one(rng, seeds).to_vec();
    mutate::bytes(rng, &seed)
}

/// A safetensors file: its header's text, with its length put right or not, or any of its bytes.
pub fn weights(rng: &mut ChaCha8Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let seed = one(rng, seeds);
    if rng.random_range(0..4) == 0 {
        return mutate::bytes(rng, seed);
    }
    let (length, rest) = seed.split_first_chunk::<8>().unwrap();
    let (header, tensors) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let header = mutate::text(rng, header, Notation::Json);
    let length = if rng.random_range(0..8) == 0 { *length } else { (header.len() as u64).to_le_bytes() };
    [&length, header.as_slice(), tensors].concat()
}

/// The number of an event, and its changed text.
fn event(rng: &mut ChaCha8Rng, seeds: &Seeds) -> Vec<u8> {
    let number = rng.random_range(0..seeds.events.len());
    let text = mutate::text(rng, &seeds.events[number], Notation::Json);
    [&(number as u64 + 1).to_le_bytes(), text.as_slice()].concat()
}

/// The files beside `tokenizer.json` that say how a text is read.
const WORDS: [&str; 3] = ["tokenizer_config.json", "generation_config.json", "chat_template.jinja"];

/// The number of a file, and its changed text.
fn words_change(rng: &mut ChaCha8Rng, seeds: &Seeds) -> Vec<u8> {
    let number = rng.random_range(0..WORDS.len());
    let notation = if WORDS[number].ends_with("json") { Notation::Json } else { Notation::Lines };
    let text = mutate::text(rng, &seeds.words[number], notation);
    [&[number as u8], text.as_slice()].concat()
}

/// A picture's header, and its pixels where that is taken.
fn picture(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let source = PictureSource::File(lab.put("picture.bin", bytes));
    let (width, height) = source.check().map_err(told)?;
    let picture = source.read().map_err(told)?;
    assert_eq!((picture.width, picture.height), (width, height));
    assert_eq!(picture.rgb.len() as u64, u64::from(width) * u64::from(height) * 3);
    Ok(())
}

/// A worker's folder, with whole models and data in it; only one file at a time is broken.
pub struct Lab {
    dir: TempDir,
    journal: Vec<u8>,
}

impl Lab {
    pub fn new(seeds: &Seeds) -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap(), journal: seeds.journal.clone() };
        let golden = seeds::repository().join("tests/golden");
        for model in ["base", "a"] {
            lab.copy(&golden.join("tokenizer/models").join(model), model);
        }
        lab.copy(&golden.join("lora/tied-bf16"), "lora");
        lab.copy(&golden.join("lora/tied-bf16/plain"), "plain");
        for (name, text) in [("train.jsonl", seeds::JSONL), ("test.jsonl", TEST)] {
            fs::write(lab.path(name), text).unwrap();
        }
        for name in ["data.jsonl", "data.csv", "data.tsv", "data.parquet", "seen.parquet"] {
            let (mark, columns) = match name {
                "data.parquet" => ("", "gold = \"answers | length\"\n"),
                "seen.parquet" => ("<image>", "image = \"image\"\nscorer = \"exact_match\"\n"),
                _ => ("", ""),
            };
            let header = "columns = { question = \"question\", answer = \"answer\" }\n";
            let text = format!(
                "name = \"t\"\nprompt = \"{mark}{{{{ question }}}}\"\nmax_new_tokens = 4\n{columns}{header}[test]\ndata = \"{name}\"\n"
            );
            fs::write(lab.path(&format!("{name}.toml")), text).unwrap();
        }
        lab.copy(&golden.join("sentencepiece/models/llama"), "pieces");
        for name in ["config.json", "model.safetensors"] {
            fs::copy(lab.path("base").join(name), lab.path("pieces").join(name)).unwrap();
        }
        lab.copy(&golden.join("pickle/one"), "pickled");
        fs::create_dir_all(lab.path("home/sessions/s")).unwrap();
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn copy(&self, from: &Path, to: &str) {
        fs::create_dir_all(self.path(to)).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
            fs::copy(entry.path(), self.path(to).join(entry.file_name())).unwrap();
        }
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

const TEST: &str = "{\"id\":\"9\",\"question\":\"5 + 5?\",\"answer\":\"10\"}\n";

pub fn told(error: impl std::fmt::Display) -> Vec<String> {
    vec![format!("{error:#}")]
}

fn recipe(path: &Path) -> Outcome {
    let recipe_file =
        RecipeFile::open(path, false).or_else(|_| RecipeFile::open(path, true)).map_err(told)?;
    for recipe in &recipe_file.recipes {
        // What can be said of it beyond reading need not hold, but is told too.
        let _ = recipe.check(5);
    }
    let _ = recipe_file.to_yaml();
    let place = path.display().to_string();
    let again = RecipeFile::from_toml(&recipe_file.to_toml(), &place, true)
        .map_err(|e| told(format!("written anew: {e}")))?;
    assert_eq!(again.recipes.len(), recipe_file.recipes.len());
    Ok(())
}

fn config(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let path = lab.put("c.toml", bytes);
    let told = |e: &dyn std::fmt::Display| vec![format!("c.toml: {e:#}")];
    let text = limits::read_text(&path, limits::TEXT_FILE).map_err(|e| told(&e))?;
    let config = Config::parse(&text, "c.toml").map_err(|e| vec![format!("{e:#}")])?;
    for at in 0..config.stage.len().max(1) {
        let config = config.at_stage(at);
        assert!(config.baselines.grid.is_empty() || config.grid().len() <= limits::GRID);
        let space = config.any_space(5).map_err(|e| told(&e))?;
        let setup = Setup {
            kind: &config.search.algorithm,
            genes: space.genes(),
            binary: &space.binary(),
            active: space.active(),
            start: &space.start(),
            population: Some(config.search.population).filter(|p| *p > 0),
            seed: config.seed,
            options: config.search.options.clone(),
        };
        let mut optimiser = Optimiser::with(setup).map_err(|e| told(&e))?;
        for genome in optimiser.ask().iter().take(2) {
            let _ = space.to_recipe(genome).check(5);
        }
    }
    Ok(())
}

fn task(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let path = lab.put("task.toml", bytes);
    Task::load_splits(path.to_str().unwrap(), &[Split::Test], &Places::from_env()).map(|_| ()).map_err(told)
}

fn suite(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let path = lab.put("suite.toml", bytes);
    Suite::load(path.to_str().unwrap()).map(|_| ()).map_err(told)
}

#[cfg(feature = "workbench")]
fn keys(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let path = lab.put("keys.toml", bytes);
    let text = limits::read_text(&path, limits::TEXT_FILE).map_err(|e| told(format!("keys.toml: {e}")))?;
    let (_, problems) = yosegi::workbench::action::keymap::Keymap::read(&text, "keys.toml");
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(not(feature = "workbench"))]
fn keys(_: &mut Lab, _: &[u8]) -> Outcome {
    Ok(())
}

fn data(lab: &mut Lab, name: &str, bytes: &[u8]) -> Outcome {
    lab.put(name, bytes);
    let task = lab.path(&format!("{name}.toml"));
    Task::load_splits(task.to_str().unwrap(), &[Split::Test], &Places::from_env()).map(|_| ()).map_err(|e| {
        // A template that does not suit the data names the task.
        let text = format!("{e:#}");
        if text.contains(name) { vec![text] } else { vec![format!("{name}: {text}")] }
    })
}

fn open(lab: &Lab, name: &str) -> Result<Checkpoint, Vec<String>> {
    Checkpoint::open(lab.path(name).to_str().unwrap()).map_err(told)
}

/// A model with one file changed, which is put right again.
fn model(lab: &mut Lab, file: &str, bytes: &[u8]) -> Outcome {
    let path = lab.path("base").join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let outcome = open(lab, "base").and_then(|model| {
        let _ = model.summary();
        let decoder =
            Decoder::load(model.config(), &model, &Device::Cpu).map_err(|e| vec![format!("base: {e:#}")])?;
        // Its weights may be any numbers; what it answers does not matter.
        let _ = decoder.logits(&[1, 2, 3]);
        Ok(())
    });
    fs::write(&path, whole).unwrap();
    outcome
}

fn index(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let folder = lab.path("indexed");
    fs::create_dir_all(&folder).unwrap();
    for (from, name) in [("config.json", "config.json"), ("model.safetensors", seeds::SHARD)] {
        fs::copy(lab.path("base").join(from), folder.join(name)).unwrap();
    }
    fs::write(folder.join("model.safetensors.index.json"), bytes).unwrap();
    open(lab, "indexed").map(|_| ())
}

fn tokenizer(_: &mut Lab, bytes: &[u8]) -> Outcome {
    let tokenizer = Tokenizer::from_json(bytes).map_err(told)?;
    let ids = tokenizer.ids("a b 個 ab<s> 12345 (x)", true).map_err(told)?;
    let _ = tokenizer.decode(&ids);
    let _ = tokenizer.decode(&(0..20).collect::<Vec<u32>>());
    Ok(())
}

/// A tokenizer made of sentencepiece's model.
fn pieces(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    lab.put("pieces/tokenizer.model", bytes);
    let model = open(lab, "pieces")?;
    let json = model.tokenizer_json().map_err(told)?;
    let told = |e: yosegi::lm::LmError| vec![format!("pieces: {e:#}")];
    let tokenizer = Tokenizer::from_json(&json).map_err(told)?;
    tokenizer.ids("a b 個 <s> 12", true).map(|_| ()).map_err(told)
}

/// All that says how a text is read, and a conversation as the chat template has it.
fn words(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let (number, text) = bytes.split_first().unwrap();
    let path = lab.path("a").join(WORDS[usize::from(*number)]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, text).unwrap();
    let told = |e: &dyn std::fmt::Display| vec![format!("/a: {e:#}")];
    let outcome = open(lab, "a").and_then(|model| {
        let reader = yosegi::lm::Reader::of(&model).map_err(|e| told(&e))?;
        reader.prompt("a b").map_err(|e| told(&e))?;
        reader.chat_prompt("a b").map(|_| ()).map_err(|e| told(&e))
    });
    fs::write(&path, whole).unwrap();
    outcome
}

fn pickle(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    lab.put("pickled/pytorch_model.bin", bytes);
    let model = open(lab, "pickled")?;
    Decoder::load(model.config(), &model, &Device::Cpu)
        .map(|_| ())
        .map_err(|e| vec![format!("pickled: {e:#}")])
}

/// Two vocabularies made one.
fn vocabulary(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let path = lab.path("a/tokenizer.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let (base, other) = (lab.path("base").display().to_string(), lab.path("a").display().to_string());
    let text = format!(
        "method = \"linear\"\nbase = {base:?}\ntokenizer = {{ source = \"union\" }}\n[[source]]\nmodel = {other:?}\nweight = 1.0\n"
    );
    let recipe = Recipe::from_toml(&text, "r.toml").unwrap();
    let outcome = Pool::gather(&recipe, |name| Ok::<_, MergeError>(Checkpoint::open(name)?));
    fs::write(&path, whole).unwrap();
    outcome.map(|_| ()).map_err(told)
}

fn adapter(lab: &mut Lab, file: &str, bytes: &[u8]) -> Outcome {
    let path = lab.path("plain").join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let reference = format!("{}+{}", lab.path("lora").display(), lab.path("plain").display());
    let outcome = Checkpoint::open(&reference).map_err(told);
    fs::write(&path, whole).unwrap();
    outcome.map(|_| ())
}

fn journal(lab: &Lab) -> Outcome {
    let home = Home::at(lab.path("home"));
    let reader = journal::Reader::open(&home, "s").map_err(told)?;
    reader.state().map_err(told)?;
    reader.answers(1, Split::Train).map_err(told)?;
    Ok(())
}

fn journal_file(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let folder = lab.path("home/sessions/s");
    for name in ["journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(folder.join(name));
    }
    fs::write(folder.join("journal.db"), bytes).unwrap();
    journal(lab)
}

fn journal_event(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let (number, body) = bytes.split_first_chunk::<8>().unwrap();
    let whole = lab.journal.clone();
    let folder = lab.path("home/sessions/s");
    for name in ["journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(folder.join(name));
    }
    fs::write(folder.join("journal.db"), whole).unwrap();
    let db = rusqlite::Connection::open(folder.join("journal.db")).unwrap();
    let body = String::from_utf8_lossy(body).into_owned();
    db.execute(
        "UPDATE events SET body = ? WHERE seq = ?",
        rusqlite::params![body, u64::from_le_bytes(*number)],
    )
    .unwrap();
    drop(db);
    journal(lab)
}
