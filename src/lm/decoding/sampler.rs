//! The sampler: from the model's scores to one sequence's next token.
//!
//! In: logits and a task's `[decoding]` section ([`Decoding`]). Out: a token. It applies repetition penalty,
//! temperature, `top_k` and `top_p` as transformers does, then draws a token; the draw depends only on seed, prompt and
//! step. `sequence` calls it; plain greedy decoding takes the likeliest token on the device instead.

use crate::task::Decoding;

/// How the next token is chosen from scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampling {
    /// The token with the highest score.
    ArgMax,
    /// A draw from softmax(scores / temperature), restricted to the likeliest tokens.
    Draw {
        /// Above 0.
        temperature: f32,
        /// Only this many of the likeliest tokens.
        top_k: Option<usize>,
        /// Only the fewest likeliest tokens whose probabilities sum to this.
        top_p: Option<f64>,
    },
}

impl Sampling {
    /// The decoding of a task's `[decoding]` section.
    #[must_use]
    pub fn of(decoding: &Decoding) -> Self {
        if decoding.temperature > 0.0 {
            Self::Draw {
                temperature: decoding.temperature,
                top_k: Some(decoding.top_k).filter(|k| *k > 0),
                top_p: Some(decoding.top_p).filter(|p| *p < 1.0),
            }
        } else {
            Self::ArgMax
        }
    }

    /// The allowed tokens, with weights in proportion to their probabilities.
    #[must_use]
    pub fn candidates(self, scores: &[f32]) -> Vec<(u32, f64)> {
        let Self::Draw { temperature, top_k, top_p } = self else {
            return vec![(likeliest(scores), 1.0)];
        };
        let scaled = |score: &f32| *score / temperature;
        let top = scores.iter().map(scaled).fold(f32::NEG_INFINITY, f32::max);
        if !top.is_finite() {
            return vec![(likeliest(scores), 1.0)];
        }
        // Scores of minus infinity and NaN have no weight.
        let weigh = |score: &f32| (f64::from(scaled(score)) - f64::from(top)).exp();
        let mut all: Vec<(u32, f64)> =
            scores.iter().enumerate().map(|(i, s)| (i as u32, weigh(s))).filter(|(_, w)| *w > 0.0).collect();
        if let Some(k) = top_k.filter(|k| *k < all.len()) {
            keep_top_k(&mut all, k);
        }
        if let Some(p) = top_p {
            keep_top_p(&mut all, p);
        }
        all
    }
}

fn likelier(a: &(u32, f64), b: &(u32, f64)) -> std::cmp::Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// Keeps the `k` likeliest tokens and ties with the last of them; `k` is at least 1 and below the number of tokens.
fn keep_top_k(all: &mut Vec<(u32, f64)>, k: usize) {
    let mut by_weight = all.clone();
    let (_, last, _) = by_weight.select_nth_unstable_by(k - 1, likelier);
    let least = last.1;
    all.retain(|(_, w)| *w >= least);
}

/// Keeps the fewest likeliest tokens whose weights sum to at least the share `p`.
fn keep_top_p(all: &mut Vec<(u32, f64)>, p: f64) {
    let wanted = p * all.iter().map(|(_, w)| w).sum::<f64>();
    // A few tokens usually make up most of the sum: sort no more tokens than needed.
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
            return;
        }
        sorted = (sorted * 8).min(all.len());
    }
}

/// Distinct tokens of a sequence so far, ascending.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenTokens(Vec<u32>);

impl SeenTokens {
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

/// Samples one sequence's tokens.
pub(super) struct Sampler {
    sampling: Sampling,
    repetition_penalty: f32,
    seen: SeenTokens,
    /// A hash of seed and prompt.
    key: u64,
    step: u64,
}

impl Sampler {
    pub fn new(decoding: &Decoding, prompt: &[u32]) -> Self {
        let key = prompt.iter().fold(mix(decoding.seed), |key, token| mix(key ^ u64::from(*token)));
        let (sampling, repetition_penalty) = (Sampling::of(decoding), decoding.repetition_penalty);
        Self { sampling, repetition_penalty, seen: SeenTokens::of(prompt), key, step: 0 }
    }

    /// The next token. `scores` are the model's logits; they are overwritten.
    pub fn sample(&mut self, scores: &mut [f32]) -> u32 {
        self.seen.penalise(scores, self.repetition_penalty);
        let token = match self.sampling {
            Sampling::ArgMax => likeliest(scores),
            Sampling::Draw { .. } => {
                let bits = mix(self.key ^ mix(self.step));
                draw(&self.sampling.candidates(scores), (bits >> 11) as f64 / (1_u64 << 53) as f64)
            }
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

/// The lowest index of the highest score; 0 if no score is a number.
fn likeliest(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, score) in scores.iter().enumerate() {
        if *score > best.1 {
            best = (i, *score);
        }
    }
    best.0 as u32
}

/// The token at the share `u`, in [0, 1), of the weights' sum.
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
        let mut sampler = Sampler::new(&decoding, &[5, 6]);
        let mut counts = [0.0; 4];
        for _ in 0..40_000 {
            counts[sampler.sample(&mut scores.clone()) as usize] += 1.0;
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
            Sampling::of(&decoding).candidates(scores).into_iter().map(|(token, _)| token).collect()
        };
        assert_eq!(kept(&[f32::NAN, f32::NAN]), [0]);
        assert_eq!(kept(&[f32::NAN, 1.0, f32::NEG_INFINITY]), [1]);
        assert_eq!(kept(&[0.0, f32::INFINITY, f32::NAN]), [1]);
        // Ties with the last of the three stay until top_p, which takes the first of them.
        assert_eq!(kept(&[0.0; 6]), [0, 1, 2, 3, 4, 5]);
        let mut empty: [f32; 0] = [];
        assert_eq!(Sampler::new(&decoding, &[]).sample(&mut empty), 0);
    }
}
