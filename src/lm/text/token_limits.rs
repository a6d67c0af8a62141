//! Limits on a `tokenizer.json`, checked before a tokenizer is built from it: token ids, how much its replacements make
//! a text grow, how many patterns are compiled. `tokenizer` calls it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::limits::{TOKEN_GROWTH, TOKEN_ID, TOKEN_PATTERNS, TOKEN_TEXT, WORD};

/// Growth by Unicode normalisation: U+FDFA has three bytes and becomes 33.
const FORMS: usize = 11;
/// Most repetitions in one pattern, nested ones multiplied.
const REPEATS: u64 = 1000;

/// Checks a `tokenizer.json`; the error says which limit is exceeded, and where.
pub(super) fn check(json: &Value) -> Result<(), String> {
    check_ids(json)?;
    for part in ["normalizer", "pre_tokenizer", "decoder", "post_processor"] {
        let mut sum = Sum { growth: 1, text: 0, patterns: 0, forms: false };
        let value = &json[part];
        sum.add(value).map_err(|why| format!("its {part} {why}"))?;
        if sum.growth > TOKEN_GROWTH {
            return Err(format!(
                "its {part} makes over {TOKEN_GROWTH} bytes of one: its replacements are too long"
            ));
        }
        if sum.text > TOKEN_TEXT {
            return Err(format!("its {part} puts over {TOKEN_TEXT} bytes or tokens around every text"));
        }
        if sum.patterns > TOKEN_PATTERNS {
            return Err(format!("its {part} has over {TOKEN_PATTERNS} patterns"));
        }
    }
    let model = &json["model"];
    for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[key].as_str().is_some_and(|text| text.len() > TOKEN_GROWTH) {
            return Err(format!("its model.{key} has over {TOKEN_GROWTH} bytes"));
        }
    }
    match model["max_input_chars_per_word"].as_u64() {
        Some(n) if n > WORD as u64 => {
            Err(format!("its model.max_input_chars_per_word is {n}; {WORD} is the most"))
        }
        _ => Ok(()),
    }
}

/// Ids are rows of the embedding, so they are bounded.
fn check_ids(json: &Value) -> Result<(), String> {
    let far = |id: &Value| id.as_f64().is_some_and(|id| !(0.0..f64::from(TOKEN_ID)).contains(&id));
    let named = |token: &str, id: &Value| {
        let token: String = token.chars().take(40).collect();
        format!("it gives the token {token:?} the number {id}; numbers run from 0 to {}", TOKEN_ID - 1)
    };
    if let Some(Value::Object(vocabulary)) = json.pointer("/model/vocab")
        && let Some((token, id)) = vocabulary.iter().find(|(_, id)| far(id))
    {
        return Err(named(token, id));
    }
    let added = json["added_tokens"].as_array();
    match added.into_iter().flatten().find(|token| far(&token["id"])) {
        Some(token) => Err(named(token["content"].as_str().unwrap_or_default(), &token["id"])),
        None => Ok(()),
    }
}

/// The totals over the steps of a part. A step is recognised by its keys, because its type may be left out.
struct Sum {
    growth: usize,
    text: usize,
    patterns: usize,
    forms: bool,
}

impl Sum {
    fn add(&mut self, step: &Value) -> Result<(), String> {
        let Value::Object(step) = step else { return Ok(()) };
        for list in ["normalizers", "pretokenizers", "decoders", "processors"] {
            step.get(list).and_then(Value::as_array).into_iter().flatten().try_for_each(|s| self.add(s))?;
        }
        if let Some(pattern) = step.get("pattern") {
            self.patterns += 1;
            let regex = pattern.get("Regex").and_then(Value::as_str);
            if regex.is_some_and(|text| repeats(text) > REPEATS) {
                return Err(format!("has a pattern that repeats over {REPEATS} times"));
            }
            // Anchored at the beginning of a text, it matches once.
            let once = regex.is_some_and(|text| text.starts_with(r"\A") && !text.contains('|'));
            let content = step.get("content").and_then(Value::as_str);
            self.text += content.filter(|_| once).map_or(0, str::len);
            if let Some(content) = content.filter(|_| !once) {
                let plain = pattern.get("String").or(Some(pattern)).and_then(Value::as_str);
                let least = match regex {
                    Some(text) => usize::from(!matches_nothing(text)),
                    None => plain.map_or(0, str::len),
                };
                // A pattern that matches the empty string matches between any two bytes.
                let each = match least {
                    0 => content.len() + 1,
                    bytes => content.len().div_ceil(bytes).max(1),
                };
                self.growth = self.growth.saturating_mul(each);
            }
        }
        if let Some(text) = step.get("prepend").and_then(Value::as_str) {
            self.text += text.len();
        }
        if let Some(table) = step.get("precompiled_charsmap").and_then(Value::as_str) {
            self.growth = self.growth.saturating_mul(longest(table)?);
        }
        match step.get("type").and_then(Value::as_str) {
            Some("NFC" | "NFD" | "NFKC" | "NFKD" | "Nmt") if !self.forms => {
                self.forms = true;
                self.growth = self.growth.saturating_mul(FORMS);
            }
            Some("ByteLevel") => self.growth = self.growth.saturating_mul(2),
            _ => {}
        }
        let special = step.get("special_tokens");
        for side in ["single", "pair"] {
            for piece in step.get(side).and_then(Value::as_array).into_iter().flatten() {
                let name = piece.pointer("/SpecialToken/id").and_then(Value::as_str);
                let ids = name.and_then(|name| special?.get(name)?.get("ids")?.as_array());
                self.text += ids.map_or(1, Vec::len);
            }
        }
        Ok(())
    }
}

/// Whether a pattern matches the empty string; true for patterns that cannot be compiled here.
fn matches_nothing(pattern: &str) -> bool {
    let compiled = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
    compiled.map_or(true, |regex| regex.is_match(""))
}

/// The product of all counts in a pattern, such as 6 of `(a{2}b){3}`.
fn repeats(pattern: &str) -> u64 {
    let counts = pattern.split('{').skip(1).filter_map(|rest| {
        let inside = rest.split('}').next()?;
        inside.split(',').filter_map(|n| n.trim().parse::<u64>().ok()).max()
    });
    counts.fold(1, |product, n| product.saturating_mul(n.max(1)))
}

/// Bytes of the longest replacement in a sentencepiece table: base64 of the length of a trie, the trie, and texts that
/// end in a zero.
fn longest(table: &str) -> Result<usize, String> {
    let bad = || "holds a precompiled_charsmap that is damaged".to_owned();
    let bytes = STANDARD.decode(table).map_err(|_| bad())?;
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length < 4 || length > rest.len() {
        return Err(bad());
    }
    let texts = rest[length..].split(|b| *b == 0).map(<[u8]>::len);
    // A replacement stands for at least one character.
    Ok(texts.max().unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn says(part: &str, value: &Value) -> String {
        check(&json!({ part: value })).expect_err(&value.to_string())
    }

    #[test]
    fn replacements_that_multiply_are_refused() {
        let replace =
            |from: &str, to: String| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
        let usual = json!({"type": "Sequence", "normalizers": [
            {"type": "NFKC"}, {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁".to_owned())]});
        assert_eq!(check(&json!({ "normalizer": usual, "model": {} })), Ok(()));
        assert!(says("normalizer", &replace("a", "a".repeat(5000))).contains("over 4096 bytes of one"));
        let chain: Vec<Value> = (0..4).map(|_| replace("a", "a".repeat(10))).collect();
        for (part, list) in [("normalizer", "normalizers"), ("decoder", "decoders")] {
            assert!(says(part, &json!({"type": "Sequence", list: chain})).contains("over 4096 bytes of one"));
        }
        // A pattern that is no text, and one without its type.
        let empty = json!({"pattern": {"Regex": "x*"}, "content": "y".repeat(5000)});
        assert!(says("normalizer", &empty).contains("over 4096"));
        assert!(says("normalizer", &json!({"prepend": "x".repeat(70_000)})).contains("around every text"));
        let ids = json!({"single": [{"SpecialToken": {"id": "a", "type_id": 0}}],
            "special_tokens": {"a": {"id": "a", "ids": vec![1; 70_000], "tokens": []}}});
        assert!(says("post_processor", &ids).contains("around every text"));
        let many: Vec<Value> = (0..300).map(|_| json!({"pattern": {"Regex": "a"}})).collect();
        assert!(says("pre_tokenizer", &json!({ "pretokenizers": many })).contains("patterns"));
        let deep = json!({"pattern": {"Regex": "(a{100}){100}"}});
        assert!(says("pre_tokenizer", &deep).contains("repeats"));
    }

    #[test]
    fn ids_and_tables_are_bounded() {
        for id in [json!(4_000_000_000_u64), json!(-1), json!(1e300)] {
            assert!(says("model", &json!({"vocab": {"far": id}})).contains("\"far\""));
            assert!(says("added_tokens", &json!([{"id": id, "content": "far"}])).contains("\"far\""));
        }
        assert!(
            says("model", &json!({"max_input_chars_per_word": 1_000_000}))
                .contains("max_input_chars_per_word")
        );
        // A trie of four billion bytes in eight, and one text of a thousand.
        assert!(says("normalizer", &json!({"precompiled_charsmap": "/////wAAAAA="})).contains("damaged"));
        assert_eq!(longest("BAAAAAAAAABhYmMAZA=="), Ok(3));
    }
}
