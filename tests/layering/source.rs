//! Rust source as text without what is no code: comments, the insides of strings, test modules. Comes in: a
//! file's text. Goes out: the same text with those parts blank, every line where it was.

/// `text` with comments, string contents and character literals blank.
pub fn without_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'r' | b'b' | b'c' if !word_before(bytes, at) => {
                let Some(end) = raw_string_end(bytes, at) else {
                    at += 1;
                    continue;
                };
                end
            }
            b'"' => string_end(bytes, at),
            b'\'' => {
                let Some(end) = char_end(bytes, at) else {
                    at += 1;
                    continue;
                };
                end
            }
            _ => {
                at += 1;
                continue;
            }
        };
        out[at..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at = end;
    }
    String::from_utf8(out).expect("whole characters were replaced")
}

fn word_before(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"` that starts at `at`.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let prefix = bytes[at..].iter().take_while(|b| matches!(b, b'r' | b'b' | b'c')).count();
    if prefix > 2 || bytes[at + prefix - 1] != b'r' {
        return None;
    }
    let hashes = bytes[at + prefix..].iter().take_while(|b| **b == b'#').count();
    let body = at + prefix + hashes + 1;
    if bytes.get(body - 1) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let found = bytes[body..].windows(close.len()).position(|w| w == close);
    Some(found.map_or(bytes.len(), |n| body + n + close.len()))
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// The end of a character literal at `at`; nothing where the quote starts a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at + 1) == Some(&b'\\') {
        return bytes[at + 3..].iter().position(|b| *b == b'\'').map(|n| at + 4 + n);
    }
    let first = bytes.get(at + 1)?;
    let width = if *first < 0x80 { 1 } else { first.leading_ones() as usize };
    (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
}

/// `code` with every item under `#[cfg(test)]` blank, and the names of the modules that such an item declares.
pub fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut out, mut modules, mut from) = (code.as_bytes().to_vec(), Vec::new(), 0);
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let end = item_end(code.as_bytes(), start + MARK.len());
        let item = code[start + MARK.len()..end].trim();
        if let Some(name) = item.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';')) {
            modules.push(name.trim().to_owned());
        }
        out[start..end].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        from = end;
    }
    (String::from_utf8(out).expect("whole characters were replaced"), modules)
}

/// Where the item that starts at `start` ends: at its `;`, or behind the brace that closes it.
fn item_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[test]
fn what_is_no_code_is_blank() {
    let text =
        "let a = \"b::c\"; // d::e\nlet f = 'x'; let g: &'static str = r#\"h::i\"#; /* j /* k */ l */ m";
    let code = without_text(text);
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>().join(" "),
        "let a = ; let f = ; let g: &'static str = ; m"
    );
    assert_eq!(code.len(), text.len());
}

#[test]
fn test_items_are_blank_and_their_modules_named() {
    let (code, modules) = without_tests(
        "a; #[cfg(test)]\nmod tests;\nb; #[cfg(test)] mod t { fn x() { y(); } } c; #[cfg(test)] use d::e; f",
    );
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a;", "b;", "c;", "f"]);
    assert_eq!(modules, ["tests"]);
}
