//! A candidate allocates nothing of the size of its weights.

#![allow(clippy::unwrap_used)] // a broken fixture should stop it

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use yosegi::checkpoint::{Checkpoint, Dtype, ModelConfig, tensor_shapes};
use yosegi::merge::{Merged, Pool};
use yosegi::recipe::{LayerGroup, Method, Recipe, Values};

/// The system's allocator, with a count of all bytes ever asked for.
struct Counting;

static ASKED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn model(name: &str, seed: u32) -> Checkpoint {
    let config = json!({"model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
        "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 600, "tie_word_embeddings": true});
    let read = ModelConfig::from_json(name, config.to_string().as_bytes()).unwrap();
    let mut state = seed;
    let tensors: Vec<_> = tensor_shapes(&read)
        .into_iter()
        .map(|(tensor, shape)| {
            let n: usize = shape.iter().product();
            let bytes = (0..n).flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                half::bf16::from_f32((state >> 8) as f32 / 16_777_216.0 - 0.5).to_le_bytes()
            });
            (tensor, shape, Dtype::BF16, bytes.collect())
        })
        .collect();
    Checkpoint::from_memory(name, &config, &tensors, BTreeMap::new()).unwrap()
}

#[test]
fn a_candidate_needs_no_memory_of_its_own() {
    let names = ["a".to_owned(), "b".to_owned()];
    let pool = Pool::new(model("base", 1), vec![model("a", 2), model("b", 3)]).unwrap();
    let weights = 2 * 4 * (4 * 256 * 256 + 3 * 256 * 512);
    for method in [Method::Linear, Method::TaskArithmetic, Method::Ties, Method::DareLinear, Method::DareTies]
    {
        let mut recipe = Recipe::uniform("base", &names, method, 0.4);
        let mut merged = Merged::new(&pool);
        let mut candidate = |i: i32| {
            let share = f64::from(i) / 10.0;
            for source in &mut recipe.sources {
                *source.weight_mut() = Values::All(share);
                *source.density_mut() = Values::All(share);
                source.weight_mut().set(LayerGroup::Block(1), 4, share / 2.0);
            }
            let before = ASKED.load(Ordering::Relaxed);
            assert!(pool.merge_into(&recipe, &mut merged).unwrap().groups.iter().all(|g| *g));
            ASKED.load(Ordering::Relaxed) - before
        };
        // Histograms and sums are made by the first two.
        let asked: Vec<usize> = (1..6).map(&mut candidate).collect();
        for later in &asked[2..] {
            assert!(later * 25 < weights, "{}: {asked:?} bytes; the weights have {weights}", method.name());
        }
    }
}
