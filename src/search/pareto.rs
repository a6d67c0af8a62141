//! The order of points with several objectives: fronts and crowding (Deb et al. 2002, "A fast and elitist
//! multiobjective genetic algorithm: NSGA-II", section III). Higher is better in each objective. Objectives come in,
//! indices and distances go out; `nsga.rs` calls it.

/// Whether `a` dominates `b`: worse in no objective and better in at least one.
#[must_use]
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a >= b) && a.iter().zip(b).any(|(a, b)| a > b)
}

/// Indices in fronts. No point dominates the first front; each later front is dominated only by earlier fronts.
#[must_use]
pub fn fronts(objectives: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let n = objectives.len();
    let mut beats: Vec<Vec<usize>> = vec![Vec::new(); n];
    let mut beaten_by = vec![0usize; n];
    for i in 0..n {
        for j in i + 1..n {
            if dominates(&objectives[i], &objectives[j]) {
                beats[i].push(j);
                beaten_by[j] += 1;
            } else if dominates(&objectives[j], &objectives[i]) {
                beats[j].push(i);
                beaten_by[i] += 1;
            }
        }
    }
    let mut front: Vec<usize> = (0..n).filter(|&i| beaten_by[i] == 0).collect();
    let mut out = Vec::new();
    while !front.is_empty() {
        let mut next = Vec::new();
        for &i in &front {
            for &j in &beats[i] {
                beaten_by[j] -= 1;
                if beaten_by[j] == 0 {
                    next.push(j);
                }
            }
        }
        next.sort_unstable();
        out.push(std::mem::replace(&mut front, next));
    }
    out
}

/// Crowding distance of each member of a front, in the front's order: the sum over objectives of the gap between the
/// member's neighbours, as a share of the front's range. It is infinite at the ends.
#[must_use]
pub fn crowding(front: &[usize], objectives: &[Vec<f64>]) -> Vec<f64> {
    let mut out = vec![0.0; front.len()];
    let count = front.first().map_or(0, |&i| objectives[i].len());
    for values in (0..count).map(|m| front.iter().map(|&i| objectives[i][m]).collect::<Vec<f64>>()) {
        let value = |k: usize| values[k];
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
        let (first, last) = (order[0], order[order.len() - 1]);
        let range = value(last) - value(first);
        out[first] = f64::INFINITY;
        out[last] = f64::INFINITY;
        if range > 0.0 && range.is_finite() {
            for three in order.windows(3) {
                out[three[1]] += (value(three[2]) - value(three[0])) / range;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_and_crowding_by_hand() {
        let points = [[0.0, 4.0], [1.0, 3.0], [4.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 3.0]];
        let points: Vec<Vec<f64>> = points.iter().map(|p| p.to_vec()).collect();
        let fronts = fronts(&points);
        assert_eq!(fronts, [vec![0, 1, 2, 5], vec![3], vec![4]]);
        let distance = crowding(&fronts[0], &points);
        assert!(distance[0].is_infinite() && distance[2].is_infinite());
        // Equal points are adjacent, so each has its twin on one side and an end on the other.
        let (a, b) = (distance[1], distance[3]);
        assert!((a + b - (0.25 + 0.75) * 2.0).abs() < 1e-12, "{a} {b}");
        assert_eq!(crowding(&fronts[2], &points), [f64::INFINITY]);
        assert!(super::fronts(&[]).is_empty());
        assert!(crowding(&[], &points).is_empty());
    }
}
