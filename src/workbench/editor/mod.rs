//! The recipe editor. Its grid has a row for each layer group and a column for each source's parameter; the cells are
//! the recipe's numbers. A strip above the grid holds the parameters of the whole merge. For a path the rows are its
//! steps. Keys of the Recipe pane call the edits; a changed [`Recipe`] comes out, and undo keeps the earlier ones.

mod column;
mod compare;
mod edit;
mod hand;
mod history;
mod pool;
mod steps;
mod template;

use std::path::PathBuf;

use history::History;

pub use column::{Column, columns, globals, value};
pub use compare::{Compared, differ};
pub use hand::Hand;
pub use template::Template;

use crate::recipe::{LayerGroup, Method, Param, ParamSpec, Recipe, Scope, Values};
use crate::workbench::messages;

/// A place in the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub row: usize,
    pub column: usize,
}

/// A block of cells, both corners included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellRange {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl CellRange {
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

/// The hand-made recipe, and where the cursor is.
#[derive(Clone, Debug)]
pub struct Editor {
    pub recipe: Recipe,
    /// Decoder blocks of the base.
    pub layers: usize,
    pub cursor: Cell,
    /// Index into [`globals`], if the cursor is in the strip above the grid.
    pub strip: Option<usize>,
    /// The other corner of the selected block.
    pub anchor: Option<Cell>,
    /// The number being typed into the cell or block.
    pub typing: Option<String>,
    /// The file that the recipe was last written to or read from.
    pub path: Option<PathBuf>,
    /// The file's text at that time. While the file still holds this text, saving overwrites it without a question.
    pub on_file: Option<String>,
    /// Name of the recipe that editing began from: `uniform`, `g12 #3`.
    pub began_as: String,
    /// The recipe before the edits.
    began: Recipe,
    /// The recipe to compare with.
    pub compared: Option<Compared>,
    /// Counts changes, so that the preview can tell whether its answers belong to this recipe.
    pub revision: u64,
    /// The user has edited the recipe.
    touched: bool,
    /// The recipe was restored at start-up or with a session, and has not been changed since.
    taken_up: bool,
    clipboard: Option<(Param, Vec<f64>)>,
    history: History,
}

impl Editor {
    /// The uniform merge of `sources` onto `base`.
    #[must_use]
    pub fn new(base: &str, sources: &[String], layers: usize) -> Self {
        let recipe = uniform(Method::TaskArithmetic, base, sources, layers);
        Self {
            began: recipe.clone(),
            recipe,
            layers,
            cursor: Cell::default(),
            strip: None,
            anchor: None,
            typing: None,
            path: None,
            on_file: None,
            began_as: messages::uniform_name().to_owned(),
            compared: None,
            revision: 0,
            touched: false,
            taken_up: false,
            clipboard: None,
            history: History::default(),
        }
    }

    /// Whether the user has changed the recipe.
    #[must_use]
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// The recipe as it was before the edits.
    #[must_use]
    pub const fn began(&self) -> &Recipe {
        &self.began
    }

    /// Columns from left to right.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        columns(&self.recipe)
    }

    /// The column under the cursor; `None` in the strip and on a path.
    #[must_use]
    pub fn column(&self) -> Option<Column> {
        if self.strip.is_some() {
            return None;
        }
        self.columns().get(self.cursor.column).copied()
    }

    /// The parameter of the whole merge under the cursor.
    #[must_use]
    pub fn global(&self) -> Option<&'static ParamSpec> {
        globals(&self.recipe).get(self.strip?).copied()
    }

    /// Number of rows: embedding, blocks and head, or the steps of a path.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self.recipe.path.as_slice() {
            [] => LayerGroup::count(self.layers),
            steps => steps.len(),
        }
    }

    /// The cells that the next edit changes: the block, or the cell under the cursor.
    #[must_use]
    pub fn block(&self) -> CellRange {
        let (a, b) = (self.anchor.unwrap_or(self.cursor), self.cursor);
        CellRange {
            top: a.row.min(b.row),
            bottom: a.row.max(b.row),
            left: a.column.min(b.column),
            right: a.column.max(b.column),
        }
    }

    /// A cell's number.
    #[must_use]
    pub fn value(&self, cell: Cell) -> Option<f64> {
        if let Some(scale) = self.scale(cell.row) {
            return Some(scale);
        }
        let column = *self.columns().get(cell.column)?;
        value(&self.recipe, column, LayerGroup::from_index(cell.row, self.layers), self.layers)
    }

    /// Moves the cursor by whole cells, staying inside the grid and the strip above it.
    pub fn move_by(&mut self, rows: isize, columns: isize) {
        let clamp =
            |at: usize, by: isize, len: usize| at.saturating_add_signed(by).min(len.saturating_sub(1));
        let strip = globals(&self.recipe).len();
        let wide = self.columns().len();
        let grid = wide > 0 || !self.recipe.path.is_empty();
        match self.strip {
            Some(at) if rows <= 0 || !grid => {
                self.strip = (strip > 0).then(|| clamp(at, columns, strip));
            }
            Some(_) => {
                self.strip = None;
                self.cursor.row = clamp(0, rows - 1, self.rows());
            }
            None if self.anchor.is_none() && strip > 0 && (!grid || (self.cursor.row == 0 && rows < 0)) => {
                self.strip = Some(self.cursor.column.min(strip - 1));
            }
            None => {
                self.cursor.row = clamp(self.cursor.row, rows, self.rows());
                self.cursor.column = clamp(self.cursor.column, columns, wide);
            }
        }
    }

    /// Begins or ends a selection.
    pub fn toggle_selection(&mut self) {
        let begins = self.anchor.is_none() && self.strip.is_none();
        self.anchor = begins.then_some(self.cursor);
    }

    /// Replaces the whole recipe. This can be undone.
    pub fn take(&mut self, recipe: Recipe, name: &str) {
        self.change(None, |editor| {
            editor.recipe = recipe;
            spread(&mut editor.recipe, editor.layers);
        });
        name.clone_into(&mut self.began_as);
        self.began = self.recipe.clone();
        self.home();
    }

    /// Ends selection and typing, and keeps the cursor inside the current grid.
    fn home(&mut self) {
        self.anchor = None;
        self.typing = None;
        self.strip = None;
        self.move_by(0, 0);
    }

    /// The uniform merge of the same models by the same method.
    #[must_use]
    pub fn uniform(&self) -> Recipe {
        let sources = sources_of(&self.recipe);
        let method = if self.recipe.path.is_empty() { self.recipe.method } else { Method::TaskArithmetic };
        let mut recipe = uniform(method, self.recipe.donor(), &sources, self.layers);
        for spec in globals(&recipe) {
            if let Some(given @ Values::All(_)) = self.recipe.parameters.get(spec.param) {
                recipe.parameters.set(spec.param, given.clone());
            }
        }
        recipe
    }
}

/// The models that a recipe merges, without its base.
#[must_use]
pub fn sources_of(recipe: &Recipe) -> Vec<String> {
    let models = recipe.models().into_iter().filter(|m| *m != recipe.donor());
    let models: Vec<String> = models.map(str::to_owned).collect();
    // If a recipe consists of its base alone, that model is its source.
    if models.is_empty() { recipe.models().into_iter().map(str::to_owned).collect() } else { models }
}

fn uniform(method: Method, base: &str, sources: &[String], layers: usize) -> Recipe {
    let share = even_share(sources);
    let mut recipe = Recipe::uniform(base, sources, method, share);
    spread(&mut recipe, layers);
    recipe
}

/// The weight of the uniform merge, rounded as it is shown.
fn even_share(sources: &[String]) -> f64 {
    (1000.0 / sources.len().max(1) as f64).round() / 1000.0
}

/// The initial value of a parameter that a method requires and that has no default.
const fn stand_in(method: Method) -> f64 {
    match method {
        Method::Slerp => 0.5,
        // A distance between weights.
        Method::Nearswap => 0.001,
        _ => 1.0,
    }
}

/// Spreads a recipe over the grid: every parameter that the method uses gets a number for each layer group, so that
/// each cell can be edited alone. Filters, paths and slices are unchanged.
fn spread(recipe: &mut Recipe, depth: usize) {
    if !recipe.path.is_empty() || !recipe.slices.is_empty() {
        return;
    }
    let method = recipe.method;
    let whole = recipe.parameters.clone();
    for source in &mut recipe.sources {
        for spec in method.parameters() {
            if spec.scope == Scope::Global {
                // In another method the parameter may belong to a source.
                source.parameters.remove(spec.param);
            } else if !spec.ignored && source.parameters.get(spec.param).is_none() {
                let given = whole.get(spec.param).cloned();
                let values = given.unwrap_or_else(|| spec.default.unwrap_or_else(|| stand_in(method)).into());
                source.parameters.set(spec.param, values);
            }
        }
        for (_, values) in source.parameters.iter_mut() {
            spread_values(values, depth);
        }
    }
    for spec in method.parameters().iter().filter(|s| s.scope == Scope::Global && s.default.is_none()) {
        spread_values(recipe.parameters.entry(spec.param, stand_in(method)), depth);
    }
}

fn spread_values(values: &mut Values, depth: usize) {
    if let Values::Filters(list) = values {
        for entry in list {
            spread_values(&mut entry.value, depth);
        }
        return;
    }
    values.spread(depth);
    if let Values::Each { layers, .. } = values {
        let last = layers.last().copied().unwrap_or(0.0);
        layers.resize(depth, last);
    }
}
