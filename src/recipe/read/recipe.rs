//! Reads a recipe by its keys in TOML. A tree comes in, a checked recipe goes out; `read/mod.rs` calls it.

use super::node::{Node, Tree};
use super::{Read, Reader, nearest};
use crate::recipe::{
    BaseNeed, MaskStream, Method, Module, Param, Recipe, Slice, SliceSource, Source, Step, VisionRule,
};

/// The keys of a recipe that are not parameters.
const TOP: [&str; 16] = [
    "method",
    "base",
    "name",
    "mask",
    "seed",
    "dtype",
    "out_dtype",
    "tokenizer",
    "chat_template",
    "config",
    "vision",
    "align",
    "module",
    "source",
    "slice",
    "path",
];
const SOURCE: [&str; 1] = ["model"];
const SLICE: [&str; 2] = ["source", "base"];
const SLICE_SOURCE: [&str; 2] = ["model", "layers"];
const MODULE: [&str; 1] = ["name"];
const STEP: [&str; 3] = ["model", "layer", "scale"];

impl Reader<'_> {
    pub(in crate::recipe) fn recipe(&self, node: &Node) -> Read<Recipe> {
        if node.get("method").is_none() {
            let params = Param::ALL.map(Param::name);
            self.known_keys(node, "", &[&TOP[..], &params[..]].concat(), None)?;
        }
        let method = self.method(node, "method")?;
        self.known_keys(node, "", &TOP, Some(method))?;
        let mut recipe = Recipe::new(method, None);
        recipe.parameters = self.parameters(node, "", method)?;
        let text = |key: &str| node.get(key).map(|n| self.text_of(n, key)).transpose();
        recipe.base = text("base")?;
        recipe.name = text("name")?;
        recipe.chat_template = text("chat_template")?;
        recipe.dtype = self.precision(node, "dtype")?;
        recipe.out_dtype = self.precision(node, "out_dtype")?;
        recipe.tokenizer = node.get("tokenizer").map(|n| self.tokenizer(n, "tokenizer")).transpose()?;
        recipe.config = node.get("config").map(|n| self.config(n)).transpose()?.unwrap_or_default();
        recipe.vision = match node.get("vision").map(|n| (n, n.text())) {
            None | Some((_, Some("keep"))) => VisionRule::Keep,
            Some((_, Some("merge"))) => VisionRule::Merge,
            Some((n, _)) => return Err(self.bad(n.line, "vision", "must be \"keep\" or \"merge\"")),
        };
        recipe.align = node.get("align").map(|n| self.align(n)).transpose()?;
        recipe.mask = match node.get("mask") {
            None => MaskStream::Counter,
            Some(n) => match n.text() {
                Some("counter") => MaskStream::Counter,
                Some("mergekit") => MaskStream::Mergekit,
                _ => return Err(self.bad(n.line, "mask", "must be \"counter\" or \"mergekit\"")),
            },
        };
        if let Some(n) = node.get("seed") {
            // TOML's integers end at 2⁶³ − 1, so a larger seed is written as text.
            let seed = match &n.tree {
                Tree::Whole(seed) => u64::try_from(*seed).ok(),
                Tree::Text(seed) => seed.parse().ok(),
                _ => None,
            };
            recipe.seed = seed.ok_or_else(|| self.bad(n.line, "seed", "must be a whole number from 0"))?;
        }
        if let Some(n) = node.get("module") {
            self.known_keys(n, "module.", &MODULE, Some(method))?;
            let name = self.required_text(n, "name", "module.name")?;
            recipe.module = Some(Module { name, parameters: self.parameters(n, "module.", method)? });
        }
        recipe.sources = self.sources(node, method)?;
        for (k, n) in self.list(node, "slice", "[[slice]]")?.iter().enumerate() {
            recipe.slices.push(self.slice(n, &format!("slice[{k}]"), method)?);
        }
        for (i, n) in self.list(node, "path", "[[path]]")?.iter().enumerate() {
            recipe.path.push(self.step(n, &format!("path[{i}]."))?);
        }
        // Single values are checked above, with their lines. This check finds mistakes between values.
        let mut recipe = self.checked(recipe)?;
        self.without_base(&mut recipe)?;
        Ok(recipe)
    }

    /// Removes the base from the sources if the method compares the other sources with it. mergekit's recipes may list
    /// the base, but without parameters.
    fn without_base(&self, recipe: &mut Recipe) -> Read<()> {
        let Some(base) = recipe.base.clone().filter(|_| recipe.method.spec().base != BaseNeed::Unused) else {
            return Ok(());
        };
        let given = |s: &Source| s.model == base && !s.parameters.is_empty();
        if let Some(i) = recipe.sources.iter().position(given) {
            let key = format!("source[{i}]");
            let problem = format!(
                "is the base itself, which {} gives no parameters; take them out",
                recipe.method.name()
            );
            self.refuse(self.bad(self.line_of(&key), &key, problem))?;
        }
        recipe.sources.retain(|s| s.model != base);
        Ok(())
    }

    /// Returns the recipe if its values are valid together.
    pub(in crate::recipe) fn checked(&self, recipe: Recipe) -> Read<Recipe> {
        match recipe.check_values() {
            Ok(()) => Ok(recipe),
            Err((key, problem)) => Err(self.bad(self.line_of(&key), &key, problem)),
        }
    }

    /// The merge method that `key` names.
    pub(in crate::recipe) fn method(&self, node: &Node, key: &str) -> Read<Method> {
        let name = self.required_text(node, key, key)?;
        Method::from_name(&name).ok_or_else(|| {
            let hint = nearest(&name, &Method::ALL.map(Method::name));
            self.bad(
                self.line_of(key).or(node.get(key).and_then(|n| n.line)),
                key,
                format!("{name:?} is not known; {hint}"),
            )
        })
    }

    fn list<'n>(&self, node: &'n Node, key: &str, shown: &str) -> Read<&'n [Node]> {
        let Some(list) = node.get(key) else { return Ok(&[]) };
        let maps = self.maps(list, key, shown)?;
        for (i, n) in maps.iter().enumerate() {
            self.note(&format!("{key}[{i}]"), n.line);
        }
        Ok(maps)
    }

    fn sources(&self, node: &Node, method: Method) -> Read<Vec<Source>> {
        let list = self.list(node, "source", "[[source]]")?;
        let source = |(i, n): (usize, &Node)| {
            let path = format!("source[{i}].");
            self.known_keys(n, &path, &SOURCE, Some(method))?;
            let model = self.required_text(n, "model", &format!("{path}model"))?;
            Ok(Source { model, parameters: self.parameters(n, &path, method)? })
        };
        list.iter().enumerate().map(source).collect()
    }

    fn slice(&self, node: &Node, path: &str, method: Method) -> Read<Slice> {
        self.known_keys(node, &format!("{path}."), &SLICE, Some(method))?;
        let key = format!("{path}.source");
        let list = match node.get("source") {
            Some(n) => self.maps(n, &key, "[[slice.source]]")?,
            None => return Err(self.bad(node.line, &key, "is missing; name a model and its layers")),
        };
        let base = node.get("base").map(|n| self.text_of(n, &format!("{path}.base"))).transpose()?;
        let mut sources = Vec::new();
        for (i, n) in list.iter().enumerate() {
            self.note(&format!("{key}[{i}]"), n.line);
            let path = format!("{key}[{i}].");
            self.known_keys(n, &path, &SLICE_SOURCE, Some(method))?;
            let model = self.required_text(n, "model", &format!("{path}model"))?;
            let layers = self.layer_range(n, "layers", &path)?;
            sources.push(SliceSource { model, layers, parameters: self.parameters(n, &path, method)? });
        }
        Ok(Slice { sources, base, parameters: self.parameters(node, &format!("{path}."), method)? })
    }

    /// The pair `[first, after the last]` under `key`.
    pub(in crate::recipe) fn layer_range(&self, node: &Node, key: &str, path: &str) -> Read<(usize, usize)> {
        let path = format!("{path}{key}");
        let shape = "must be two whole numbers, the first layer and the one after the last";
        let Some(n) = node.get(key) else {
            return Err(self.bad(
                node.line,
                &path,
                "is missing; give the first layer and the one after the last",
            ));
        };
        match &n.tree {
            Tree::List(list) => match list.as_slice() {
                [first, end] => Ok((self.layer_of(first, &path)?, self.layer_of(end, &path)?)),
                _ => Err(self.bad(n.line, &path, shape)),
            },
            _ => Err(self.bad(n.line, &path, shape)),
        }
    }

    fn step(&self, node: &Node, path: &str) -> Read<Step> {
        self.known_keys(node, path, &STEP, None)?;
        let model = self.required_text(node, "model", &format!("{path}model"))?;
        let key = format!("{path}layer");
        let layer = node.get("layer").ok_or_else(|| self.bad(node.line, &key, "is missing"))?;
        let scale = node.get("scale").map_or(Ok(1.0), |n| {
            n.number().ok_or_else(|| self.bad(n.line, &format!("{path}scale"), "must be a finite number"))
        })?;
        Ok(Step { model, layer: self.layer_of(layer, &key)?, scale })
    }
}
