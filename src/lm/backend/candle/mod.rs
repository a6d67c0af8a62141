//! The candle backend: each operation is built from candle's operations, on candle's CPU device, in f32.
//!
//! It is slow, and the reference for tests of the fast kernels (`lm/tests.rs`). Only the constructor assumes the CPU:
//! every tensor is made on `device` in `dtype`.

// Rows that were never written are `None`; a factor of exactly 1 is skipped.
#![allow(clippy::ref_option, clippy::float_cmp)]

mod math;

use candle_core::{D, DType, Device, IndexOp, Tensor};

use self::math::{mask_value, mix, rotate, softcapped};
use crate::checkpoint::{Dtype, TensorView};
use crate::lm::{
    LmError,
    backend::{AttentionStep, Backend, Span},
    rope::Rope,
    shape::{Activation, DecoderShape, Features},
};

/// The candle backend: a candle device, and the number format of its weights and activations.
pub(crate) struct Candle {
    device: Device,
    dtype: DType,
}

/// A linear layer, or several fused along their outputs.
pub(crate) struct Matrix {
    /// `[out, in]`.
    weight: Tensor,
    /// `[out]`.
    bias: Option<Tensor>,
    /// Index of the first output of each part.
    starts: Vec<usize>,
}

/// Keys and values, with the cosines and sines that rotate queries and keys.
pub(crate) struct Cache {
    /// For each step, `[slots · kv_heads · capacity, head_dim]`.
    keys: Vec<Tensor>,
    values: Vec<Tensor>,
    /// Cosines and sines of each rotation, `[capacity, 1, pairs]`.
    rotations: Vec<(Tensor, Tensor)>,
    slots: usize,
    capacity: usize,
    kv_heads: usize,
}

impl Candle {
    /// Candle's CPU device, in f32.
    pub const fn cpu() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32 }
    }

    fn upload(&self, view: &TensorView) -> Result<Tensor, LmError> {
        let dtype = match view.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
        };
        Ok(Tensor::from_raw_buffer(view.data, dtype, view.shape, &self.device)?.to_dtype(self.dtype)?)
    }

    fn zeros(&self, shape: impl Into<candle_core::Shape>) -> Result<Tensor, LmError> {
        Ok(Tensor::zeros(shape, self.dtype, &self.device)?)
    }

    fn indices(&self, of: impl Iterator<Item = usize>) -> Result<Tensor, LmError> {
        let indices: Vec<u32> = of.map(|i| i as u32).collect();
        let n = indices.len();
        Ok(Tensor::from_vec(indices, n, &self.device)?)
    }
}

/// The tensor of rows that have been written.
fn full(rows: &Option<Tensor>) -> Result<&Tensor, LmError> {
    rows.as_ref().ok_or_else(|| LmError::Backend("rows were read before they were written".to_owned()))
}

impl Candle {
    /// Attention for a step with one new token per sequence: one batch, padded to the longest sequence.
    fn decode(
        &self,
        attention: &AttentionStep<'_, Tensor>,
        q: &Tensor,
        cache: &Cache,
        spans: &[Span],
    ) -> Result<Tensor, LmError> {
        let (shape, step, window) = (attention.shape, attention.step, attention.layer.window);
        let (n, group) = (spans.len(), shape.heads / shape.kv_heads);
        let longest = spans.iter().map(|s| s.start + 1).max().unwrap_or(1);
        let slots = self.indices(spans.iter().map(|s| s.slot))?;
        let view = |t: &Tensor| -> Result<Tensor, LmError> {
            let t = t.reshape((cache.slots, cache.kv_heads, cache.capacity, shape.head_dim))?;
            Ok(t.index_select(&slots, 0)?.narrow(2, 0, longest)?)
        };
        let mask = spans.iter().flat_map(|s| (0..longest).map(|j| mask_value(s.start, j, window)));
        let mask = Tensor::from_vec(mask.collect(), (n, 1, 1, longest), &self.device)?;
        let q = q.reshape((n, shape.kv_heads, group, shape.head_dim))?;
        let out = mix(shape, &q, &view(&cache.keys[step])?, &view(&cache.values[step])?, &mask)?;
        Ok(out.reshape((n, shape.heads * shape.head_dim))?)
    }

    /// Attention of one sequence's new tokens; `q` is `[len, heads · head_dim]`.
    fn prefill(
        &self,
        attention: &AttentionStep<'_, Tensor>,
        q: &Tensor,
        cache: &Cache,
        span: &Span,
    ) -> Result<Tensor, LmError> {
        let (shape, step, window) = (attention.shape, attention.step, attention.layer.window);
        let (group, length) = (shape.heads / shape.kv_heads, span.start + span.len);
        let view = |t: &Tensor| -> Result<Tensor, LmError> {
            let t = t.reshape((cache.slots, cache.kv_heads, cache.capacity, shape.head_dim))?;
            Ok(t.i(span.slot..=span.slot)?.narrow(2, 0, length)?)
        };
        let q = q.reshape((span.len, shape.kv_heads, group, shape.head_dim))?;
        let q = q.permute((1, 2, 0, 3))?.reshape((1, shape.kv_heads, group * span.len, shape.head_dim))?;
        let mask = (0..group).flat_map(|_| {
            (0..span.len).flat_map(|i| (0..length).map(move |j| mask_value(span.start + i, j, window)))
        });
        let mask = Tensor::from_vec(mask.collect(), (1, 1, group * span.len, length), &self.device)?;
        let out = mix(shape, &q, &view(&cache.keys[step])?, &view(&cache.values[step])?, &mask)?;
        let out = out.reshape((shape.kv_heads, group, span.len, shape.head_dim))?;
        Ok(out.permute((2, 0, 1, 3))?.reshape((span.len, shape.heads * shape.head_dim))?)
    }
}

impl Backend for Candle {
    type Matrix = Matrix;
    type Table = Tensor;
    type Vector = Tensor;
    type Rows = Option<Tensor>;
    type Cache = Cache;

    const DEFAULT_BATCH: usize = 128;
    const PARALLEL: bool = false;

    fn batch_size(&self, _: &DecoderShape, most: usize) -> usize {
        most
    }

    fn prefill_rows(&self) -> usize {
        192
    }

    fn matrix(&self, outs: &[Features], ins: Features, bias: bool) -> Result<Matrix, LmError> {
        let out = outs.iter().map(|b| b.total()).sum::<usize>();
        let starts = outs.iter().scan(0, |at, b| Some(std::mem::replace(at, *at + b.total())));
        Ok(Matrix {
            weight: self.zeros((out, ins.total()))?,
            bias: if bias { Some(self.zeros(out)?) } else { None },
            starts: starts.collect(),
        })
    }

    fn write_matrix(&self, m: &mut Matrix, part: usize, weight: &TensorView) -> Result<(), LmError> {
        Ok(m.weight.slice_set(&self.upload(weight)?, 0, m.starts[part])?)
    }

    fn write_bias(&self, m: &mut Matrix, part: usize, bias: &TensorView) -> Result<(), LmError> {
        match &m.bias {
            Some(to) => Ok(to.slice_set(&self.upload(bias)?, 0, m.starts[part])?),
            None => Ok(()),
        }
    }

    fn table(&self, vocab: usize, hidden: usize) -> Result<Tensor, LmError> {
        self.zeros((vocab, hidden))
    }

    fn write_table(&self, t: &mut Tensor, weight: &TensorView) -> Result<(), LmError> {
        Ok(t.slice_set(&self.upload(weight)?, 0, 0)?)
    }

    fn vector(&self, len: usize) -> Result<Tensor, LmError> {
        self.zeros(len)
    }

    fn write_vector(&self, v: &mut Tensor, weight: &TensorView, offset: f32) -> Result<(), LmError> {
        let mut values = self.upload(weight)?;
        if offset != 0.0 {
            values = (values.to_dtype(DType::F32)? + f64::from(offset))?.to_dtype(self.dtype)?;
        }
        Ok(v.slice_set(&values, 0, 0)?)
    }

    fn cache(
        &self,
        shape: &DecoderShape,
        ropes: &[Rope],
        steps: usize,
        slots: usize,
        capacity: usize,
    ) -> Result<Cache, LmError> {
        let rows = (slots * shape.kv_heads * capacity, shape.head_dim);
        let table = |t: Vec<f32>, pairs: usize| -> Result<Tensor, LmError> {
            let t = Tensor::from_vec(t, (capacity, 1, pairs), &self.device)?;
            Ok(t.to_dtype(self.dtype)?)
        };
        let rotations = ropes.iter().map(|rope| {
            let (cos, sin) = rope.tables(capacity);
            Ok((table(cos, rope.half())?, table(sin, rope.half())?))
        });
        Ok(Cache {
            keys: (0..steps).map(|_| self.zeros(rows)).collect::<Result<_, _>>()?,
            values: (0..steps).map(|_| self.zeros(rows)).collect::<Result<_, _>>()?,
            rotations: rotations.collect::<Result<_, LmError>>()?,
            slots,
            capacity,
            kv_heads: shape.kv_heads,
        })
    }

    fn copy_prefix(&self, from: &Cache, len: usize, to: &mut Cache, slot: usize) -> Result<(), LmError> {
        for (from_all, to_all) in [(&from.keys, &to.keys), (&from.values, &to.values)] {
            for (source, target) in from_all.iter().zip(to_all) {
                for head in 0..to.kv_heads {
                    let part = source.narrow(0, head * from.capacity, len)?.contiguous()?;
                    target.slice_set(&part, 0, (slot * to.kv_heads + head) * to.capacity)?;
                }
            }
        }
        Ok(())
    }

    fn copy_slot(
        &self,
        cache: &mut Cache,
        from: usize,
        range: std::ops::Range<usize>,
        to: usize,
    ) -> Result<(), LmError> {
        for all in [&cache.keys, &cache.values] {
            for tensor in all {
                for head in 0..cache.kv_heads {
                    let at = |slot| (slot * cache.kv_heads + head) * cache.capacity + range.start;
                    let part = tensor.narrow(0, at(from), range.len())?.copy()?;
                    tensor.slice_set(&part, 0, at(to))?;
                }
            }
        }
        Ok(())
    }

    fn embed(&self, table: &Tensor, ids: &[u32], out: &mut Option<Tensor>) -> Result<(), LmError> {
        let ids = Tensor::new(ids, &self.device)?;
        *out = Some(table.index_select(&ids, 0)?);
        Ok(())
    }

    fn embed_tied(&self, head: &Matrix, ids: &[u32], out: &mut Option<Tensor>) -> Result<(), LmError> {
        self.embed(&head.weight, ids, out)
    }

    fn write_rows(
        &self,
        x: &mut Option<Tensor>,
        first: usize,
        width: usize,
        values: &[f32],
    ) -> Result<(), LmError> {
        let rows = Tensor::from_slice(values, (values.len() / width, width), &self.device)?;
        Ok(full(x)?.slice_set(&rows.to_dtype(self.dtype)?, 0, first)?)
    }

    fn add_norm(
        &self,
        x: &mut Option<Tensor>,
        delta: &Option<Tensor>,
        scale: f32,
        weight: &Tensor,
        eps: f32,
        out: &mut Option<Tensor>,
    ) -> Result<(), LmError> {
        let mut sum = full(x)?.clone();
        if let Some(delta) = delta {
            sum = (sum + delta)?;
        }
        if scale != 1.0 {
            sum = (sum * f64::from(scale))?;
        }
        *out = Some(candle_nn::ops::rms_norm(&sum.contiguous()?, weight, eps)?);
        *x = Some(sum);
        Ok(())
    }

    fn linear(&self, x: &Option<Tensor>, m: &Matrix, out: &mut Option<Tensor>) -> Result<(), LmError> {
        let y = full(x)?.matmul(&m.weight.t()?)?;
        *out = Some(match &m.bias {
            Some(bias) => y.broadcast_add(bias)?,
            None => y,
        });
        Ok(())
    }

    fn attend(
        &self,
        attention: &AttentionStep<'_, Tensor>,
        qkv: &mut Option<Tensor>,
        cache: &mut Cache,
        spans: &[Span],
        out: &mut Option<Tensor>,
    ) -> Result<(), LmError> {
        let (shape, step) = (attention.shape, attention.step);
        let qkv = full(qkv)?;
        let (rows, dim) = (qkv.dim(0)?, shape.head_dim);
        let (queries, keys) = (shape.heads * dim, shape.kv_heads * dim);
        let places = || spans.iter().flat_map(|s| (0..s.len).map(move |i| (s.slot, s.start + i)));
        let positions = self.indices(places().map(|(_, p)| p))?;
        let (cos, sin) = &cache.rotations[attention.layer.rotation];
        let (cos, sin) = (cos.index_select(&positions, 0)?, sin.index_select(&positions, 0)?);
        let q = qkv.narrow(1, 0, queries)?.reshape((rows, shape.heads, dim))?;
        let k = qkv.narrow(1, queries, keys)?.reshape((rows, shape.kv_heads, dim))?;
        let v = qkv.narrow(1, queries + keys, keys)?.reshape((rows * shape.kv_heads, dim))?;
        let (q, k) = match attention.qk_norm {
            Some((queries, keys)) => {
                let norm = |x: &Tensor, weight| candle_nn::ops::rms_norm(&x.contiguous()?, weight, shape.eps);
                (norm(&q, queries)?, norm(&k, keys)?)
            }
            None => (q, k),
        };
        let (q, k) = (rotate(&q, &cos, &sin)?, rotate(&k, &cos, &sin)?);

        let (kv_heads, capacity) = (cache.kv_heads, cache.capacity);
        let to = places().flat_map(|(s, p)| (0..kv_heads).map(move |h| (s * kv_heads + h) * capacity + p));
        let to = self.indices(to)?.unsqueeze(1)?.broadcast_as((rows * kv_heads, dim))?.contiguous()?;
        let k = k.reshape((rows * kv_heads, dim))?.contiguous()?;
        cache.keys[step].scatter_set(&to, &k, 0)?;
        cache.values[step].scatter_set(&to, &v.contiguous()?, 0)?;

        let q = q.reshape((rows, queries))?;
        *out = Some(if spans.iter().all(|s| s.len == 1) {
            self.decode(attention, &q, cache, spans)?
        } else {
            let mut parts = Vec::with_capacity(spans.len());
            let mut first = 0;
            for span in spans {
                parts.push(self.prefill(attention, &q.narrow(0, first, span.len)?, cache, span)?);
                first += span.len;
            }
            Tensor::cat(&parts, 0)?
        });
        Ok(())
    }

    fn gate(
        &self,
        gate_up: &Option<Tensor>,
        width: usize,
        activation: Activation,
        out: &mut Option<Tensor>,
    ) -> Result<(), LmError> {
        let both = full(gate_up)?;
        let (gate, up) = (both.narrow(1, 0, width)?, both.narrow(1, width, width)?);
        let gate = gate.contiguous()?;
        let gate = match activation {
            Activation::Silu => gate.silu()?,
            Activation::Gelu => gate.gelu_erf()?,
            Activation::GeluTanh => gate.gelu()?,
        };
        *out = Some((gate * up)?);
        Ok(())
    }

    fn softcap(&self, x: &mut Option<Tensor>, cap: f32) -> Result<(), LmError> {
        *x = Some(softcapped(full(x)?, cap)?);
        Ok(())
    }

    fn select(&self, x: &Option<Tensor>, rows: &[usize], out: &mut Option<Tensor>) -> Result<(), LmError> {
        *out = Some(full(x)?.index_select(&self.indices(rows.iter().copied())?, 0)?);
        Ok(())
    }

    fn argmax(&self, x: &Option<Tensor>, width: usize, out: &mut Vec<u32>) -> Result<(), LmError> {
        let x = full(x)?.narrow(1, 0, width)?.to_dtype(DType::F32)?.contiguous()?;
        let least = Tensor::full(f32::NEG_INFINITY, x.shape(), &self.device)?;
        let x = x.eq(&x)?.where_cond(&x, &least)?;
        *out = x.argmax(D::Minus1)?.to_vec1()?;
        Ok(())
    }

    fn read_features(&self, x: &Option<Tensor>, features: Features) -> Result<Vec<Vec<f32>>, LmError> {
        self.read(x, features.total())
    }

    fn read(&self, x: &Option<Tensor>, width: usize) -> Result<Vec<Vec<f32>>, LmError> {
        Ok(full(x)?.narrow(1, 0, width)?.to_dtype(DType::F32)?.to_vec2()?)
    }
}
