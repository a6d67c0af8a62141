//! A file with one or more recipes, where one may merge another's result: TOML, or mergekit's YAML. Text comes in;
//! recipes, the order in which to merge them, and text go out. The commands and the workbench open recipes here.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use toml_edit::{ArrayOfTables, DocumentMut, Item};

use super::read::{Reader, Tree};
use super::{Recipe, RecipeError};
use crate::limits::{self, RECIPES};

/// The recipes of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct RecipeFile {
    /// In the file's order; at least one.
    pub recipes: Vec<Recipe>,
    /// One sentence for each thing that was ignored (unknown keys if `lenient`).
    pub warnings: Vec<String>,
    /// The file's name for messages.
    place: String,
}

impl RecipeFile {
    /// Makes a file of recipes in memory. Each recipe must follow those whose results it uses.
    #[must_use]
    pub fn from_recipes(recipes: Vec<Recipe>) -> Self {
        Self { recipes, warnings: Vec::new(), place: "recipe".to_owned() }
    }

    /// Makes a file of a recipe and the recipes that it depends on; these come first.
    #[must_use]
    pub fn from_recipe(recipe: &Recipe) -> Self {
        let mut recipes = recipe.before.clone();
        recipes.push(Recipe { before: Vec::new(), ..recipe.clone() });
        Self::from_recipes(recipes)
    }

    /// Reads a file: mergekit's YAML if the extension is `yml` or `yaml`, else TOML. `lenient` ignores unknown keys and
    /// stores a warning for each.
    pub fn open(path: &Path, lenient: bool) -> Result<Self, RecipeError> {
        Self::open_with_text(path, lenient).map(|(file, _)| file)
    }

    /// Reads a file as [`Self::open`] does, and also returns its text.
    pub fn open_with_text(path: &Path, lenient: bool) -> Result<(Self, String), RecipeError> {
        let shown = path.display().to_string();
        let text = limits::read_text(path, limits::TEXT_FILE)
            .map_err(|e| RecipeError::Unreadable { path: shown.clone(), problem: e.to_string() })?;
        let read = if is_yaml(path) { Self::from_yaml } else { Self::from_toml };
        Ok((read(&text, &shown, lenient)?, text))
    }

    /// Whether a path is a recipe's, by its extension.
    #[must_use]
    pub fn is_file(path: &Path) -> bool {
        is_yaml(path) || path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"))
    }

    /// Reads one recipe in TOML, or several as `[[recipe]]`.
    pub fn from_toml(text: &str, place: &str, lenient: bool) -> Result<Self, RecipeError> {
        let reader = Reader::new(place, lenient);
        let tree = reader.toml(text)?;
        let recipes = match tree.get("recipe").map(|n| &n.tree) {
            Some(Tree::List(list)) if tree.entries().len() == 1 && !list.is_empty() => {
                let read = list.iter().map(|node| {
                    reader.next_document();
                    reader.recipe(node)
                });
                read.collect::<Result<_, _>>()?
            }
            _ => vec![reader.recipe(&tree)?],
        };
        Self { recipes, warnings: reader.warnings.take(), place: place.to_owned() }.checked()
    }

    /// Reads mergekit's YAML; each document is one recipe.
    pub fn from_yaml(text: &str, place: &str, lenient: bool) -> Result<Self, RecipeError> {
        let (recipes, warnings) = super::yaml::read(text, place, lenient)?;
        Self { recipes, warnings, place: place.to_owned() }.checked()
    }

    /// The recipe that gives the file's result. [`Recipe::before`] holds the recipes that it depends on.
    ///
    /// # Errors
    /// A file with several results that no other recipe uses.
    pub fn into_recipe(self) -> Result<Recipe, RecipeError> {
        let Some(last) = self.result() else {
            let name = |i: usize| self.recipes[i].name.clone().unwrap_or_default();
            let names: Vec<String> = self.unused().into_iter().map(name).collect();
            let problem = format!(
                "has several results, {}, where one is needed; take the name from the recipe that is meant",
                names.join(" and ")
            );
            return Err(RecipeError::File { place: self.place, problem });
        };
        let before = self.dependencies(last).into_iter().filter(|i| *i != last);
        let before = before.map(|i| self.recipes[i].clone()).collect();
        Ok(Recipe { before, ..self.recipes[last].clone() })
    }

    /// As TOML; reading it back gives the same recipes.
    #[must_use]
    pub fn to_toml(&self) -> String {
        if let [recipe] = self.recipes.as_slice() {
            return recipe.to_document().to_string();
        }
        let mut tables = ArrayOfTables::new();
        for recipe in &self.recipes {
            tables.push(recipe.to_document().as_table().clone());
        }
        let mut document = DocumentMut::new();
        document.insert("recipe", Item::ArrayOfTables(tables));
        document.to_string()
    }

    /// As mergekit's YAML; reading it back gives the same recipes.
    ///
    /// # Errors
    /// A path or an alignment, which mergekit's YAML has no key for.
    pub fn to_yaml(&self) -> Result<String, RecipeError> {
        let documents = self.recipes.iter().map(Recipe::to_yaml_document).collect::<Result<Vec<_>, _>>()?;
        Ok(documents.join("---\n"))
    }

    /// The order in which to merge: indices of `recipes`, each after the recipes whose results it uses.
    ///
    /// # Errors
    /// Recipes that use each other's results in a circle.
    pub fn merge_order(&self) -> Result<Vec<usize>, RecipeError> {
        let names = self.names();
        let mut waits: Vec<usize> = Vec::with_capacity(self.recipes.len());
        let mut used_by: Vec<Vec<usize>> = vec![Vec::new(); self.recipes.len()];
        for i in 0..self.recipes.len() {
            let uses = self.uses_by(&names, i);
            waits.push(uses.len());
            for used in uses {
                used_by[used].push(i);
            }
        }
        let mut ready: std::collections::BTreeSet<usize> =
            (0..self.recipes.len()).filter(|i| waits[*i] == 0).collect();
        let mut out = Vec::with_capacity(self.recipes.len());
        while let Some(next) = ready.pop_first() {
            out.push(next);
            for user in &used_by[next] {
                waits[*user] -= 1;
                if waits[*user] == 0 {
                    ready.insert(*user);
                }
            }
        }
        if out.len() == self.recipes.len() {
            return Ok(out);
        }
        let stuck = waits.iter().position(|w| *w > 0).unwrap_or_default();
        let name = self.recipes[stuck].name.clone().unwrap_or_else(|| "the last one".into());
        let problem = format!("has recipes that wait for each other, among them {name}; break the circle");
        Err(RecipeError::File { place: self.place.clone(), problem })
    }

    /// The recipes whose results recipe `i` uses.
    #[must_use]
    pub fn uses(&self, i: usize) -> Vec<usize> {
        self.uses_by(&self.names(), i)
    }

    fn names(&self) -> HashMap<&str, usize> {
        let named = self.recipes.iter().enumerate().rev();
        named.filter_map(|(i, r)| r.name.as_deref().map(|name| (name, i))).collect()
    }

    fn uses_by(&self, names: &HashMap<&str, usize>, i: usize) -> Vec<usize> {
        let named = |model: &str| names.get(plain(model)).copied();
        let mut out: Vec<usize> = self.recipes[i].references().into_iter().filter_map(named).collect();
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Recipe `i` and all recipes whose results it needs, in the order of merging.
    #[must_use]
    pub fn dependencies(&self, i: usize) -> Vec<usize> {
        let names = self.names();
        let mut reached = HashSet::from([i]);
        let mut next = vec![i];
        while let Some(at) = next.pop() {
            next.extend(self.uses_by(&names, at).into_iter().filter(|u| reached.insert(*u)));
        }
        // Reading the file has already refused a circle.
        self.merge_order().unwrap_or_default().into_iter().filter(|r| reached.contains(r)).collect()
    }

    /// The recipe that gives the file's result: the one without a name, else the only one whose result no other recipe
    /// uses. `None` if there are several such recipes.
    #[must_use]
    pub fn result(&self) -> Option<usize> {
        let nameless = self.recipes.iter().position(|r| r.name.is_none());
        nameless.or_else(|| match self.unused().as_slice() {
            [one] => Some(*one),
            _ => None,
        })
    }

    /// Recipes whose results no other recipe uses.
    #[must_use]
    pub fn unused(&self) -> Vec<usize> {
        let names = self.names();
        let used: HashSet<usize> = (0..self.recipes.len()).flat_map(|i| self.uses_by(&names, i)).collect();
        (0..self.recipes.len()).filter(|i| !used.contains(i)).collect()
    }

    /// The recipe whose result a model reference names, with or without an adapter.
    #[must_use]
    pub fn named(&self, reference: &str) -> Option<usize> {
        self.recipes.iter().position(|r| r.name.is_some() && r.name.as_deref() == Some(plain(reference)))
    }

    fn checked(self) -> Result<Self, RecipeError> {
        let bad = |problem: String| Err(RecipeError::File { place: self.place.clone(), problem });
        let several = self.recipes.len() > 1;
        if self.recipes.len() > RECIPES {
            return bad(format!("holds {} recipes; {RECIPES} are the most", self.recipes.len()));
        }
        let mut names = HashSet::new();
        for name in self.recipes.iter().filter_map(|r| r.name.as_deref()) {
            if !names.insert(name) {
                return bad(format!("has two recipes named {name}; name each once"));
            }
            if several && !is_name(name) {
                return bad(format!(
                    "has a recipe named {}; in a file of several a name is letters, digits, - _ and inner \
                     dots, because its result is a folder that others use by it",
                    name.escape_debug()
                ));
            }
        }
        for recipe in self.recipes.iter().filter(|_| several) {
            for reference in recipe.references() {
                let (plain, revision) = reference.split_once('@').unwrap_or((reference, ""));
                if !revision.is_empty() && names.contains(plain) {
                    return bad(format!("names a revision of {plain}, which is merged here and has none"));
                }
            }
        }
        let nameless = self.recipes.iter().filter(|r| r.name.is_none()).count();
        if several && nameless > 1 {
            return bad(format!("has {nameless} recipes without a name; only the final one may have none"));
        }
        self.merge_order()?;
        Ok(self)
    }
}

impl Recipe {
    /// Reads a file with one recipe, in TOML or mergekit's YAML according to its extension.
    ///
    /// # Errors
    /// A file that can't be read, or holds no recipe or several results.
    pub fn open(path: &Path) -> Result<Self, RecipeError> {
        RecipeFile::open(path, false)?.into_recipe()
    }

    /// This recipe as TOML, after the recipes that it depends on; reading it back gives the same recipe. Parameters
    /// that the method does not have are left out.
    #[must_use]
    pub fn to_toml(&self) -> String {
        RecipeFile::from_recipe(self).to_toml()
    }

    /// This recipe as mergekit's YAML. The recipes that it depends on are documents before it; reading it back gives
    /// the same recipe. One comment line holds everything that mergekit has no key for.
    ///
    /// # Errors
    /// A path or an alignment, which mergekit's YAML has no key for.
    pub fn to_yaml(&self) -> Result<String, RecipeError> {
        RecipeFile::from_recipe(self).to_yaml()
    }

    /// This recipe written over the text `original`: unchanged parts keep their comments and layout. If the text is not
    /// a single recipe in TOML, it is replaced.
    #[must_use]
    pub fn write_back(&self, original: &str) -> String {
        let old = if self.before.is_empty() { Self::from_toml(original, "").ok() } else { None };
        let (Ok(mut document), Some(old)) = (original.parse::<DocumentMut>(), old) else {
            return self.to_toml();
        };
        self.write_into(&mut document, Some(&old));
        document.to_string()
    }
}

/// A model reference without its adapter.
fn plain(reference: &str) -> &str {
    reference.split_once('+').map_or(reference, |(model, _)| model)
}

/// Whether a name can be both a folder's name and a model's name.
fn is_name(name: &str) -> bool {
    !name.starts_with('.') && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
}

/// Whether a file is in YAML, judged by its extension.
fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("yml") || e.eq_ignore_ascii_case("yaml"))
}
