//! The covariance matrix of CMA-ES, full or diagonal, with its decomposition. Steps come in, samples and lengths go
//! out; `distribution.rs` calls it.

use super::eigen::{add, dot, eigen, identity};

/// The matrix C of N(m, σ² C) over n variables.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) enum Covariance {
    FullMatrix(FullMatrix),
    /// Only the variances (n).
    Diagonal(Vec<f64>),
}

/// C and its eigenvectors: C = B D² Bᵀ. The eigenvectors were computed `age` updates ago.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::search) struct FullMatrix {
    n: usize,
    /// n × n, row by row.
    c: Vec<f64>,
    /// Eigenvectors as rows (Bᵀ), n × n.
    b: Vec<f64>,
    /// Square roots of the eigenvalues.
    d: Vec<f64>,
    age: u64,
}

/// The term `factor` · y yᵀ, to be added to C. If `active` is false for a variable, the point does not use that
/// variable: the term then adds the variable's present variance and no covariance.
pub(in crate::search) struct RankOneUpdate<'a> {
    pub factor: f64,
    pub y: &'a [f64],
    pub active: Option<&'a [bool]>,
}

impl Covariance {
    pub(in crate::search) fn new(n: usize, diagonal: bool) -> Self {
        if diagonal {
            return Self::Diagonal(vec![1.0; n]);
        }
        Self::FullMatrix(FullMatrix { n, c: identity(n), b: identity(n), d: vec![1.0; n], age: 0 })
    }

    /// C^½ z = B D z, a sample of N(0, C) for z of N(0, I).
    pub(in crate::search) fn spread(&self, z: &[f64]) -> Vec<f64> {
        match self {
            Self::Diagonal(c) => z.iter().zip(c).map(|(z, c)| z * c.sqrt()).collect(),
            Self::FullMatrix(full) => full.combine(z.iter().zip(&full.d).map(|(z, d)| z * d)),
        }
    }

    /// C^−½ y = B D⁻¹ Bᵀ y.
    pub(in crate::search) fn whiten(&self, y: &[f64]) -> Vec<f64> {
        match self {
            Self::Diagonal(c) => y.iter().zip(c).map(|(y, c)| y / c.sqrt()).collect(),
            Self::FullMatrix(full) => full.combine(full.along_axes(y)),
        }
    }

    /// ‖C^−½ y‖².
    pub(in crate::search) fn square(&self, y: &[f64]) -> f64 {
        match self {
            Self::Diagonal(c) => y.iter().zip(c).map(|(y, c)| y * y / c).sum(),
            Self::FullMatrix(full) => full.along_axes(y).map(|t| t * t).sum(),
        }
    }

    /// C ← `keep` · C + Σ `terms`. Computes the eigenvectors again once they are `gap` updates old.
    pub(in crate::search) fn update(&mut self, keep: f64, terms: &[RankOneUpdate], gap: u64) {
        let n = self.n();
        let mut diagonal: Vec<f64> = (0..n).map(|j| self.variance(j)).collect();
        let unknown: Vec<f64> = (0..n)
            .map(|j| {
                let hidden = terms.iter().filter(|t| t.active.is_some_and(|a| !a[j]));
                hidden.map(|t| t.factor * diagonal[j]).sum()
            })
            .collect();
        match self {
            Self::Diagonal(c) => {
                for c in c.iter_mut() {
                    *c *= keep;
                }
                for term in terms {
                    for (j, (c, y)) in c.iter_mut().zip(term.y).enumerate() {
                        if term.active.is_none_or(|a| a[j]) {
                            *c += term.factor * y * y;
                        }
                    }
                }
                add(c, 1.0, &unknown);
            }
            Self::FullMatrix(full) => {
                diagonal.clear();
                full.c.iter_mut().for_each(|c| *c *= keep);
                for term in terms {
                    full.add_outer(term);
                }
                full.c.iter_mut().step_by(n + 1).zip(&unknown).for_each(|(c, u)| *c += u);
                full.age += 1;
                if full.age >= gap {
                    full.decompose();
                }
            }
        }
    }

    pub(in crate::search) fn variance(&self, j: usize) -> f64 {
        match self {
            Self::Diagonal(c) => c[j],
            Self::FullMatrix(full) => full.c[j * full.n + j],
        }
    }

    /// The shortest and the longest standard deviation along the axes.
    pub(in crate::search) fn axes(&self) -> (f64, f64) {
        let range = |axes: &mut dyn Iterator<Item = f64>| {
            axes.fold((f64::INFINITY, 0.0f64), |(low, high), d| (low.min(d), high.max(d)))
        };
        match self {
            Self::Diagonal(c) => range(&mut c.iter().map(|c| c.sqrt())),
            Self::FullMatrix(full) => range(&mut full.d.iter().copied()),
        }
    }

    /// Whether every number is finite and every variance above 0.
    pub(in crate::search) fn is_sound(&self) -> bool {
        let sound = |c: &f64| c.is_finite() && *c > 0.0;
        match self {
            Self::Diagonal(c) => c.iter().all(sound),
            Self::FullMatrix(full) => full.d.iter().all(sound) && full.c.iter().all(|c| c.is_finite()),
        }
    }

    fn n(&self) -> usize {
        match self {
            Self::Diagonal(c) => c.len(),
            Self::FullMatrix(full) => full.n,
        }
    }
}

impl FullMatrix {
    fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.b.chunks_exact(self.n.max(1))
    }

    /// D⁻¹ Bᵀ y.
    fn along_axes(&self, y: &[f64]) -> impl Iterator<Item = f64> {
        self.rows().zip(&self.d).map(move |(row, d)| dot(row, y) / d)
    }

    /// B t.
    fn combine(&self, t: impl Iterator<Item = f64>) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for (row, t) in self.rows().zip(t) {
            add(&mut out, t, row);
        }
        out
    }

    fn add_outer(&mut self, term: &RankOneUpdate) {
        let known = |j: usize| if term.active.is_none_or(|a| a[j]) { term.y[j] } else { 0.0 };
        let y: Vec<f64> = (0..self.n).map(known).collect();
        for (row, &yi) in self.c.chunks_exact_mut(self.n.max(1)).zip(&y) {
            if yi != 0.0 {
                add(row, term.factor * yi, &y);
            }
        }
    }

    /// Decomposes C. If C is no longer positive definite, D holds NaN, which [`Covariance::is_sound`] reports.
    fn decompose(&mut self) {
        self.age = 0;
        match eigen(self.c.clone(), self.n) {
            Some((values, rows)) => {
                self.d = values.iter().map(|v| v.sqrt()).collect();
                self.b = rows;
            }
            None => self.d.fill(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &[f64], b: &[f64]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-12)
    }

    #[test]
    fn spreading_and_whitening_undo_each_other_after_updates() {
        for diagonal in [false, true] {
            let mut shape = Covariance::new(3, diagonal);
            for y in [[1.0, 2.0, -1.0], [0.5, -3.0, 0.25]] {
                shape.update(0.7, &[RankOneUpdate { factor: 0.3, y: &y, active: None }], 1);
            }
            assert!(shape.is_sound());
            assert!((shape.variance(1) - (0.7 * (0.7 + 0.3 * 4.0) + 0.3 * 9.0)).abs() < 1e-12);
            let y = [0.3, -0.2, 0.9];
            let white = shape.whiten(&y);
            assert!((shape.square(&y) - dot(&white, &white)).abs() < 1e-12);
            // The length of a spread z in the metric of C is the length of z.
            assert!((shape.square(&shape.spread(&y)) - dot(&y, &y)).abs() < 1e-12);
            let (short, long) = shape.axes();
            assert!(0.0 < short && short < long);
        }
    }

    #[test]
    fn an_unknown_number_keeps_its_variance() {
        for diagonal in [false, true] {
            let mut shape = Covariance::new(2, diagonal);
            shape.update(0.5, &[RankOneUpdate { factor: 0.5, y: &[2.0, 2.0], active: None }], 1);
            let before = shape.variance(1);
            let active = [true, false];
            shape.update(0.8, &[RankOneUpdate { factor: 0.2, y: &[1.0, 100.0], active: Some(&active) }], 1);
            assert!((shape.variance(1) - before).abs() < 1e-12);
            assert!((shape.variance(0) - (0.8 * before + 0.2)).abs() < 1e-12);
            if let Covariance::FullMatrix(full) = &shape {
                assert!(close(&full.c[1..3], &[0.8 * 2.0, 0.8 * 2.0]), "{:?}", full.c);
            }
        }
    }

    #[test]
    fn what_is_not_a_covariance_is_seen() {
        for diagonal in [false, true] {
            for y in [[2.0, 0.0], [f64::NAN, 0.0]] {
                let mut shape = Covariance::new(2, diagonal);
                shape.update(1.0, &[RankOneUpdate { factor: -0.5, y: &y, active: None }], 1);
                assert!(!shape.is_sound());
            }
        }
    }
}
