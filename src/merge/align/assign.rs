//! One-to-one pairing with the greatest total similarity. A matrix of similarities comes in; the partner of each row
//! goes out. `align` calls it.

use crate::merge::MergeError;

/// A pairing and its similarity.
pub(super) struct Pairs {
    /// Partner of each row.
    pub of: Vec<usize>,
    /// Mean similarity of row i and column i.
    pub before: f32,
    /// Mean similarity of each row and its partner.
    pub after: f32,
}

/// Pairs rows with columns of the square matrix `similarity`, `[n, n]`, by Jonker and Volgenant's shortest augmenting
/// paths (Computing 38, 1987). Ties are always resolved the same way.
pub(super) fn best_pairs(n: usize, mut similarity: Vec<f32>) -> Result<Pairs, MergeError> {
    let mean = |sum: f64| (sum / n as f64) as f32;
    let before = mean((0..n).map(|i| f64::from(similarity[i * (n + 1)])).sum());
    if n < 2 {
        return Ok(Pairs { of: vec![0; n], before, after: before });
    }
    // The solver minimises a cost.
    for s in &mut similarity {
        *s = if s.is_finite() { -*s } else { 0.0 };
    }
    let unsolved = |why: String| MergeError::Unsolved { n, why };
    let costs = lapjv::Matrix::from_shape_vec((n, n), similarity).map_err(|e| unsolved(e.to_string()))?;
    let (of, _) = lapjv::lapjv(&costs).map_err(|e| unsolved(e.to_string()))?;
    let after = mean(of.iter().enumerate().map(|(i, j)| -f64::from(costs[(i, *j)])).sum());
    Ok(Pairs { of, before, after })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permutations(n: usize) -> Vec<Vec<usize>> {
        if n == 0 {
            return vec![Vec::new()];
        }
        let smaller = permutations(n - 1);
        smaller
            .into_iter()
            .flat_map(|p| (0..n).map(move |at| [&p[..at], &[n - 1], &p[at..]].concat()))
            .collect()
    }

    proptest! {
        #[test]
        fn no_pairing_is_worth_more(
            (n, s) in (1..6_usize).prop_flat_map(|n| (Just(n), proptest::collection::vec(-1_f32..1.0, n * n))),
            ties in any::<bool>(),
        ) {
            let s: Vec<f32> = s.into_iter().map(|v| if ties { (v * 2.0).round() } else { v }).collect();
            let pairs = best_pairs(n, s.clone()).unwrap();
            let mut sorted = pairs.of.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
            let worth = |p: &[usize]| p.iter().enumerate().map(|(i, j)| s[i * n + j]).sum::<f32>() / n as f32;
            let best = permutations(n).iter().map(|p| worth(p)).fold(f32::MIN, f32::max);
            prop_assert!((worth(&pairs.of) - best).abs() < 1e-5);
            prop_assert!((pairs.after - best).abs() < 1e-5);
            let stay: Vec<usize> = (0..n).collect();
            prop_assert!((pairs.before - worth(&stay)).abs() < 1e-5);
        }
    }
}
