//! Property tests of whole models: merges a pool by random recipes.

use proptest::prelude::*;

use super::{DTYPES, FAMILY};
use crate::checkpoint::{Dtype, TensorView, Weights};
use crate::merge::tests::{bytes_of, pool_of, recipe, whole};
use crate::merge::{Merged, Pool};
use crate::recipe::{BaseNeed, MaskStream, Method, Param, Precision, Recipe};

/// A recipe with random method, types, stream, weights and densities.
fn recipes() -> impl Strategy<Value = Recipe> {
    let method = prop::sample::select(Method::ALL.to_vec());
    let numbers = prop::collection::vec((0.05_f64..1.0, 0.2_f64..0.8), 3);
    let types = prop::option::of(prop::sample::select(vec![
        Precision::Float32,
        Precision::Float16,
        Precision::BFloat16,
    ]));
    (method, numbers, types.clone(), types, any::<bool>()).prop_map(
        |(method, numbers, dtype, out_dtype, stream)| {
            let mut recipe = Recipe { dtype, out_dtype, ..recipe(method) };
            recipe.mask = if stream { MaskStream::Mergekit } else { MaskStream::Counter };
            for (source, (weight, density)) in recipe.sources.iter_mut().zip(numbers) {
                *source.weight_mut() = weight.into();
                *source.density_mut() = density.into();
            }
            recipe
        },
    )
}

fn mixed_pool() -> Pool {
    let base = crate::merge::tests::model("base", &crate::merge::tests::config(), Dtype::BF16, 5, 0.0);
    let source = |name, seed, dtype| {
        crate::merge::tests::model(name, &crate::merge::tests::config(), dtype, seed, 0.02)
    };
    let sources = vec![source("a", 7, Dtype::BF16), source("b", 8, Dtype::F16), source("c", 9, Dtype::F32)];
    Pool::new(base, sources).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_recipe_merges_models_of_any_type(recipe in recipes()) {
        let pool = mixed_pool();
        let mut merged = Merged::new(&pool);
        pool.merge_into(&recipe, &mut merged).unwrap();
        for name in merged.names() {
            let view = merged.tensor(name).unwrap();
            let like = pool.base().tensor(name).unwrap();
            prop_assert_eq!(view.shape, like.shape);
            let asked = match recipe.out_dtype {
                Some(Precision::Float16) => Some(Dtype::F16),
                Some(Precision::BFloat16) => Some(Dtype::BF16),
                Some(_) => Some(Dtype::F32),
                None => None,
            };
            prop_assert!(asked.is_none_or(|asked| asked == view.dtype));
            let mut values = vec![0.0; view.len()];
            view.read_f32(0, &mut values);
            prop_assert!(values.iter().all(|v| v.is_finite()), "{:?} {name}", recipe.method);
        }
    }

    /// For `linear` and the task-arithmetic family. Leaves out the last source: with counter-based masks the other
    /// sources keep their places and so their random numbers. In mergekit's one stream, leaving out a source shifts all
    /// that follow.
    #[test]
    fn a_source_of_weight_zero_might_as_well_be_absent(recipe in recipes()) {
        prop_assume!(recipe.method == Method::Linear || FAMILY.contains(&recipe.method));
        let mut with = Recipe { mask: MaskStream::Counter, ..recipe };
        *with.sources[2].weight_mut() = 0.0.into();
        let mut without = with.clone();
        without.sources.pop();
        for dtype in DTYPES {
            let pool = pool_of(dtype);
            prop_assert_eq!(whole(&pool, &with), whole(&pool, &without), "{:?}", with.method);
        }
    }

    /// For every method with a density: at 1 nothing is dropped, drawn or rescaled.
    #[test]
    fn density_one_is_no_sparsifying(recipe in recipes()) {
        prop_assume!(FAMILY.contains(&recipe.method));
        let mut dense = recipe;
        dense.sources.iter_mut().for_each(|s| *s.density_mut() = 1.0.into());
        let elects =
            [Method::Ties, Method::DareTies, Method::Della, Method::BreadcrumbsTies].contains(&dense.method);
        let mut plain = Recipe { method: if elects { Method::Ties } else { Method::TaskArithmetic }, ..dense.clone() };
        plain.parameters.set(Param::Normalize, dense.method.normalizes());
        let pool = pool_of(Dtype::BF16);
        prop_assert_eq!(whole(&pool, &dense), whole(&pool, &plain), "{:?}", dense.method);
    }
}

/// A recipe with the single source `b` at full weight; `None` for methods that need more sources.
fn alone(method: Method) -> Option<Recipe> {
    let mut recipe = recipe(method);
    recipe.sources.truncate(1);
    recipe.sources[0].model = "b".to_owned();
    *recipe.sources[0].weight_mut() = 1.0.into();
    *recipe.sources[0].density_mut() = 1.0.into();
    if method == Method::Slerp {
        recipe.parameters.set(Param::T, 1.0);
    }
    (method.spec().sources.0 <= 1).then_some(recipe)
}

/// Exact if no task vector is taken, else up to the rounding of δ = x − b and of b + δ. Excludes nearswap and
/// `arcee_fusion`, which take only parts, and nuslerp and `model_stock`, which need two sources.
#[test]
fn one_source_at_weight_one_is_that_source() {
    use Method::{ArceeFusion, Karcher, Linear, Multislerp, Nearswap, Passthrough, Slerp};
    let mut tried = 0;
    for dtype in DTYPES {
        let pool = pool_of(dtype);
        for method in Method::ALL {
            let Some(recipe) = alone(method) else { continue };
            if matches!(method, Nearswap | ArceeFusion) {
                continue;
            }
            tried += 1;
            let mut merged = Merged::new(&pool);
            pool.merge_into(&recipe, &mut merged).unwrap();
            let exact = matches!(method, Linear | Slerp | Karcher | Multislerp | Passthrough);
            for name in merged.names() {
                let read = |view: TensorView<'_>| {
                    let mut out = vec![0.0; view.len()];
                    view.read_f32(0, &mut out);
                    out
                };
                let got = read(merged.tensor(name).unwrap());
                let wanted = read(pool.sources()[1].tensor(name).unwrap());
                let base = read(pool.base().tensor(name).unwrap());
                for ((g, w), b) in got.iter().zip(&wanted).zip(&base) {
                    // Half a unit in the last place for each rounding, and ram's threshold of 1e-5.
                    let unit = match dtype {
                        Dtype::F32 => 2.0_f32.powi(-23),
                        Dtype::F16 => 2.0_f32.powi(-10),
                        Dtype::BF16 => 2.0_f32.powi(-7),
                    };
                    let bound = if exact { 0.0 } else { unit * ((w - b).abs() + w.abs()) + 1.1e-5 };
                    assert!((g - w).abs() <= bound, "{method:?} {dtype:?} {name}: {g} {w} {b}");
                }
            }
        }
    }
    assert_eq!(tried, 3 * 16);
}

/// Sources that equal the base tensor for tensor: every method with a base returns the base, except multislerp, which
/// has no direction and reports that.
#[test]
fn sources_that_equal_the_base_give_the_base() {
    let model = |name| crate::merge::tests::model(name, &crate::merge::tests::config(), Dtype::BF16, 5, 0.0);
    let pool = Pool::new(model("base"), ["a", "b", "c"].map(model).into()).unwrap();
    for method in Method::ALL {
        let spec = method.spec();
        if spec.base == BaseNeed::Unused {
            continue;
        }
        let mut merged = Merged::new(&pool);
        let result = pool.merge_into(&recipe(method), &mut merged);
        if method == Method::Multislerp {
            let error = result.unwrap_err().to_string();
            assert!(error.contains("model.") && error.contains("multislerp finds"), "{error}");
            continue;
        }
        result.unwrap();
        for name in merged.names() {
            let (got, wanted) = (merged.tensor(name).unwrap(), pool.base().tensor(name).unwrap());
            let (mut g, mut w) = (vec![0.0; got.len()], vec![0.0; got.len()]);
            got.read_f32(0, &mut g);
            wanted.read_f32(0, &mut w);
            // A straight line between equal ends may round: t·b + (1 − t)·b.
            let near = g.iter().zip(&w).all(|(g, w)| (g - w).abs() <= w.abs() / 128.0);
            assert!(near, "{method:?} {name}");
        }
    }
}

#[test]
fn what_cannot_be_merged_is_said() {
    let pool = pool_of(Dtype::BF16);
    let refused = |recipe: &Recipe, needle: &str| {
        let mut merged = Merged::new(&pool);
        let message = pool.merge_into(recipe, &mut merged).unwrap_err().to_string();
        assert!(message.contains(needle), "{message}");
    };
    let mut cancel = recipe(Method::Multislerp);
    cancel.sources[2].weight_mut().clone_from(&(-0.8).into());
    refused(&cancel, "multislerp has weights that sum to 0");
    let mut wide = recipe(Method::Della);
    *wide.sources[1].density_mut() = 0.9.into();
    refused(&wide, "della has density 0.9 and epsilon 0.15");
    let mut double = recipe(Method::Ties);
    double.dtype = Some(Precision::Float64);
    refused(&double, "dtype is float64");
    let mut nothing = recipe(Method::Ties);
    *nothing.sources[0].density_mut() = 0.0.into();
    refused(&nothing, "source[0].density");
    // Weights that cancel are no error if nothing is divided by them or if mergekit has a rule: a sum below 1e-8 counts
    // as 1, and nuslerp meets in the middle.
    let mut arithmetic = recipe(Method::TaskArithmetic);
    *arithmetic.sources[2].weight_mut() = (-0.8).into();
    arithmetic.parameters.set(Param::Normalize, true);
    assert!(!whole(&pool, &arithmetic).is_empty());
    let mut middle = recipe(Method::Nuslerp);
    *middle.sources[1].weight_mut() = (-0.4).into();
    let mut even = recipe(Method::Nuslerp);
    even.sources.iter_mut().for_each(|s| *s.weight_mut() = 1.0.into());
    let mut merged = Merged::new(&pool);
    pool.merge_into(&middle, &mut merged).unwrap();
    assert_eq!(bytes_of(&merged), whole(&pool, &even));
}
