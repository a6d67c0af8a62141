//! ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as Google's `rouge_score` computes them. Two lists of words come in, scores
//! go out; the judge calls it.

use std::collections::HashMap;
use std::hash::Hash;

/// F1 of each kind, in [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rouge {
    /// Over single words.
    pub rouge1: f64,
    /// Over pairs of adjacent words.
    pub rouge2: f64,
    /// Over the longest common subsequence.
    pub rouge_l: f64,
}

/// Compares an answer's words with the right answer's. An empty list on either side gives zero.
#[must_use]
pub fn rouge(gold: &[String], answer: &[String]) -> Rouge {
    // Gives equal words the same number on both sides.
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    for word in gold.iter().chain(answer) {
        let next = numbers.len() as u32;
        numbers.entry(word).or_insert(next);
    }
    let numbered = |words: &[String]| words.iter().map(|w| numbers[w.as_str()]).collect::<Vec<u32>>();
    let (gold, answer) = (numbered(gold), numbered(answer));
    let pairs = |words: &[u32]| words.windows(2).map(|w| (w[0], w[1])).collect::<Vec<_>>();
    let (gold2, answer2) = (pairs(&gold), pairs(&answer));
    Rouge {
        rouge1: f1(common(&gold, &answer), gold.len(), answer.len()),
        rouge2: f1(common(&gold2, &answer2), gold2.len(), answer2.len()),
        rouge_l: f1(longest_common(&gold, &answer), gold.len(), answer.len()),
    }
}

/// Harmonic mean of precision and recall, in the reference's order of operations.
pub(in crate::task) fn f1(common: usize, gold: usize, answer: usize) -> f64 {
    let (precision, recall) = (common as f64 / answer.max(1) as f64, common as f64 / gold.max(1) as f64);
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// How many items two lists share; an item counts as often as both lists hold it.
pub(in crate::task) fn common<T: Eq + Hash>(gold: &[T], answer: &[T]) -> usize {
    let mut left: HashMap<&T, usize> = HashMap::new();
    for item in gold {
        *left.entry(item).or_default() += 1;
    }
    let mut count = 0;
    for item in answer {
        if let Some(n) = left.get_mut(item).filter(|n| **n > 0) {
            *n -= 1;
            count += 1;
        }
    }
    count
}

/// Length of the longest common subsequence. Computes 64 cells of the table's row at a time (Hyyrö 2004; a zero bit
/// marks where the row grows).
pub(super) fn longest_common(gold: &[u32], answer: &[u32]) -> usize {
    if gold.is_empty() || answer.is_empty() {
        return 0;
    }
    let blocks = gold.len().div_ceil(64);
    let mut places: HashMap<u32, Vec<u64>> = HashMap::new();
    for (i, word) in gold.iter().enumerate() {
        places.entry(*word).or_insert_with(|| vec![0; blocks])[i / 64] |= 1 << (i % 64);
    }
    let mut row = vec![u64::MAX; blocks];
    for places in answer.iter().filter_map(|word| places.get(word)) {
        let mut carry = false;
        for (cells, &here) in row.iter_mut().zip(places) {
            let matched = *cells & here;
            let (sum, over) = cells.overflowing_add(matched);
            let (sum, over2) = sum.overflowing_add(u64::from(carry));
            *cells = sum | (*cells & !here);
            carry = over || over2;
        }
    }
    row.iter().enumerate().fold(0, |length, (block, cells)| {
        let used = (gold.len() - 64 * block).min(64) as u32;
        let kept = if used == 64 { u64::MAX } else { (1 << used) - 1 };
        length + (!cells & kept).count_ones() as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The textbook definition, as the reference for the test.
    fn table(a: &[u32], b: &[u32]) -> usize {
        let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..a.len() {
            for j in 0..b.len() {
                rows[i + 1][j + 1] =
                    if a[i] == b[j] { rows[i][j] + 1 } else { rows[i][j + 1].max(rows[i + 1][j]) };
            }
        }
        rows[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn the_fast_subsequence_is_the_tables(
            a in proptest::collection::vec(0u32..5, 0..200),
            b in proptest::collection::vec(0u32..5, 0..200),
        ) {
            prop_assert_eq!(longest_common(&a, &b), table(&a, &b));
        }
    }

    #[test]
    fn by_hand() {
        let words = |s: &str| s.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = rouge(&words("police killed the gunman"), &words("police kill the gunman"));
        assert_eq!((found.rouge1, found.rouge2, found.rouge_l), (0.75, 1.0 / 3.0, 0.75));
        assert_eq!(rouge(&words("a"), &[]), Rouge::default());
        assert!((rouge(&words("a a a"), &words("a")).rouge1 - 0.5).abs() < 1e-12);
    }
}
