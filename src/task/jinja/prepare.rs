//! Rewrites a template for minijinja: constructs that only Jinja2 has become constructs that minijinja has. A template
//! or an expression comes in, its rewritten text goes out; `jinja/mod.rs` calls it.
//!
//! `{% generation %}`, which transformers puts around the part of a chat that the model wrote, becomes `{% with %}`.
//! `text % values` becomes a call of [`MODULO`]. `a + b` becomes a call of [`SUM`], which charges for a list before
//! making it. The value that a loop iterates over becomes the argument of [`ITEMS`], since Python iterates over the
//! characters of a text. Whitespace control and lines are kept.

/// The function that a `%` between two values becomes.
pub(super) const MODULO: &str = "__modulo";

/// The function that takes the value a loop iterates over.
pub(super) const ITEMS: &str = "__items";

/// The function that a `+` between two values becomes.
pub(super) const SUM: &str = "__sum";

/// One replacement in the text.
struct Edit {
    at: usize,
    /// Sort key among edits at one place; the lowest comes first.
    order: isize,
    /// Number of bytes that the edit replaces.
    gone: usize,
    text: String,
}

/// Edits, in the order in which they were found.
#[derive(Default)]
struct Edits(Vec<Edit>, usize);

impl Edits {
    fn put(&mut self, at: usize, gone: usize, text: &str) {
        let order = self.0.len() as isize;
        self.0.push(Edit { at, order, gone, text: text.to_owned() });
    }

    /// Opens a call. It encloses the calls that were found earlier at the same place, except a loop's call.
    fn open(&mut self, at: usize, function: &str) {
        let order = if function == ITEMS { isize::MIN } else { -1 - self.0.len() as isize };
        self.0.push(Edit { at, order, gone: 0, text: format!(" {function}(") });
    }
}

/// Maximum number of tokens in one expression: the parser may recurse once a token.
const TOKENS: usize = 20_000;
/// Expressions of up to this many tokens need no large stack.
const FEW: usize = 100;

/// A rewritten text, and whether parsing it needs a large stack.
pub(super) type Prepared = (String, bool);

/// Rewrites a template; every line end becomes `\n`.
pub(super) fn prepare(source: &str) -> Result<Prepared, String> {
    let source = &source.replace("\r\n", "\n").replace('\r', "\n");
    let mut edits = Edits::default();
    let mut at = 0;
    while let Some(open) = source[at..].find('{').map(|i| at + i) {
        at = match source.as_bytes().get(open + 1) {
            Some(b'#') => source[open..].find("#}").map_or(source.len(), |i| open + i + 2),
            Some(b'{') => expression(source, open + 2, "}}", &mut edits),
            Some(b'%') => match raw_end(source, open) {
                Some(end) => end,
                None => expression(source, open + 2, "%}", &mut edits),
            },
            _ => open + 1,
        };
    }
    apply(source, edits)
}

/// Rewrites a single expression.
pub(super) fn prepare_expression(source: &str) -> Result<Prepared, String> {
    let mut edits = Edits::default();
    expression(source, 0, "\0", &mut edits);
    apply(source, edits)
}

fn apply(source: &str, edits: Edits) -> Result<Prepared, String> {
    let Edits(mut edits, most) = edits;
    if most > TOKENS {
        return Err(format!(
            "an expression in it has {most} parts, more than the {TOKENS} that one may have"
        ));
    }
    edits.sort_by_key(|edit| (edit.at, edit.order));
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    for Edit { at, gone, text, .. } in edits {
        out.push_str(&source[done..at]);
        out.push_str(&text);
        done = at + gone;
    }
    out.push_str(&source[done..]);
    Ok((out, most > FEW))
}

/// End of the raw block that begins at `open`; `None` if the block there is of another kind.
fn raw_end(source: &str, open: usize) -> Option<usize> {
    let word = |at: usize, word: &str| {
        let rest = source[at + 2..].trim_start_matches(['-', '+']).trim_start();
        let rest = rest.strip_prefix(word)?.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")?;
        Some(source.len() - rest.len())
    };
    let mut at = word(open, "raw")?;
    while let Some(next) = source[at..].find("{%").map(|i| at + i) {
        match word(next, "endraw") {
            Some(end) => return Some(end),
            None => at = next + 2,
        }
    }
    Some(source.len())
}

/// State of the scan inside one bracket, or in the whole expression outside brackets.
struct Level {
    /// Where the current sum and the current product begin.
    sum: usize,
    product: usize,
    /// End of the last token.
    end: usize,
    /// Whether the last token can end a value.
    value: bool,
    /// Whether the call for a `+`, or for a `%`, is still open because its right side continues.
    open_sum: bool,
    open_product: bool,
}

impl Level {
    fn new(at: usize) -> Self {
        Self { sum: at, product: at, end: at, value: false, open_sum: false, open_product: false }
    }

    /// Ends the right side of a `%`.
    fn close_product(&mut self, edits: &mut Edits) {
        if std::mem::take(&mut self.open_product) {
            edits.put(self.end, 0, ")");
        }
    }

    /// Ends the right sides of a `%` and a `+`.
    fn close(&mut self, edits: &mut Edits) {
        self.close_product(edits);
        if std::mem::take(&mut self.open_sum) {
            edits.put(self.end, 0, ")");
        }
    }

    /// An operator that binds less tightly than `+` ends the sum.
    fn part(&mut self, end: usize, edits: &mut Edits) {
        self.close(edits);
        (self.sum, self.product, self.end, self.value) = (end, end, end, false);
    }

    /// Begins the next product of the same sum.
    fn next_product(&mut self, end: usize) {
        (self.product, self.end, self.value) = (end, end, false);
    }

    fn operand(&mut self, end: usize) {
        (self.end, self.value) = (end, true);
    }

    fn operator(&mut self, end: usize) {
        (self.end, self.value) = (end, false);
    }
}

/// Keywords between values.
const WORDS: [&str; 9] = ["and", "or", "not", "in", "is", "if", "else", "recursive", "elif"];

/// Renames the tag `generation` to a tag without effect; it only marks what the model writes.
fn rename_tag(tag: &str, at: usize, edits: &mut Edits) {
    match tag {
        "generation" => edits.put(at, tag.len(), "with"),
        "endgeneration" => edits.put(at, tag.len(), "endwith"),
        _ => {}
    }
}

/// Rewrites an expression from `at` to the delimiter; returns the byte index where the scan continues.
fn expression(source: &str, at: usize, delimiter: &str, edits: &mut Edits) -> usize {
    let bytes = source.as_bytes();
    // A sign right after the delimiter controls whitespace.
    let mut at = at + usize::from(matches!(bytes.get(at), Some(b'-' | b'+')) && delimiter != "\0");
    let mut levels = vec![Level::new(at)];
    let mut first = delimiter == "%}";
    // In a loop tag: the scan is before `in`, or behind it.
    let (mut before_in, mut items) = (false, false);
    let mut tokens = 0;
    while at < source.len() {
        let rest = &source[at..];
        if !rest.starts_with(|c: char| c.is_ascii_whitespace()) {
            tokens += 1;
            edits.1 = edits.1.max(tokens);
        }
        let deep = levels.len() > 1;
        let Some(level) = levels.last_mut() else { break };
        if !deep && rest.strip_prefix(['-', '+']).unwrap_or(rest).starts_with(delimiter) {
            level.close(edits);
            if items {
                edits.put(level.end, 0, ")");
            }
            return at + rest.find(delimiter).unwrap_or(0) + delimiter.len();
        }
        let byte = bytes[at];
        let end = at + token(rest);
        let text = &source[at..end];
        match byte {
            b if b.is_ascii_whitespace() => {}
            b'\'' | b'"' | b'0'..=b'9' => level.operand(end),
            b'(' | b'[' | b'{' => {
                if std::mem::take(&mut first) {
                    level.part(at, edits);
                }
                levels.push(Level::new(end));
            }
            b')' | b']' | b'}' => {
                level.close(edits);
                if deep {
                    levels.pop();
                }
                if let Some(outer) = levels.last_mut() {
                    outer.operand(end);
                }
            }
            _ if is_word(byte) => {
                if std::mem::take(&mut first) {
                    rename_tag(text, at, edits);
                    before_in = text == "for";
                    level.part(end, edits);
                } else if WORDS.contains(&text) {
                    let last = level.end;
                    level.part(end, edits);
                    if !deep && before_in && text == "in" {
                        edits.open(end, ITEMS);
                        (before_in, items) = (false, true);
                    } else if !deep && items && (text == "if" || text == "recursive") {
                        edits.put(last, 0, ")");
                        items = false;
                    }
                } else {
                    level.operand(end);
                }
            }
            b'%' if level.value => {
                level.close_product(edits);
                edits.open(level.product, MODULO);
                edits.put(at, 1, ",");
                level.operator(end);
                level.open_product = true;
            }
            b'+' if level.value => {
                level.close_product(edits);
                // One call for all summands, however many there are.
                if !level.open_sum {
                    edits.open(level.sum, SUM);
                }
                edits.put(at, 1, ",");
                level.next_product(end);
                level.open_sum = true;
            }
            b'-' if level.value => {
                level.close(edits);
                level.next_product(end);
            }
            b'~' => {
                level.close_product(edits);
                level.next_product(end);
            }
            b'|' | b'.' => level.operator(end),
            b'*' if text == "**" => level.operator(end),
            b'*' | b'/' => {
                level.close_product(edits);
                level.operator(end);
            }
            // A sign before a value is part of the value.
            b'-' | b'+' => level.end = end,
            _ => level.part(end, edits),
        }
        at = end;
    }
    // The text ends without a delimiter, as a single expression does: close what is open.
    if let [level] = levels.as_mut_slice() {
        level.close(edits);
    }
    source.len()
}

/// Length in bytes of the token at the beginning of `rest`.
fn token(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    match bytes[0] {
        quote @ (b'\'' | b'"') => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != quote {
                at += 1 + usize::from(bytes[at] == b'\\');
            }
            // The character after a backslash may have several bytes.
            let mut end = (at + 1).min(rest.len());
            while !rest.is_char_boundary(end) {
                end += 1;
            }
            end
        }
        b'0'..=b'9' => {
            let digits = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
            let whole = bytes.iter().take_while(|b| digits(b)).count();
            let fraction =
                bytes.get(whole) == Some(&b'.') && bytes.get(whole + 1).is_some_and(u8::is_ascii_digit);
            if fraction {
                whole + 1 + bytes[whole + 1..].iter().take_while(|b| digits(b)).count()
            } else {
                whole
            }
        }
        b if is_word(b) => bytes.iter().take_while(|b| is_word(**b) || b.is_ascii_digit()).count(),
        b'*' | b'/' | b'=' | b'!' | b'<' | b'>' => {
            1 + usize::from(bytes.get(1).is_some_and(|b| *b == b'=' || *b == bytes[0] && b"*/".contains(b)))
        }
        _ => 1,
    }
}

/// Whether a byte can be in a name; every byte of a character beyond ASCII can.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modulo_becomes_a_call() {
        for (from, to) in [
            ("{{ a % b }}", "{{ M( a , b) }}"),
            ("{{- 'x' % -b -}}", "{{- M( 'x' , -b) -}}"),
            ("{{ x ~ a * b % c.d[0] | f(1) * e }}", "{{ x ~ M( a * b , c.d[0] | f(1)) * e }}"),
            ("{{ a % b % c ~ d }}", "{{ M( M( a , b) , c) ~ d }}"),
            ("{{ a % b + c ~ d + e - f + g }}", "{{ S( S( M( a , b) , c ~ d , e) - f , g) }}"),
            ("{{ a + b if c + d else -e + (f+g) }}", "{{ S( a , b) if S( c , d) else S( -e , ( S(f,g))) }}"),
            ("{% set x = a + '+' %}", "{% set x = S( a , '+') %}"),
            ("{% if loop.index0 % 2 == 0 and x %}", "{% if M( loop.index0 , 2) == 0 and x %}"),
            ("{%- set y = '%s' % (a % b, 'ば') %}", "{%- set y = M( '%s' , ( M(a , b), 'ば')) %}"),
            ("{{ -2 % 3 ** 2 }}", "{{ M( -2 , 3 ** 2) }}"),
            ("{% for i in [a%b]%}", "{% for i in I( [ M(a,b)])%}"),
            ("{%- for a, b in x if a % 2 recursive -%}", "{%- for a, b in I( x) if M( a , 2) recursive -%}"),
            ("{% for a in b % c if d in e %}", "{% for a in I( M( b , c)) if d in e %}"),
        ] {
            // S, M and I stand for the functions.
            let to = [("S(", SUM), ("M(", MODULO), ("I(", ITEMS)]
                .into_iter()
                .fold(to.to_owned(), |to, (short, name)| {
                    to.replace(&format!(" {short}"), &format!(" {name}("))
                });
            assert_eq!(prepare(from).unwrap().0, to, "{from}");
        }
    }

    #[test]
    fn the_rest_stays() {
        for text in [
            "100 % {{ x }} {# a % b #} {{ '%s % d' }} {{ {'a': {}} }}",
            "{% raw %}{{ a % b }}{% generation %}{% endraw %} %",
            "{%- raw -%} {{ a % b }} {%- endraw -%}",
            "{{ 'unclosed",
            "{% if x",
            "{{ ) }} {{ \"é\\é\" }}",
            "{",
            "{{",
            "{{é}}",
        ] {
            assert_eq!(prepare(text).unwrap().0, text);
        }
        assert_eq!(
            prepare("{%- generation -%}x{% endgeneration %}").unwrap().0,
            "{%- with -%}x{% endwith %}"
        );
        assert_eq!(prepare_expression("n % 3").unwrap().0, format!(" {MODULO}(n , 3)"));
    }
}
