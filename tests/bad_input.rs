//! Bad input never panics and never half-writes: each case ends with exit code 2 and one sentence
//! on stderr that names the file, key or tensor and says what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

struct Bench {
    dir: TempDir,
}

impl Bench {
    /// A scratch folder with the zoo written out as ordinary checkpoints under `zoo/`.
    fn new() -> Self {
        let bench = Self { dir: tempfile::tempdir().unwrap() };
        let out = bench.run(&["zoo", "--out", bench.path("zoo").to_str().unwrap()]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yosegi"));
        command
            .current_dir(self.dir.path())
            .env("YOSEGI_HOME", self.path("home"))
            .env("HF_HOME", self.path("hf"))
            .env("HF_HUB_OFFLINE", "1")
            .env_remove("RUST_BACKTRACE")
            .stdin(std::process::Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    /// Runs and returns the one sentence on stderr; checks exit code 2 and the expected words.
    fn refused(&self, args: &[&str], words: &[&str]) -> String {
        let out = self.run(args);
        refused(&out, args, words)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A recipe over the exported zoo with `extra` lines at the top and in the first source.
    fn recipe(&self, name: &str, top: &str, source: &str) -> PathBuf {
        let text = format!(
            "method = \"ties\"\nbase = \"zoo:base\"\n{top}\n\
             [[source]]\nmodel = \"zoo:ja\"\nweight = 0.5\n{source}\n\
             [[source]]\nmodel = \"zoo:math-add\"\nweight = 0.5\n"
        );
        self.write(name, &text)
    }
}

fn refused(out: &Output, args: &[&str], words: &[&str]) -> String {
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?}: more than one line: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no `{word}` in: {stderr}");
    }
    stderr
}

fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn checkpoints_that_are_none() {
    let b = Bench::new();
    b.refused(&["inspect", "no-such-folder/at-all/here"], &["no-such-folder"]);
    fs::create_dir(b.path("empty")).unwrap();
    b.refused(&["inspect", str(&b.path("empty"))], &["empty", "config.json"]);
    b.refused(&["inspect", "zoo:nobody"], &["zoo:nobody", "zoo:base"]);
    b.refused(&["inspect", "some-org/some-model"], &["some-org/some-model"]);
}

#[test]
fn weights_that_lie() {
    let b = Bench::new();
    let file = b.path("zoo/ja/model.safetensors");
    let whole = fs::read(&file).unwrap();

    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["model.safetensors"]);

    let mut claims = whole.clone();
    claims[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(&file, &claims).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["model.safetensors"]);

    fs::write(&file, &whole[..4]).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["model.safetensors"]);

    fs::remove_file(&file).unwrap();
    let index = r#"{"weight_map":{"model.norm.weight":"model-00001-of-00002.safetensors"}}"#;
    fs::write(b.path("zoo/ja/model.safetensors.index.json"), index).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["model-00001-of-00002.safetensors"]);

    let index = r#"{"weight_map":{"model.norm.weight":"../base/model.safetensors"}}"#;
    fs::write(b.path("zoo/ja/model.safetensors.index.json"), index).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["../base/model.safetensors"]);
}

/// Values are looked at as they are merged, when other tensors were written already: nothing of that
/// is left.
#[test]
fn values_that_are_not_finite() {
    let b = Bench::new();
    let file = b.path("zoo/ja/model.safetensors");
    let whole = fs::read(&file).unwrap();
    let recipe = b.recipe("last.toml", "", "");
    let text = fs::read_to_string(&recipe).unwrap().replace("zoo:ja", "./zoo/ja");
    fs::write(&recipe, text).unwrap();
    let out = b.path("out");
    let length = whole.len();
    for (bits, place) in [([0xc0, 0x7f], length - 2), ([0x80, 0xff], (length / 2) & !1)] {
        let mut bad = whole.clone();
        bad[place..place + 2].copy_from_slice(&bits);
        fs::write(&file, &bad).unwrap();
        let words = ["./zoo/ja", "model.", "1 values that are not finite", "at element"];
        b.refused(&["merge", str(&recipe), "--shard-size", "20KB", "--out", str(&out)], &words);
        let left = fs::read_dir(b.dir.path()).unwrap().map(|e| e.unwrap().file_name());
        let left: Vec<_> = left.filter(|n| n.to_string_lossy().contains("out")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn recipes_that_cannot_be() {
    let b = Bench::new();
    let out = b.path("out");
    let merge = |recipe: &Path, words: &[&str]| {
        b.refused(&["merge", str(recipe), "--out", str(&out)], words);
        assert!(!out.exists(), "a refused merge wrote {}", out.display());
    };
    merge(&b.recipe("unknown.toml", "lamda = 1.0", ""), &["unknown.toml", "lamda", "lambda"]);
    merge(&b.recipe("source-key.toml", "", "wieght = 0.5"), &["source-key.toml", "wieght", "weight"]);
    merge(&b.recipe("density.toml", "", "density = 1.5"), &["density", "1.5"]);
    merge(&b.recipe("density0.toml", "", "density = 0.0"), &["density"]);
    merge(&b.recipe("nan.toml", "lambda = nan", ""), &["lambda"]);
    merge(
        &b.recipe("layers.toml", "", "density = { embed = 1.0, layers = [1.0], head = 1.0 }"),
        &["density", "layers"],
    );
    merge(&b.write("not.toml", "method = = 3"), &["not.toml"]);
    merge(&b.write("method.toml", "method = \"tees\"\nbase = \"zoo:base\"\n"), &["tees", "ties"]);
    merge(&b.path("absent.toml"), &["absent.toml"]);
}

/// Rewrites the exported `zoo/ja` so that the embedding has two rows less.
fn smaller_vocabulary(b: &Bench) {
    let file = b.path("zoo/ja/model.safetensors");
    let bytes = fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let views: Vec<(String, safetensors::tensor::TensorView<'_>)> = tensors
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            if name != "model.embed_tokens.weight" {
                let same =
                    safetensors::tensor::TensorView::new(view.dtype(), view.shape().to_vec(), view.data())
                        .unwrap();
                return (name, same);
            }
            let mut shape = view.shape().to_vec();
            let row = view.data().len() / shape[0];
            shape[0] -= 2;
            let data = &view.data()[..row * shape[0]];
            (name, safetensors::tensor::TensorView::new(view.dtype(), shape, data).unwrap())
        })
        .collect();
    let out = safetensors::serialize(views, None).unwrap();
    fs::write(&file, out).unwrap();
    let config = b.path("zoo/ja/config.json");
    let mut json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&config).unwrap()).unwrap();
    let vocab = json["vocab_size"].as_u64().unwrap();
    json["vocab_size"] = (vocab - 2).into();
    fs::write(&config, json.to_string()).unwrap();
}

fn local_recipe(b: &Bench) -> PathBuf {
    b.write(
        "local.toml",
        "method = \"linear\"\nbase = \"./zoo/base\"\n[[source]]\nmodel = \"./zoo/ja\"\nweight = 1.0\n",
    )
}

#[test]
fn models_that_do_not_fit() {
    let b = Bench::new();
    smaller_vocabulary(&b);
    let recipe = local_recipe(&b);
    b.refused(&["merge", str(&recipe), "--out", "out"], &["vocabulary"]);

    let b = Bench::new();
    let config = b.path("zoo/ja/config.json");
    let text = fs::read_to_string(&config).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["num_hidden_layers"] = (json["num_hidden_layers"].as_u64().unwrap() + 1).into();
    fs::write(&config, json.to_string()).unwrap();
    let recipe = local_recipe(&b);
    b.refused(&["merge", str(&recipe), "--out", "out"], &["layers"]);

    json["model_type"] = "no_such_family".into();
    fs::write(&config, json.to_string()).unwrap();
    b.refused(&["inspect", "./zoo/ja"], &["no_such_family", "llama", "mistral"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let b = Bench::new();
    let recipe = local_recipe(&b);
    b.write("file", "in the way");
    b.refused(&["merge", str(&recipe), "--out", "file/out"], &["file/out"]);
    b.write("full/precious.txt", "keep me");
    b.refused(&["merge", str(&recipe), "--out", "full"], &["full"]);
    assert_eq!(fs::read_to_string(b.path("full/precious.txt")).unwrap(), "keep me");
}

/// A disk of 256 KiB, mounted in a namespace of its own; says so where that is not allowed.
#[test]
fn a_full_disk() {
    let b = Bench::new();
    let recipe = local_recipe(&b);
    let disk = b.path("disk");
    fs::create_dir(&disk).unwrap();
    let inside = |script: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
            .current_dir(b.dir.path())
            .env("YOSEGI_HOME", b.path("home"))
            .env_remove("RUST_BACKTRACE")
            .output()
    };
    let mount = format!("mount -t tmpfs -o size=256k none {}", disk.display());
    if !inside(&mount).is_ok_and(|out| out.status.success()) {
        eprintln!("not checked: this system lets no ordinary process mount a small disk");
        return;
    }
    let script = format!(
        "{mount} && {{ {} merge {} --out disk/out; code=$?; ls -A disk >&3; exit $code; }} 3>listing",
        env!("CARGO_BIN_EXE_yosegi"),
        recipe.display()
    );
    let out = inside(&script).unwrap();
    refused(&out, &["merge", "to a full disk"], &["disk/out", "space"]);
    assert_eq!(fs::read_to_string(b.path("listing")).unwrap(), "", "something half-written was left behind");
}

#[test]
fn tasks_that_ask_nothing() {
    let b = Bench::new();
    b.write("empty.jsonl", "");
    let question = "{\"id\":\"1\",\"question\":\"1+1?\",\"answer\":\"2\"}\n";
    b.write("one.jsonl", question);
    let task = |name: &str, train: &str, test: &str, more: &str| {
        let text = format!(
            "name = \"mine\"\nprompt = \"{{{{ question }}}}\"\nmax_new_tokens = 8\n{more}\n\
             [train]\ndata = \"{train}\"\n[test]\ndata = \"{test}\"\n"
        );
        b.write(name, &text)
    };
    let eval = |path: &Path, words: &[&str]| {
        b.refused(&["eval", "zoo:base", "--task", str(path)], words);
    };
    eval(&task("empty.toml", "one.jsonl", "empty.jsonl", ""), &["empty.jsonl"]);
    eval(&task("gone.toml", "one.jsonl", "gone.jsonl", ""), &["gone.jsonl"]);
    eval(&task("leak.toml", "one.jsonl", "one.jsonl", ""), &["1+1?"]);
    eval(
        &task("key.toml", "one.jsonl", "one.jsonl", "max_new_tokns = 3"),
        &["max_new_tokns", "max_new_tokens"],
    );
    b.refused(&["eval", "zoo:base", "--task", "no-such-task"], &["no-such-task", "zoo"]);
}

#[test]
fn sessions_that_cannot_start() {
    let b = Bench::new();
    let zoo = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/zoo.toml")).unwrap();
    let evolve = |text: &str, words: &[&str]| {
        let config = b.write("session.toml", text);
        b.refused(&["evolve", str(&config), "--headless"], words);
    };
    evolve(&zoo.replace("algorithm =", "algoritm ="), &["algoritm", "algorithm"]);
    evolve(&zoo.replace("\"cma-es\" ", "\"cma-ess\" "), &["cma-ess", "cma-es"]);
    evolve(&zoo.replace("0.05 * correct", "0.05 * corect"), &["corect", "correct"]);
    evolve(&zoo.replace("\"zoo:math-mul\"", "\"zoo:math-dul\""), &["zoo:math-dul"]);
    evolve(&zoo.replace("device = \"auto\"", "device = \"cuda\""), &["cuda", "cpu"]);
    evolve(&zoo.replace("min = -0.3, max = 1.8", "min = 1.8, max = -0.3"), &["weight"]);
    b.refused(&["attach", "nobody"], &["nobody"]);
    b.refused(&["report", "nobody"], &["nobody"]);
    b.refused(&["stop", "nobody"], &["nobody"]);
}

#[test]
fn a_gpu_that_is_not_there() {
    let b = Bench::new();
    b.refused(&["generate", "zoo:base", "--prompt", "1", "--device", "cuda"], &["cuda", "cpu"]);
    b.refused(&["generate", "zoo:base", "--prompt", "1", "--device", "toaster"], &["toaster", "auto"]);
}

#[test]
fn usage_mistakes_are_told_by_name() {
    let b = Bench::new();
    let out = b.run(&["evlove"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&out.stderr).contains("evolve"));
}

/// A number that sizes something is refused by key and bound, before anything is made of it.
#[test]
fn numbers_beyond_their_bounds() {
    let b = Bench::new();
    let zoo = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/zoo.toml")).unwrap();
    let evolve = |from: &str, to: &str, words: &[&str]| {
        assert!(zoo.contains(from), "{from}");
        let config = b.write("session.toml", &zoo.replacen(from, to, 1));
        b.refused(&["evolve", str(&config), "--headless"], words);
    };
    for population in ["10001", "4294967295", "9223372036854775807"] {
        let line = format!("population = {population}");
        evolve("population = 16", &line, &["session.toml", "search.population", "10000"]);
    }
    for sigma in ["1e308", "inf", "nan", "0", "-1"] {
        evolve("sigma = 0.25", &format!("sigma = {sigma}"), &["session.toml", "search.sigma"]);
    }
    evolve("seed = 1", "seed = 1\nthreads = 1000000", &["session.toml", "threads", "1024"]);
    evolve("min = -0.3, max = 1.8", "min = -1e300, max = 1e300", &["session.toml", "space.weight"]);
    evolve("groups = \"layer\"", "groups = { smooth = 100000 }", &["session.toml", "groups"]);
    evolve(
        "train_limit = 300",
        "train_limit = 9223372036854775807",
        &["session.toml", "train_limit", "10000000"],
    );
    evolve("watch = [0, 1, 2]", "watch = [4000000000]", &["session.toml", "watch"]);

    let merge = |text: &str, words: &[&str]| {
        let recipe = b.write("far.toml", text);
        b.refused(&["merge", str(&recipe), "--out", "out", "--dry-run"], words);
    };
    let source = "[[source]]\nmodel = \"zoo:ja\"\nweight = 1.0\n";
    let pad = "method = \"linear\"\nbase = \"zoo:base\"\ntokenizer = { source = \"union\", pad_to_multiple_of = 100000000 }\n";
    merge(&format!("{pad}{source}"), &["far.toml:3", "pad_to_multiple_of", "65536"]);
    let step = "[[path]]\nmodel = \"zoo:ja\"\nlayer = 4000000000\n";
    let path = format!("method = \"passthrough\"\nbase = \"zoo:base\"\n{step}");
    merge(&path, &["far.toml", "path[0].layer", "4096"]);
    let karcher = "method = \"karcher\"\nmax_iter = 4000000000\n";
    merge(
        &format!("{karcher}{source}[[source]]\nmodel = \"zoo:math-add\"\nweight = 1.0\n"),
        &["far.toml", "max_iter"],
    );
    b.refused(
        &["generate", "zoo:base", "--prompt", "1", "--max-tokens", "99999999999"],
        &["max-tokens", "1048576"],
    );
}

/// Devices, pipes and folders given for files are refused; nothing waits for them.
#[test]
fn files_that_are_none() {
    let b = Bench::new();
    let pipe = |name: &str| {
        let path = b.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        path
    };
    let odd = pipe("odd.toml");
    fs::create_dir(b.path("folder.toml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", b.path("zero.toml")).unwrap();
    for (path, what) in
        [(odd, "a pipe"), (b.path("folder.toml"), "a folder"), (b.path("zero.toml"), "a device")]
    {
        let name = path.file_name().unwrap().to_str().unwrap();
        b.refused(&["evolve", str(&path), "--headless"], &[name, what]);
        b.refused(&["recipe", "check", str(&path)], &[name, what]);
        b.refused(&["merge", str(&path), "--out", "out"], &[name, what]);
        b.refused(&["eval", "zoo:base", "--task", str(&path)], &[name, what]);
        b.refused(&["generate", "zoo:base", "--prompts", str(&path)], &[name, what]);
    }
    for (model, file) in [("m1", "config.json"), ("m2", "model.safetensors")] {
        fs::create_dir(b.path(model)).unwrap();
        for other in ["config.json", "model.safetensors"] {
            fs::copy(b.path("zoo/ja").join(other), b.path(model).join(other)).unwrap();
        }
        fs::remove_file(b.path(model).join(file)).unwrap();
        pipe(&format!("{model}/{file}"));
        b.refused(&["inspect", &format!("./{model}")], &[model, file, "a pipe"]);
    }
}
