//! The constants of CMA-ES. The number of variables n and of points λ come in, the constants go out: Hansen's tutorial
//! (arXiv 1604.00772), table 1, for the full matrix; Ros & Hansen 2008 for the diagonal one. `distribution.rs` uses
//! them.

/// Default population, 4 + ⌊3 ln n⌋ (Hansen, arXiv 1604.00772, table 1).
#[must_use]
pub fn default_population(dim: usize) -> usize {
    4 + (3.0 * libm::log(dim.max(1) as f64)).floor() as usize
}

/// The constants; symbols as in the tutorial.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct Constants {
    pub n: usize,
    pub lambda: usize,
    /// Number of weights above 0; these weights sum to 1.
    pub mu: usize,
    /// λ recombination weights, best first. The weights after the first μ are negative, or 0.
    pub weights: Vec<f64>,
    pub mu_eff: f64,
    pub c_sigma: f64,
    pub d_sigma: f64,
    pub c_c: f64,
    pub c_1: f64,
    pub c_mu: f64,
    /// E‖N(0, I)‖.
    pub chi_n: f64,
}

impl Constants {
    /// Constants for n ≥ 1 variables and λ ≥ 2 points. `diagonal` learns (n + 2)/3 times as fast, which is possible
    /// with n instead of n²/2 numbers (Ros & Hansen 2008, section 3). `active` keeps the negative weights; without it
    /// they are 0.
    pub(in crate::search) fn new(n: usize, lambda: usize, diagonal: bool, active: bool) -> Self {
        let dim = n as f64;
        let half = libm::log(f64::midpoint(lambda as f64, 1.0));
        let raw: Vec<f64> = (1..=lambda).map(|i| half - libm::log(i as f64)).collect();
        let mu = raw.iter().filter(|w| **w > 0.0).count();
        let share = |w: &[f64]| {
            let sum: f64 = w.iter().sum();
            (sum, sum * sum / w.iter().map(|w| w * w).sum::<f64>().max(f64::MIN_POSITIVE))
        };
        let ((plus, mu_eff), (minus, mu_eff_minus)) = (share(&raw[..mu]), share(&raw[mu..]));

        let c_sigma = (mu_eff + 2.0) / (dim + mu_eff + 5.0);
        let d_sigma = 1.0 + 2.0 * (((mu_eff - 1.0) / (dim + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mu_eff / dim) / (dim + 4.0 + 2.0 * mu_eff / dim);
        let faster = if diagonal { (dim + 2.0) / 3.0 } else { 1.0 };
        let c_1 = (faster * 2.0 / ((dim + 1.3) * (dim + 1.3) + mu_eff)).min(0.5);
        let per = 2.0 * (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / ((dim + 2.0) * (dim + 2.0) + mu_eff);
        let c_mu = (faster * per).min(1.0 - c_1);

        // The three bounds of the negative weights' sum (tutorial, equations 50 to 53).
        let bound = (1.0 + c_1 / c_mu)
            .min(1.0 + 2.0 * mu_eff_minus / (mu_eff + 2.0))
            .min((1.0 - c_1 - c_mu) / (dim * c_mu));
        let scaled = |(i, w): (usize, &f64)| match i < mu {
            true => w / plus,
            false if active && minus < 0.0 => bound * w / -minus,
            false => 0.0,
        };
        let weights = raw.iter().enumerate().map(scaled).collect();
        let chi_n = dim.sqrt() * (1.0 - 1.0 / (4.0 * dim) + 1.0 / (21.0 * dim * dim));
        Self { n, lambda, mu, weights, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi_n }
    }

    /// Generations between two decompositions of the matrix. With this gap the O(n³) decompositions cost at most a
    /// tenth of the O(n²) updates between them (tutorial, B.2).
    pub(in crate::search) fn eigen_gap(&self) -> u64 {
        (1.0 / ((self.c_1 + self.c_mu) * self.n as f64 * 10.0)).ceil().max(1.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_numbers() {
        // pycma 4.5.0: cma.CMAEvolutionStrategy(10 * [0], 1).sp
        let k = Constants::new(10, 10, false, true);
        assert_eq!(k.mu, 5);
        let expected = [0.456_272_6, 0.270_753_1, 0.162_231_1, 0.085_233_5, 0.025_509_5];
        assert!(k.weights.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", k.weights);
        assert!((k.weights[..5].iter().sum::<f64>() - 1.0).abs() < 1e-14);
        assert!((k.mu_eff - 3.167_299).abs() < 1e-5);
        assert!((k.c_1 - 0.015_283_8).abs() < 1e-6 && (k.c_mu - 0.023_551_8).abs() < 1e-6, "{k:?}");
        assert!(k.weights[5..].windows(2).all(|w| w[0] < 0.0 && w[1] < w[0]));
    }

    #[test]
    fn every_size_has_sound_constants() {
        for n in [1, 2, 3, 10, 200, 5000] {
            for lambda in [2, 3, 4, 10, 400] {
                for (diagonal, active) in [(false, false), (false, true), (true, true), (true, false)] {
                    let k = Constants::new(n, lambda, diagonal, active);
                    assert!((1..lambda).contains(&k.mu));
                    assert!(k.c_1 > 0.0 && k.c_mu > 0.0 && k.c_1 + k.c_mu <= 1.0, "{k:?}");
                    let minus: f64 = k.weights.iter().filter(|w| **w < 0.0).sum();
                    // The negative weights can't make a variance negative.
                    assert!(-minus * k.c_mu * n as f64 <= 1.0 - k.c_1 - k.c_mu + 1e-12, "{k:?}");
                    assert!(active == (minus < 0.0) || k.c_1 + k.c_mu > 1.0 - 1e-9, "{k:?}");
                    assert!(k.eigen_gap() >= 1);
                }
            }
        }
        assert_eq!([0, 1, 2, 10, 198, 4288].map(default_population), [4, 4, 6, 10, 19, 29]);
    }
}
