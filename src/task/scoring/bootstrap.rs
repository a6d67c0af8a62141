//! The bootstrap of `rouge_score`'s `BootstrapAggregator`: the median of a thousand means, each over answers drawn with
//! replacement. Scores of answers come in, medians go out; `means.rs` calls it.

use rand_mt::Mt;

/// Number of bootstrap means.
const SAMPLES: usize = 1000;

/// The medians of the bootstrap means for several scores of the same answers, in the order of the reference (ROUGE-1,
/// 2, L); 0 if there are no values. The reference draws from `NumPy`'s global generator without a seed. This function
/// draws the numbers that follow `numpy.random.seed(0)` (MT19937, indices by masked rejection, one stream over all
/// scores), so that a figure is the same each time.
#[must_use]
pub fn bootstrap_medians(scores: &[&[f64]]) -> Vec<f64> {
    let mut random = Mt::new(0);
    scores.iter().map(|values| median_of_means(values, &mut random)).collect()
}

fn median_of_means(values: &[f64], random: &mut Mt) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    let last = last as u32;
    // A single value needs no random number.
    let mask = if last == 0 { 0 } else { u32::MAX >> last.leading_zeros() };
    let mut index = || loop {
        let drawn = if mask == 0 { 0 } else { random.next_u32() & mask };
        if drawn <= last {
            return drawn as usize;
        }
    };
    let mut means: Vec<f64> = (0..SAMPLES)
        .map(|_| (0..values.len()).map(|_| values[index()]).sum::<f64>() / values.len() as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let (low, high) = (means[SAMPLES / 2 - 1], means[SAMPLES / 2]);
    low + (high - low) * 0.5
}

#[cfg(test)]
mod tests {
    use super::bootstrap_medians;

    #[test]
    fn few_values() {
        let found = bootstrap_medians(&[&[], &[0.25], &[0.5; 100]]);
        assert!(found.iter().zip([0.0, 0.25, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    /// `numpy.random.seed(0)`, then `BootstrapAggregator` over the squares of 0, 1/9, …, 1.
    #[test]
    fn as_numpy_draws() {
        let values: Vec<f64> = (0..10).map(|i| f64::from(i * i) / 81.0).collect();
        let reference = 0.349_382_716_049_382_76;
        let found = bootstrap_medians(&[&values])[0];
        assert!((found - reference).abs() < 1e-12, "{found}");
    }
}
