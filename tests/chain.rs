//! The real binary merges a file of several recipes, where one uses another's result by its name.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use yosegi::checkpoint::{Checkpoint, Weights};

const MATHS: &str = "\
merge_method: ties
base_model: zoo:base
models:
  - {model: zoo:math-add, parameters: {weight: 0.6, density: 0.5}}
  - {model: zoo:math-mul, parameters: {weight: 0.4, density: 0.7}}
";

const LAST: &str = "\
merge_method: linear
models:
  - {model: zoo:ja, parameters: {weight: 0.3}}
  - {model: maths, parameters: {weight: 0.7}}
";

/// A folder with a file of recipes.
struct Place(tempfile::TempDir);

impl Place {
    fn new(text: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put(text);
        place
    }

    fn put(&self, text: &str) {
        fs::write(self.path("chain.yml"), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn merge(&self, args: &[&str]) -> Output {
        self.run(&[&["merge", "chain.yml"], args].concat())
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command.env("YOSEGI_HOME", self.path("home")).current_dir(self.0.path()).stdin(Stdio::null());
        command.args(args).output().unwrap()
    }

    /// Names of what lies in the folder, the recipes and the home apart.
    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name());
        let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        names.retain(|n| n != "chain.yml" && n != "home");
        names.sort();
        names
    }
}

fn done(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    (out, err)
}

fn refused(output: &Output, needles: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for needle in needles {
        assert!(said.contains(needle), "{said:?} should say {needle:?}");
    }
}

fn tensors(folder: &Path) -> Vec<Vec<u8>> {
    let model = Checkpoint::open(folder.to_str().unwrap()).unwrap();
    model.names().iter().map(|name| model.tensor(name).unwrap().data.to_vec()).collect()
}

#[test]
fn a_chain_is_what_its_merges_are_one_after_another() {
    // The one that uses the other stands first.
    let place = Place::new(&format!("{LAST}---\nname: maths\n{MATHS}"));
    let (said, _) = done(&place.merge(&["--out", "all", "--dry-run"]));
    assert!(
        said.contains("maths: ") && said.contains("in all") && said.contains("of what comes from maths"),
        "{said}"
    );
    assert!(place.names().is_empty());
    done(&place.merge(&["--out", "all"]));
    assert_eq!(place.names(), ["all"], "what lay beside it is gone");
    let card = fs::read_to_string(place.path("all/README.md")).unwrap();
    assert!(
        card.contains("`maths`") && card.contains("name = \"maths\"") && card.contains("name: maths"),
        "{card}"
    );
    assert!(!card.contains(place.0.path().to_str().unwrap()), "{card}");

    place.put(MATHS);
    done(&place.merge(&["--out", "one"]));
    place.put(&LAST.replace("maths", "./one"));
    done(&place.merge(&["--out", "two"]));
    assert!(tensors(&place.path("all")) == tensors(&place.path("two")));
    // What was written is a recipe that can be merged again.
    fs::copy(place.path("all/recipe.toml"), place.path("chain.toml")).unwrap();
    fs::rename(place.path("chain.toml"), place.path("chain.yml")).unwrap();
    let text = fs::read_to_string(place.path("chain.yml")).unwrap();
    assert!(text.contains("[[recipe]]"), "{text}");
}

#[test]
fn intermediates_stay_and_are_taken_over_while_they_are_the_same() {
    let chain = |weight: &str| format!("name: maths\n{}---\n{LAST}", MATHS.replace("0.6", weight));
    let place = Place::new(&chain("0.6"));
    let merge = |out: &str| done(&place.merge(&["--out", out, "--intermediates", "parts"]));
    merge("first");
    assert!(place.path("parts/maths/model.safetensors").exists());
    let (_, said) = merge("again");
    assert!(said.contains("maths: taken over from parts"), "{said}");
    assert!(tensors(&place.path("first")) == tensors(&place.path("again")));
    place.put(&chain("0.2"));
    let (_, said) = merge("other");
    assert!(said.contains("maths: made anew"), "{said}");
    assert!(tensors(&place.path("first")) != tensors(&place.path("other")));
    // A folder that came from elsewhere is left alone.
    fs::remove_file(place.path("parts/.maths.made")).unwrap();
    refused(&place.merge(&["--out", "last", "--intermediates", "parts"]), &["parts/maths", "not empty"]);
    assert!(!place.path("last").exists());
    // All named and nothing to --out: every result stays.
    place.put(&format!("name: maths\n{MATHS}---\nname: end\n{LAST}"));
    done(&place.merge(&["--intermediates", "all"]));
    assert!(place.path("all/maths/config.json").exists() && place.path("all/end/config.json").exists());
    done(&place.merge(&["--out", "end"]));
    assert!(tensors(&place.path("all/end")) == tensors(&place.path("end")));
}

#[test]
fn what_a_chain_cannot_do_is_said() {
    let place =
        Place::new(&format!("name: maths\n{MATHS}---\n{}", LAST.replace("model: maths", "model: mahts")));
    refused(&place.merge(&["--out", "o"]), &["mahts", "named maths"]);
    place.put(&format!("name: maths\n{}---\n{LAST}", MATHS.replace("zoo:math-mul", "maths")));
    refused(&place.merge(&["--out", "o"]), &["wait for each other", "maths"]);
    place.put(&format!("name: maths\n{MATHS}---\n{}", LAST.replace("model: maths", "model: zoo:math-add")));
    refused(&place.merge(&["--out", "o"]), &["no recipe uses the result of maths", "--intermediates"]);
    place.put(&format!("name: a\n{MATHS}---\nname: b\n{MATHS}"));
    refused(&place.merge(&["--out", "o"]), &["several results, a and b"]);
    place.put(&format!("name: a\n{MATHS}---\n{MATHS}"));
    refused(&place.merge(&["--intermediates", "i"]), &["without a name", "--out"]);
    place.put(&format!("name: ../a\n{MATHS}---\n{MATHS}"));
    refused(&place.merge(&["--out", "o"]), &["named ../a"]);
    place.put(MATHS);
    refused(
        &place.merge(&["--out", "o", "--intermediates", "i"]),
        &["--intermediates is for a file of several"],
    );
    assert!(place.names().is_empty(), "{:?}", place.names());

    // A chain that fails on the way keeps what is done, and goes on from there.
    let double = LAST.replace("merge_method: linear", "merge_method: linear\ndtype: float64");
    place.put(&format!("name: maths\n{MATHS}---\n{double}"));
    let output = place.merge(&["--out", "o"]);
    refused(&output, &["float64", "taken over next time"]);
    place.put(&format!("name: maths\n{MATHS}---\n{LAST}"));
    let (_, said) = done(&place.merge(&["--out", "o"]));
    assert!(said.contains("maths: taken over"), "{said}");
    assert_eq!(place.names(), ["o"]);
}

/// Each of twenty-four recipes uses all before it: made anew for each that asks, they would be eight million merges.
#[test]
fn a_result_that_several_ask_for_is_made_once() {
    let mut text = String::new();
    for i in 0..24 {
        let ja = "  - {model: zoo:ja, parameters: {weight: 1.0}}";
        writeln!(text, "name: r{i}\nmerge_method: linear\nmodels:\n{ja}").unwrap();
        for before in 0..i {
            writeln!(text, "  - {{model: r{before}, parameters: {{weight: 0.5}}}}").unwrap();
        }
        text += "  - {model: zoo:math-add, parameters: {weight: 0.5}}\n---\n";
    }
    let place = Place::new(text.trim_end_matches("---\n"));
    done(&place.merge(&["--out", "out"]));
    let tokens = |model: &str| {
        let (out, _) =
            done(&place.run(&["generate", model, "--prompt", "りんごが3個", "--max-tokens", "8", "--json"]));
        out
    };
    assert_eq!(tokens("chain.yml"), tokens("out"));
}
