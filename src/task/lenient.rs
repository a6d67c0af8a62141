//! placeholder
pub(super) fn last(text: &str) -> Option<(String, f64)> {
    super::number::last(text).map(|(s, v)| (s.to_owned(), v))
}
pub(super) fn equal(found: Option<f64>, gold: Option<f64>) -> bool {
    matches!((found, gold), (Some(a), Some(b)) if (a - b).abs() <= 1e-9 * b.abs().max(1.0))
}
