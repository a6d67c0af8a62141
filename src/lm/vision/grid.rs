//! The tiles of a LLaVA-NeXT picture. In: the picture's size, and the sizes that pictures are cut at. Out: which of them
//! fits best, and which patches of its grid show the picture and not the padding around it. Computed in f64, step by
//! step as transformers computes it: a rounding decides the number of tokens.

use std::ops::Range;

/// A (height, width), as transformers orders them.
pub(super) type Extent = (u32, u32);

/// A picture's tiles, as patches.
pub(super) struct Grid {
    /// Tiles in a row.
    columns: usize,
    /// Patches along the side of a tile.
    side: usize,
    /// The rows and columns of patches that show the picture.
    shown: (Range<usize>, Range<usize>),
}

impl Grid {
    /// The grid of a picture of this size; `tile` is the side of a tile in pixels, `side` in patches.
    pub(super) fn of(picture: Extent, sizes: &[Extent], tile: usize, side: usize) -> Self {
        let (height, width) = best_size(picture, sizes);
        let (rows, columns) = (height as usize / tile, width as usize / tile);
        Self { columns, side, shown: without_padding(picture, rows * side, columns * side) }
    }

    /// Rows of the prompt that the tiles take: each row of patches ends with one more.
    pub(super) fn tokens(&self) -> usize {
        self.shown.0.len() * (self.shown.1.len() + 1)
    }

    /// The rows of a picture: those of the whole picture first, then the tiles' line by line. In: the rows of all
    /// squares, `base` for the whole picture, and for each tile as many as it has patches.
    pub(super) fn pack(&self, values: &[f32], width: usize, base: usize, newline: &[f32]) -> Vec<f32> {
        let (lines, columns) = self.shown.clone();
        let mut out = Vec::with_capacity((base + self.tokens()) * width);
        out.extend_from_slice(&values[..base * width]);
        for line in lines {
            for column in columns.clone() {
                let tile = line / self.side * self.columns + column / self.side;
                let patch = line % self.side * self.side + column % self.side;
                let at = (base + tile * self.side * self.side + patch) * width;
                out.extend_from_slice(&values[at..at + width]);
            }
            out.extend_from_slice(newline);
        }
        out
    }
}

/// The size that shows most of the picture's pixels, and of those the one that wastes least.
pub(super) fn best_size((height, width): Extent, sizes: &[Extent]) -> Extent {
    let mut best = sizes.first().copied().unwrap_or((1, 1));
    let (mut most, mut least_waste) = (0, u64::MAX);
    for (h, w) in sizes {
        let scale = (f64::from(*w) / f64::from(width)).min(f64::from(*h) / f64::from(height));
        let scaled = |side: u32| (f64::from(side) * scale) as u64;
        let shown = (scaled(width) * scaled(height)).min(u64::from(width) * u64::from(height));
        let waste = u64::from(*h) * u64::from(*w) - shown;
        if shown > most || shown == most && waste < least_waste {
            (best, most, least_waste) = ((*h, *w), shown, waste);
        }
    }
    best
}

/// The size of a picture that is enlarged or made smaller until it touches two sides of `target`.
pub(super) fn fitted((height, width): Extent, target: Extent) -> Extent {
    let by_width = f64::from(target.1) / f64::from(width);
    let by_height = f64::from(target.0) / f64::from(height);
    let scaled = |side: u32, scale: f64, most: u32| ((f64::from(side) * scale).ceil() as u32).min(most);
    if by_width < by_height {
        (scaled(height, by_width, target.0), target.1)
    } else {
        (target.0, scaled(width, by_height, target.1))
    }
}

/// The rows and columns of a grid of `rows` × `columns` patches that are left without the padding.
fn without_padding((height, width): Extent, rows: usize, columns: usize) -> (Range<usize>, Range<usize>) {
    let (height, width) = (f64::from(height), f64::from(width));
    let inner = |all: usize, shown: f64| {
        let padding = all.saturating_sub(rounded(shown) as usize) / 2;
        padding..all - padding
    };
    if width / height > columns as f64 / rows as f64 {
        (inner(rows, height * (columns as f64 / width)), 0..columns)
    } else {
        (0..rows, inner(columns, width * (rows as f64 / height)))
    }
}

/// Python's `round(x, 7)`.
fn rounded(x: f64) -> f64 {
    format!("{x:.7}").parse().unwrap_or(x)
}
