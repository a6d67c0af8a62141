//! Which file of `src` uses which. Comes in: the folder. Goes out: a graph whose nodes are files and whose edges
//! are uses of an item that stands in another file, by `use` or by path, through any number of re-exports.

use crate::source::{without_tests, without_text};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module that is a file: its path in the crate, its text, and what it calls things from elsewhere.
#[derive(Default)]
struct Module {
    /// Where it stands, from `src` on.
    file: String,
    code: String,
    /// Names brought in by `use`, also re-exported ones: the name here → the path it stands for.
    names: BTreeMap<String, Vec<String>>,
    /// Modules whose every name is brought in by `use …::*`.
    globs: Vec<Vec<String>>,
    /// Every path that the text names, absolute.
    paths: BTreeSet<Vec<String>>,
}

/// All files and the files that each uses.
pub struct Graph {
    pub files: Vec<String>,
    pub uses: Vec<BTreeSet<usize>>,
}

type Modules = BTreeMap<Vec<String>, Module>;

impl Graph {
    pub fn read(src: &Path) -> Self {
        let mut modules = Modules::new();
        let mut tests = BTreeSet::new();
        collect(src, src, &mut Vec::new(), &mut modules, &mut tests);
        modules.retain(|path, _| !tests.iter().any(|test: &Vec<String>| path.starts_with(test)));
        let known: BTreeSet<Vec<String>> = modules.keys().cloned().collect();
        for (path, module) in &mut modules {
            module.read_uses(path, &known);
        }
        let numbers: BTreeMap<&Vec<String>, usize> =
            modules.keys().enumerate().map(|(n, path)| (path, n)).collect();
        let mut uses = vec![BTreeSet::new(); modules.len()];
        for (path, module) in &modules {
            let mut reached: BTreeSet<Vec<String>> =
                module.paths.iter().filter_map(|named| resolve(&modules, named, 0)).collect();
            for glob in &module.globs {
                reached.extend(through_glob(&modules, glob, &module.code));
            }
            uses[numbers[path]].extend(reached.iter().filter(|to| *to != path).map(|to| numbers[to]));
        }
        Self { files: modules.values().map(|module| module.file.clone()).collect(), uses }
    }

    /// Groups of files that reach each other, each of more than one file, without what only a parent and its own
    /// children have with each other.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let all: Vec<usize> = (0..self.files.len()).collect();
        let mut out: Vec<Vec<&str>> = Vec::new();
        for group in self.groups(&all, &|_, _| true) {
            let top =
                group.iter().find(|top| group.iter().all(|file| file == *top || self.above(**top, *file)));
            let left = if top.is_some() {
                self.groups(&group, &|from, to| !self.above(from, to))
            } else {
                vec![group]
            };
            out.extend(
                left.iter().map(|circle| circle.iter().map(|file| self.files[*file].as_str()).collect()),
            );
        }
        out
    }

    /// Whether `top` is the module that holds `file`, at any depth.
    fn above(&self, top: usize, file: usize) -> bool {
        let folder = |name: &str| name.strip_suffix("mod.rs").map_or(name.replace(".rs", "/"), str::to_owned);
        top != file && self.files[file].starts_with(&folder(&self.files[top]))
    }

    /// Strongly connected groups among `nodes` over the edges that `counts` lets through: each node's forward and
    /// backward reach meet in its group. Hundreds of files, so the plain way is fast enough.
    fn groups(&self, nodes: &[usize], counts: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
        let among: BTreeSet<usize> = nodes.iter().copied().collect();
        let reach = |start: usize| {
            let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
            while let Some(from) = open.pop() {
                for to in self.uses[from].iter().copied().filter(|to| among.contains(to) && counts(from, *to))
                {
                    if seen.insert(to) {
                        open.push(to);
                    }
                }
            }
            seen
        };
        let reached: BTreeMap<usize, BTreeSet<usize>> =
            nodes.iter().map(|node| (*node, reach(*node))).collect();
        let mut out: Vec<Vec<usize>> = Vec::new();
        for node in nodes {
            if reached[node].contains(node) && !out.iter().flatten().any(|other| other == node) {
                out.push(
                    nodes
                        .iter()
                        .copied()
                        .filter(|n| reached[node].contains(n) && reached[n].contains(node))
                        .collect(),
                );
            }
        }
        out
    }
}

/// Reads the modules below `folder`; `tests` gets those that exist for tests alone.
fn collect(
    src: &Path,
    folder: &Path,
    at: &mut Vec<String>,
    modules: &mut Modules,
    tests: &mut BTreeSet<Vec<String>>,
) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a source folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_stem().expect("a name").to_str().expect("a name in UTF-8").to_owned();
        if path.is_dir() {
            at.push(name);
            collect(src, &path, at, modules, tests);
            at.pop();
        } else if path.extension().is_some_and(|e| e == "rs") && name != "main" {
            let mut module = at.clone();
            if name != "mod" && !(at.is_empty() && name == "lib") {
                module.push(name);
            }
            let text = fs::read_to_string(&path).expect("a readable source file");
            let (code, own_tests) = without_tests(&without_text(&text));
            tests.extend(own_tests.into_iter().map(|test| module.iter().cloned().chain([test]).collect()));
            let file = path.strip_prefix(src).expect("below src").display().to_string();
            modules.insert(module, Module { file, code, ..Module::default() });
        }
    }
}

impl Module {
    fn read_uses(&mut self, here: &[String], known: &BTreeSet<Vec<String>>) {
        let code = std::mem::take(&mut self.code);
        let (mut rest, mut from) = (String::new(), 0);
        for (at, word) in code.match_indices("use ") {
            let inside_a_word = code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let Some(end) = code[at..].find(';').filter(|_| at >= from && !inside_a_word) else { continue };
            rest.push_str(&code[from..at]);
            from = at + end;
            for (path, name) in leaves(&code[at + word.len()..from]) {
                let Some(path) = absolute(&path, here, known) else { continue };
                if name == "*" {
                    self.globs.push(path.clone());
                } else {
                    self.names.insert(name, path.clone());
                }
                self.paths.insert(path);
            }
        }
        rest.push_str(&code[from..]);
        for path in inline_paths(&rest) {
            let path = match self.names.get(&path[0]) {
                Some(stands_for) => stands_for.iter().cloned().chain(path[1..].iter().cloned()).collect(),
                None => match absolute(&path, here, known) {
                    Some(path) => path,
                    None => continue,
                },
            };
            self.paths.insert(path);
        }
        self.code = rest;
    }
}

/// The paths of a use tree such as `a::{b, c as d, e::*}`, each with the name that it has here.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some((prefix, group)) = tree.split_once('{') {
        let prefix: Vec<String> = segments(prefix.trim().trim_end_matches("::"));
        let group = group.trim().strip_suffix('}').unwrap_or(group);
        return split_list(group)
            .iter()
            .flat_map(|part| leaves(part))
            .map(|(path, name)| {
                let own_name = prefix.last().cloned().unwrap_or_default();
                if path == ["self"] {
                    return (prefix.clone(), if name == "self" { own_name } else { name });
                }
                (prefix.iter().cloned().chain(path).collect(), name)
            })
            .collect();
    }
    let (path, name) =
        tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim().to_owned())));
    let mut path = segments(path);
    let Some(last) = path.last().cloned() else { return Vec::new() };
    if last == "*" {
        path.pop();
    }
    vec![(path, name.unwrap_or(last))]
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The parts of a list at its outermost commas.
fn split_list(list: &str) -> Vec<&str> {
    let (mut out, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(&list[from..]);
    out.retain(|part| !part.trim().is_empty());
    out
}

/// Every `a::b::c` in code.
fn inline_paths(code: &str) -> Vec<Vec<String>> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .filter(|word| word.contains("::"))
        .map(segments)
        .filter(|path| !path.is_empty())
        .collect()
}

/// A path from the crate's root; nothing where it leads out of the crate.
fn absolute(path: &[String], here: &[String], known: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let (mut base, mut rest) = (here.to_vec(), path);
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|s| s == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let child: Vec<String> = here.iter().cloned().chain([first.to_owned()]).collect();
            if !known.contains(&child) {
                return None;
            }
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The module in whose file the item of an absolute path stands.
fn resolve(modules: &Modules, path: &[String], depth: usize) -> Option<Vec<String>> {
    if depth > 8 {
        return None;
    }
    let mut module: Vec<String> = Vec::new();
    for (n, segment) in path.iter().enumerate() {
        module.push(segment.clone());
        if modules.contains_key(&module) {
            continue;
        }
        module.pop();
        let here = modules.get(&module)?;
        if let Some(stands_for) = here.names.get(segment) {
            let further: Vec<String> = stands_for.iter().chain(&path[n + 1..]).cloned().collect();
            return resolve(modules, &further, depth + 1);
        }
        let from_glob = here.globs.iter().find(|glob| **glob != module && defines(modules, glob, segment));
        return Some(from_glob.cloned().unwrap_or(module));
    }
    Some(module)
}

fn defines(modules: &Modules, module: &[String], item: &str) -> bool {
    let Some(module) = modules.get(module) else { return false };
    ["fn", "struct", "enum", "trait", "type", "const", "static", "union"]
        .iter()
        .any(|kind| module.code.contains(&format!("{kind} {item}")))
}

/// The files that `code` reaches through `use glob::*`: those of the names of `glob` that it mentions.
fn through_glob(modules: &Modules, glob: &[String], code: &str) -> Vec<Vec<String>> {
    let Some(module) = modules.get(glob) else { return Vec::new() };
    let words: BTreeSet<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let mut out: Vec<Vec<String>> = module
        .names
        .iter()
        .filter(|(name, _)| words.contains(name.as_str()))
        .filter_map(|(_, path)| resolve(modules, path, 0))
        .collect();
    if words.iter().any(|word| word.len() > 1 && defines(modules, glob, word)) {
        out.push(glob.to_vec());
    }
    out
}
