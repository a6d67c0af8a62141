//! A planned recipe: the list of output tensors, each with its inputs, its types and the value of every parameter.
//! `resolve` makes it; `merged` compares two plans to see what changed.

use crate::checkpoint::{Dtype, ModelConfig};
use crate::recipe::{LayerGroup, MaskStream, Method, Param};

use crate::merge::MergeError;
use crate::merge::kernels::group::Group;

/// A whole merge: everything that its values depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) mask: MaskStream,
    pub(crate) seed: u64,
    /// Decoder blocks of the result.
    pub(crate) layers: usize,
    /// Config of the result.
    pub(crate) config: ModelConfig,
    /// All tensors, in order from input to output.
    pub(crate) tensors: Vec<PlannedTensor>,
    /// Tensors of the vision part, if the recipe merges it.
    pub(crate) vision: Vec<PlannedTensor>,
}

/// One output tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedTensor {
    pub(crate) name: String,
    /// Shape of what is merged.
    pub(crate) shape: Vec<usize>,
    /// Further rows, which are not merged.
    pub(crate) rest: Option<Rest>,
    /// Layer group of the result.
    pub(crate) group: LayerGroup,
    /// Inputs in recipe order.
    pub(crate) inputs: Vec<PlannedInput>,
    /// Index of the base among the inputs.
    pub(crate) base: Option<usize>,
    /// The type to which inputs are cast and in which the method computes.
    pub(crate) work: Dtype,
    /// The type of the method's result.
    pub(crate) computed: Dtype,
    /// The type in which it is stored.
    pub(crate) stored: Dtype,
    pub(crate) values: ParamValues,
}

/// One input of an output tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedInput {
    /// Index of the model in the pool.
    pub(crate) model: usize,
    /// The tensor's name in that model; in a slice it differs from the output's name.
    pub(crate) tensor: String,
}

/// Rows of the vocabulary that not every model has. They follow the merged rows, as one model has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) input: PlannedInput,
    pub(crate) rows: usize,
}

impl PlannedTensor {
    /// Shape of the result.
    pub(crate) fn whole_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let (Some(rows), Some(rest)) = (shape.first_mut(), &self.rest) {
            *rows += rest.rows;
        }
        shape
    }

    /// Bytes of the result.
    pub(crate) fn bytes(&self) -> usize {
        self.stored.size() * self.whole_shape().iter().product::<usize>()
    }

    /// The error for a merge in which `count` values are not finite.
    pub(crate) fn not_finite(&self, method: Method, count: usize) -> MergeError {
        MergeError::MadeNotFinite {
            tensor: self.name.clone(),
            count,
            of: self.len(),
            method: method.name(),
            dtype: self.stored.name(),
        }
    }

    /// Number of elements that are merged.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The values of a method's parameters for one output tensor, compared by their bits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ParamValues {
    /// One value for the whole tensor.
    shared: Vec<(Param, u64)>,
    /// One value for each input; `None` for a base to which the parameter does not apply.
    each: Vec<(Param, Vec<Option<u64>>)>,
}

impl ParamValues {
    pub(crate) fn set_shared(&mut self, param: Param, value: f64) {
        self.shared.push((param, value.to_bits()));
    }

    pub(crate) fn set_each(&mut self, param: Param, values: &[Option<f64>]) {
        self.each.push((param, values.iter().map(|v| v.map(f64::to_bits)).collect()));
    }

    /// A parameter of the whole tensor.
    pub(crate) fn shared(&self, param: Param) -> f64 {
        let found = self.shared.iter().find(|(p, _)| *p == param);
        debug_assert!(found.is_some(), "no value for {param:?}");
        found.map(|(_, bits)| f64::from_bits(*bits)).unwrap_or_default()
    }

    /// A yes-or-no parameter of the whole tensor.
    pub(crate) fn flag(&self, param: Param) -> bool {
        self.shared(param) != 0.0
    }

    fn input(&self, param: Param, input: usize) -> Option<f64> {
        let found = self.each.iter().find(|(p, _)| *p == param);
        found.and_then(|(_, values)| values.get(input).copied().flatten()).map(f64::from_bits)
    }

    /// A parameter of every input.
    pub(crate) fn each(&self, param: Param) -> Vec<f64> {
        let found = self.each.iter().find(|(p, _)| *p == param);
        found.map_or_else(Vec::new, |(_, values)| {
            values.iter().map(|v| v.map(f64::from_bits).unwrap_or_default()).collect()
        })
    }

    /// A parameter of every input but the base.
    pub(crate) fn others(&self, param: Param, group: &Group<'_>) -> Vec<f64> {
        group.others().map(|i| self.input(param, i).unwrap_or_default()).collect()
    }

    /// A parameter of the first input; `None` if it is not set.
    pub(crate) fn maybe(&self, param: Param) -> Option<f64> {
        self.input(param, 0)
    }
}
