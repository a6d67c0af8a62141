//! Folds the scales of a path into an ordinary decoder. Models and steps come in; a config and tensors without scales
//! go out. `evaluate` exports paths with it.
//!
//! At step t of a path the residual stream enters as x' = wₜ · x, then x' + Attn(N(x')) and the
//! same with the MLP. `RMSNorm` ignores a positive factor (up to its ε) and passes a sign through.
//! With Pₜ = w₁ · … · wₜ and z = x / Pₜ in place of x, every step needs no scale: the output projections (`o_proj` and
//! `down_proj`, with their biases) are divided by Pₜ, the step's two norms are negated where Pₜ < 0, and the final norm
//! is negated if the last P is negative.
//!
//! The result is exact except for ε: the folded norms apply to z the ε that was meant for x. If inputs are well above
//! √ε in size, the difference is comparable to rounding; the caller that exports a path measures it.

use std::collections::HashMap;

use rayon::prelude::*;
use serde_json::Value;

use crate::checkpoint::{
    Checkpoint, Dtype, ModelConfig, Origin, TensorView, Weights, Windows, tensor_shapes,
};

use super::MergeError;
use super::kernels::block::CHUNK_LEN;
use super::kernels::cast;

/// One step of a path over models in a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoldStep {
    /// Index of the model, from 0.
    pub model: usize,
    /// Index of the layer in that model, from 0.
    pub layer: usize,
    /// Factor on the layer's input: finite, not 0.
    pub scale: f32,
}

/// A path planned as an ordinary decoder: its config, and the source of each tensor. No tensor is made yet.
pub struct Folding<'a> {
    config: Value,
    pieces: Vec<Piece<'a>>,
    dtype: Dtype,
}

/// A path folded into an ordinary decoder: a config and tensors. Unchanged tensors are borrowed from the models.
pub struct Folded<'a> {
    config: Value,
    names: Vec<String>,
    tensors: HashMap<String, Tensor<'a>>,
}

/// A tensor of a folded path: borrowed from a checkpoint, or newly made.
enum Tensor<'a> {
    Borrowed(TensorView<'a>),
    Made { shape: Vec<usize>, dtype: Dtype, data: Vec<u8> },
}

/// How a tensor's values change.
#[derive(Clone, Copy)]
enum Change {
    None,
    /// Divide by this number.
    Divide(f32),
    /// Multiply by −1.
    Flip,
}

/// A tensor to make: its name, where its values are, and how they change.
pub(super) struct Piece<'a> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// `None` for a bias that the step's model lacks; it is filled with zeros. An open checkpoint has every tensor that
    /// its config calls for.
    from: Option<TensorView<'a>>,
    change: Change,
}

impl Folded<'_> {
    /// The config of the ordinary decoder: the first model's, with as many layers as the path has
    /// steps.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Names of all tensors, from the input to the output.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl Weights for Folded<'_> {
    fn tensor(&self, name: &str) -> Option<TensorView<'_>> {
        Some(match self.tensors.get(name)? {
            Tensor::Borrowed(view) => *view,
            Tensor::Made { shape, dtype, data } => TensorView { dtype: *dtype, shape, data },
        })
    }
}

impl<'a> Folding<'a> {
    /// Plans the path `steps` over `models`; the first model gives embedding, final norm and head. Values are divided
    /// in f32 and rounded once, to `dtype`.
    pub fn new(models: &[&'a Checkpoint], steps: &[FoldStep], dtype: Dtype) -> Result<Self, MergeError> {
        let Some(first) = models.first() else { return refuse("it names no model".to_owned()) };
        if steps.is_empty() {
            return refuse("it has no steps: name at least one layer".to_owned());
        }
        let config = folded_config(models, steps, dtype)?;
        let reread = ModelConfig::from_json(first.reference(), config.to_string().as_bytes())?;

        let mut products = Vec::with_capacity(steps.len());
        let mut product = 1.0_f64;
        for (number, step) in steps.iter().enumerate() {
            product *= f64::from(step.scale);
            check_product(product, number)?;
            products.push(product);
        }
        let piece = |(name, shape): (String, Vec<usize>)| {
            let rest = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
            let Some((number, part)) = rest.and_then(|(n, part)| Some((n.parse::<usize>().ok()?, part)))
            else {
                let flip = name == "model.norm.weight" && product < 0.0;
                let change = if flip { Change::Flip } else { Change::None };
                return Piece { from: first.tensor(&name), name, shape, change };
            };
            let step = &steps[number];
            let from = models[step.model].tensor(&format!("model.layers.{}.{part}", step.layer));
            let change = change(part, products[number]);
            Piece { name, shape, from, change }
        };
        let pieces = tensor_shapes(&reread).into_iter().map(piece).collect();
        Ok(Self { config, pieces, dtype })
    }

    /// Config of the ordinary decoder: the first model's, with as many layers as the path has steps.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Name, shape and type of every tensor, from the input to the output.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, Vec<usize>, Dtype)> {
        self.pieces.iter().map(|piece| (piece.name.clone(), piece.shape.clone(), self.dtype)).collect()
    }

    /// The type of every tensor.
    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// What each tensor is made of, from the input to the output.
    pub(super) fn pieces(&self) -> &[Piece<'a>] {
        &self.pieces
    }

    /// Makes every tensor that cannot be borrowed unchanged from a model.
    pub fn make(&self) -> Result<Folded<'a>, MergeError> {
        let make = |piece: &Piece<'a>| {
            let tensor = if let Some(view) = piece.kept(self.dtype) {
                Tensor::Borrowed(view)
            } else {
                let mut data = vec![0; self.dtype.size() * piece.shape.iter().product::<usize>()];
                piece.fill(self.dtype, &mut data)?;
                Tensor::Made { shape: piece.shape.clone(), dtype: self.dtype, data }
            };
            Ok((piece.name.clone(), tensor))
        };
        let tensors = self.pieces.par_iter().map(make).collect::<Result<_, MergeError>>()?;
        let names = self.pieces.iter().map(|p| p.name.clone()).collect();
        Ok(Folded { config: self.config.clone(), names, tensors })
    }
}

/// Folds the path `steps` over `models`, all at once; see [`Folding`].
pub fn fold_scales<'a>(
    models: &[&'a Checkpoint],
    steps: &[FoldStep],
    dtype: Dtype,
) -> Result<Folded<'a>, MergeError> {
    Folding::new(models, steps, dtype)?.make()
}

/// How a tensor of a step changes, given the cumulative product of scales.
fn change(part: &str, product: f64) -> Change {
    let writes = part.starts_with("self_attn.o_proj.") || part.starts_with("mlp.down_proj.");
    let norm = part.ends_with("layernorm.weight");
    if writes && product.to_bits() != 1_f64.to_bits() {
        Change::Divide(product as f32)
    } else if norm && product < 0.0 {
        Change::Flip
    } else {
        Change::None
    }
}

impl<'a> Piece<'a> {
    /// The model's own tensor, if it is used unchanged.
    fn kept(&self, dtype: Dtype) -> Option<TensorView<'a>> {
        self.from.filter(|view| view.dtype == dtype && matches!(self.change, Change::None))
    }

    /// The source tensor.
    pub(super) fn read(&self) -> Option<TensorView<'a>> {
        self.from
    }

    /// Writes the tensor's values as `dtype`, each rounded to nearest, ties to even. `out` has exactly the tensor's
    /// bytes.
    pub(super) fn fill(&self, dtype: Dtype, out: &mut [u8]) -> Result<(), MergeError> {
        if let Some(view) = self.kept(dtype) {
            out.copy_from_slice(view.data);
            return Ok(());
        }
        let Some(view) = self.from else {
            out.fill(0);
            return Ok(());
        };
        let finite = |(i, out): (usize, &mut [u8])| {
            let mut values = vec![0.0_f32; out.len() / dtype.size()];
            view.read_f32(i * CHUNK_LEN, &mut values);
            match self.change {
                Change::None => {}
                Change::Divide(by) => values.iter_mut().for_each(|v| *v /= by),
                Change::Flip => values.iter_mut().for_each(|v| *v = -*v),
            }
            cast::store(dtype, &values, out);
            let shape = [values.len()];
            TensorView { dtype, shape: &shape, data: out }.read_f32(0, &mut values);
            values.iter().all(|v| v.is_finite())
        };
        if out.par_chunks_mut(CHUNK_LEN * dtype.size()).enumerate().map(finite).reduce(|| true, |a, b| a && b)
        {
            return Ok(());
        }
        refuse(format!(
            "{} leaves the range of {} when it is divided by the product of the scales before it; take scales nearer to 1",
            self.name,
            dtype.name()
        ))
    }
}

fn check_product(product: f64, step: usize) -> Result<(), MergeError> {
    if (product as f32).is_normal() {
        return Ok(());
    }
    refuse(format!(
        "the scales up to step {step} multiply to {product:e}, by which nothing can be divided; take scales nearer to 1"
    ))
}

/// The first model's config, adapted to one layer per step. Fails if one config cannot describe all models.
fn folded_config(models: &[&Checkpoint], steps: &[FoldStep], dtype: Dtype) -> Result<Value, MergeError> {
    let first = models[0];
    let mut used = vec![first];
    for (place, step) in steps.iter().enumerate() {
        let Some(model) = models.get(step.model) else {
            return refuse(format!(
                "step {place} names model {}, but there are {}",
                step.model,
                models.len()
            ));
        };
        let layers = model.config().num_hidden_layers;
        if step.layer >= layers {
            let reference = model.reference();
            return refuse(format!(
                "step {place} names layer {} of {reference}, which has {layers} layers, counted from 0",
                step.layer
            ));
        }
        used.push(model);
    }
    for model in &used {
        if let Some(why) = difference(model.config(), first.config()) {
            return refuse(format!(
                "{} {why} {}; one config cannot say both, so this path can be run here but not exported",
                model.reference(),
                first.reference()
            ));
        }
    }
    let origin = |step: &FoldStep| {
        let model = models[step.model];
        Origin { name: model.reference(), config: model.config(), layer: step.layer }
    };
    let origins: Vec<Origin<'_>> = steps.iter().map(origin).collect();
    let mut config = first.config().of_layers(&origins)?.raw;
    if let Value::Object(map) = &mut config {
        ModelConfig::unpack(map);
        for (key, biased) in [
            ("attention_bias", (|c: &ModelConfig| c.attention_bias) as fn(&ModelConfig) -> bool),
            ("mlp_bias", |c: &ModelConfig| c.mlp_bias),
        ] {
            if used.iter().any(|m| biased(m.config())) && !biased(first.config()) {
                map.insert(key.to_owned(), true.into());
            }
        }
        // transformers 5 writes `dtype`, earlier ones `torch_dtype`.
        let key = if map.contains_key("dtype") { "dtype" } else { "torch_dtype" };
        let name = match dtype {
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
        };
        map.insert(key.to_owned(), name.into());
        map.remove("_name_or_path");
    }
    Ok(config)
}

/// Why a layer of `mine` does not fit a decoder with the config `first`, in words.
fn difference(mine: &ModelConfig, first: &ModelConfig) -> Option<String> {
    let biased = |c: &ModelConfig| c.attention_bias || c.out_bias || c.mlp_bias;
    if mine.family.norm_plus_one || mine.family.post_norms {
        return Some(format!(
            "is of the family {}, whose norms do not let a factor through: fold no path with",
            mine.model_type
        ));
    }
    // Llama and Mistral are one decoder under two names.
    let twin = |c: &ModelConfig| matches!(c.model_type.as_str(), "llama" | "mistral");
    if mine.model_type != first.model_type && !(twin(mine) && twin(first)) {
        return Some(format!("is of the family {}, not that of", mine.model_type));
    }
    let sizes = [
        ("hidden_size", mine.hidden_size, first.hidden_size),
        ("intermediate_size", mine.intermediate_size, first.intermediate_size),
        ("num_attention_heads", mine.num_attention_heads, first.num_attention_heads),
        ("num_key_value_heads", mine.num_key_value_heads, first.num_key_value_heads),
        ("head_dim", mine.head_dim, first.head_dim),
    ];
    if let Some((key, mine, theirs)) = sizes.into_iter().find(|(_, a, b)| a != b) {
        return Some(format!("has {key} = {mine} against {theirs} of"));
    }
    let numbers = [
        ("rope_theta", mine.rope.theta, first.rope.theta),
        ("rms_norm_eps", mine.rms_norm_eps, first.rms_norm_eps),
    ];
    if let Some((key, mine, theirs)) = numbers.into_iter().find(|(_, a, b)| a.to_bits() != b.to_bits()) {
        return Some(format!("has {key} = {mine} against {theirs} of"));
    }
    if mine.rope != first.rope {
        return Some("scales its rotary positions in another way than".to_owned());
    }
    if mine.hidden_act != first.hidden_act {
        return Some(format!("has hidden_act = {} against {} of", mine.hidden_act, first.hidden_act));
    }
    // If this setting can differ by layer, it moves with the layer.
    if mine.sliding_window != first.sliding_window && first.family.windows != Windows::Upper {
        return Some("has another sliding window than".to_owned());
    }
    if biased(mine) && mine.model_type != first.model_type && first.model_type != "llama" {
        return Some("has biases, for which there is no place in the family of".to_owned());
    }
    None
}

fn refuse<T>(why: String) -> Result<T, MergeError> {
    Err(MergeError::Fold { why })
}
