use serde_json::{Value, json};

use super::{TowerKind, VisionConfig};
use crate::checkpoint::ModelConfig;

fn open(config: &Value) -> Result<ModelConfig, String> {
    ModelConfig::from_json("m", config.to_string().as_bytes()).map_err(|e| e.to_string())
}

fn of(config: &Value) -> VisionConfig {
    open(config).unwrap().vision.unwrap().as_ref().clone()
}

#[test]
fn defaults_are_those_of_transformers() {
    // What the config of llava-1.5-7b-hf leaves out, and what a missing tower means.
    let text = json!({"vocab_size": 32_064});
    let bare = json!({"model_type": "llava", "text_config": text});
    let config = open(&bare).unwrap();
    assert_eq!((config.model_type.as_str(), config.vocab_size, config.hidden_size), ("llama", 32_064, 4096));
    let vision = config.vision.unwrap();
    assert_eq!(
        (vision.hidden_size, vision.intermediate_size, vision.layers, vision.heads, vision.image_size),
        (1024, 4096, 24, 16, 336)
    );
    assert_eq!((vision.patches(), vision.positions(), vision.image_token), (576, 577, 32_000));
    assert_eq!((vision.feature_layers.as_slice(), vision.keep_class_token), (&[-2][..], false));
    assert!(vision.projector_bias && vision.grid_pinpoints.is_empty());
    // A tower that says little is another one.
    let little = json!({"model_type": "llava_next", "text_config": text,
        "vision_config": {"model_type": "siglip_vision_model", "hidden_size": 96}});
    let vision = of(&little);
    assert_eq!((vision.tower, vision.patch_size, vision.positions()), (TowerKind::Siglip, 16, 196));
    assert_eq!((vision.intermediate_size, vision.hidden_act.as_str()), (3072, "gelu_pytorch_tanh"));
    assert_eq!(vision.grid_pinpoints[..2], [(336, 672), (672, 336)]);
}

#[test]
fn either_config_ties_the_head() {
    for (inner, outer, tied) in
        [(false, false, false), (true, false, true), (false, true, true), (true, true, true)]
    {
        let config = json!({"model_type": "llava", "tie_word_embeddings": outer,
            "text_config": {"model_type": "qwen2", "tie_word_embeddings": inner}});
        assert_eq!(open(&config).unwrap().tie_word_embeddings, tied);
    }
}

#[test]
fn bad_configs_are_refused_in_words() {
    let refused = |key: &str, value: Value, needles: &[&str]| {
        let mut config = json!({"model_type": "llava_next", "text_config": {"vocab_size": 32_064},
            "vision_config": {"num_hidden_layers": 3, "hidden_size": 24}});
        match key.split_once('/') {
            Some((table, key)) => config[table][key] = value,
            None => config[key] = value,
        }
        let why = open(&config).unwrap_err();
        assert!(needles.iter().all(|n| why.contains(n)) && !why.contains('\n'), "{key}: {why}");
    };
    refused("text_config", json!([]), &["m/config.json: text_config", "table"]);
    refused("text_config/model_type", json!("gemma2"), &["gemma2", "llama, mistral, qwen2"]);
    refused("text_config/hidden_size", json!(0), &["m/config.json, text_config: hidden_size"]);
    refused("vision_config/model_type", json!("pixtral"), &["pixtral", "siglip_vision_model"]);
    refused("vision_config/num_attention_heads", json!(7), &["vision_config: hidden_size is 24", "7"]);
    refused("vision_config/patch_size", json!(500), &["patch_size is 500", "224"]);
    refused("vision_config/image_size", json!([24, 48]), &["image_size", "square"]);
    refused("vision_config/num_channels", json!(1), &["num_channels is 1"]);
    refused("vision_feature_layer", json!(4), &["vision_feature_layer is 4", "-4 to 3"]);
    refused("vision_feature_layer", json!([-2, -5]), &["is -5"]);
    refused("vision_feature_layer", json!([]), &["empty"]);
    refused("vision_feature_select_strategy", json!("all"), &["all", "default or full"]);
    refused("image_token_index", json!(32_064), &["image_token_index is 32064", "32064"]);
    refused("image_token_id", json!(-1), &["image_token_id", "<image>"]);
    refused("image_grid_pinpoints", json!([[336, 0]]), &["image_grid_pinpoints", "heights and widths"]);
    let square = json!({"model_type": "llava", "text_config": {"vocab_size": 32_064},
        "vision_config": {"image_size": [224, 224]}, "vision_feature_layer": [-1, 0]});
    assert_eq!((of(&square).image_size, of(&square).feature_layers), (224, vec![-1, 0]));
}
