//! Turns YAML trees into recipes, by mergekit's keys. A YAML text comes in; recipes and warnings go out;
//! `recipe/recipe_file.rs` calls it.

use serde::{Deserialize, Serialize};

use super::parse::{Document, documents};
use crate::recipe::read::parts::given;
use crate::recipe::read::{Entry, Node, Read, Reader, Tree};
use crate::recipe::{
    BaseNeed, ConfigSettings, Filter, MaskStream, Method, Module, Parameters, Recipe, RecipeError, Scope,
    Slice, SliceSource, Source, TokenizerSource, TokenizerSpec, Values, VisionRule,
};

const TOP: [&str; 12] = [
    "merge_method",
    "models",
    "slices",
    "modules",
    "base_model",
    "parameters",
    "dtype",
    "out_dtype",
    "tokenizer_source",
    "tokenizer",
    "chat_template",
    "name",
];
const MODEL: [&str; 2] = ["model", "parameters"];
const SLICE: [&str; 4] = ["sources", "base_model", "parameters", "residual_weight"];
const SLICE_SOURCE: [&str; 3] = ["model", "layer_range", "parameters"];
const MODULE: [&str; 3] = ["models", "slices", "parameters"];

/// The start of the comment line that holds what mergekit's YAML has no key for.
pub(super) const COMMENT_PREFIX: &str = "# yosegi: ";

/// The keys of the comment line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExtraKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskStream>,
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// A base that only gives config and tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Filters for embedding, norm and head mean one value for each layer group.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub groups: bool,
    #[serde(skip_serializing_if = "ConfigSettings::is_empty")]
    pub config: ConfigSettings,
    #[serde(skip_serializing_if = "VisionRule::is_keep")]
    pub vision: VisionRule,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

/// The recipes of a text, and one sentence for each thing that was ignored.
pub(in crate::recipe) fn read(
    text: &str,
    place: &str,
    lenient: bool,
) -> Result<(Vec<Recipe>, Vec<String>), RecipeError> {
    let mut reader = Reader::new(place, lenient);
    reader.yaml = true;
    let trees = documents(text, &reader)?;
    if trees.is_empty() {
        return Err(reader.bad(None, "merge_method", "is missing; the text holds no recipe"));
    }
    let mut extra_keys = extra_keys(text, &reader)?;
    extra_keys.resize(trees.len().max(extra_keys.len()), ExtraKeys::default());
    let mut recipes = Vec::new();
    for (tree, extra) in trees.into_iter().zip(extra_keys) {
        reader.next_document();
        let root = without_holders(&reader, tree);
        recipes.push(document(&reader, &root, extra)?);
    }
    Ok((recipes, reader.warnings.take()))
}

/// The comment line of each document.
fn extra_keys(text: &str, reader: &Reader<'_>) -> Read<Vec<ExtraKeys>> {
    let mut out = vec![ExtraKeys::default()];
    let mut begun = false;
    for (i, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            if begun {
                out.push(ExtraKeys::default());
            }
            begun = true;
        } else if let (Some(json), Some(last)) = (line.strip_prefix(COMMENT_PREFIX), out.last_mut()) {
            begun = true;
            *last = serde_json::from_str(json)
                .map_err(|e| reader.bad(Some(i + 1), "# yosegi:", format!("cannot be read: {e}")))?;
        } else if !line.trim_start().starts_with('#') && !line.trim().is_empty() {
            begun = true;
        }
    }
    Ok(out)
}

/// A document without the keys that only hold anchors for other keys. mergekit ignores such keys; each gives a warning.
fn without_holders(reader: &Reader<'_>, document: Document) -> Node {
    let Document { mut root, anchor_holders } = document;
    if let Tree::Map(entries) = &mut root.tree {
        let spare = |e: &Entry| anchor_holders.contains(&e.key) && !TOP.contains(&e.key.as_str());
        for entry in entries.iter().filter(|e| spare(e)) {
            let place = reader.at(entry.line);
            let told = format!("{place}: {} only holds anchors; passed over", entry.key.escape_debug());
            reader.warnings.borrow_mut().push(told);
        }
        entries.retain(|e| !spare(e));
    }
    root
}

fn document(reader: &Reader<'_>, node: &Node, extra: ExtraKeys) -> Read<Recipe> {
    if !node.is_map() {
        return Err(reader.bad(node.line, "recipe", "must be a mapping with merge_method"));
    }
    reader.known_keys(node, "", &TOP, None)?;
    let method = reader.method(node, "merge_method")?;
    let mut recipe = Recipe::new(method, None);
    let text = |key: &str| given(node, key).map(|n| reader.text_of(n, key)).transpose();
    recipe.name = text("name")?;
    recipe.chat_template = text("chat_template")?;
    recipe.base = given(node, "base_model").map(|n| reader.model_text(n, "base_model")).transpose()?;
    recipe.dtype = reader.precision(node, "dtype")?;
    recipe.out_dtype = reader.precision(node, "out_dtype")?;
    recipe.tokenizer = tokenizer(reader, node)?;
    recipe.parameters = parameters(reader, node, "", method, None)?;
    let kinds: Vec<&str> =
        ["models", "slices", "modules"].into_iter().filter(|k| given(node, k).is_some()).collect();
    let [kind] = kinds.as_slice() else {
        let line = kinds.get(1).and_then(|k| node.get(k)).and_then(|n| n.line).or(node.line);
        let problem = if kinds.is_empty() { "is missing" } else { "stand side by side" };
        return Err(reader.bad(line, "models, slices, modules", format!("{problem}; give exactly one")));
    };
    let mut body = node;
    let mut path = String::new();
    if *kind == "modules" {
        let modules = node.get("modules").map_or(&[][..], Node::entries);
        let [module] = modules else {
            let names: Vec<&str> = modules.iter().map(|m| m.key.as_str()).collect();
            let named = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let problem = format!(
                "must name one module, and names {named}; the text models that are merged here have one, \
                 default, for mergekit as well"
            );
            return Err(reader.bad(node.get("modules").and_then(|n| n.line), "modules", problem));
        };
        path = format!("modules.{}.", module.key);
        body = &module.value;
        reader.known_keys(body, &path, &MODULE, None)?;
        let parameters = parameters(reader, body, &path, method, None)?;
        recipe.module = Some(Module { name: module.key.clone(), parameters });
    }
    match (given(body, "models"), given(body, "slices")) {
        (Some(n), None) => models(reader, n, &path, &mut recipe)?,
        (None, Some(n)) => slices(reader, n, &path, &mut recipe)?,
        _ => return Err(reader.bad(body.line, &path, "needs one of models and slices")),
    }
    recipe.mask = extra.mask.unwrap_or(MaskStream::Mergekit);
    recipe.seed = extra.seed;
    recipe.base = extra.base.or(recipe.base);
    recipe.config = extra.config;
    recipe.vision = extra.vision;
    if extra.groups {
        each_parameters(&mut recipe, |p| p.iter_mut().for_each(|(_, v)| as_groups(v)));
    }
    recipe.check_values().map_err(|(key, problem)| {
        let key = in_yaml(&key);
        reader.bad(reader.line_of(&key), &key, problem)
    })?;
    Ok(recipe)
}

/// A recipe's key path in YAML's notation.
fn in_yaml(key: &str) -> String {
    let key = key.replace(".layers", ".layer_range");
    match key.strip_prefix("slice[") {
        Some(rest) => format!("slices[{}", rest.replace(".source[", ".sources[")),
        None => match key.strip_prefix("source[") {
            Some(rest) => format!("models[{rest}"),
            None => match key.as_str() {
                "source" => "models".to_owned(),
                "base" => "base_model".to_owned(),
                _ => key,
            },
        },
    }
}

/// Applies `change` to the parameters of the recipe, its module, sources and slices.
fn each_parameters(recipe: &mut Recipe, mut change: impl FnMut(&mut Parameters)) {
    change(&mut recipe.parameters);
    recipe.module.iter_mut().for_each(|m| change(&mut m.parameters));
    recipe.sources.iter_mut().for_each(|s| change(&mut s.parameters));
    for slice in &mut recipe.slices {
        change(&mut slice.parameters);
        slice.sources.iter_mut().for_each(|s| change(&mut s.parameters));
    }
}

/// Turns filters made by [`group_filters`] back into one value for each layer group.
fn as_groups(values: &mut Values) {
    let Values::Filters(list) = values else { return };
    if let [embed, norm, head, rest] = list.as_slice()
        && [&embed.filter, &norm.filter, &head.filter].map(Option::as_deref) == GROUPS.map(Some)
        && rest.filter.is_none()
        && let (Values::All(embed), Values::All(head), Values::Gradient(layers)) =
            (&embed.value, &head.value, &rest.value)
    {
        *values = Values::Each { embed: *embed, layers: layers.clone(), head: *head };
    }
}

const GROUPS: [&str; 3] = ["embed_tokens", "model.norm", "lm_head"];

/// One value for each layer group in a form that mergekit has: filters, and a gradient with one point for each layer.
pub(super) fn group_filters(embed: f64, layers: &[f64], head: f64) -> Vec<Filter> {
    let one = |name: &str, value: f64| Filter { filter: Some(name.to_owned()), value: Values::All(value) };
    vec![
        one(GROUPS[0], embed),
        one(GROUPS[1], head),
        one(GROUPS[2], head),
        Filter { filter: None, value: Values::Gradient(layers.to_vec()) },
    ]
}

fn tokenizer(reader: &Reader<'_>, node: &Node) -> Read<Option<TokenizerSpec>> {
    match (given(node, "tokenizer_source"), given(node, "tokenizer")) {
        (None, None) => Ok(None),
        (Some(n), None) if n.is_map() => {
            let source = TokenizerSource::Model(reader.model_text(n, "tokenizer_source")?);
            Ok(Some(TokenizerSpec { source, tokens: Vec::new(), pad_to_multiple_of: None }))
        }
        (Some(n), None) => reader.tokenizer(n, "tokenizer_source").map(Some),
        (None, Some(n)) if n.is_map() => reader.tokenizer(n, "tokenizer").map(Some),
        (None, Some(n)) => {
            Err(reader.bad(n.line, "tokenizer", "must be a mapping; a name goes to tokenizer_source"))
        }
        (Some(_), Some(n)) => {
            Err(reader.bad(n.line, "tokenizer", "stands beside tokenizer_source; give one of the two"))
        }
    }
}

/// The mapping under `parameters`. With a `scope`, parameters of other scopes are refused.
fn parameters(
    reader: &Reader<'_>,
    node: &Node,
    path: &str,
    method: Method,
    scope: Option<Scope>,
) -> Read<Parameters> {
    let Some(n) = given(node, "parameters") else { return Ok(Parameters::new()) };
    let path = format!("{path}parameters.");
    if !n.is_map() {
        return Err(reader.bad(n.line, path.trim_end_matches('.'), "must be a mapping"));
    }
    reader.known_keys(n, &path, &[], Some(method))?;
    let mut out = reader.parameters(n, &path, method)?;
    let spec = |p| method.parameter(p).map(|s| s.scope);
    let foreign: Vec<_> =
        out.iter().map(|(p, _)| p).filter(|p| scope.is_some() && spec(*p) != scope).collect();
    for param in foreign {
        let key = format!("{path}{}", param.name());
        let problem = "is one value for all models; give it outside of the models";
        reader.refuse(reader.bad(reader.line_of(&key), &key, problem))?;
        out.remove(param);
    }
    Ok(out)
}

fn models(reader: &Reader<'_>, node: &Node, path: &str, recipe: &mut Recipe) -> Read<()> {
    let method = recipe.method;
    let measured = method.spec().base != BaseNeed::Unused;
    for (i, n) in list(reader, node, &format!("{path}models"))?.iter().enumerate() {
        let key = format!("{path}models[{i}].");
        reader.note(key.trim_end_matches('.'), n.line);
        reader.known_keys(n, &key, &MODEL, None)?;
        let model = model_of(reader, n, &key)?;
        if measured && recipe.base.as_ref() == Some(&model) {
            // mergekit ignores the base's parameters.
            if let Some(odd) = given(n, "parameters").filter(|p| !p.entries().is_empty()) {
                let place = reader.at(odd.line);
                let told = format!(
                    "{place}: {key}parameters stand at the base, which {} gives none; passed over, as mergekit does",
                    method.name()
                );
                reader.warnings.borrow_mut().push(told);
            }
            continue;
        }
        let parameters = parameters(reader, n, &key, method, Some(Scope::PerModel))?;
        recipe.sources.push(Source { model, parameters });
    }
    let listed = |base: &String| recipe.sources.iter().any(|s| s.model == *base);
    if let Some(base) = recipe.base.clone().filter(|b| !measured && !listed(b)) {
        recipe.sources.push(Source::new(&base));
    }
    Ok(())
}

fn slices(reader: &Reader<'_>, node: &Node, path: &str, recipe: &mut Recipe) -> Read<()> {
    let method = recipe.method;
    for (k, n) in list(reader, node, &format!("{path}slices"))?.iter().enumerate() {
        let key = format!("{path}slices[{k}].");
        reader.note(key.trim_end_matches('.'), n.line);
        reader.known_keys(n, &key, &SLICE, None)?;
        if let Some(odd) = given(n, "residual_weight") {
            let problem = "does nothing in mergekit; take it out";
            reader.refuse(reader.bad(odd.line, &format!("{key}residual_weight"), problem))?;
        }
        let base = given(n, "base_model");
        let mut slice = Slice {
            base: base.map(|n| reader.model_text(n, &format!("{key}base_model"))).transpose()?,
            sources: Vec::new(),
            parameters: parameters(reader, n, &key, method, None)?,
        };
        let Some(sources) = given(n, "sources") else {
            return Err(reader.bad(
                n.line,
                &format!("{key}sources"),
                "is missing; name a model and its layers",
            ));
        };
        for (i, n) in list(reader, sources, &format!("{key}sources"))?.iter().enumerate() {
            let key = format!("{key}sources[{i}].");
            reader.note(key.trim_end_matches('.'), n.line);
            reader.known_keys(n, &key, &SLICE_SOURCE, None)?;
            slice.sources.push(SliceSource {
                model: model_of(reader, n, &key)?,
                layers: reader.layer_range(n, "layer_range", &key)?,
                parameters: parameters(reader, n, &key, method, Some(Scope::PerModel))?,
            });
        }
        recipe.slices.push(slice);
    }
    Ok(())
}

fn model_of(reader: &Reader<'_>, node: &Node, path: &str) -> Read<String> {
    let key = format!("{path}model");
    let n =
        given(node, "model").ok_or_else(|| reader.bad(node.line, &key, "is missing; name a checkpoint"))?;
    reader.model_text(n, &key)
}

fn list<'n>(reader: &Reader<'_>, node: &'n Node, path: &str) -> Read<&'n [Node]> {
    match &node.tree {
        Tree::List(_) => reader.maps(node, path, "a list"),
        _ => Err(reader.bad(node.line, path, "must be a list")),
    }
}
