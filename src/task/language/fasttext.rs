//! fastText's language identifier lid.176, read from its quantised model file and run as C++ fastText 0.9.2 runs it:
//! the same words, hashes, tree and rounding (Joulin et al., arXiv 1607.01759 and 1612.03651). It reads hierarchical
//! softmax over an average of quantised word and n-gram rows, and refuses any other kind of model.
//!
//! No crate is used because fastText ends words at six ASCII bytes only. It treats U+3000, the Japanese space, as a
//! letter; splitting there changes verdicts.

use std::collections::HashMap;

/// A loaded model.
#[derive(Debug)]
pub struct Lid {
    dim: usize,
    bucket: u32,
    ngrams: std::ops::RangeInclusive<usize>,
    words: HashMap<Vec<u8>, u32>,
    labels: Vec<String>,
    /// Maps an n-gram's bucket to its row, for the n-grams that the model keeps.
    rows_of_buckets: HashMap<u32, u32>,
    /// Rows of words and n-grams, `dim` numbers each, row by row.
    input: Vec<f32>,
    /// Rows of the tree's inner nodes.
    output: Vec<f32>,
    /// Children of the inner nodes. A number below the number of labels is a label.
    tree: Vec<[u32; 2]>,
}

/// fastText's logarithm, which adds a small number so that it never sees zero.
fn log(x: f32) -> f32 {
    (x + 1e-5).ln()
}

const END_OF_SENTENCE: &[u8] = b"</s>";
const LABEL: &[u8] = b"__label__";

impl Lid {
    /// Reads the bytes of a model file; `None` if they are not a model of this kind.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        // Magic number and format version.
        if (r.i32()?, r.i32()?) != (793_712_314, 12) {
            return None;
        }
        let args: Vec<i32> = (0..12).map(|_| r.i32()).collect::<Option<_>>()?;
        r.take(8)?;
        let (dim, word_ngrams, loss, bucket) =
            (r.size(args[0])?, args[5], args[6], u32::try_from(args[8]).ok()?);
        let ngrams = r.size(args[9])?..=r.size(args[10])?;
        // Single words, not pairs of words; hierarchical softmax.
        if dim == 0 || bucket == 0 || (word_ngrams, loss) != (1, 1) {
            return None;
        }

        let (entries, word_count, label_count) = (r.count()?, r.count()?, r.count()?);
        let (_, pruned) = (r.i64()?, r.i64()?);
        let (mut words, mut labels, mut counts) = (HashMap::new(), Vec::new(), Vec::new());
        for index in 0..entries {
            let word = r.string()?;
            let count = r.i64()?;
            if r.take(1)? == [0] {
                words.insert(word.to_vec(), index as u32);
            } else {
                labels.push(String::from_utf8_lossy(word.strip_prefix(LABEL)?).into_owned());
                counts.push(count);
            }
        }
        let mut rows_of_buckets = HashMap::new();
        for _ in 0..pruned {
            let (from, to) = (u32::try_from(r.i32()?).ok()?, u32::try_from(r.i32()?).ok()?);
            rows_of_buckets.insert(from, to.checked_add(word_count as u32)?);
        }
        // A model that keeps every n-gram (−1) would need another table. The tree needs counts in a sane range.
        if pruned < 0
            || counts.iter().any(|c| !(0..i64::MAX / 512).contains(c))
            || (words.len(), labels.len()) != (word_count, label_count)
            || labels.is_empty()
        {
            return None;
        }

        if r.take(1)? != [1] {
            return None;
        }
        let input = r.quantised(dim)?;
        if r.take(1)? != [0] {
            return None;
        }
        let rows = usize::try_from(r.i64()?).ok()?;
        if (rows, usize::try_from(r.i64()?).ok()?) != (labels.len(), dim) {
            return None;
        }
        let output = r.floats(rows.checked_mul(dim)?)?;
        let tree = huffman(&counts);
        Some(Self { dim, bucket, ngrams, words, labels, rows_of_buckets, input, output, tree })
    }

    /// Codes of the languages that the model tells apart.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().map(String::as_str)
    }

    /// Labels with their probabilities, in no order. Labels below 1e-5 may be left out. A newline ends the text, as in
    /// fastText.
    #[must_use]
    pub fn predict(&self, text: &str) -> Vec<(&str, f32)> {
        let mut hidden = vec![0.0; self.dim];
        let mut count = 0u32;
        let mut add = |row: u32| {
            let start = row as usize * self.dim;
            if let Some(values) = self.input.get(start..start + self.dim) {
                hidden.iter_mut().zip(values).for_each(|(h, v)| *h += v);
                count += 1;
            }
        };
        let line = text.as_bytes().split(|b| *b == b'\n').next().unwrap_or_default();
        let tokens =
            line.split(|b| matches!(b, b' ' | b'\t' | b'\r' | 0x0b | 0x0c | 0)).filter(|t| !t.is_empty());
        for token in tokens.chain([END_OF_SENTENCE]) {
            self.rows_of(token, &mut add);
            if token == END_OF_SENTENCE {
                break;
            }
        }
        if count == 0 {
            return Vec::new();
        }
        let scale = 1.0 / count as f32;
        for h in &mut hidden {
            *h *= scale;
        }
        self.leaves(&hidden)
    }

    /// Calls `add` with the row of a word and of each of its n-grams.
    fn rows_of(&self, token: &[u8], add: &mut impl FnMut(u32)) {
        match self.words.get(token) {
            Some(&row) => add(row),
            None if token.starts_with(LABEL) => return,
            None => {}
        }
        if token == END_OF_SENTENCE {
            return;
        }
        let word = [b"<", token, b">"].concat();
        let (least, most) = (*self.ngrams.start(), *self.ngrams.end());
        let continues = |i: usize| word.get(i).is_some_and(|b| b & 0xC0 == 0x80);
        for start in (0..word.len()).filter(|&i| !continues(i)) {
            let mut hash = FNV_OFFSET;
            let mut end = start;
            for letters in 1..=most {
                if end == word.len() {
                    break;
                }
                let from = end;
                end += 1;
                while continues(end) {
                    end += 1;
                }
                hash = fnv(hash, &word[from..end]);
                let marker = letters == 1 && (start == 0 || end == word.len());
                if letters >= least
                    && !marker
                    && let Some(&row) = self.rows_of_buckets.get(&(hash % self.bucket))
                {
                    add(row);
                }
            }
        }
    }

    /// Walks the tree from its root. Branches below fastText's threshold of ln 1e-5 are cut off.
    fn leaves(&self, hidden: &[f32]) -> Vec<(&str, f32)> {
        let labels = self.labels.len();
        let root = labels + self.tree.len() - 1;
        let (mut open, mut out) = (vec![(root, 0.0f32)], Vec::new());
        while let Some((node, score)) = open.pop() {
            if score < log(0.0) {
                continue;
            }
            let Some(inner) = node.checked_sub(labels) else {
                out.push((self.labels[node].as_str(), score.exp()));
                continue;
            };
            let row = &self.output[inner * self.dim..][..self.dim];
            let dot: f32 = row.iter().zip(hidden).map(|(a, b)| a * b).sum();
            let right = 1.0 / (1.0 + (-dot).exp());
            let [a, b] = self.tree[inner];
            open.push((a as usize, score + log(1.0 - right)));
            open.push((b as usize, score + log(right)));
        }
        out
    }
}

const FNV_OFFSET: u32 = 2_166_136_261;

/// FNV-1a with each byte sign-extended first, as fastText does.
fn fnv(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |h, &b| (h ^ i32::from(b.cast_signed()) as u32).wrapping_mul(16_777_619))
}

/// The Huffman tree over labels in order of falling count: the children of each inner node. The root is last.
fn huffman(counts: &[i64]) -> Vec<[u32; 2]> {
    let labels = counts.len();
    let mut weight: Vec<i64> = counts.to_vec();
    let mut tree: Vec<[u32; 2]> = Vec::new();
    let (mut leaf, mut node) = (labels, labels);
    while tree.len() + 1 < labels {
        let mut next = || {
            // Inner nodes that don't exist yet count as heavier than any label.
            let made = weight.get(node).copied().unwrap_or(i64::MAX);
            if leaf > 0 && weight[leaf - 1] < made {
                leaf -= 1;
                leaf
            } else {
                node += 1;
                node - 1
            }
        };
        let pair = [next(), next()];
        weight.push(weight[pair[0]].saturating_add(weight[pair[1]]));
        tree.push(pair.map(|i| i as u32));
    }
    tree
}

/// Little-endian numbers from the front of a byte slice; `None` once it is used up.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(front)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take(4)?.try_into().ok().map(i32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take(8)?.try_into().ok().map(i64::from_le_bytes)
    }

    fn size(&self, n: i32) -> Option<usize> {
        // No part of the file is larger than the file.
        usize::try_from(n).ok().filter(|n| *n <= self.0.len())
    }

    fn count(&mut self) -> Option<usize> {
        let n = self.i32()?;
        self.size(n)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|b| *b == 0)?;
        let word = self.take(end)?;
        self.take(1)?;
        Some(word)
    }

    fn floats(&mut self, n: usize) -> Option<Vec<f32>> {
        let bytes = self.take(n.checked_mul(4)?)?;
        Some(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// Reads and decodes a product-quantised matrix of `dim` columns. Each row is a few one-byte codes of centroids,
    /// times the row's norm if norms are stored separately.
    fn quantised(&mut self, dim: usize) -> Option<Vec<f32>> {
        let with_norms = self.take(1)? == [1];
        let rows = usize::try_from(self.i64()?).ok()?;
        if usize::try_from(self.i64()?).ok()? != dim {
            return None;
        }
        let code_count = self.count()?;
        let codes = self.take(code_count)?;
        let centroids = Centroids::read(self, dim)?;
        let per_row = centroids.parts;
        if rows.checked_mul(per_row)? != codes.len() {
            return None;
        }
        let norms = if with_norms {
            let codes = self.take(rows)?;
            let norms = Centroids::read(self, 1)?;
            Some(codes.iter().map(|&c| norms.of(0, c)[0]).collect::<Vec<f32>>())
        } else {
            None
        };
        let mut out = Vec::with_capacity(rows.checked_mul(dim)?);
        for (row, codes) in codes.chunks_exact(per_row).enumerate() {
            let norm = norms.as_ref().map_or(1.0, |n| n[row]);
            for (part, &code) in codes.iter().enumerate() {
                out.extend(centroids.of(part, code).iter().map(|v| norm * v));
            }
        }
        Some(out)
    }
}

/// 256 centroids for each part of a row; the last part may be shorter.
struct Centroids {
    parts: usize,
    part: usize,
    last: usize,
    values: Vec<f32>,
}

impl Centroids {
    fn read(r: &mut Reader, dim: usize) -> Option<Self> {
        let (found, parts, part, last) = (r.count()?, r.count()?, r.count()?, r.count()?);
        let covered = parts.checked_sub(1)?.checked_mul(part)?.checked_add(last)?;
        if found != dim || covered != dim {
            return None;
        }
        Some(Self { parts, part, last, values: r.floats(dim.checked_mul(256)?)? })
    }

    fn of(&self, part: usize, code: u8) -> &[f32] {
        let length = if part + 1 == self.parts { self.last } else { self.part };
        &self.values[part * 256 * self.part + usize::from(code) * length..][..length]
    }
}
