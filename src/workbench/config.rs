//! The config of the next session, which the keys `s` and `E` start. It is the config of the session on the screen,
//! else the file named on the command line, else the bundled one. The models picked in the workbench replace its own.

use serde::{Deserialize, Serialize};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Value, value};

use crate::recipe::{Method, Param, Recipe};

use super::messages;
use crate::session::config::UNNAMED_WATCH;

/// The bundled default session.
pub const ZOO: &str = include_str!("../../configs/zoo.toml");

/// Base and sources of a merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    pub base: String,
    pub sources: Vec<String>,
}

/// A config's text, with the names for its session and for the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartConfig {
    pub text: String,
    /// Name of the session. It replaces the name in the config.
    pub name: Option<String>,
    /// The config's name on the screen: `the bundled zoo`, or a file name.
    pub title: String,
}

impl Default for StartConfig {
    fn default() -> Self {
        Self { text: ZOO.to_owned(), name: None, title: messages::bundled_zoo().to_owned() }
    }
}

impl StartConfig {
    /// A config like that of session `name`: the same task, space, search and budget.
    #[must_use]
    pub fn of_session(name: &str, text: &str) -> Self {
        let mut doc: DocumentMut = text.parse().unwrap_or_default();
        let own = doc.get("name").and_then(Item::as_str).unwrap_or("session");
        let numbered = |rest: &str| rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok());
        let kin = name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || numbered(rest));
        let text = if kin {
            text.to_owned()
        } else {
            // The user named the session. The next session gets the same name, and the engine adds a number.
            let decor = doc.get("name").and_then(Item::as_value).map(|own| own.decor().clone());
            doc["name"] = value(name);
            if let (Some(decor), Some(new)) = (decor, doc["name"].as_value_mut()) {
                *new.decor_mut() = decor;
            }
            doc.to_string()
        };
        Self { text, name: None, title: name.to_owned() }
    }

    /// The models that the config names.
    #[must_use]
    pub fn pool(&self) -> Pool {
        pool_of(&self.text)
    }

    /// The task that the config names.
    #[must_use]
    pub fn task(&self) -> String {
        task_of(&self.text)
    }

    /// The training questions that the config watches.
    #[must_use]
    pub fn watched(&self) -> Vec<usize> {
        watched_of(&self.text)
    }

    /// The config's text for the given models.
    #[must_use]
    pub fn with_pool(&self, pool: &Pool) -> String {
        if *pool == self.pool() {
            return self.text.clone();
        }
        let mut doc: DocumentMut = self.text.parse().unwrap_or_default();
        doc["pool"]["base"] = value(&pool.base);
        doc["pool"]["sources"] = value(pool.sources.iter().collect::<Array>());
        doc.to_string()
    }
}

impl StartConfig {
    /// The config's text for a search around a hand-made recipe. It takes the recipe's models, method, lambda and
    /// normalisation, so that the recipe is a point of the search space.
    #[must_use]
    pub fn for_recipe(&self, pool: &Pool, recipe: &Recipe) -> String {
        let mut doc: DocumentMut = self.with_pool(pool).parse().unwrap_or_default();
        for_weights(&mut doc, recipe.method);
        doc["space"]["method"] = value(recipe.method.name());
        if recipe.parameters.get(Param::Lambda).is_some() {
            doc["space"]["lambda"] = value(recipe.lambda());
        }
        if recipe.parameters.get(Param::Normalize).is_some() {
            doc["space"]["normalize"] = value(recipe.normalizes());
        }
        let has = doc["space"].get("density").is_some();
        if recipe.method.uses_density() && !has {
            let mut range = InlineTable::new();
            range.insert("min", 0.1.into());
            range.insert("max", 1.0.into());
            doc["space"]["density"] = value(range);
        } else if !recipe.method.uses_density() && has {
            doc["space"]["density"] = Item::None;
        }
        doc.to_string()
    }
}

/// Turns a config of stages or paths into one search for merge weights. Parameters that `method` lacks are
/// removed from the search space.
fn for_weights(doc: &mut DocumentMut, method: Method) {
    if let Some(Item::ArrayOfTables(stages)) = doc.remove("stage") {
        let weights = stages.iter().find(|s| s.get("space").is_some_and(|space| space.get("path").is_none()));
        let stage = weights.or_else(|| stages.get(0)).cloned().unwrap_or_default();
        for key in ["space", "search", "budget"] {
            if let Some(item) = stage.get(key) {
                doc.insert(key, item.clone());
            }
        }
    }
    let Some(space) = doc.get_mut("space").and_then(Item::as_table_like_mut) else { return };
    let foreign = |key: &str| Param::from_name(key).is_some_and(|param| !method.uses(param));
    let keys: Vec<String> = space.iter().map(|(key, _)| key.to_owned()).filter(|key| foreign(key)).collect();
    for key in keys {
        space.remove(&key);
    }
    if space.remove("path").is_some()
        && let Some(search) = doc.get_mut("search").and_then(Item::as_table_like_mut)
    {
        // An algorithm chosen for a search over paths does not suit weights.
        search.remove("algorithm");
        search.remove("options");
    }
}

/// The models that a session's config names.
#[must_use]
pub fn pool_of(config: &str) -> Pool {
    let doc: DocumentMut = config.parse().unwrap_or_default();
    let pool = doc.get("pool");
    let base = pool.and_then(|p| p.get("base")).and_then(Item::as_str).unwrap_or_default();
    let sources = pool.and_then(|p| p.get("sources")).and_then(Item::as_array);
    let names = sources.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    Pool { base: base.to_owned(), sources: names.collect() }
}

/// The task that a session's config names.
#[must_use]
pub fn task_of(config: &str) -> String {
    let doc: DocumentMut = config.parse().unwrap_or_default();
    let name = first_task(&doc).and_then(|t| t.get("use")).and_then(Item::as_str);
    name.unwrap_or("zoo").to_owned()
}

/// The `[task]` table, or the first of several: sample questions come from it.
fn first_task(doc: &DocumentMut) -> Option<&dyn toml_edit::TableLike> {
    match doc.get("task")? {
        Item::ArrayOfTables(tasks) => tasks.get(0).map(|t| t as &dyn toml_edit::TableLike),
        task => task.as_table_like(),
    }
}

/// The training questions whose answers a session's config watches.
#[must_use]
pub fn watched_of(config: &str) -> Vec<usize> {
    let doc: DocumentMut = config.parse().unwrap_or_default();
    let list = first_task(&doc).and_then(|t| t.get("watch")).and_then(Item::as_array).cloned();
    let numbers = list.iter().flatten().filter_map(Value::as_integer);
    let questions: Vec<usize> = numbers.filter_map(|n| usize::try_from(n).ok()).collect();
    if questions.is_empty() { UNNAMED_WATCH.collect() } else { questions }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any session's config can be turned into a search around a hand-made recipe.
    #[test]
    fn any_sessions_config_serves_for_a_recipe() {
        let own = "[task]\nuse = \"mgsm_ja\"\ntrain_limit = 7\n[pool]\nbase = \"zoo:base\"\nsources = [\"zoo:ja\"]\n";
        let budget = "budget = { evaluations = 42 }\n";
        let path = "[search]\nalgorithm = \"margin-cma-es\"\n[space]\npath = { repeats = 1 }\n";
        let gamma = "[space]\nmethod = \"breadcrumbs\"\ngamma = 0.1\nweight = { min = 0.0, max = 1.0 }\n";
        let of_stages = format!(
            "[[stage]]\n{budget}[stage.space]\npath = {{ repeats = 1 }}\n[[stage]]\n{budget}[stage.space]\nmethod = \"ties\"\ndensity = 0.5\n"
        );
        let texts = [
            ZOO.to_owned(),
            format!("{budget}{own}{path}"),
            format!("{budget}{own}{gamma}"),
            format!("{own}{of_stages}"),
        ];
        let recipe = Recipe::new(Method::TaskArithmetic, Some("zoo:base"));
        for text in texts {
            crate::session::config::Config::parse(&text, "the session's").unwrap();
            let config = StartConfig::of_session("mine", &text);
            let text = config.for_recipe(&config.pool(), &recipe);
            let made = crate::session::config::Config::parse(&text, "made").unwrap();
            assert_eq!(made.name, "mine");
            assert!(made.space.path.is_none() && made.stage.is_empty(), "{text}");
            assert_eq!(made.space.method, Method::TaskArithmetic);
            if text.contains("mgsm_ja") {
                assert_eq!((made.task.first().train_limit, made.budget.evaluations), (7, 42), "{text}");
            }
        }
    }

    #[test]
    fn a_session_beside_another_is_called_after_it() {
        let name = |session: &str| {
            let config = StartConfig::of_session(session, "name = \"zoo\" # a comment\n");
            assert!(config.text.contains("# a comment") && config.name.is_none());
            config.text.split('"').nth(1).unwrap().to_owned()
        };
        assert_eq!([name("zoo"), name("zoo-2"), name("seen"), name("zoom")], ["zoo", "zoo", "seen", "zoom"]);
    }

    #[test]
    fn the_bundled_config_is_read_and_rewritten() {
        let config = StartConfig::default();
        let mut pool = config.pool();
        assert_eq!(pool.base, "zoo:base");
        assert_eq!(pool.sources.len(), 3);
        assert_eq!(config.task(), "zoo");
        assert_eq!(config.watched(), [0, 1, 2]);
        assert_eq!(config.with_pool(&pool), ZOO);
        pool.sources.pop();
        let text = config.with_pool(&pool);
        assert_eq!(StartConfig { text: text.clone(), ..config }.pool(), pool);
        assert!(text.contains("# a built-in task"), "comments stay");
    }
}
