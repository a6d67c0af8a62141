//! Item response theory: estimates a candidate's score on all questions from its answers to some of them. Answers of
//! earlier candidates come in, estimates and the most informative questions go out; the session calls it where
//! `[racing]` asks for a subset.
//!
//! Two-parameter logistic model (Birnbaum 1968): a candidate of ability θ answers question q right with probability
//! 1/(1 + exp(−(`a_q` θ + `d_q`))), where `a_q` is how well the question tells candidates apart and −`d_q`/`a_q` is its
//! difficulty. Normal priors (θ around 0, a around 1, d around 0) matter where answers are few. The fit alternates
//! between questions and candidates for a fixed number of Newton steps, so that equal answers give an equal fit. The
//! estimate uses the given answers, and the model's probability for each other question, as the p-IRT of tinyBenchmarks
//! (arXiv 2402.14992) and MERGE³ (arXiv 2502.10436) do. An answer is a share in [0, 1]: 1 is right.

/// One candidate's answers as pairs of question and share; each question occurs once.
pub type Answers = Vec<(usize, f64)>;

/// Variances of the priors, and the mean of a.
const VAR_THETA: f64 = 9.0;
const VAR_A: f64 = 0.25;
const VAR_D: f64 = 9.0;
const MEAN_A: f64 = 1.0;
/// Number of alternations between questions and candidates.
const ROUNDS: usize = 12;
/// Number of Newton steps for one ability.
const STEPS: usize = 10;

/// The fitted parameters of a session's questions.
#[derive(Clone, Debug, PartialEq)]
pub struct Irt {
    a: Vec<f64>,
    d: Vec<f64>,
}

/// The model's estimate for a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean share over all questions, answered or not.
    pub share: f64,
    /// Standard deviation of the unanswered questions' contribution, given the ability.
    pub deviation: f64,
}

impl Irt {
    /// Fits `n` questions to candidates' answers.
    #[must_use]
    pub fn fit(n: usize, rows: &[Answers]) -> Self {
        let mut model = Self { a: vec![MEAN_A; n], d: vec![0.0; n] };
        let mut theta: Vec<f64> = rows.iter().map(|row| first(row)).collect();
        for _ in 0..ROUNDS {
            for _ in 0..2 {
                model.step_questions(rows, &theta);
            }
            for (theta, row) in theta.iter_mut().zip(rows) {
                *theta = model.step_ability(*theta, row);
            }
        }
        model
    }

    /// One Newton step for every question; abilities are fixed.
    fn step_questions(&mut self, rows: &[Answers], theta: &[f64]) {
        let n = self.a.len();
        // Gradient and curvature of the log posterior: by a, by d, by both.
        let mut sums: Vec<[f64; 5]> = (0..n)
            .map(|q| [(MEAN_A - self.a[q]) / VAR_A, -self.d[q] / VAR_D, 1.0 / VAR_A, 1.0 / VAR_D, 0.0])
            .collect();
        for (row, &t) in rows.iter().zip(theta) {
            for &(q, share) in row {
                let p = self.right(q, t);
                let (error, spread) = (share - p, p * (1.0 - p));
                let sum = &mut sums[q];
                sum[0] += error * t;
                sum[1] += error;
                sum[2] += spread * t * t;
                sum[3] += spread;
                sum[4] += spread * t;
            }
        }
        for (q, [ga, gd, haa, hdd, had]) in sums.into_iter().enumerate() {
            let det = haa * hdd - had * had;
            let (step_a, step_d) = ((hdd * ga - had * gd) / det, (haa * gd - had * ga) / det);
            self.a[q] = (self.a[q] + step_a.clamp(-0.5, 0.5)).clamp(0.1, 4.0);
            self.d[q] = (self.d[q] + step_d.clamp(-1.5, 1.5)).clamp(-12.0, 12.0);
        }
    }

    fn step_ability(&self, theta: f64, row: &[(usize, f64)]) -> f64 {
        let (mut gradient, mut curvature) = (-theta / VAR_THETA, 1.0 / VAR_THETA);
        for &(q, share) in row {
            let p = self.right(q, theta);
            gradient += self.a[q] * (share - p);
            curvature += self.a[q] * self.a[q] * p * (1.0 - p);
        }
        (theta + (gradient / curvature).clamp(-1.5, 1.5)).clamp(-8.0, 8.0)
    }

    /// A candidate's ability: the most likely one for its answers.
    #[must_use]
    pub fn ability(&self, row: &[(usize, f64)]) -> f64 {
        (0..STEPS).fold(first(row), |theta, _| self.step_ability(theta, row))
    }

    /// Mean share over all questions of a candidate with these answers.
    #[must_use]
    pub fn estimate(&self, row: &[(usize, f64)]) -> Estimate {
        let theta = self.ability(row);
        let mut answers: Vec<Option<f64>> = vec![None; self.a.len()];
        for &(q, share) in row {
            answers[q] = Some(share);
        }
        let (mut sum, mut variance) = (0.0, 0.0);
        for (q, answer) in answers.iter().enumerate() {
            let p = self.right(q, theta);
            sum += answer.unwrap_or(p);
            variance += if answer.is_some() { 0.0 } else { p * (1.0 - p) };
        }
        let n = self.a.len().max(1) as f64;
        Estimate { share: sum / n, deviation: variance.sqrt() / n }
    }

    /// The questions in order of information, most informative first (Fisher information, the mean over these
    /// abilities). Questions with equal information keep the order of `order`.
    #[must_use]
    pub fn most_informative(&self, abilities: &[f64], order: &[usize]) -> Vec<usize> {
        let information = |q: usize| -> f64 {
            let one = |&t: &f64| {
                let p = self.right(q, t);
                self.a[q] * self.a[q] * p * (1.0 - p)
            };
            abilities.iter().map(one).sum()
        };
        let information: Vec<f64> = (0..self.a.len()).map(information).collect();
        let mut out = order.to_vec();
        out.sort_by(|&x, &y| information[y].total_cmp(&information[x]));
        out
    }

    fn right(&self, q: usize, theta: f64) -> f64 {
        1.0 / (1.0 + libm::exp(-(self.a[q] * theta + self.d[q])))
    }
}

/// The starting ability: the log odds of the mean share, shrunk towards 0.
fn first(row: &[(usize, f64)]) -> f64 {
    let mean = row.iter().map(|(_, share)| share).sum::<f64>() / row.len().max(1) as f64;
    libm::log((20.0 * mean + 1.0) / (20.0 * (1.0 - mean) + 1.0))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    use super::*;

    /// 40 candidates of abilities −3 to 3, and questions of every difficulty, of which every third is uninformative.
    /// Returns the model that drew the answers, and the answers.
    fn world() -> (Irt, Vec<Answers>) {
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let n = 120;
        let a = (0..n).map(|q| if q % 3 == 0 { 0.1 } else { 1.5 }).collect();
        let d = (0..n).map(|q| 6.0 * q as f64 / n as f64 - 3.0).collect();
        let model = Irt { a, d };
        let row = |c: usize| {
            let theta = 6.0 * c as f64 / 39.0 - 3.0;
            (0..n).map(|q| (q, f64::from(u8::from(rng.random::<f64>() < model.right(q, theta))))).collect()
        };
        let rows = (0..40).map(row).collect();
        (model, rows)
    }

    fn mean(row: &[(usize, f64)]) -> f64 {
        row.iter().map(|(_, share)| share).sum::<f64>() / row.len() as f64
    }

    #[test]
    fn few_telling_questions_say_more_than_as_many_others() {
        let (_, rows) = world();
        let (known, asked): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(|(c, _)| c % 2 == 0);
        let known: Vec<Answers> = known.into_iter().map(|(_, row)| row.clone()).collect();
        let model = Irt::fit(120, &known);
        let abilities: Vec<f64> = known.iter().map(|row| model.ability(row)).collect();
        assert!(abilities.windows(4).all(|w| w[3] > w[0]), "{abilities:?}");
        let order: Vec<usize> = (0..120).map(|q| q * 77 % 120).collect();
        let most_informative = model.most_informative(&abilities, &order);
        let flat = most_informative[..30].iter().filter(|q| **q % 3 == 0).count();
        assert!(flat <= 3, "{flat} of the 30 first tell nothing");
        // Compares the estimate's error with that of the mean over the same number of questions in plain order.
        let (mut by_model, mut by_mean) = (0.0, 0.0);
        for (_, row) in &asked {
            let some = |order: &[usize]| order[..20].iter().map(|&q| row[q]).collect::<Answers>();
            by_model += (model.estimate(&some(&most_informative)).share - mean(row)).abs();
            by_mean += (mean(&some(&order)) - mean(row)).abs();
        }
        let n = asked.len() as f64;
        assert!(by_model / n < 0.06 && by_model < 0.8 * by_mean, "{} {}", by_model / n, by_mean / n);
    }

    #[test]
    fn with_every_answer_the_estimate_is_the_truth_and_equal_answers_fit_equally() {
        let (_, rows) = world();
        let model = Irt::fit(120, &rows);
        assert_eq!(model, Irt::fit(120, &rows));
        for row in &rows {
            let found = model.estimate(row);
            assert!((found.share - mean(row)).abs() < 1e-12 && found.deviation == 0.0);
            assert!(model.estimate(&row[..60]).deviation > 0.0);
        }
    }

    #[test]
    fn nothing_known_and_all_alike_are_sound() {
        for rows in [vec![], vec![vec![]], vec![vec![(0, 1.0), (1, 1.0)]; 50], vec![vec![(1, 0.0)]; 50]] {
            let model = Irt::fit(2, &rows);
            for row in [vec![], vec![(0, 1.0)], vec![(0, 0.0), (1, 0.5)]] {
                let found = model.estimate(&row);
                assert!((0.0..=1.0).contains(&found.share) && found.deviation.is_finite(), "{found:?}");
            }
        }
        let none = Irt::fit(0, &[]);
        assert_eq!(none.estimate(&[]).deviation.to_bits(), 0.0f64.to_bits());
        assert_eq!(none.most_informative(&[], &[]), Vec::<usize>::new());
    }
}
