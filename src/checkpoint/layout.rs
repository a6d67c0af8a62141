//! Which tensors a decoder of the supported families has, and their shapes.

use super::ModelConfig;

/// Name and shape of every tensor that a decoder with this config needs, from the input to the
/// output. `lm_head.weight` is listed only where the embeddings are not tied.
#[must_use]
pub fn tensor_shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let hidden = config.hidden_size;
    let inner = config.intermediate_size;
    let q = config.num_attention_heads * config.head_dim;
    let kv = config.num_key_value_heads * config.head_dim;

    let mut out = vec![("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden])];
    for layer in 0..config.num_hidden_layers {
        let mut put =
            |part: &str, shape: Vec<usize>| out.push((format!("model.layers.{layer}.{part}"), shape));
        put("input_layernorm.weight", vec![hidden]);
        for (name, rows, columns) in
            [("q", q, hidden), ("k", kv, hidden), ("v", kv, hidden), ("o", hidden, q)]
        {
            put(&format!("self_attn.{name}_proj.weight"), vec![rows, columns]);
            if config.attention_bias {
                put(&format!("self_attn.{name}_proj.bias"), vec![rows]);
            }
        }
        put("post_attention_layernorm.weight", vec![hidden]);
        for (name, rows, columns) in [("gate", inner, hidden), ("up", inner, hidden), ("down", hidden, inner)]
        {
            put(&format!("mlp.{name}_proj.weight"), vec![rows, columns]);
            if config.mlp_bias {
                put(&format!("mlp.{name}_proj.bias"), vec![rows]);
            }
        }
    }
    out.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !config.tie_word_embeddings {
        out.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    }
    out
}
