//! The merges of a BPE whose file lists only pieces, computed like transformers' `generate_merges`. In: pieces with
//! their ids or scores. Out: every pair of pieces that forms a third, in the order of application.

use std::collections::HashMap;

use super::sentencepiece_file::LONGEST;

/// The lengths in bytes that occur among pieces: only splits into two such lengths are looked up.
struct Lengths([bool; LONGEST + 1]);

impl Lengths {
    fn of<'a>(pieces: impl Iterator<Item = &'a str>) -> Self {
        let mut out = [false; LONGEST + 1];
        pieces.filter(|p| p.len() <= LONGEST).for_each(|p| out[p.len()] = true);
        Self(out)
    }

    /// Longer pieces are not split; only other files can add names that long.
    fn has(&self, length: usize) -> bool {
        self.0.get(length) == Some(&true)
    }
}

/// Every pair of pieces that forms a piece, ordered by piece id and then by the lengths of the halves, as in
/// transformers' `generate_merges`.
pub(super) fn by_id(vocab: &HashMap<&str, u32>) -> Vec<[String; 2]> {
    let mut found: Vec<(u32, usize, usize, u32, u32, &str, &str)> = Vec::new();
    let there = Lengths::of(vocab.keys().copied());
    for (piece, id) in vocab {
        let letters = piece.chars().count();
        for (n, (at, _)) in piece.char_indices().enumerate().skip(1) {
            if !there.has(at) || !there.has(piece.len() - at) {
                continue;
            }
            let (left, right) = piece.split_at(at);
            if let (Some(l), Some(r)) = (vocab.get(left), vocab.get(right)) {
                found.push((*id, n, letters - n, *l, *r, left, right));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(.., left, right)| [left.to_owned(), right.to_owned()]).collect()
}

/// The same for pieces with scores: best score first, then by id and by the order of the halves.
pub(super) fn by_score(pieces: &HashMap<&str, (f32, u32)>) -> Vec<[String; 2]> {
    let mut found: Vec<(f32, u32, &str, &str)> = Vec::new();
    let there = Lengths::of(pieces.keys().copied());
    for (piece, (score, id)) in pieces {
        for (at, _) in piece.char_indices().skip(1) {
            if !there.has(at) || !there.has(piece.len() - at) {
                continue;
            }
            let (left, right) = piece.split_at(at);
            if pieces.contains_key(left) && pieces.contains_key(right) {
                found.push((-score, *id, left, right));
            }
        }
    }
    found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| (a.1, a.2, a.3).cmp(&(b.1, b.2, b.3))));
    found.into_iter().map(|(.., left, right)| [left.to_owned(), right.to_owned()]).collect()
}
