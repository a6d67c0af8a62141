//! Eigenvectors of a symmetric matrix: Householder tridiagonalisation and implicit QL with Wilkinson's shift (Golub &
//! Van Loan, Matrix Computations, 8.3). `covariance.rs` calls it. Rows are contiguous, so n = 200 takes a few
//! milliseconds. There are no threads and no fused multiply-add, so every machine computes the same digits.

/// Eigenvalues (n), not sorted, and eigenvectors as the rows of an n × n matrix. `a` is symmetric, n × n, row by row.
/// `None` if the iteration does not converge (numbers that are not finite).
pub(in crate::search) fn eigen(mut a: Vec<f64>, n: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let (mut diagonal, mut off, reflections) = tridiagonal(&mut a, n);
    let mut rows = identity(n);
    ql(&mut diagonal, &mut off, &mut rows, n)?;
    // Row k is an eigenvector of the tridiagonal matrix; Q turns it into an eigenvector of `a`.
    for row in rows.chunks_exact_mut(n.max(1)) {
        for (first, v, beta) in reflections.iter().rev() {
            let tail = &mut row[*first..];
            let factor = -beta * dot(tail, v);
            add(tail, factor, v);
        }
    }
    Some((diagonal, rows))
}

/// The reflections H = I − β v vᵀ, each with the index of its first row.
type Reflections = Vec<(usize, Vec<f64>, f64)>;

/// a → Qᵀ a Q with Q the product of the reflections: diagonal (n), off-diagonal (n, the last is 0).
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>, Reflections) {
    let mut off = vec![0.0; n];
    let mut reflections = Vec::with_capacity(n);
    for k in 0..n.saturating_sub(1) {
        let m = n - k - 1;
        let mut v = a[k * n + k + 1..k * n + n].to_vec();
        let scale = v.iter().fold(0.0f64, |s, x| s.max(x.abs()));
        if m == 1 || scale == 0.0 {
            off[k] = v[0];
            continue;
        }
        for x in &mut v {
            *x /= scale;
        }
        let norm = dot(&v, &v).sqrt();
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        off[k] = alpha * scale;
        v[0] -= alpha;
        let beta = 2.0 / dot(&v, &v);
        // p = β A v, w = p − β/2 (pᵀv) v, A ← A − v wᵀ − w vᵀ, on the trailing m × m block.
        let mut w = vec![0.0; m];
        for (i, &x) in v.iter().enumerate() {
            let row = (k + 1 + i) * n + k + 1;
            add(&mut w, beta * x, &a[row..row + m]);
        }
        let half = -0.5 * beta * dot(&w, &v);
        add(&mut w, half, &v);
        for i in 0..m {
            let row = (k + 1 + i) * n + k + 1;
            let (x, y) = (v[i], w[i]);
            for ((cell, vj), wj) in a[row..row + m].iter_mut().zip(&v).zip(&w) {
                *cell -= x * wj + y * vj;
            }
        }
        reflections.push((k + 1, v, beta));
    }
    (((0..n).map(|i| a[i * n + i])).collect(), off, reflections)
}

/// Diagonalises the tridiagonal matrix and applies every rotation to the rows.
fn ql(d: &mut [f64], e: &mut [f64], rows: &mut [f64], n: usize) -> Option<()> {
    for l in 0..n {
        for turn in 0.. {
            let small = |i: usize| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs());
            let m = (l..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
            if m == l {
                break;
            }
            if turn == 60 {
                return None;
            }
            let mut g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            let r = length(g, 1.0);
            g = d[m] - d[l] + e[l] / (g + if g < 0.0 { -r } else { r });
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut early = false;
            for i in (l..m).rev() {
                let f = s * e[i];
                let b = c * e[i];
                let r = length(f, g);
                e[i + 1] = r;
                if r == 0.0 {
                    d[i + 1] -= p;
                    e[m] = 0.0;
                    early = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                let (upper, lower) = rows[i * n..(i + 2) * n].split_at_mut(n);
                for (x, y) in upper.iter_mut().zip(lower) {
                    let f = *y;
                    *y = s * *x + c * f;
                    *x = c * *x - s * f;
                }
            }
            if !early {
                d[l] -= p;
                e[l] = g;
                e[m] = 0.0;
            }
        }
    }
    d.iter().all(|x| x.is_finite()).then_some(())
}

/// √(a² + b²) without overflow. Uses only operations that IEEE rounds in the same way everywhere.
fn length(a: f64, b: f64) -> f64 {
    let (a, b) = (a.abs(), b.abs());
    let (large, small) = if a > b { (a, b) } else { (b, a) };
    if large == 0.0 { 0.0 } else { large * (1.0 + (small / large) * (small / large)).sqrt() }
}

pub(in crate::search) fn identity(n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    out.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    out
}

/// aᵀb in four partial sums, which are always the same four.
pub(in crate::search) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in left.zip(right) {
        for k in 0..4 {
            sums[k] += x[k] * y[k];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// `to` ← `to` + `factor` · `from`.
pub(in crate::search) fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    for (x, y) in to.iter_mut().zip(from) {
        *x += factor * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::normal::{normals, stream};

    #[test]
    fn vectors_diagonalise_and_are_orthonormal() {
        for n in [1, 2, 3, 5, 17, 40] {
            for spread in [0.0, 8.0] {
                // A random symmetric matrix whose rows and columns differ greatly in size.
                let z = normals(&mut stream(n as u64, 0), n * n);
                let size = |i: usize| 10f64.powf(-spread * i as f64 / n as f64);
                let mut a = vec![0.0; n * n];
                for i in 0..n {
                    for j in 0..n {
                        a[i * n + j] = (z[i * n + j] + z[j * n + i]) * size(i) * size(j);
                    }
                }
                let (values, rows) = eigen(a.clone(), n).unwrap();
                let norm = a.iter().fold(0.0f64, |s, x| s.max(x.abs()));
                for (k, row) in rows.chunks_exact(n).enumerate() {
                    for i in 0..n {
                        let image = dot(&a[i * n..(i + 1) * n], row);
                        assert!((image - values[k] * row[i]).abs() < 1e-13 * norm * n as f64, "{n}");
                    }
                    for (l, other) in rows.chunks_exact(n).enumerate() {
                        let expected = f64::from(u8::from(k == l));
                        assert!((dot(row, other) - expected).abs() < 1e-13 * n as f64);
                    }
                }
            }
        }
    }

    #[test]
    fn matrices_with_nothing_to_do_and_broken_ones() {
        assert_eq!(eigen(vec![], 0).unwrap(), (vec![], vec![]));
        let (values, rows) = eigen(identity(4), 4).unwrap();
        assert_eq!((values, rows), (vec![1.0; 4], identity(4)));
        assert_eq!(eigen(vec![0.0; 9], 3).unwrap().0, [0.0; 3]);
        assert!(eigen(vec![f64::NAN; 9], 3).is_none());
    }
}
