//! The recipe editor: a grid of layer groups × sources whose cells are the recipe's own numbers,
//! with undo. Edits come in; a changed [`Recipe`] goes out.

mod edit;
mod history;

use std::path::PathBuf;

use history::History;

use crate::recipe::{LayerGroup, Method, Param, Recipe, Source, Values};
use crate::workbench::words;

/// Which number of a source a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    Weight,
    Density,
}

/// A column of the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Index into the recipe's sources.
    pub source: usize,
    pub track: Track,
}

/// A place in the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub row: usize,
    pub column: usize,
}

/// A block of cells, both corners included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Block {
    /// Whether the cell lies in the block.
    #[must_use]
    pub fn contains(&self, cell: Cell) -> bool {
        (self.top..=self.bottom).contains(&cell.row) && (self.left..=self.right).contains(&cell.column)
    }

    /// Number of cells.
    #[must_use]
    pub fn cells(&self) -> usize {
        (self.bottom - self.top + 1) * (self.right - self.left + 1)
    }
}

/// The recipe being made by hand, and where the cursor is.
#[derive(Clone, Debug)]
pub struct Editor {
    pub recipe: Recipe,
    /// Decoder blocks of the base.
    pub layers: usize,
    pub cursor: Cell,
    /// The other corner of the selected block.
    pub anchor: Option<Cell>,
    /// The number being typed into the cell or block.
    pub typing: Option<String>,
    /// Where it was last written to or read from.
    pub path: Option<PathBuf>,
    /// What it began as: `uniform`, `g12 #3`.
    pub began_as: String,
    /// Counts changes, so that others can tell a new recipe from one they have seen.
    pub revision: u64,
    /// A person has edited it.
    touched: bool,
    clipboard: Option<(Track, Vec<f64>)>,
    history: History,
}

impl Editor {
    /// The uniform merge of `sources` onto `base`.
    #[must_use]
    pub fn new(base: &str, sources: &[String], layers: usize) -> Self {
        Self {
            recipe: uniform(Method::TaskArithmetic, base, sources, layers),
            layers,
            cursor: Cell::default(),
            anchor: None,
            typing: None,
            path: None,
            began_as: words::uniform_name().to_owned(),
            revision: 0,
            touched: false,
            clipboard: None,
            history: History::default(),
        }
    }

    /// Whether a person has changed the recipe.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// Columns from left to right: each source's weight, and its density where the method
    /// uses one.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        columns(&self.recipe)
    }

    /// Number of rows: embedding, blocks, head.
    #[must_use]
    pub fn rows(&self) -> usize {
        LayerGroup::count(self.layers)
    }

    /// The cells that the next edit changes: the block, or the cell under the cursor.
    #[must_use]
    pub fn block(&self) -> Block {
        let (a, b) = (self.anchor.unwrap_or(self.cursor), self.cursor);
        Block {
            top: a.row.min(b.row),
            bottom: a.row.max(b.row),
            left: a.column.min(b.column),
            right: a.column.max(b.column),
        }
    }

    /// A cell's number.
    #[must_use]
    pub fn value(&self, cell: Cell) -> Option<f64> {
        let column = *self.columns().get(cell.column)?;
        value(&self.recipe, column, LayerGroup::from_index(cell.row, self.layers))
    }

    /// Moves the cursor by whole cells, staying inside the grid.
    pub fn move_by(&mut self, rows: isize, columns: isize) {
        let clamp =
            |at: usize, by: isize, len: usize| at.saturating_add_signed(by).min(len.saturating_sub(1));
        self.cursor.row = clamp(self.cursor.row, rows, self.rows());
        self.cursor.column = clamp(self.cursor.column, columns, self.columns().len());
    }

    /// Begins or ends a selection.
    pub fn toggle_selection(&mut self) {
        self.anchor = if self.anchor.is_some() { None } else { Some(self.cursor) };
    }

    /// Takes another recipe as a whole (undoable).
    pub fn take(&mut self, recipe: Recipe, name: &str) {
        self.change(None, |editor| {
            editor.recipe = recipe;
            spread(&mut editor.recipe, editor.layers);
        });
        name.clone_into(&mut self.began_as);
        self.anchor = None;
        self.typing = None;
        self.move_by(0, 0);
    }

    /// Changes base, sources or depth; what stays in the pool keeps its numbers.
    pub fn set_pool(&mut self, base: &str, sources: &[String], layers: usize) {
        let same = self.recipe.donor() == base
            && self.layers == layers
            && self.recipe.sources.iter().map(|s| &s.model).eq(sources);
        if same {
            return;
        }
        let share = even_share(sources);
        let unknown = self.layers == 0;
        let new = sources
            .iter()
            .map(|model| {
                let kept = self.recipe.sources.iter().find(|s| s.model == *model);
                match kept {
                    Some(source) if self.layers == layers => source.clone(),
                    _ => Source::new(model).with(Param::Weight, share),
                }
            })
            .collect();
        let touched = self.touched;
        self.change(None, |editor| {
            editor.recipe.base = Some(base.to_owned());
            editor.recipe.sources = new;
            editor.layers = layers;
            spread(&mut editor.recipe, layers);
        });
        self.touched = touched;
        if unknown {
            // Before the depth was known there was nothing to go back to.
            self.history = History::default();
        }
        self.move_by(0, 0);
    }

    /// The uniform merge of the same models by the same method.
    #[must_use]
    pub fn uniform(&self) -> Recipe {
        let sources: Vec<String> = self.recipe.sources.iter().map(|s| s.model.clone()).collect();
        uniform(self.recipe.method, self.recipe.donor(), &sources, self.layers)
    }
}

/// Columns of a recipe's grid.
#[must_use]
pub fn columns(recipe: &Recipe) -> Vec<Column> {
    let density = recipe.method.uses_density();
    (0..recipe.sources.len())
        .flat_map(|source| {
            let weight = Column { source, track: Track::Weight };
            let second = density.then_some(Column { source, track: Track::Density });
            std::iter::once(weight).chain(second)
        })
        .collect()
}

/// A recipe's number for a column and layer group.
#[must_use]
pub fn value(recipe: &Recipe, column: Column, group: LayerGroup) -> Option<f64> {
    let source = recipe.sources.get(column.source)?;
    match column.track {
        Track::Weight => source.weight().get(group),
        Track::Density => source.density().get(group),
    }
}

fn uniform(method: Method, base: &str, sources: &[String], layers: usize) -> Recipe {
    let share = even_share(sources);
    let mut recipe = Recipe::uniform(base, sources, method, share);
    spread(&mut recipe, layers);
    recipe
}

/// The uniform weight, in as many figures as are shown.
fn even_share(sources: &[String]) -> f64 {
    (1000.0 / sources.len().max(1) as f64).round() / 1000.0
}

/// One number a group everywhere, and none missing of those that the method uses, so that each
/// cell can be edited alone.
fn spread(recipe: &mut Recipe, depth: usize) {
    for source in &mut recipe.sources {
        for spec in recipe.method.per_model() {
            if source.parameters.get(spec.param).is_none() {
                let given = recipe.parameters.get(spec.param).cloned();
                source.parameters.set(spec.param, given.unwrap_or(spec.default.unwrap_or(1.0).into()));
            }
        }
        for (_, values) in source.parameters.iter_mut() {
            values.spread(depth);
            if let Values::Each { layers, .. } = values {
                let last = layers.last().copied().unwrap_or(0.0);
                layers.resize(depth, last);
            }
        }
    }
}
