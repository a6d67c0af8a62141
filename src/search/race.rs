//! Racing: the candidates of a generation answer the questions block by block, in one order, and a candidate stops as
//! soon as its remaining answers can't matter. The fitness from each question comes in, the candidates that stop go
//! out. The session's evolve loop calls it after every block.
//!
//! A search by ranks only needs to know which candidates are in the better half. So a candidate stops if it can't enter
//! the better half.
//! - With error rate 0 this must be certain: at least as many other candidates as the better half holds stay above the
//!   candidate, even if it gets every remaining question right and they get none.
//! - With a higher error rate a paired test decides, on the questions answered so far. The candidate stops if its mean
//!   difference to the last candidate of the better half is below 0 by more than the rate allows. It is a z test with
//!   the finite-population correction, since questions in random order are a sample without replacement. The rate is
//!   that of one comparison.
//!
//! With a reliability (0.8, say) the generation stops when the reliability of its ranks reaches that value: Hoyt 1941,
//! <https://doi.org/10.1007/BF02289270>, 1 - MSE / MS of the two-way analysis of variance, with the same correction.
//! After that, or when only the better half is left, a candidate continues only if it may beat the session's best: the
//! test does not put it below the session's best nor, with a reliability, below the best of its generation.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

use super::normal::quantile;

/// The rules of a race.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Race {
    /// Number of questions in a complete evaluation.
    pub total: usize,
    /// The least and the greatest fitness that one question can give.
    pub bounds: (f64, f64),
    /// Error rate of one comparison: how often it may stop a candidate that is no worse. With 0 a candidate stops only
    /// if the result is certain.
    pub error: f64,
    /// Reliability of the ranks at which the generation stops; 0 never stops it.
    pub reliability: f64,
    /// Number of candidates in the better half.
    pub better_half: usize,
}

/// A candidate of the generation, with its fitness from each question answered so far.
#[derive(Clone, Copy, Debug)]
pub struct RacedCandidate<'a> {
    pub values: &'a [f64],
    /// The candidate has stopped, or has answered every question.
    pub done: bool,
}

impl Race {
    /// Which candidates stop now. Call it when all running candidates have answered the same questions. `best` is the
    /// fitness of the session's best candidate from each question.
    #[must_use]
    pub fn stops(&self, candidates: &[RacedCandidate], best: Option<&[f64]>) -> Vec<bool> {
        let mut out = vec![false; candidates.len()];
        let mut order: Vec<usize> =
            (0..candidates.len()).filter(|&i| self.is_ranked(candidates[i])).collect();
        order.sort_by(|&a, &b| mean(candidates[b].values).total_cmp(&mean(candidates[a].values)));
        let open = |i: &usize| !candidates[*i].done;
        if self.error <= 0.0 {
            let lowest = |i: usize| self.bound(candidates[i].values, self.bounds.0);
            let mut lows: Vec<f64> = order.iter().map(|&i| lowest(i)).collect();
            lows.sort_by(|a, b| b.total_cmp(a));
            let Some(bar) = self.better_half.checked_sub(1).and_then(|k| lows.get(k)) else { return out };
            for &i in order.iter().filter(|i| open(i)) {
                out[i] = self.bound(candidates[i].values, self.bounds.1) < *bar;
            }
            return out;
        }
        // If no more candidates are left than the better half holds, all of them belong to it.
        if let Some(&last) = self.better_half.checked_sub(1).and_then(|k| order.get(k)) {
            for &i in order[self.better_half..].iter().filter(|i| open(i)) {
                out[i] = self.below(candidates[i].values, candidates[last].values);
            }
        }
        let left = order.iter().filter(|&&i| !out[i]).count();
        let settled = || {
            let rows: Vec<&[f64]> = order.iter().map(|&i| candidates[i].values).collect();
            self.reliability > 0.0 && self.reliability(&rows) >= self.reliability
        };
        if left <= self.better_half || settled() {
            let first = order.first().map(|&i| candidates[i].values);
            let ahead: Vec<&[f64]> =
                best.into_iter().chain(first.filter(|_| self.reliability > 0.0)).collect();
            for &i in order.iter().filter(|i| open(i)) {
                out[i] = out[i] || ahead.iter().any(|ahead| self.below(candidates[i].values, ahead));
            }
        }
        out
    }

    /// Reliability of the ranks: the share of the variance between candidates' means that is not due to the choice of
    /// questions. It is 1 if the remaining questions can't change any rank, and 0 or less if all differences may be
    /// chance. Only the questions that all candidates have answered count.
    fn reliability(&self, rows: &[&[f64]]) -> f64 {
        let n = rows.iter().map(|row| row.len()).min().unwrap_or(0);
        let m = rows.len();
        if n < 2 || m < 2 {
            return 0.0;
        }
        let means: Vec<f64> = rows.iter().map(|row| mean(&row[..n])).collect();
        let all = mean(&means);
        let between = means.iter().map(|x| (x - all).powi(2)).sum::<f64>() / (m - 1) as f64;
        let mut rest = 0.0;
        for q in 0..n {
            let question = rows.iter().map(|row| row[q]).sum::<f64>() / m as f64;
            rest +=
                rows.iter().zip(&means).map(|(row, x)| (row[q] - x - question + all).powi(2)).sum::<f64>();
        }
        let rest = rest / ((m - 1) * (n - 1)) as f64;
        let unseen = self.total.saturating_sub(n) as f64 / (self.total - 1).max(1) as f64;
        if between > 0.0 { 1.0 - rest / n as f64 * unseen / between } else { 0.0 }
    }

    /// Whether a candidate is ranked: it is still running, or has answered every question.
    fn is_ranked(&self, runner: RacedCandidate) -> bool {
        !runner.done || runner.values.len() >= self.total
    }

    /// The fitness if each remaining question gives `rest`.
    fn bound(&self, values: &[f64], rest: f64) -> f64 {
        let left = self.total.saturating_sub(values.len()) as f64;
        (values.iter().sum::<f64>() + left * rest) / self.total.max(1) as f64
    }

    /// Whether `a` is worse than `b` by more than the error rate allows, on the questions that both have answered.
    fn below(&self, a: &[f64], b: &[f64]) -> bool {
        let pairs: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        let n = pairs.len();
        if n < 2 || n >= self.total {
            return n >= self.total && mean(&pairs) < 0.0;
        }
        let difference = mean(&pairs);
        let variance = pairs.iter().map(|d| (d - difference).powi(2)).sum::<f64>() / (n - 1) as f64;
        let unseen = (self.total - n) as f64 / (self.total - 1) as f64;
        difference < 0.0 && difference < quantile(self.error) * (variance / n as f64 * unseen).sqrt()
    }
}

/// How many standard deviations a one-sided test with this error rate allows: Φ⁻¹(1 − `error`).
#[must_use]
pub fn error_quantile(error: f64) -> f64 {
    -quantile(error)
}

/// The order in which the candidates of a session, or of one generation, answer its `n` questions.
#[must_use]
pub fn question_order(n: usize, seed: u64) -> Vec<usize> {
    let mut out: Vec<usize> = (0..n).collect();
    out.shuffle(&mut ChaCha12Rng::seed_from_u64(seed ^ 0x7ace));
    out
}

/// The fitness by which candidates are ranked if some stopped early. Each candidate's mean and number of answers come
/// in. A candidate with fewer answers ranks behind every candidate with more; with equal numbers of answers the mean
/// decides. NaN is a failure and stays NaN.
#[must_use]
pub fn ranking_fitness(found: &[(f64, usize)]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..found.len()).filter(|&i| !found[i].0.is_nan()).collect();
    order.sort_by(|&a, &b| found[b].1.cmp(&found[a].1).then(found[b].0.total_cmp(&found[a].0)));
    let mut out: Vec<f64> = found.iter().map(|f| f.0).collect();
    let (mut bar, mut above) = (f64::INFINITY, None);
    for &i in &order {
        let (mean, answers) = found[i];
        // Equal means with equal numbers of answers stay equal.
        let equal = above == Some((mean.to_bits(), answers));
        let told = if equal {
            bar
        } else if mean < bar {
            mean
        } else {
            bar - 1e-9 * (1.0 + bar.abs())
        };
        out[i] = told;
        bar = told;
        above = Some((mean.to_bits(), answers));
    }
    out
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(error: f64, keep: usize, values: &[Vec<f64>], best: Option<&[f64]>) -> Vec<bool> {
        let race = Race { total: 10, bounds: (0.0, 1.0), error, reliability: 0.0, better_half: keep };
        let candidates: Vec<RacedCandidate> =
            values.iter().map(|values| RacedCandidate { values, done: false }).collect();
        race.stops(&candidates, best)
    }

    fn row(right: usize, of: usize) -> Vec<f64> {
        (0..of).map(|i| if i < right { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn certain_means_that_all_the_rest_right_is_not_enough() {
        // 7 right of 8 end as at least 7 of 10; 4 of 8 end as at most 6.
        assert_eq!(stops(0.0, 1, &[row(7, 8), row(4, 8)], None), [false, true]);
        assert_eq!(stops(0.0, 1, &[row(7, 8), row(5, 8)], None), [false, false]);
        assert_eq!(stops(0.0, 2, &[row(7, 8), row(4, 8)], None), [false, false]);
        assert_eq!(stops(0.0, 0, &[row(7, 8)], None), [false]);
    }

    #[test]
    fn a_certain_stop_never_ends_one_of_the_better_half() {
        // Whatever the remaining questions give, a stopped candidate ends below `keep` others.
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut all = 0;
        for _ in 0..300 {
            let values: Vec<Vec<f64>> = (0..6)
                .map(|i| {
                    let mut row = row(i * 2, 10);
                    row.shuffle(&mut rng);
                    row
                })
                .collect();
            for n in 1..10 {
                let part: Vec<Vec<f64>> = values.iter().map(|v| v[..n].to_vec()).collect();
                for (i, _) in stops(0.0, 3, &part, None).iter().enumerate().filter(|(_, s)| **s) {
                    assert!(i < 3, "candidate {i} of 0..6, of which 3, 4 and 5 are the better half");
                    all += 1;
                }
            }
        }
        assert!(all > 300, "{all}");
    }

    #[test]
    fn the_paired_test_keeps_its_error() {
        // Two equally good candidates: in about one of twenty first comparisons the worse one is stopped.
        let mut rng = ChaCha12Rng::seed_from_u64(2);
        let race = Race { total: 1000, bounds: (0.0, 1.0), error: 0.05, reliability: 0.0, better_half: 1 };
        let (a, b) = (row(500, 1000), row(500, 1000));
        let mut stopped = 0;
        for _ in 0..2000 {
            let (mut a, mut b) = (a.clone(), b.clone());
            a.shuffle(&mut rng);
            b.shuffle(&mut rng);
            stopped += usize::from(race.below(&a[..100], &b[..100]));
        }
        assert!((50..150).contains(&stopped), "{stopped} of 2000");
    }

    #[test]
    fn the_better_half_goes_on_while_it_may_be_the_best() {
        let best = row(10, 10);
        assert_eq!(stops(0.05, 1, &[row(2, 8), row(0, 8)], Some(&best)), [true, true]);
        assert_eq!(stops(0.05, 1, &[row(8, 8), row(0, 8)], Some(&best)), [false, true]);
        // This also holds if fewer candidates are left than the better half holds.
        let (far, near) = (row(1, 8), row(8, 8));
        assert_eq!(stops(0.05, 3, &[near, far], Some(&best)), [false, true]);
        // The test can't separate equal candidates, even if every answer is the same.
        assert_eq!(stops(0.05, 1, &[row(4, 8), row(4, 8)], Some(&row(4, 10))), [false, false]);
        assert_eq!(stops(0.4, 1, &[row(1, 1), row(0, 1)], None), [false, false]);
    }

    #[test]
    fn reliability_is_cronbachs_alpha() {
        // With infinitely many questions both formulas agree: k / (k - 1) (1 - sum of the items' variances / that of
        // sums).
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let race =
            Race { total: usize::MAX, bounds: (0.0, 1.0), error: 0.3, reliability: 0.5, better_half: 2 };
        let variance = |x: &[f64]| {
            let middle = mean(x);
            x.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / (x.len() - 1) as f64
        };
        for _ in 0..20 {
            let rows: Vec<Vec<f64>> = (0..5)
                .map(|i| {
                    let mut row = row(2 + 2 * i, 12);
                    row.shuffle(&mut rng);
                    row
                })
                .collect();
            let items: f64 =
                (0..12).map(|q| variance(&rows.iter().map(|row| row[q]).collect::<Vec<_>>())).sum();
            let sums: Vec<f64> = rows.iter().map(|row| row.iter().sum()).collect();
            let alpha = 12.0 / 11.0 * (1.0 - items / variance(&sums));
            let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
            let found = race.reliability(&rows);
            assert!((found - alpha).abs() < 1e-9, "{found} {alpha}");
            // A finite set of questions leaves less to chance, and nothing once all questions are answered.
            let finite = |total| Race { total, ..race }.reliability(&rows);
            assert!(finite(24) > found && (finite(12) - 1.0).abs() < 1e-12);
        }
        let same = row(3, 8);
        assert!(race.reliability(&[&same, &same]).abs() < 1e-12 && race.reliability(&[&same]).abs() < 1e-12);
    }

    #[test]
    fn a_settled_generation_stops_but_for_who_may_be_the_best() {
        let values = [row(8, 8), row(7, 8), row(6, 8)];
        let stops = |reliability, best: Option<&[f64]>| {
            let race = Race { total: 40, bounds: (0.0, 1.0), error: 0.1, reliability, better_half: 2 };
            race.stops(&values.each_ref().map(|values| RacedCandidate { values, done: false }), best)
        };
        // The last candidate does not differ from the last of the better half, but differs clearly from the best.
        assert_eq!(stops(0.0, None), [false; 3]);
        assert_eq!(stops(0.9, None), [false; 3]);
        assert_eq!(stops(0.3, None), [false, false, true]);
        assert_eq!(stops(0.3, Some(&row(8, 8))), [false, false, true]);
    }

    #[test]
    fn fewer_answers_rank_behind_more() {
        let told =
            ranking_fitness(&[(0.9, 10), (0.5, 150), (0.95, 10), (f64::NAN, 0), (0.6, 150), (0.2, 20)]);
        let mut order: Vec<usize> = (0..6).filter(|&i| i != 3).collect();
        order.sort_by(|&a, &b| told[b].total_cmp(&told[a]));
        assert_eq!(order, [4, 1, 5, 2, 0]);
        assert!(told[3].is_nan());
        assert!((told[4] - 0.6).abs() < 1e-12 && (told[1] - 0.5).abs() < 1e-12);
        let equal = ranking_fitness(&[(0.5, 10), (0.5, 10)]);
        assert_eq!(equal[0].to_bits(), equal[1].to_bits());
    }

    #[test]
    fn the_order_is_one_of_all_questions() {
        let mut order = question_order(50, 3);
        assert_ne!(order, (0..50).collect::<Vec<_>>());
        assert_eq!(order, super::question_order(50, 3));
        order.sort_unstable();
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }
}
