//! Writes a recipe as mergekit's YAML. A recipe becomes a tree, the tree becomes text; `recipe/recipe_file.rs` calls
//! it.

use super::emit;
use super::schema::{COMMENT_PREFIX, ExtraKeys, group_filters};
use crate::recipe::read::{Entry, Node, Tree};
use crate::recipe::{
    BaseNeed, Kind, MaskStream, Method, Parameters, Precision, Recipe, RecipeError, TokenName, TokenOrigin,
    TokenSpec, TokenizerSource, TokenizerSpec, Values,
};

impl Recipe {
    /// One document, without the recipes that this one depends on.
    pub(in crate::recipe) fn to_yaml_document(&self) -> Result<String, RecipeError> {
        let refused = |key: &str, problem: &str| Err(RecipeError::in_memory(key, problem));
        if !self.path.is_empty() {
            return refused("path", "has no counterpart in mergekit's YAML; keep this recipe in TOML");
        }
        if self.align.is_some() {
            return refused("align", "has no counterpart in mergekit's YAML; keep this recipe in TOML");
        }
        let mut extra = ExtraKeys {
            seed: self.seed,
            config: self.config.clone(),
            vision: self.vision,
            ..ExtraKeys::default()
        };
        if self.mask != MaskStream::Mergekit {
            extra.mask = Some(self.mask);
        }
        let mut top = Builder::default();
        top.text("name", self.name.as_deref());
        top.text("merge_method", Some(self.method.name()));
        // For mergekit every base is an input, so a base that only gives config and tokenizer goes into the comment
        // line.
        let unused = self.method.spec().base == BaseNeed::Unused;
        let listed = |b: &&String| self.sources.iter().any(|s| s.model == **b);
        match &self.base {
            Some(base) if unused && self.slices.is_empty() && !listed(&base) => {
                extra.base = Some(base.clone());
            }
            base => top.text("base_model", base.as_deref()),
        }
        let mut body = Builder::default();
        if self.slices.is_empty() {
            body.put("models", self.models_node(&mut extra)?);
        } else {
            body.put("slices", self.slices_node(&mut extra)?);
        }
        match &self.module {
            None => top.0.append(&mut body.0),
            Some(module) => {
                body.put("parameters", self.parameters_node(&module.parameters, &mut extra)?);
                let mut modules = Builder::default();
                modules.put(&module.name, body.node());
                top.put("modules", modules.node());
            }
        }
        top.put("parameters", self.parameters_node(&self.parameters, &mut extra)?);
        top.text("dtype", self.dtype.map(Precision::name));
        top.text("out_dtype", self.out_dtype.map(Precision::name));
        if let Some(spec) = &self.tokenizer {
            tokenizer(&mut top, spec);
        }
        top.text("chat_template", self.chat_template.as_deref());
        let mut out = String::new();
        if extra != ExtraKeys::default() {
            let json = serde_json::to_string(&extra)
                .map_err(|e| RecipeError::in_memory("base", &format!("cannot be written: {e}")))?;
            out = format!("{COMMENT_PREFIX}{json}\n");
        }
        out.push_str(&emit::document(&top.node()));
        Ok(out)
    }

    fn models_node(&self, extra: &mut ExtraKeys) -> Result<Node, RecipeError> {
        let mut list = Vec::new();
        for (i, source) in self.sources.iter().enumerate() {
            if self.base.as_ref() == Some(&source.model) && self.method.spec().base != BaseNeed::Unused {
                let problem =
                    "is the base itself, which mergekit's YAML cannot say; keep this recipe in TOML";
                return Err(RecipeError::in_memory(&format!("source[{i}].model"), problem));
            }
            let mut map = Builder::default();
            map.text("model", Some(&source.model));
            map.put("parameters", self.parameters_node(&source.parameters, extra)?);
            list.push(map.node());
        }
        Ok(plain(Tree::List(list)))
    }

    fn slices_node(&self, extra: &mut ExtraKeys) -> Result<Node, RecipeError> {
        let mut list = Vec::new();
        for slice in &self.slices {
            let mut sources = Vec::new();
            for source in &slice.sources {
                let mut map = Builder::default();
                map.text("model", Some(&source.model));
                let (first, end) = source.layers;
                let range = [first, end].map(|n| plain(Tree::Whole(n as i64)));
                map.put("layer_range", plain(Tree::List(range.into())));
                map.put("parameters", self.parameters_node(&source.parameters, extra)?);
                sources.push(map.node());
            }
            let mut map = Builder::default();
            map.put("sources", plain(Tree::List(sources)));
            map.text("base_model", slice.base.as_deref());
            map.put("parameters", self.parameters_node(&slice.parameters, extra)?);
            list.push(map.node());
        }
        Ok(plain(Tree::List(list)))
    }

    fn parameters_node(&self, parameters: &Parameters, extra: &mut ExtraKeys) -> Result<Node, RecipeError> {
        let mut map = Builder::default();
        for (param, values) in parameters.iter() {
            let Some(spec) = Method::parameter(self.method, param) else { continue };
            let inner = matches!(values, Values::Filters(list)
                if list.iter().any(|f| matches!(f.value, Values::Each { .. })));
            let each = matches!(values, Values::Each { .. });
            if inner || each && self.slices.len() > 1 {
                let problem =
                    "has one value a layer group, which mergekit's YAML cannot say here; use a gradient";
                return Err(RecipeError::in_memory(param.name(), problem));
            }
            // Without the flag a list of one layer would be read as a gradient of one point, which has the same value.
            extra.groups |= each;
            map.put(param.name(), value(values, spec.kind));
        }
        Ok(map.node())
    }
}

/// Builds a map with its keys in the order of insertion; leaves out empty maps.
#[derive(Default)]
struct Builder(Vec<Entry>);

impl Builder {
    fn put(&mut self, key: &str, value: Node) {
        if !matches!(&value.tree, Tree::Map(entries) if entries.is_empty()) {
            self.0.push(Entry { key: key.to_owned(), line: None, value });
        }
    }

    fn text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.put(key, plain(Tree::Text(text.to_owned())));
        }
    }

    fn node(self) -> Node {
        plain(Tree::Map(self.0))
    }
}

const fn plain(tree: Tree) -> Node {
    Node { line: None, tree }
}

fn number(value: f64, kind: Kind) -> Node {
    plain(match kind {
        Kind::Flag => Tree::Flag(value != 0.0),
        Kind::Count if value.fract() == 0.0 && value.abs() < 1e15 => Tree::Whole(value as i64),
        _ => Tree::Number(value),
    })
}

fn value(values: &Values, kind: Kind) -> Node {
    let numbers = |list: &[f64]| plain(Tree::List(list.iter().map(|n| number(*n, kind)).collect()));
    match values {
        Values::All(v) => number(*v, kind),
        Values::Gradient(points) => numbers(points),
        Values::Each { embed, layers, head } => {
            value(&Values::Filters(group_filters(*embed, layers, *head)), kind)
        }
        Values::Filters(list) => {
            let entry = |f: &crate::recipe::Filter| {
                let mut map = Builder::default();
                map.text("filter", f.filter.as_deref());
                map.put("value", value(&f.value, kind));
                map.node()
            };
            plain(Tree::List(list.iter().map(entry).collect()))
        }
    }
}

fn tokenizer(top: &mut Builder, spec: &TokenizerSpec) {
    let source = match &spec.source {
        TokenizerSource::Union => "union",
        TokenizerSource::Base => "base",
        TokenizerSource::Model(model) => model,
    };
    if spec.tokens.is_empty() && spec.pad_to_multiple_of.is_none() {
        return top.text("tokenizer_source", Some(source));
    }
    let mut map = Builder::default();
    map.text("source", Some(source));
    if let Some(multiple) = spec.pad_to_multiple_of {
        map.put("pad_to_multiple_of", plain(Tree::Whole(multiple as i64)));
    }
    let mut tokens = Builder::default();
    for (name, rule) in &spec.tokens {
        tokens.0.push(Entry { key: name.clone(), line: None, value: token(rule) });
    }
    map.put("tokens", tokens.node());
    top.put("tokenizer", map.node());
}

fn token(rule: &TokenSpec) -> Node {
    let mut map = Builder::default();
    match &rule.source {
        None => {}
        Some(TokenOrigin::Model(model)) => map.text("source", Some(model)),
        Some(TokenOrigin::Zero) => {
            let mut zero = Builder::default();
            zero.text("kind", Some("zero"));
            map.put("source", zero.node());
        }
        Some(TokenOrigin::ModelToken { model, token }) => {
            let mut origin = Builder::default();
            origin.text("kind", Some("model_token"));
            origin.text("model", Some(model));
            match token {
                TokenName::Text(text) => origin.text("token", Some(text)),
                TokenName::Id(id) => origin.put("token_id", plain(Tree::Whole(i64::from(*id)))),
            }
            map.put("source", origin.node());
        }
    }
    if rule.force {
        map.put("force", plain(Tree::Flag(true)));
    }
    map.node()
}
