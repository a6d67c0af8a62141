//! A LLaVA checkpoint with its config or its weights changed.

use std::fs;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use yosegi::checkpoint::{Checkpoint, Weights};
use yosegi::merge::{MergeError, Merged, Pool};
use yosegi::recipe::{Method, Recipe};

use super::mutate::{self, Notation};
use super::readers::{Lab, Outcome, told, weights};
use super::seeds::{self, Seeds};

const FILES: [&str; 2] = ["config.json", "model.safetensors"];

/// The number of a file, and its changed content.
pub fn change(rng: &mut ChaCha8Rng, _: &Seeds) -> Vec<u8> {
    let number = rng.random_range(0..FILES.len());
    let golden = seeds::repository().join("tests/golden/llava_merge/models/vlm");
    let whole = fs::read(golden.join(FILES[number])).unwrap();
    let changed =
        if number == 0 { mutate::text(rng, &whole, Notation::Json) } else { weights(rng, &[whole]) };
    [&[number as u8], changed.as_slice()].concat()
}

/// Opens the checkpoint, reads its vision part and merges it with a model of text.
pub fn read(lab: &mut Lab, bytes: &[u8]) -> Outcome {
    let models = seeds::repository().join("tests/golden/llava_merge/models");
    let folder = lab.path("llava");
    let (number, changed) = bytes.split_first().unwrap();
    fs::create_dir_all(&folder).unwrap();
    for name in ["tokenizer.json", FILES[0], FILES[1]] {
        fs::copy(models.join("vlm").join(name), folder.join(name)).unwrap();
    }
    fs::write(folder.join(FILES[usize::from(*number)]), changed).unwrap();
    let name = folder.display().to_string();
    let model = Checkpoint::open(&name).map_err(told)?;
    let _ = model.summary();
    for tensor in model.vision_names() {
        assert!(model.vision_tensor(tensor).is_some(), "{tensor}");
    }
    assert!(model.names().into_iter().all(|tensor| model.tensor(tensor).is_some()));
    let base = models.join("base").display().to_string();
    let recipe = Recipe::uniform(&base, std::slice::from_ref(&name), Method::TaskArithmetic, 0.5);
    let merge = || -> Result<(), MergeError> {
        let pool = Pool::gather(&recipe, |name| Ok::<_, MergeError>(Checkpoint::open(name)?))?;
        pool.merge_into(&recipe, &mut Merged::new(&pool)).map(|_| ())
    };
    merge().map_err(|e| {
        let text = format!("{e:#}");
        if text.contains("llava") { vec![text] } else { vec![format!("{name}: {text}")] }
    })
}
