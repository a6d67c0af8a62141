//! Parses YAML text within limits. A text comes in, one tree for each document goes out; `yaml/schema.rs` calls it.
//! Plain scalars, merge keys and tags are read as in `PyYAML`.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::scalar::{scalar, tagged};
use crate::limits::{DEPTH, YAML_VALUES};
use crate::recipe::RecipeError;
use crate::recipe::read::{Entry, Node, Reader, Tree};

/// Each run of this many bytes in a text counts as one more value.
const TEXT_VALUE: usize = 64;

/// The prefix of YAML's own tags in the parser's events.
const CORE: &str = "tag:yaml.org,2002:";

/// A document, and its top-level keys that hold anchors used under other keys.
pub(super) struct Document {
    pub root: Node,
    pub anchor_holders: HashSet<String>,
}

/// A collection that is still being read.
enum Open {
    List(Head, Vec<Node>),
    Map(Head, OpenMap),
}

/// The head of a collection: its anchor (0 for none), its line, the number of values read before it, and the depth of
/// its content.
struct Head {
    anchor: usize,
    line: Option<usize>,
    before: usize,
    inside: usize,
}

/// A mapping that is still being read.
#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// For each key its index in `entries`.
    keys: HashMap<String, usize>,
    /// The entries under each merge key (`<<`).
    merged: Vec<Vec<Entry>>,
    /// The key whose value comes next, and its line. The key's text is `None` if it is the merge key.
    key: Option<(Option<String>, Option<usize>)>,
}

/// Size and depth of a node after all its aliases are expanded.
#[derive(Clone, Copy)]
struct Extent {
    values: usize,
    depth: usize,
}

/// A node with an anchor, and the index of the top-level key above it.
struct Anchored {
    node: Node,
    extent: Extent,
    under: Option<usize>,
}

/// The documents of a text, without empty ones.
pub(super) fn documents(text: &str, reader: &Reader<'_>) -> Result<Vec<Document>, RecipeError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        reader,
        stack: Vec::new(),
        anchors: HashMap::new(),
        count: 0,
        copies: 0,
        // Without aliases a text can't have more values than bytes.
        most: YAML_VALUES.saturating_add(text.len()),
        anchor_holders: HashSet::new(),
        out: Vec::new(),
    };
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|e| builder.syntax(Some(e.marker().line()), e.info().replace('\n', " ")))?;
        builder.take(event, Some(span.start.line()))?;
    }
    let mut out = builder.out;
    out.retain(|d| !matches!(d.root.tree, Tree::Null));
    Ok(out)
}

struct Builder<'r, 'p> {
    reader: &'r Reader<'p>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    /// Number of values so far, with aliases expanded, and its limit.
    count: usize,
    most: usize,
    /// Number of values in the copies kept for aliases.
    copies: usize,
    /// Indices of the document's keys that hold anchors used under other keys.
    anchor_holders: HashSet<usize>,
    out: Vec<Document>,
}

impl Builder<'_, '_> {
    fn syntax(&self, line: Option<usize>, problem: impl Into<String>) -> RecipeError {
        RecipeError::Syntax { notation: "YAML", place: self.reader.at(line), problem: problem.into() }
    }

    fn take(&mut self, event: Event<'_>, line: Option<usize>) -> Result<(), RecipeError> {
        match event {
            Event::SequenceStart(anchor, tag) => {
                let head = self.open(anchor, tag.as_deref(), "seq", line)?;
                self.stack.push(Open::List(head, Vec::new()));
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                let head = self.open(anchor, tag.as_deref(), "map", line)?;
                self.stack.push(Open::Map(head, OpenMap::default()));
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                if plain && text == "<<" && self.awaits_key() {
                    self.merge_key(line);
                    return Ok(());
                }
                let values = 1 + text.len() / TEXT_VALUE;
                self.count = self.count.saturating_add(values);
                let found = match tag.as_deref().map(tag_kind) {
                    None if plain => Ok(scalar(&text)),
                    // PyYAML looks for the type of a plain scalar with this tag too.
                    Some(TagKind::Unspecific) if style == ScalarStyle::Plain => Ok(scalar(&text)),
                    None | Some(TagKind::Unspecific) => Ok(Tree::Text(text.to_string())),
                    Some(TagKind::Core(name)) => tagged(name, &text).ok_or(name),
                    Some(TagKind::Other(name)) => Err(name),
                };
                let tree = found.map_err(|name| {
                    let text: String = text.chars().take(40).collect();
                    self.syntax(line, format!("{text:?} has the tag {name:?}, which it cannot have"))
                })?;
                self.put(Node { line, tree }, anchor, Extent { values, depth: 1 }, line)
            }
            Event::Alias(anchor) => {
                let under = self.top_place();
                let Some(found) = self.anchors.get(&anchor) else {
                    return Err(self.syntax(line, "an alias before its anchor is complete"));
                };
                let extent = found.extent;
                if let Some(holder) = found.under.filter(|h| under != Some(*h)) {
                    self.anchor_holders.insert(holder);
                }
                // The values are counted before they are copied.
                self.spend(extent.values, line)?;
                let node = self.anchors[&anchor].node.clone();
                self.put(node, 0, extent, line)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(Open::List(head, list)) => {
                    self.close(&head, Node { line: head.line, tree: Tree::List(list) })
                }
                Some(Open::Map(head, map)) => {
                    let mut anchor_holders = HashSet::new();
                    if self.stack.is_empty() {
                        let held = std::mem::take(&mut self.anchor_holders);
                        let named = held.iter().filter_map(|place| map.entries.get(*place));
                        anchor_holders = named.map(|e| e.key.clone()).collect();
                    }
                    let (entries, twice) = map.whole();
                    for key in twice {
                        let place = self.reader.at(head.line);
                        let key = key.escape_debug();
                        let told = format!("{place}: {key} comes twice under <<; read as by PyYAML 6.0.4");
                        self.reader.warnings.borrow_mut().push(told);
                    }
                    let root = Node { line: head.line, tree: Tree::Map(entries) };
                    if self.stack.is_empty() {
                        self.out.push(Document { root, anchor_holders });
                        return Ok(());
                    }
                    self.close(&head, root)
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Begins a collection.
    fn open(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        expected: &str,
        line: Option<usize>,
    ) -> Result<Head, RecipeError> {
        match tag.map(tag_kind) {
            None | Some(TagKind::Unspecific) => {}
            Some(TagKind::Core(name)) if name == expected => {}
            Some(TagKind::Core(odd) | TagKind::Other(odd)) => {
                return Err(self.syntax(line, format!("the tag {odd:?}, which nothing in a recipe has")));
            }
        }
        if self.stack.len() >= DEPTH {
            return Err(self.too_deep(line));
        }
        self.count = self.count.saturating_add(1);
        Ok(Head { anchor, line, before: self.count - 1, inside: 0 })
    }

    fn too_deep(&self, line: Option<usize>) -> RecipeError {
        self.syntax(line, format!("more than {DEPTH} lists and maps within each other"))
    }

    /// Counts values and refuses to go over the limit.
    fn spend(&mut self, values: usize, line: Option<usize>) -> Result<(), RecipeError> {
        self.count = self.count.saturating_add(values);
        if self.count.saturating_add(self.copies) > self.most {
            return Err(self.syntax(line, format!("aliases stand for more than {YAML_VALUES} values")));
        }
        Ok(())
    }

    fn close(&mut self, head: &Head, node: Node) -> Result<(), RecipeError> {
        let extent = Extent { values: self.count - head.before, depth: head.inside + 1 };
        self.put(node, head.anchor, extent, head.line)
    }

    /// Adds a complete node to the innermost open collection.
    fn put(
        &mut self,
        node: Node,
        anchor: usize,
        extent: Extent,
        line: Option<usize>,
    ) -> Result<(), RecipeError> {
        if self.stack.len() + extent.depth > DEPTH + 1 {
            return Err(self.too_deep(line));
        }
        if let Some(Open::List(head, _) | Open::Map(head, _)) = self.stack.last_mut() {
            head.inside = head.inside.max(extent.depth);
        }
        if anchor > 0 {
            // The node is copied here and at every alias.
            self.copies = self.copies.saturating_add(extent.values);
            self.spend(0, line)?;
            let under = self.top_place();
            self.anchors.insert(anchor, Anchored { node: node.clone(), extent, under });
        }
        match self.stack.last_mut() {
            None => {
                self.anchor_holders.clear();
                self.out.push(Document { root: node, anchor_holders: HashSet::new() });
                Ok(())
            }
            Some(Open::List(_, list)) => {
                list.push(node);
                Ok(())
            }
            Some(Open::Map(_, map)) => match map.key.take() {
                None => {
                    let text = key_text(&node).ok_or_else(|| self.syntax(line, "a key that is no text"))?;
                    if let Some(Open::Map(_, map)) = self.stack.last_mut() {
                        map.key = Some((Some(text), line));
                    }
                    Ok(())
                }
                Some((None, at)) => self.merge(node, at),
                Some((Some(name), at)) => self.entry(name, at, node),
            },
        }
    }

    fn entry(&mut self, name: String, line: Option<usize>, node: Node) -> Result<(), RecipeError> {
        let Some(Open::Map(_, map)) = self.stack.last_mut() else { return Ok(()) };
        if let Some(first) = map.keys.get(&name).copied() {
            // If a repeated key is accepted, its last value applies, as in PyYAML.
            map.entries[first].value = node;
            let problem = "is given twice; take one out";
            return self.reader.refuse(self.reader.bad(line, &name.escape_debug().to_string(), problem));
        }
        map.keys.insert(name.clone(), map.entries.len());
        map.entries.push(Entry { key: name, line, value: node });
        Ok(())
    }

    /// Stores the content of a merge key: a mapping, or a list of mappings in their order.
    fn merge(&mut self, node: Node, line: Option<usize>) -> Result<(), RecipeError> {
        let maps = match node.tree {
            Tree::Map(entries) => vec![entries],
            Tree::List(list) if list.iter().all(Node::is_map) => list
                .into_iter()
                .map(|n| if let Tree::Map(entries) = n.tree { entries } else { Vec::new() })
                .collect(),
            _ => return Err(self.syntax(line, "<< is followed by neither a mapping nor a list of mappings")),
        };
        let Some(Open::Map(_, map)) = self.stack.last_mut() else { return Ok(()) };
        map.merged.push(maps.into_iter().flatten().collect());
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some(Open::Map(_, map)) if map.key.is_none())
    }

    fn merge_key(&mut self, line: Option<usize>) {
        if let Some(Open::Map(_, map)) = self.stack.last_mut() {
            map.key = Some((None, line));
        }
    }

    /// The index of the top-level key whose value is being read now.
    fn top_place(&self) -> Option<usize> {
        match self.stack.first() {
            Some(Open::Map(_, map)) if map.key.is_some() => Some(map.entries.len()),
            _ => None,
        }
    }
}

impl OpenMap {
    /// All entries: first those under merge keys, except keys that the map itself has, then the map's own. Also returns
    /// the keys that merge keys give more than once. Of such a key the last entry applies; of a key of one character
    /// the first: `PyYAML` 6.0.4 compares keys by identity, which Python shares only for the shortest texts. (YAML
    /// itself, and earlier releases, take the first.)
    fn whole(self) -> (Vec<Entry>, Vec<String>) {
        let mut places: HashMap<String, usize> = HashMap::new();
        let (mut out, mut twice): (Vec<Entry>, Vec<String>) = (Vec::new(), Vec::new());
        for entry in self.merged.into_iter().flatten().filter(|e| !self.keys.contains_key(&e.key)) {
            let Some(place) = places.get(&entry.key).copied() else {
                places.insert(entry.key.clone(), out.len());
                out.push(entry);
                continue;
            };
            twice.push(entry.key.clone());
            if entry.key.chars().nth(1).is_some() {
                out[place] = entry;
            }
        }
        out.extend(self.entries);
        (out, twice)
    }
}

/// The meaning of a tag.
enum TagKind<'t> {
    /// `!`: the node is read without the tag.
    Unspecific,
    /// One of YAML's own tags, by its short name.
    Core(&'t str),
    /// A tag that can't be in a recipe.
    Other(&'t str),
}

fn tag_kind(tag: &Tag) -> TagKind<'_> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("!", "") | ("", "!") => TagKind::Unspecific,
        (CORE | "!!", name) => TagKind::Core(name),
        ("", name) => name.strip_prefix(CORE).map_or(TagKind::Other(name), TagKind::Core),
        (_, name) => TagKind::Other(name),
    }
}

fn key_text(node: &Node) -> Option<String> {
    match &node.tree {
        Tree::Text(text) => Some(text.clone()),
        Tree::Whole(n) => Some(n.to_string()),
        Tree::Flag(flag) => Some(flag.to_string()),
        _ => None,
    }
}
