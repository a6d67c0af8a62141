//! A weight file is cut off while it is mapped: a sentence that names it, never SIGBUS. Each case runs in a
//! process of its own, which stops where the file is to be cut.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use yosegi::checkpoint::{Checkpoint, write_zoo};
use yosegi::lm::{Decoder, Device};
use yosegi::merge::{Merged, Pool, distances, write_checkpoint};
use yosegi::progress::Observer;
use yosegi::recipe::Recipe;

/// What a child does; between its two lines the file is cut.
const CHILD: &str = "YOSEGI_SHORTENED";

fn recipe(folder: &Path) -> Recipe {
    let (base, ja) = (folder.join("base"), folder.join("ja"));
    let text = format!(
        "method = \"ties\"\nbase = '{}'\n[[source]]\nmodel = '{}'\nweight = 0.5\ndensity = 0.5\n",
        base.display(),
        ja.display()
    );
    Recipe::from_toml(&text, "r.toml").unwrap()
}

fn pool(folder: &Path) -> Pool {
    let recipe = recipe(folder);
    Pool::gather(&recipe, |name| Checkpoint::open(name).map_err(yosegi::merge::MergeError::from)).unwrap()
}

/// Says that all is open, and waits.
fn stop() {
    println!("open");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// In the child: prints `done`, or what it failed with.
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else { return };
    let (what, folder) = task.split_once(':').unwrap();
    let folder = Path::new(folder);
    let ja = folder.join("ja");
    let open = || Checkpoint::open(ja.to_str().unwrap()).unwrap();
    let failed: Option<String> = match what {
        "merge" => {
            let pool = pool(folder);
            stop();
            pool.merge_into(&recipe(folder), &mut Merged::new(&pool)).err().map(|e| e.to_string())
        }
        "again" => {
            // The first merge read every page; the second one reads some of them again.
            let pool = pool(folder);
            let mut merged = Merged::new(&pool);
            let mut recipe = recipe(folder);
            pool.merge_into(&recipe, &mut merged).unwrap();
            stop();
            recipe.sources[0] = recipe.sources[0].clone().with(yosegi::recipe::Param::Weight, 0.75);
            pool.merge_into(&recipe, &mut merged).err().map(|e| e.to_string())
        }
        "export" => {
            let pool = pool(folder);
            stop();
            let out = folder.join("out");
            let failed = write_checkpoint(&recipe(folder), &pool, &out).err().map(|e| e.to_string());
            assert!(!out.exists());
            failed
        }
        "load" => {
            let model = open();
            stop();
            Decoder::load(model.config(), &model, &Device::Cpu).err().map(|e| e.to_string())
        }
        "decode" => {
            // A loaded decoder has its weights; it goes on as if nothing had happened.
            let model = open();
            let decoder = Decoder::load(model.config(), &model, &Device::Cpu).unwrap();
            let before = decoder.logits(&[1, 2, 3]).unwrap();
            stop();
            assert_eq!(before, decoder.logits(&[1, 2, 3]).unwrap());
            None
        }
        "distances" => {
            let base = Checkpoint::open(folder.join("base").to_str().unwrap()).unwrap();
            let source = open();
            stop();
            let _ = distances(&base, std::slice::from_ref(&source), &Observer::none());
            source.all_intact().err().map(|e| e.to_string())
        }
        other => panic!("{other}"),
    };
    println!("{}", failed.unwrap_or_else(|| "done".to_owned()));
}

/// Runs a child on models of its own, cutting `ja`'s weights to `left` bytes when all is open.
fn cut(what: &str, left: u64) -> String {
    let dir = tempfile::tempdir().unwrap();
    write_zoo(dir.path()).unwrap();
    let weights: PathBuf = dir.path().join("ja/model.safetensors");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{what}:{}", dir.path().display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.ends_with("open\n") {
        assert!(out.read_line(&mut seen).unwrap() > 0, "{what}: {seen}");
    }
    File::options().write(true).open(&weights).unwrap().set_len(left).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{what} with {left} bytes left: {status}, {rest}");
    rest.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn what_was_cut_is_told_and_not_used() {
    for what in ["merge", "again", "export", "load", "distances"] {
        for left in [0, 5000, 500_000] {
            let said = cut(what, left);
            let told = said.contains("ja/model.safetensors")
                && said.contains(&format!("to {left} bytes while it was in use"));
            assert!(told, "{what} with {left} bytes left: {said}");
        }
    }
}

#[test]
fn what_was_read_before_goes_on() {
    assert_eq!(cut("decode", 0), "done");
}
