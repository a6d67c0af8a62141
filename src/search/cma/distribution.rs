//! The distribution of CMA-ES and its update (Hansen, arXiv 1604.00772): negative weights, a full or a diagonal
//! covariance matrix, injected points (Hansen, arXiv 1110.4181), and variables that a point may leave unused. Ranked
//! points come in, samples go out. Symbols are the tutorial's. The callers (`search.rs`, `cat_cma.rs`) handle bounds,
//! margins, restarts and ranking.

use super::constants::Constants;
use super::covariance::{Covariance, RankOneUpdate};
use super::eigen::{add, dot};
use crate::search::normal::{normals, stream};

/// N(m, σ² C) and its evolution paths. Each variable's first step size is 1.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Cma {
    k: Constants,
    pub mean: Vec<f64>,
    /// σ.
    pub step: f64,
    pub shape: Covariance,
    /// `p_σ`.
    path_step: Vec<f64>,
    /// `p_c`.
    path_shape: Vec<f64>,
    generation: u64,
    seed: u64,
}

/// A point that the update learns from.
pub(in crate::search) struct Point<'a> {
    pub x: &'a [f64],
    /// The point was not drawn from the distribution. Its step is clipped to the greatest length of a drawn step.
    pub injected: bool,
    /// The variables that the point uses; `None` for all.
    pub active: Option<&'a [bool]>,
}

impl Cma {
    /// A distribution around `mean` (n ≥ 1 numbers) with λ ≥ 2 points a generation.
    pub(in crate::search) fn new(
        mean: Vec<f64>,
        step: f64,
        lambda: usize,
        diagonal: bool,
        active: bool,
        seed: u64,
    ) -> Self {
        let n = mean.len();
        Self {
            k: Constants::new(n, lambda, diagonal, active),
            shape: Covariance::new(n, diagonal),
            path_step: vec![0.0; n],
            path_shape: vec![0.0; n],
            mean,
            step,
            generation: 0,
            seed,
        }
    }

    pub(in crate::search) fn constants(&self) -> &Constants {
        &self.k
    }

    /// The λ points of this generation. A second call gives the same points.
    pub(in crate::search) fn sample(&self) -> Vec<Vec<f64>> {
        let mut rng = stream(self.seed, self.generation);
        let point = |_| {
            let mut x = self.shape.spread(&normals(&mut rng, self.k.n));
            x.iter_mut().zip(&self.mean).for_each(|(x, m)| *x = m + self.step * *x);
            x
        };
        (0..self.k.lambda).map(point).collect()
    }

    /// Updates the distribution from λ points, best first.
    pub(in crate::search) fn tell(&mut self, points: &[Point]) {
        let k = self.k.clone();
        self.generation += 1;
        let steps: Vec<Vec<f64>> = points.iter().map(|p| self.step_to(p)).collect();
        let better = || k.weights.iter().zip(points.iter().zip(&steps)).take(k.mu);

        // The evolution paths use the whole step: an unused variable only adds unbiased noise, but without it the step
        // would look too short. The mean moves only in the variables used.
        let mut whole = vec![0.0; k.n];
        let mut moved = vec![0.0; k.n];
        for (w, (point, y)) in better() {
            add(&mut whole, *w, y);
            match point.active {
                None => add(&mut moved, *w, y),
                Some(active) => {
                    for ((m, y), _) in moved.iter_mut().zip(y).zip(active).filter(|(_, a)| **a) {
                        *m += w * y;
                    }
                }
            }
        }
        add(&mut self.mean, self.step, &moved);

        let length = self.follow_step(&k, &whole);
        let age = 2 * i32::try_from(self.generation).unwrap_or(i32::MAX / 2).min(i32::MAX / 2);
        let full_length = (1.0 - libm::pow(1.0 - k.c_sigma, f64::from(age))).sqrt();
        let goes_on = length / full_length < (1.4 + 2.0 / (k.n as f64 + 1.0)) * k.chi_n;
        let push = if goes_on { (k.c_c * (2.0 - k.c_c) * k.mu_eff).sqrt() } else { 0.0 };
        self.path_shape.iter_mut().for_each(|p| *p *= 1.0 - k.c_c);
        add(&mut self.path_shape, push, &whole);

        self.reshape(&k, points, &steps, goes_on);
        // One generation changes σ by at most a factor of e (arXiv 1110.4181, eq. 9).
        self.step *= libm::exp((k.c_sigma / k.d_sigma * (length / k.chi_n - 1.0)).min(1.0));
    }

    /// Skips a generation: the next one is drawn from another stream.
    pub(in crate::search) const fn skip(&mut self) {
        self.generation += 1;
    }

    /// y = (x − m)/σ. For an injected point y is clipped to √n + 2n/(n + 2) in the metric of C (arXiv 1110.4181, eq. 3
    /// and table 1).
    fn step_to(&self, point: &Point) -> Vec<f64> {
        let mut y: Vec<f64> = point.x.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.step).collect();
        if point.injected {
            let length = self.shape.square(&y).sqrt();
            let most = self.reach();
            if length > most {
                for y in &mut y {
                    *y *= most / length;
                }
            }
        }
        y
    }

    /// The greatest Mahalanobis length of an injected step; longer steps are clipped.
    fn reach(&self) -> f64 {
        let n = self.k.n as f64;
        n.sqrt() + 2.0 * n / (n + 2.0)
    }

    /// Whether an injected point is so far away that its step would be clipped.
    pub(in crate::search) fn is_far(&self, x: &[f64]) -> bool {
        let y: Vec<f64> = x.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.step).collect();
        self.shape.square(&y).sqrt() > self.reach()
    }

    /// Updates the step size's path `p_σ` and returns its length.
    fn follow_step(&mut self, k: &Constants, whole: &[f64]) -> f64 {
        let push = (k.c_sigma * (2.0 - k.c_sigma) * k.mu_eff).sqrt();
        self.path_step.iter_mut().for_each(|p| *p *= 1.0 - k.c_sigma);
        let white = self.shape.whiten(whole);
        add(&mut self.path_step, push, &white);
        dot(&self.path_step, &self.path_step).sqrt()
    }

    /// `C ← (1 + c₁ δ(h_σ) − c₁ − c_μ Σw) C + c₁ p_c p_cᵀ + c_μ Σ w° y yᵀ`.
    fn reshape(&mut self, k: &Constants, points: &[Point], steps: &[Vec<f64>], goes_on: bool) {
        let missing = if goes_on { 0.0 } else { k.c_c * (2.0 - k.c_c) };
        let sum: f64 = k.weights.iter().sum();
        let keep = 1.0 + k.c_1 * missing - k.c_1 - k.c_mu * sum;
        let mut terms = vec![RankOneUpdate { factor: k.c_1, y: &self.path_shape, active: None }];
        for (w, (point, y)) in k.weights.iter().zip(points.iter().zip(steps)) {
            let factor = match *w {
                w if w < 0.0 => k.c_mu * w * k.n as f64 / self.shape.square(y).max(f64::MIN_POSITIVE),
                w => k.c_mu * w,
            };
            if factor != 0.0 {
                terms.push(RankOneUpdate { factor, y, active: point.active });
            }
        }
        self.shape.update(keep, &terms, k.eigen_gap());
    }

    /// Whether mean, step size and matrix are finite, positive and well conditioned.
    pub(in crate::search) fn is_sound(&self) -> bool {
        let (short, long) = self.shape.axes();
        self.step.is_finite()
            && self.step > 0.0
            && self.shape.is_sound()
            && long <= 1e7 * short
            && self.mean.iter().all(|m| m.is_finite())
    }

    /// Standard deviation of variable `j`: σ times the root of its variance.
    pub(in crate::search) fn deviation(&self, j: usize) -> f64 {
        self.step * self.shape.variance(j).sqrt()
    }

    /// The longest deviation of a variable, or coordinate of σ `p_c`, whichever is longer; the stopping criterion
    /// `TolX` uses it.
    pub(in crate::search) fn extent(&self) -> f64 {
        let path = self.path_shape.iter().fold(0.0f64, |s, p| s.max(p.abs())) * self.step;
        (0..self.k.n).map(|j| self.deviation(j)).fold(path, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(x: &[Vec<f64>]) -> Vec<Point<'_>> {
        x.iter().map(|x| Point { x, injected: false, active: None }).collect()
    }

    /// Number of evaluations until the sphere function is below 1e-10; at most 40,000.
    fn sphere(mut cma: Cma) -> usize {
        let value = |x: &[f64]| dot(x, x);
        let mut evaluations = 0;
        loop {
            let mut x = cma.sample();
            x.sort_by(|a, b| value(a).total_cmp(&value(b)));
            if value(&x[0]) < 1e-10 || evaluations > 40_000 {
                return evaluations;
            }
            evaluations += x.len();
            cma.tell(&points(&x));
        }
    }

    #[test]
    fn every_size_arrives() {
        for (n, lambda) in [(1, 2), (1, 4), (2, 2), (5, 2), (5, 8), (8, 3), (20, 12)] {
            for (diagonal, active) in [(false, true), (false, false), (true, true), (true, false)] {
                let used = sphere(Cma::new(vec![0.7; n], 0.3, lambda, diagonal, active, 3));
                assert!(used < 8_000, "n {n}, lambda {lambda}, diagonal {diagonal}, active {active}: {used}");
            }
        }
    }

    #[test]
    fn a_point_that_always_wins_draws_the_mean_to_it() {
        let far = vec![40.0; 6];
        let mut cma = Cma::new(vec![0.0; 6], 1.0, 8, false, true, 1);
        let before = cma.clone();
        for generation in 0..60 {
            let x = cma.sample();
            let mut told = points(&x);
            told.pop();
            told.insert(0, Point { x: &far, injected: true, active: None });
            cma.tell(&told);
            let distance: f64 = cma.mean.iter().map(|m| (m - 40.0).powi(2)).sum::<f64>().sqrt();
            // One generation moves the mean by no more than a drawn point could.
            let first = cma.mean.iter().map(|m| m * m).sum::<f64>().sqrt();
            assert!(generation > 0 || (first > 0.5 && first < 6.0), "{first}");
            if distance < 3.0 {
                assert!(before.is_far(&far));
                return;
            }
        }
        panic!("never came near: {:?}", cma.mean);
    }

    #[test]
    fn a_variable_without_use_stays_where_it_is() {
        for diagonal in [false, true] {
            let mut cma = Cma::new(vec![0.5; 3], 1.0, 6, diagonal, false, 2);
            let active = [true, true, false];
            for _ in 0..50 {
                let mut x = cma.sample();
                x.sort_by(|a, b| (a[0] + a[1]).total_cmp(&(b[0] + b[1])));
                let told: Vec<Point> =
                    x.iter().map(|x| Point { x, injected: false, active: Some(&active) }).collect();
                cma.tell(&told);
            }
            assert_eq!(cma.mean[2].to_bits(), 0.5f64.to_bits());
            assert!(cma.mean[0] + cma.mean[1] < -5.0, "{:?}", cma.mean);
            assert!(cma.is_sound());
        }
    }
}
