//! Name and shape of every tensor that a decoder needs. In: a config. Out: the list, from input to output. `open`
//! checks checkpoints against it, and merges are planned from it.

use crate::checkpoint::ModelConfig;

/// Name and shape of every tensor that a decoder with this config needs, from input to output. `lm_head.weight` is
/// listed only if the embeddings are not tied.
#[must_use]
pub fn tensor_shapes(config: &ModelConfig) -> Vec<(String, Vec<usize>)> {
    let family = config.family;
    let hidden = config.hidden_size;
    let inner = config.intermediate_size;
    let q = config.num_attention_heads * config.head_dim;
    let kv = config.num_key_value_heads * config.head_dim;

    let mut out = vec![("model.embed_tokens.weight".to_owned(), vec![config.vocab_size, hidden])];
    for layer in 0..config.num_hidden_layers {
        let mut put =
            |part: &str, shape: Vec<usize>| out.push((format!("model.layers.{layer}.{part}"), shape));
        put("input_layernorm.weight", vec![hidden]);
        let mut linear = |name: &str, rows: usize, columns: usize, bias: bool| {
            put(&format!("{name}.weight"), vec![rows, columns]);
            if bias {
                put(&format!("{name}.bias"), vec![rows]);
            }
        };
        let biased = config.attention_bias;
        if family.fused {
            linear("self_attn.qkv_proj", q + 2 * kv, hidden, biased);
        } else {
            linear("self_attn.q_proj", q, hidden, biased);
            linear("self_attn.k_proj", kv, hidden, biased);
            linear("self_attn.v_proj", kv, hidden, biased);
        }
        linear("self_attn.o_proj", hidden, q, config.out_bias);
        if family.fused {
            linear("mlp.gate_up_proj", 2 * inner, hidden, config.mlp_bias);
        } else {
            linear("mlp.gate_proj", inner, hidden, config.mlp_bias);
            linear("mlp.up_proj", inner, hidden, config.mlp_bias);
        }
        linear("mlp.down_proj", hidden, inner, config.mlp_bias);
        if family.qk_norm {
            put("self_attn.q_norm.weight", vec![config.head_dim]);
            put("self_attn.k_norm.weight", vec![config.head_dim]);
        }
        put("post_attention_layernorm.weight", vec![hidden]);
        if family.post_norms {
            put("pre_feedforward_layernorm.weight", vec![hidden]);
            put("post_feedforward_layernorm.weight", vec![hidden]);
        }
    }
    out.push(("model.norm.weight".to_owned(), vec![hidden]));
    if !config.tie_word_embeddings {
        out.push(("lm_head.weight".to_owned(), vec![config.vocab_size, hidden]));
    }
    out
}
