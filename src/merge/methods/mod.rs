//! The arithmetic of each merge method on one output tensor. A [`Group`] of inputs and the values of the method's
//! parameters come in; the merged tensor is written to an [`Out`]. `run` calls it.
//!
//! A method needs a row in `recipe::method` and an arm of [`rule`]; without the arm the crate does not compile.
//! Rounding follows mergekit 0.1.5: in a 16-bit work type every elementwise operation rounds, and a sum over a tensor
//! is rounded once.

mod arcee;
mod family;
mod karcher;
mod model_stock;
mod multislerp;
mod plain;
mod ram;
mod sce;
mod slerp;

pub(super) use arcee::SAMPLE;
pub(super) use family::{Part, SumRule, sum};
pub(super) use plain::check_weights;

use crate::checkpoint::Dtype;
use crate::recipe::{Method, Param};

use super::kernels::group::{Group, InputBlock, Out};
use super::plan::planned::ParamValues;

/// Why a tensor cannot be merged; the caller adds the tensor's name.
#[derive(Debug)]
pub(super) struct Problem(pub(super) String);

/// Which elements of each task vector stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sparsify {
    Nothing,
    /// The largest magnitudes: `density`.
    Largest,
    /// The largest magnitudes except the very largest: `density`, `gamma`.
    WithoutOutliers,
    /// Random elements: `density`.
    AtRandom,
    /// Random elements, with probabilities by the rank of the magnitude: `density`, `epsilon`.
    ByRank,
}

/// How a method merges one tensor.
pub(super) enum Rule {
    /// Base plus the sum of sparse task vectors.
    Family {
        consensus: bool,
        sparsify: Sparsify,
    },
    Whole(Whole),
}

/// Writes a whole tensor. `Sample` chooses elements, for methods that look at only some of them.
type Whole = fn(&Group<'_>, &ParamValues, Sample<'_>, &mut Out<'_>) -> Result<(), Problem>;

/// Draws [`SAMPLE`] indices below a count.
pub(super) type Sample<'s> = &'s mut dyn FnMut(usize) -> Vec<u32>;

/// The arithmetic of a method.
pub(super) fn rule(method: Method) -> Rule {
    let family = |consensus, sparsify| Rule::Family { consensus, sparsify };
    match method {
        Method::TaskArithmetic => family(false, Sparsify::Nothing),
        Method::Ties => family(true, Sparsify::Largest),
        Method::DareLinear => family(false, Sparsify::AtRandom),
        Method::DareTies => family(true, Sparsify::AtRandom),
        Method::DellaLinear => family(false, Sparsify::ByRank),
        Method::Della => family(true, Sparsify::ByRank),
        Method::Breadcrumbs => family(false, Sparsify::WithoutOutliers),
        Method::BreadcrumbsTies => family(true, Sparsify::WithoutOutliers),
        Method::Linear => Rule::Whole(|group, values, _, out| {
            plain::linear(group, &values.each(Param::Weight), values.flag(Param::Normalize), out)
        }),
        Method::Passthrough => {
            Rule::Whole(|group, values, _, out| plain::passthrough(group, values.maybe(Param::Scale), out))
        }
        Method::Nearswap => {
            Rule::Whole(|group, values, _, out| plain::nearswap(group, values.shared(Param::T), out))
        }
        Method::Slerp => {
            Rule::Whole(|group, values, _, out| slerp::slerp(group, values.shared(Param::T), out))
        }
        Method::Nuslerp => Rule::Whole(|group, values, _, out| {
            let (row_wise, flatten) =
                (values.flag(Param::NuslerpRowWise), values.flag(Param::NuslerpFlatten));
            slerp::nuslerp(group, &values.others(Param::Weight, group), row_wise, flatten, out)
        }),
        Method::Multislerp => Rule::Whole(|group, values, _, out| {
            let (normalize, eps) = (values.flag(Param::NormalizeWeights), values.shared(Param::Eps));
            multislerp::multislerp(group, &values.others(Param::Weight, group), normalize, eps, out)
        }),
        Method::Karcher => Rule::Whole(|group, values, _, out| {
            karcher::karcher(group, values.shared(Param::MaxIter) as u64, values.shared(Param::Tol), out);
            Ok(())
        }),
        Method::Sce => {
            Rule::Whole(|group, values, _, out| sce::sce(group, values.shared(Param::SelectTopk), out))
        }
        Method::Ram => {
            Rule::Whole(|group, values, _, out| ram::ram(group, values.shared(Param::Epsilon), out))
        }
        Method::RamplusTl => Rule::Whole(|group, values, _, out| {
            let (rate, alpha) = (values.shared(Param::R), values.shared(Param::Alpha));
            ram::ramplus_tl(group, rate, alpha, values.shared(Param::Epsilon), out)
        }),
        Method::ModelStock => Rule::Whole(|group, values, _, out| {
            model_stock::model_stock(group, values.flag(Param::FilterWise), out)
        }),
        Method::ArceeFusion => Rule::Whole(|group, _, sample, out| arcee::arcee_fusion(group, sample, out)),
    }
}

/// The type of a method's result for inputs of type `work`. Two mergekit methods multiply each element by an f32
/// factor, which makes the whole result f32.
pub(super) fn computed(method: Method, work: Dtype) -> Dtype {
    match method {
        Method::ArceeFusion | Method::RamplusTl => Dtype::F32,
        _ => work,
    }
}
