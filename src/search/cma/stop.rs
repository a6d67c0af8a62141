//! The stopping criteria of a run of CMA-ES (Hansen 2009, "Benchmarking a BI-population CMA-ES", section 2; pycma's
//! defaults). Each generation's fitness comes in, the name of the first criterion met goes out. The CMA-ES strategies
//! call it.

use super::distribution::Cma;

/// The fitness history of a run, and the first criterion that the run has met.
#[derive(Clone, Debug, Default)]
pub(in crate::search) struct StopCriteria {
    /// Best and median fitness of each generation.
    best: Vec<f64>,
    median: Vec<f64>,
    stopped: Option<&'static str>,
}

/// σ√C is below this share of the first step sizes (`TolX`).
const TOL_X: f64 = 1e-11;
/// The range of the best fitness values is below this (`TolFun`).
const TOL_FUN: f64 = 1e-12;
/// σ times the longest axis has grown by this factor (`TolXUp`).
const TOL_X_UP: f64 = 1e4;
/// Ratio of the longest to the shortest axis: the root of the condition number 1e14.
const AXIS_RATIO: f64 = 1e7;

/// Names of the criteria.
const REASONS: [&str; 6] = ["unsound numbers", "TolX", "TolFun", "TolXUp", "ConditionCov", "Stagnation"];

impl StopCriteria {
    /// Takes a generation's fitness, best first, after `cma` has learnt from that generation.
    pub(in crate::search) fn tell(&mut self, cma: &Cma, ranked: &[f64]) {
        self.best.push(ranked[0]);
        self.median.push(ranked[ranked.len() / 2]);
        let reason = self.reason(cma, ranked);
        self.stopped = self.stopped.or(reason);
    }

    /// The first criterion met.
    pub(in crate::search) const fn stopped(&self) -> Option<&'static str> {
        self.stopped
    }

    fn reason(&self, cma: &Cma, ranked: &[f64]) -> Option<&'static str> {
        let k = cma.constants();
        let generations = self.best.len();
        let (short, long) = cma.shape.axes();
        let sound = cma.step.is_finite() && cma.shape.is_sound();
        let history = 10 + (30 * k.n).div_ceil(k.lambda);
        let recent = &self.best[generations.saturating_sub(history)..];
        let flat = generations >= history && range(recent) < TOL_FUN && range(ranked) < TOL_FUN;
        // The window is the last fifth of the generations, but between 120 + 30 n/λ and 20,000 generations.
        let window = (generations / 5).clamp(120 + 30 * k.n / k.lambda, 20_000);
        let stagnates = generations > 2 * window && {
            let part = (window * 3) / 10;
            let worse = |values: &[f64]| {
                let tail = &values[generations - window..];
                median(&tail[window - part..]) <= median(&tail[..part])
            };
            worse(&self.best) && worse(&self.median)
        };
        let met = [
            !sound,
            cma.extent() < TOL_X,
            flat,
            cma.step * long > TOL_X_UP,
            long > AXIS_RATIO * short,
            stagnates,
        ];
        met.into_iter().zip(REASONS).find(|(met, _)| *met).map(|(_, reason)| reason)
    }
}

fn range(values: &[f64]) -> f64 {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    // If all failed, they count as equal.
    if high > low { high - low } else { 0.0 }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
