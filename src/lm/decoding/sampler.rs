//! The next token from scores: the repetition penalty, what a draw may choose from, and the draw.

use crate::task::Decoding;

/// Distinct tokens of a sequence so far, ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Vec<u32>);

impl Seen {
    pub fn of(prompt: &[u32]) -> Self {
        let mut all = prompt.to_vec();
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    pub fn add(&mut self, token: u32) {
        if let Err(at) = self.0.binary_search(&token) {
            self.0.insert(at, token);
        }
    }

    /// Makes the tokens seen less likely (`RepetitionPenaltyLogitsProcessor` of transformers).
    #[allow(clippy::float_cmp)] // Exactly one is meant.
    pub fn penalise(&self, scores: &mut [f32], penalty: f32) {
        if penalty == 1.0 {
            return;
        }
        for token in &self.0 {
            if let Some(score) = scores.get_mut(*token as usize) {
                *score = if *score < 0.0 { *score * penalty } else { *score / penalty };
            }
        }
    }
}

/// Chooses one sequence's tokens.
pub(super) struct Chooser<'a> {
    decoding: &'a Decoding,
    seen: Seen,
    /// Of seed and prompt.
    key: u64,
    step: u64,
}

impl<'a> Chooser<'a> {
    pub fn new(decoding: &'a Decoding, prompt: &[u32]) -> Self {
        let key = prompt.iter().fold(mix(decoding.seed), |key, token| mix(key ^ u64::from(*token)));
        Self { decoding, seen: Seen::of(prompt), key, step: 0 }
    }

    /// The next token; `scores` are the model's for it, and spoilt.
    pub fn choose(&mut self, scores: &mut [f32]) -> u32 {
        self.seen.penalise(scores, self.decoding.repetition_penalty);
        let token = if self.decoding.temperature > 0.0 {
            let bits = mix(self.key ^ mix(self.step));
            draw(&candidates(scores, self.decoding), (bits >> 11) as f64 / (1_u64 << 53) as f64)
        } else {
            likeliest(scores)
        };
        self.step += 1;
        self.seen.add(token);
        token
    }
}

/// A step of `SplitMix64` (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The lowest index of the greatest score; 0 where none is a number.
fn likeliest(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, score) in scores.iter().enumerate() {
        if *score > best.1 {
            best = (i, *score);
        }
    }
    best.0 as u32
}

/// What a draw chooses from: tokens with weights in proportion to their probabilities. Temperature,
/// then `top_k` (with all that equal the last of them), then `top_p`, as transformers applies them.
pub fn candidates(scores: &[f32], decoding: &Decoding) -> Vec<(u32, f64)> {
    let scaled = |score: &f32| *score / decoding.temperature;
    let top = scores.iter().map(scaled).fold(f32::NEG_INFINITY, f32::max);
    if !top.is_finite() {
        return vec![(likeliest(scores), 1.0)];
    }
    // Minus infinity and what is no number have no weight.
    let weigh = |score: &f32| (f64::from(scaled(score)) - f64::from(top)).exp();
    let mut all: Vec<(u32, f64)> =
        scores.iter().enumerate().map(|(i, s)| (i as u32, weigh(s))).filter(|(_, w)| *w > 0.0).collect();
    let likelier = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if decoding.top_k > 0 && decoding.top_k < all.len() {
        let mut by_weight = all.clone();
        let (_, last, _) = by_weight.select_nth_unstable_by(decoding.top_k - 1, likelier);
        let least = last.1;
        all.retain(|(_, w)| *w >= least);
    }
    if decoding.top_p < 1.0 {
        let wanted = decoding.top_p * all.iter().map(|(_, w)| w).sum::<f64>();
        // Few tokens make up most of the sum: sort no more of them than needed.
        let mut sorted = 32.min(all.len());
        loop {
            if sorted < all.len() {
                all.select_nth_unstable_by(sorted - 1, likelier);
            }
            all[..sorted].sort_unstable_by(likelier);
            let mut before = 0.0;
            let enough = all[..sorted].iter().position(|(_, w)| {
                let reached = before >= wanted;
                before += w;
                reached
            });
            if let Some(n) = enough.or((before >= wanted || sorted == all.len()).then_some(sorted)) {
                all.truncate(n);
                break;
            }
            sorted = (sorted * 8).min(all.len());
        }
    }
    all
}

/// The token at `u` in [0, 1) of the weights' sum.
fn draw(all: &[(u32, f64)], u: f64) -> u32 {
    let mut left = u * all.iter().map(|(_, w)| w).sum::<f64>();
    for (token, weight) in all {
        if left < *weight {
            return *token;
        }
        left -= weight;
    }
    all.last().map_or(0, |(token, _)| *token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_probabilities() {
        let decoding = Decoding { temperature: 0.5, seed: 3, ..Decoding::default() };
        let scores: Vec<f32> = vec![0.1, 1.0, -0.4, 0.8];
        let exact: Vec<f64> = scores.iter().map(|s| f64::from(s / 0.5).exp()).collect();
        let total: f64 = exact.iter().sum();
        let mut chooser = Chooser::new(&decoding, &[5, 6]);
        let mut counts = [0.0; 4];
        for _ in 0..40_000 {
            counts[chooser.choose(&mut scores.clone()) as usize] += 1.0;
        }
        // Four standard deviations of a count.
        for (count, weight) in counts.iter().zip(exact) {
            let p = weight / total;
            assert!((count - 40_000.0 * p).abs() < 4.0 * (40_000.0 * p * (1.0 - p)).sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn scores_that_are_no_numbers_are_never_drawn() {
        let decoding = Decoding { temperature: 1.0, top_p: 0.9, top_k: 3, ..Decoding::default() };
        let kept = |scores: &[f32]| -> Vec<u32> {
            candidates(scores, &decoding).into_iter().map(|(token, _)| token).collect()
        };
        assert_eq!(kept(&[f32::NAN, f32::NAN]), [0]);
        assert_eq!(kept(&[f32::NAN, 1.0, f32::NEG_INFINITY]), [1]);
        assert_eq!(kept(&[0.0, f32::INFINITY, f32::NAN]), [1]);
        // Equals of the last of the three stay until top_p, which takes the first of equals.
        assert_eq!(kept(&[0.0; 6]), [0, 1, 2, 3, 4, 5]);
        let mut empty: [f32; 0] = [];
        assert_eq!(Chooser::new(&decoding, &[]).choose(&mut empty), 0);
    }
}
