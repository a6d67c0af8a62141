//! Checkpoints, recipes and outputs that cannot be used.

use super::*;

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
