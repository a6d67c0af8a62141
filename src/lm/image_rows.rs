//! Features of images as rows of a prompt: [`ImageFeatures`] of one image, [`ImageRows`] of several.
//!
//! In: what a vision tower and its projector give for an image. Out: ids above the vocabulary that stand for these rows
//! in a prompt ([`crate::lm::Reader::image_prompt`]), and the values of a row, which the forward pass puts in place of
//! a token's embedding. The same image has the same ids, so prompts with a common image share its keys and values.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::limits::Mapped;

/// The first bytes of a file of features.
const MAGIC: [u8; 8] = *b"YSGIMG01";
/// Bytes before the values: [`MAGIC`], then tokens and hidden size, little-endian.
const HEADER: usize = 16;

/// The features of one image, `[tokens, hidden]` in f32: what stands in the prompt in its place.
pub struct ImageFeatures {
    hidden: usize,
    tokens: usize,
    values: Values,
}

enum Values {
    Memory(Vec<f32>),
    /// A file of features.
    File(Mapped),
}

impl ImageFeatures {
    /// Features in memory; `values` are the rows, one after another. `hidden` is above 0; an incomplete last row is
    /// left out.
    #[must_use]
    pub fn new(hidden: usize, mut values: Vec<f32>) -> Self {
        let tokens = values.len() / hidden.max(1);
        values.truncate(tokens * hidden);
        Self { hidden, tokens, values: Values::Memory(values) }
    }

    /// Number of rows.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// Values of a row.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.hidden
    }

    /// Bytes of the values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.tokens * self.hidden * size_of::<f32>()
    }

    /// Appends the values of some rows to `out`.
    pub fn read(&self, rows: Range<usize>, out: &mut Vec<f32>) {
        let range = rows.start * self.hidden..rows.end * self.hidden;
        match &self.values {
            Values::Memory(values) => out.extend_from_slice(&values[range]),
            Values::File(file) => {
                let bytes = &file.map()[HEADER + range.start * 4..HEADER + range.end * 4];
                out.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
            }
        }
    }

    /// Writes the features to `out`, in the form that [`Self::open`] reads.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&MAGIC)?;
        out.write_all(&(self.tokens as u32).to_le_bytes())?;
        out.write_all(&(self.hidden as u32).to_le_bytes())?;
        let mut row = Vec::with_capacity(self.hidden);
        for i in 0..self.tokens {
            row.clear();
            self.read(i..i + 1, &mut row);
            let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Maps a file that [`Self::write`] wrote; `None` if it does not exist or is not whole.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => drop(other?),
        }
        let Some(file) = Mapped::open(path)? else { return Ok(None) };
        let bytes = file.map();
        let number = |at: usize| {
            let four = bytes.get(at..at + 4)?.first_chunk::<4>()?;
            Some(u32::from_le_bytes(*four) as usize)
        };
        let (Some(tokens), Some(hidden)) = (number(8), number(12)) else { return Ok(None) };
        let whole = tokens.checked_mul(hidden).and_then(|n| n.checked_mul(4)?.checked_add(HEADER));
        if !bytes.starts_with(&MAGIC) || hidden == 0 || whole != Some(bytes.len()) {
            return Ok(None);
        }
        Ok(Some(Self { hidden, tokens, values: Values::File(file) }))
    }
}

/// The rows of several images, and the ids that stand for them: from the vocabulary's size on, image after image.
pub struct ImageRows {
    vocab: usize,
    image_token: u32,
    images: Vec<(usize, Arc<ImageFeatures>)>,
    rows: usize,
}

impl ImageRows {
    /// No images yet. `vocab` is the size of the decoder's vocabulary, `image_token` the token that stands for an
    /// image in a text.
    #[must_use]
    pub const fn new(vocab: usize, image_token: u32) -> Self {
        Self { vocab, image_token, images: Vec::new(), rows: 0 }
    }

    /// Adds an image; returns the ids of its rows.
    pub fn push(&mut self, features: Arc<ImageFeatures>) -> Range<u32> {
        let first = self.rows;
        self.rows += features.tokens();
        self.images.push((first, features));
        let id = |row: usize| (self.vocab + row) as u32;
        id(first)..id(self.rows)
    }

    /// The first id that is not a row's.
    pub(crate) const fn end(&self) -> usize {
        self.vocab + self.rows
    }

    /// Values of a row; `None` without images.
    pub(crate) fn hidden(&self) -> Option<usize> {
        self.images.first().map(|(_, features)| features.hidden())
    }

    /// Appends the values of the rows with these consecutive ids to `out`.
    pub(crate) fn read(&self, ids: Range<usize>, out: &mut Vec<f32>) {
        let (mut at, end) = (ids.start - self.vocab, ids.end - self.vocab);
        let mut image = self.images.partition_point(|(first, _)| *first <= at).saturating_sub(1);
        while at < end {
            let (first, features) = &self.images[image];
            let to = end.min(first + features.tokens());
            features.read(at - first..to - first, out);
            (at, image) = (to, image + 1);
        }
    }

    /// A prompt's tokens as transformers counts them: the image token in place of each row.
    pub(crate) fn as_tokens(&self, ids: &[u32]) -> Vec<u32> {
        let token = |id: &u32| if (*id as usize) < self.vocab { *id } else { self.image_token };
        ids.iter().map(token).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(tokens: usize, from: f32) -> ImageFeatures {
        ImageFeatures::new(3, (0..tokens * 3).map(|i| from + i as f32).collect())
    }

    #[test]
    fn rows_are_found_across_images() {
        let mut rows = ImageRows::new(10, 4);
        assert_eq!(rows.push(Arc::new(features(2, 0.0))), 10..12);
        assert_eq!(rows.push(Arc::new(features(0, 0.0))), 12..12);
        assert_eq!(rows.push(Arc::new(features(3, 100.0))), 12..15);
        let mut out = Vec::new();
        rows.read(11..13, &mut out);
        assert_eq!(out, [3.0, 4.0, 5.0, 100.0, 101.0, 102.0]);
        assert_eq!(rows.as_tokens(&[1, 10, 14, 9]), [1, 4, 4, 9]);
        assert_eq!((rows.end(), rows.hidden()), (15, Some(3)));
    }

    #[test]
    fn a_file_holds_the_same_rows_and_half_a_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one");
        assert!(ImageFeatures::open(&path).unwrap().is_none());
        let mut bytes = Vec::new();
        features(4, 0.5).write(&mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let opened = ImageFeatures::open(&path).unwrap().unwrap();
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        opened.read(1..4, &mut found);
        features(4, 0.5).read(1..4, &mut expected);
        assert_eq!((found, opened.tokens(), opened.hidden()), (expected, 4, 3));
        for cut in [0, 5, 15, 20, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(ImageFeatures::open(&path).unwrap().is_none(), "{cut}");
        }
    }
}
