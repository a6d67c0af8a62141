//! What holds of every method on any input: no panic, type and shape kept, and the laws of weight,
//! density and a single source.

use proptest::prelude::*;

use super::group::Group;
use super::methods::{Problem, computed};
use super::plan::{Planned, Values};
use super::run::{Numbers, Recall, merge};
use super::tests::{bytes_of, pool_of, recipe, whole};
use super::twister::Twister;
use super::{Merged, Pool, work};
use crate::checkpoint::{Dtype, TensorView, Weights};
use crate::recipe::{BaseNeed, LayerGroup, MaskStream, Method, Param, Precision, Recipe, Scope};

/// The methods that sum weighted task vectors.
const FAMILY: [Method; 8] = [
    Method::TaskArithmetic,
    Method::Ties,
    Method::DareLinear,
    Method::DareTies,
    Method::DellaLinear,
    Method::Della,
    Method::Breadcrumbs,
    Method::BreadcrumbsTies,
];

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];

/// Tensors of one shape, merged without a model around them.
#[derive(Clone, Debug)]
struct Bench {
    method: Method,
    shape: Vec<usize>,
    /// Stored type and values of each input; the first is the base, if the method has one.
    inputs: Vec<(Dtype, Vec<f32>)>,
    values: Values,
    stored: Option<Dtype>,
    stream: bool,
}

impl Bench {
    /// With each parameter at its default, weight 0.4, t 0.3.
    fn new(method: Method, shape: &[usize], inputs: Vec<(Dtype, Vec<f32>)>) -> Self {
        Self::with(method, shape, inputs, |_, _| None)
    }

    /// As [`Self::new`]; `value` gives a parameter of an input other values.
    fn with(
        method: Method,
        shape: &[usize],
        inputs: Vec<(Dtype, Vec<f32>)>,
        value: impl Fn(Param, usize) -> Option<f64>,
    ) -> Self {
        let mut values = Values::default();
        for spec in method.parameters().iter().filter(|s| !s.ignored) {
            let fallback = spec.default.unwrap_or(if spec.param == Param::Weight { 0.4 } else { 0.3 });
            let at = |i: usize| value(spec.param, i).unwrap_or(fallback);
            match spec.scope {
                Scope::Global => values.set_shared(spec.param, at(0)),
                Scope::PerModel => {
                    let each: Vec<_> = (0..inputs.len()).map(|i| Some(at(i))).collect();
                    values.set_each(spec.param, &each);
                }
            }
        }
        Self { method, shape: shape.to_vec(), inputs, values, stored: None, stream: false }
    }

    fn run(&self) -> Result<(Dtype, Vec<f32>), Problem> {
        let bytes: Vec<Vec<u8>> = self
            .inputs
            .iter()
            .map(|(dtype, values)| {
                let mut out = vec![0; values.len() * dtype.size()];
                work::store(*dtype, values, &mut out);
                out
            })
            .collect();
        let views = self.inputs.iter().zip(&bytes);
        let views: Vec<_> =
            views.map(|((dtype, _), data)| TensorView { dtype: *dtype, shape: &self.shape, data }).collect();
        let dtype = views.iter().map(|v| v.dtype).reduce(work::promote).unwrap();
        let base = (self.method.spec().base != BaseNeed::Unused).then_some(0);
        let planned = Planned {
            name: "model.norm.weight".to_owned(),
            shape: self.shape.clone(),
            group: LayerGroup::Head,
            feeds: Vec::new(),
            base,
            work: dtype,
            computed: computed(self.method, dtype),
            stored: self.stored.unwrap_or(computed(self.method, dtype)),
            values: self.values.clone(),
        };
        let mut out = vec![0; planned.stored.size() * planned.len()];
        let group = Group { inputs: views, base, shape: &self.shape, work: dtype };
        let mut twister = Twister::new(3);
        let numbers = if self.stream { Numbers::Stream(&mut twister) } else { Numbers::Counter(3) };
        let recall = Recall { known: None, large: false };
        merge(self.method, &planned, &group, recall, numbers, &mut out)?;
        let view = TensorView { dtype: planned.stored, shape: &self.shape, data: &out };
        let mut values = vec![0.0; view.len()];
        view.read_f32(0, &mut values);
        Ok((planned.stored, values))
    }
}

/// How many inputs a method may be given, the base counted, up to three sources.
fn counts(method: Method) -> std::ops::RangeInclusive<usize> {
    let (least, most) = method.spec().sources;
    let base = usize::from(method.spec().base != BaseNeed::Unused);
    least + base..=most.unwrap_or(3) + base
}

fn value() -> impl Strategy<Value = f32> {
    prop_oneof![8 => -1.0_f32..1.0, 1 => Just(0.0), 1 => -1e-6_f32..1e-6, 1 => -300.0_f32..300.0]
}

fn bench() -> impl Strategy<Value = Bench> {
    let shape = prop_oneof![
        Just(vec![0]),
        Just(vec![1]),
        Just(vec![1, 1]),
        Just(vec![3, 0]),
        (1_usize..40).prop_map(|n| vec![n]),
        (1_usize..9, 1_usize..9).prop_map(|(r, c)| vec![r, c]),
    ];
    let method = prop::sample::select(Method::ALL.to_vec());
    (method, shape, any::<u64>(), any::<bool>()).prop_flat_map(|(method, shape, noise, stream)| {
        let n: usize = shape.iter().product();
        let input = move || (prop::sample::select(DTYPES.to_vec()), prop::collection::vec(value(), n));
        let inputs = counts(method).prop_flat_map(move |count| prop::collection::vec(input(), count));
        let stored = prop::option::of(prop::sample::select(DTYPES.to_vec()));
        (inputs, stored).prop_map(move |(inputs, stored)| {
            let pick = |param: Param, i: usize| {
                let spec = method.parameter(param)?;
                // Now the default, now something in range.
                let random =
                    f64::from(((noise ^ param as u64).rotate_left(7 * i as u32) >> 40) as u16) / 65_536.0;
                let low = if spec.range.low.is_finite() { spec.range.low } else { -1.0 };
                let high = if spec.range.high.is_finite() { spec.range.high } else { 1.0 };
                let inside = low + (high - low) * random;
                let count = if spec.default.is_none() || noise >> (param as u64) & 1 == 1 {
                    Some(inside)
                } else {
                    None
                };
                count.map(|v| if param.is_flag() || param == Param::MaxIter { v.round() } else { v })
            };
            let bench = Bench::with(method, &shape, inputs, pick);
            Bench { stored, stream, ..bench }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_tensors_merge_or_are_refused(bench in bench()) {
        // A zero sum of weights and the like are refused; everything else comes out whole.
        if let Ok((dtype, values)) = bench.run() {
            prop_assert_eq!(values.len(), bench.shape.iter().product::<usize>());
            prop_assert_eq!(dtype, bench.stored.unwrap_or(dtype));
            // Sources are finite; only f16 is too small for what these make of them, and raw
            // multislerp weights may scale without bound.
            let wide = dtype != Dtype::F16 && bench.inputs.iter().all(|(d, _)| *d != Dtype::F16);
            prop_assert!(!wide || values.iter().all(|v| v.is_finite()), "{:?} {values:?}", bench.method);
        }
    }

    #[test]
    fn the_quick_pass_gives_the_bits_of_the_plain_one(
        bench in bench().prop_filter("of the family", |b| FAMILY.contains(&b.method) || b.method == Method::Linear)
    ) {
        // Stored as bfloat16 the quick pass runs, stored as f32 the plain one: rounding what the plain
        // one gives in the work type must give the same. (DARE's hashed rescale differs: its sums are
        // exact there, torch's here.)
        let hashed = !bench.stream && matches!(bench.method, Method::DareLinear | Method::DareTies);
        prop_assume!(!hashed);
        let quick = Bench { stored: Some(Dtype::BF16), ..bench };
        let plain = Bench { stored: Some(Dtype::F32), ..quick.clone() };
        let (Ok((_, quick)), Ok((_, plain))) = (quick.run(), plain.run()) else { return Ok(()) };
        for (q, p) in quick.iter().zip(plain) {
            prop_assert_eq!(q.to_bits(), work::to(Dtype::BF16, p).to_bits());
        }
    }
}

#[test]
fn every_declared_method_is_merged() {
    for method in Method::ALL {
        for count in counts(method) {
            for dtype in DTYPES {
                let inputs = (0..count).map(|k| {
                    let value = |i: usize| ((i * 7 + k * 3) % 11) as f32 / 16.0 - 0.3;
                    (dtype, (0..24).map(value).collect())
                });
                let (got, values) = Bench::new(method, &[4, 6], inputs.collect()).run().unwrap();
                assert_eq!(got, computed(method, dtype), "{method:?}");
                assert!(values.iter().any(|v| *v != 0.0), "{method:?}");
                assert!(values.iter().all(|v| v.is_finite()), "{method:?}");
            }
        }
    }
}

/// A recipe in a random choice of method, types, stream, weights and densities.
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
    let base = super::tests::model("base", &super::tests::config(), Dtype::BF16, 5, 0.0);
    let source = |name, seed, dtype| super::tests::model(name, &super::tests::config(), dtype, seed, 0.02);
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

    /// Of `linear` and of the task-arithmetic family. The last source: with counted masks the
    /// others keep their places, and with them their random numbers. In mergekit's one stream a
    /// source that is left out moves all that follow.
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

    /// Of every method with a density: at 1 nothing is dropped, drawn or rescaled.
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

/// A recipe of the one source `b` at full weight; `None` for methods that need more.
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

/// To the bit where no task vector is taken; else to the rounding of δ = x − b and of b + δ. Not of
/// nearswap and `arcee_fusion`, which take over only parts; nuslerp and `model_stock` need two sources.
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
                    // Half a unit in the last place of each, and ram's threshold of 1e-5.
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

/// Sources that are the base itself, tensor for tensor: every method with a base gives the base,
/// but multislerp, which has no direction to go and says so.
#[test]
fn sources_that_equal_the_base_give_the_base() {
    let model = |name| super::tests::model(name, &super::tests::config(), Dtype::BF16, 5, 0.0);
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
    // Weights that cancel are no error where nothing is divided by them, or mergekit has a rule:
    // a sum below 1e-8 counts as 1, and nuslerp meets in the middle.
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
