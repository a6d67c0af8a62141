//! Name and shape of every tensor of a vision part. In: its config, and the language model's width. Out: the list, from
//! the picture to the language model. `open` checks checkpoints against it.

use crate::checkpoint::config::vision::{TowerKind, VisionConfig, VisionLayout};

/// A tensor that a vision part may have.
pub(in crate::checkpoint) struct Expected {
    pub(in crate::checkpoint) name: String,
    pub(in crate::checkpoint) shape: Vec<usize>,
    /// Whether features can't be computed without it. transformers also stores what comes after the tower's last
    /// hidden state; no feature needs it, and some files leave it out.
    pub(in crate::checkpoint) needed: bool,
}

/// The tensors of a vision part; `width` is that of the language model.
pub(in crate::checkpoint) fn vision_shapes(config: &VisionConfig, width: usize) -> Vec<Expected> {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let mut out = Vec::new();
    let mut put = |name: String, shape: Vec<usize>, needed: bool| out.push(Expected { name, shape, needed });
    let tower = |part: &str| format!("vision_tower.{part}");
    let patch = config.patch_size;
    let clip = config.tower == TowerKind::Clip;

    if clip {
        put(tower("embeddings.class_embedding"), vec![hidden], true);
    }
    put(tower("embeddings.patch_embedding.weight"), vec![hidden, config.channels, patch, patch], true);
    if !clip {
        put(tower("embeddings.patch_embedding.bias"), vec![hidden], true);
    }
    put(tower("embeddings.position_embedding.weight"), vec![config.positions(), hidden], true);
    let mut norm = |name: String, needed: bool| {
        for part in ["weight", "bias"] {
            put(format!("{name}.{part}"), vec![hidden], needed);
        }
    };
    if clip {
        // The name is misspelt in transformers too.
        norm(tower("pre_layrnorm"), true);
    }
    for layer in 0..config.layers {
        norm(tower(&format!("encoder.layers.{layer}.layer_norm1")), true);
        norm(tower(&format!("encoder.layers.{layer}.layer_norm2")), true);
    }
    norm(tower("post_layernorm"), false);
    let mut linear = |name: String, rows: usize, columns: usize, bias: bool| {
        put(format!("{name}.weight"), vec![rows, columns], true);
        if bias {
            put(format!("{name}.bias"), vec![rows], true);
        }
    };
    for layer in 0..config.layers {
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            linear(tower(&format!("encoder.layers.{layer}.self_attn.{part}")), hidden, hidden, true);
        }
        linear(tower(&format!("encoder.layers.{layer}.mlp.fc1")), inner, hidden, true);
        linear(tower(&format!("encoder.layers.{layer}.mlp.fc2")), hidden, inner, true);
    }
    let features = hidden * config.feature_layers.len();
    linear("multi_modal_projector.linear_1".to_owned(), width, features, config.projector_bias);
    linear("multi_modal_projector.linear_2".to_owned(), width, width, config.projector_bias);
    if config.layout == VisionLayout::LlavaNext {
        put("image_newline".to_owned(), vec![width], true);
    }
    out
}
