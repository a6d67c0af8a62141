//! The weights of each unit of a decoder block, laid out in one row, so that `similarity` can compare units. A
//! checkpoint comes in, one matrix for each kind of unit goes out.

use crate::checkpoint::{Checkpoint, TensorView, Weights};

/// Values of units: `[count, width]`.
pub(super) struct Units {
    pub count: usize,
    pub width: usize,
    pub values: Vec<f32>,
}

/// Rows that are filled one part after another.
struct Filling {
    units: Units,
    /// Columns filled so far.
    at: usize,
}

/// MLP neurons: gate and up rows, down column, biases.
pub(super) fn neurons(model: &Checkpoint, layer: usize) -> Units {
    let (n, hidden) = (model.config().intermediate_size, model.config().hidden_size);
    let bias = 2 * usize::from(model.config().mlp_bias);
    let mut out = Filling::new(n, 3 * hidden + bias);
    for part in ["gate_proj", "up_proj"] {
        out.rows(tensor(model, layer, &format!("mlp.{part}.weight")), hidden);
        out.rows(tensor(model, layer, &format!("mlp.{part}.bias")), 1);
    }
    out.columns(tensor(model, layer, "mlp.down_proj.weight"), 1, hidden);
    out.units
}

/// Query heads: their rows of the query projection and their columns of the output projection.
pub(super) fn query_heads(model: &Checkpoint, layer: usize) -> Units {
    let (n, dim, hidden) =
        (model.config().num_attention_heads, model.config().head_dim, model.config().hidden_size);
    let bias = usize::from(model.config().attention_bias);
    let mut out = Filling::new(n, (2 * hidden + bias) * dim);
    out.rows(tensor(model, layer, "self_attn.q_proj.weight"), dim * hidden);
    out.rows(tensor(model, layer, "self_attn.q_proj.bias"), dim);
    out.columns(tensor(model, layer, "self_attn.o_proj.weight"), dim, hidden);
    out.units
}

/// Key-value heads: their rows of both projections.
pub(super) fn key_value_heads(model: &Checkpoint, layer: usize) -> Units {
    let (n, dim, hidden) =
        (model.config().num_key_value_heads, model.config().head_dim, model.config().hidden_size);
    let bias = usize::from(model.config().attention_bias);
    let mut out = Filling::new(n, 2 * (hidden + bias) * dim);
    for part in ["k_proj", "v_proj"] {
        out.rows(tensor(model, layer, &format!("self_attn.{part}.weight")), dim * hidden);
        out.rows(tensor(model, layer, &format!("self_attn.{part}.bias")), dim);
    }
    out.units
}

/// `None` for a bias that the model lacks. An open checkpoint has every other tensor that its config calls for.
fn tensor<'a>(model: &'a Checkpoint, layer: usize, part: &str) -> Option<TensorView<'a>> {
    model.tensor(&format!("model.layers.{layer}.{part}"))
}

impl Filling {
    fn new(count: usize, width: usize) -> Self {
        Self { units: Units { count, width, values: vec![0.0; count * width] }, at: 0 }
    }

    /// Appends the `each` consecutive elements of each unit.
    fn rows(&mut self, view: Option<TensorView<'_>>, each: usize) {
        let Some(view) = view else { return };
        let at = self.at;
        for (i, row) in self.units.values.chunks_mut(self.units.width).enumerate() {
            view.read_f32(i * each, &mut row[at..at + each]);
        }
        self.at += each;
    }

    /// Appends the `each` consecutive columns of each unit, from a matrix of `rows` rows.
    fn columns(&mut self, view: Option<TensorView<'_>>, each: usize, rows: usize) {
        let Some(view) = view else { return };
        let (count, width) = (self.units.count, self.units.width);
        let mut line = vec![0.0; count * each];
        for row in 0..rows {
            view.read_f32(row * line.len(), &mut line);
            for (i, part) in line.chunks(each).enumerate() {
                self.units.values[i * width + self.at + row * each..][..each].copy_from_slice(part);
            }
        }
        self.at += rows * each;
    }
}
