//! Tasks, sessions, devices, arguments and files that cannot be used.

use super::*;

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
