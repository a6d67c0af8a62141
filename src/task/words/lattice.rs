//! `MeCab`'s lattice and Viterbi search: a text and a dictionary come in, the cheapest sequence of words goes out. The
//! candidates and their order are those of `MeCab`, so that ties break in the same way. `words/mod.rs` calls it.

use std::ops::Range;

use super::mecab::{Class, Dictionary, Token};

/// Unknown words of one category are grouped up to this number of characters (`max-grouping-size`).
const GROUP: usize = 24;
/// Maximum length in bytes of the text in which a word is searched.
const WINDOW: usize = 65_535;

/// A word in the lattice.
struct Node {
    word: Range<usize>,
    right: u16,
    cost: i64,
    before: usize,
}

/// Byte ranges of the words of `text`. White space between words belongs to no word.
pub(in crate::task) fn words(dictionary: &Dictionary, text: &str) -> Vec<Range<usize>> {
    // Node 0 is the start of the text; `ends[i]` lists the nodes that end at byte i.
    let mut nodes = vec![Node { word: 0..0, right: 0, cost: 0, before: 0 }];
    let mut ends: Vec<Vec<usize>> = vec![Vec::new(); text.len() + 1];
    ends[0].push(0);
    let mut candidates = Vec::new();
    for start in 0..text.len() {
        if ends[start].is_empty() {
            continue;
        }
        candidates.clear();
        let window = text.floor_char_boundary(start + WINDOW);
        candidates_at(dictionary, &text[..window], start, &mut candidates);
        // MeCab keeps both lists with the newest entry first.
        for (word, token) in candidates.drain(..).rev() {
            let Some((before, cost)) = cheapest(dictionary, &nodes, &ends[start], token) else { continue };
            ends[word.end].push(nodes.len());
            nodes.push(Node { word, right: token.right, cost, before });
        }
    }
    let end = Token { left: 0, right: 0, cost: 0 };
    let last = ends.iter().rev().find(|list| !list.is_empty());
    let mut at = last.and_then(|list| cheapest(dictionary, &nodes, list, end)).map_or(0, |(node, _)| node);
    let mut out = Vec::new();
    while at != 0 {
        out.push(nodes[at].word.clone());
        at = nodes[at].before;
    }
    out.reverse();
    out
}

/// The node before a token that gives the least cost, with that cost including the token.
fn cheapest(dictionary: &Dictionary, nodes: &[Node], list: &[usize], token: Token) -> Option<(usize, i64)> {
    let mut best: Option<(usize, i64)> = None;
    for &i in list.iter().rev() {
        let step = dictionary.transition(nodes[i].right, token.left) + i32::from(token.cost);
        let cost = nodes[i].cost + i64::from(step);
        if best.is_none_or(|(_, least)| cost < least) {
            best = Some((i, cost));
        }
    }
    best
}

/// Collects the words that can begin at a byte, after white space.
fn candidates_at(dictionary: &Dictionary, text: &str, start: usize, out: &mut Vec<(Range<usize>, Token)>) {
    let begin = run(dictionary, text, start, dictionary.space).0;
    if begin == text.len() {
        return;
    }
    let (class, first) = dictionary.class(&text[begin..]);
    dictionary.prefixes(&text.as_bytes()[begin..], |length, token| {
        if length > 0 {
            out.push((begin..begin + length, token));
        }
    });
    if !out.is_empty() && !class.invoke {
        return;
    }
    let mut unknown = |end: usize| {
        out.extend(dictionary.unknown(class.default).iter().map(|&token| (begin..end, token)));
    };
    let mut end = begin + first;
    let mut grouped = None;
    if class.group {
        let (group, letters) = run(dictionary, text, end, class);
        if letters <= GROUP {
            unknown(group);
        }
        grouped = Some(group);
    }
    for _ in 0..class.length {
        if Some(end) == grouped {
            continue;
        }
        unknown(end);
        if end == text.len() {
            break;
        }
        let (next, letters) = dictionary.class(&text[end..]);
        if class.kinds & next.kinds == 0 {
            break;
        }
        end += letters;
    }
    if out.is_empty() {
        out.extend(dictionary.unknown(class.default).iter().map(|&token| (begin..end, token)));
    }
}

/// End and length in characters of the run in which each character shares a category with the previous one.
fn run(dictionary: &Dictionary, text: &str, mut at: usize, mut class: Class) -> (usize, usize) {
    let mut count = 0;
    while at < text.len() {
        let (next, length) = dictionary.class(&text[at..]);
        if class.kinds & next.kinds == 0 {
            break;
        }
        class = next;
        at += length;
        count += 1;
    }
    (at, count)
}
