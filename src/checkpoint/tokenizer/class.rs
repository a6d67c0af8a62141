//! Which of transformers' tokenizers a checkpoint means.

use serde_json::{Map, Value};

/// How a tokenizer is made of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A sentencepiece model read as Llama's is, whatever it says of itself.
    Llama,
    /// The same for Gemma's.
    Gemma,
    /// A sentencepiece model as it says itself.
    Plain,
    /// Byte-level BPE, split as Qwen 2 splits.
    Qwen2,
    /// The same, as GPT-2.
    Gpt2,
}

/// The class that belongs to a `model_type`; `None` where any may stand there.
fn registered(model_type: &str) -> Option<Class> {
    match model_type {
        "qwen2" | "qwen3" => Some(Class::Qwen2),
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" => Some(Class::Gemma),
        "mistral" | "phi3" => Some(Class::Plain),
        _ => None,
    }
}

/// Classes of transformers 5.24 that make a tokenizer of their own of other files.
const OTHERS: [&str; 16] = [
    "BloomTokenizer",
    "CamembertTokenizer",
    "CodeGenTokenizer",
    "CodeLlamaTokenizer",
    "CohereTokenizer",
    "GPTNeoXTokenizer",
    "GPTNeoXJapaneseTokenizer",
    "BertTokenizer",
    "BertJapaneseTokenizer",
    "MBartTokenizer",
    "NllbTokenizer",
    "RobertaTokenizer",
    "T5Tokenizer",
    "XGLMTokenizer",
    "XLMRobertaTokenizer",
    "XLNetTokenizer",
];

fn named(class: &str) -> Result<Class, String> {
    match class {
        "LlamaTokenizer" => Ok(Class::Llama),
        "GemmaTokenizer" => Ok(Class::Gemma),
        "Qwen2Tokenizer" => Ok(Class::Qwen2),
        "GPT2Tokenizer" => Ok(Class::Gpt2),
        other if OTHERS.contains(&other) => Err(other.to_owned()),
        _ => Ok(Class::Plain),
    }
}

/// The class of a checkpoint, as `AutoTokenizer` finds it; an error is the name of one that is not
/// made here.
pub(super) fn choose(config: &Value, own: &Map<String, Value>) -> Result<Class, String> {
    let text =
        |value: Option<&Value>| value.and_then(Value::as_str).filter(|c| !c.is_empty()).map(str::to_owned);
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let said = text(own.get("tokenizer_class")).or_else(|| text(config.get("tokenizer_class")));
    let Some(said) = said else { return Ok(registered(model_type).unwrap_or(Class::Plain)) };
    let class = named(said.strip_suffix("Fast").unwrap_or(&said));
    match registered(model_type) {
        Some(Class::Plain) => Ok(Class::Plain),
        // What repositories of these models say is known to be wrong.
        Some(of_model) if model_type == "qwen2" => Ok(of_model),
        _ => class,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_is_found_as_transformers_finds_it() {
        let of = |model: &str, class: Value| {
            let own = json!({ "tokenizer_class": class });
            choose(&json!({ "model_type": model }), own.as_object().unwrap())
        };
        assert_eq!(of("llama", json!("LlamaTokenizer")), Ok(Class::Llama));
        assert_eq!(of("llama", json!("LlamaTokenizerFast")), Ok(Class::Llama));
        assert_eq!(of("llama", json!("GPT2Tokenizer")), Ok(Class::Gpt2));
        assert_eq!(of("llama", json!("PreTrainedTokenizerFast")), Ok(Class::Plain));
        assert_eq!(of("llama", json!(null)), Ok(Class::Plain));
        assert_eq!(of("mistral", json!("LlamaTokenizer")), Ok(Class::Plain));
        assert_eq!(of("phi3", json!("LlamaTokenizer")), Ok(Class::Plain));
        assert_eq!(of("qwen2", json!("LlamaTokenizer")), Ok(Class::Qwen2));
        assert_eq!(of("qwen3", json!("LlamaTokenizer")), Ok(Class::Llama));
        assert_eq!(of("gemma2", json!(null)), Ok(Class::Gemma));
        assert_eq!(of("llama", json!("T5Tokenizer")), Err("T5Tokenizer".to_owned()));
        let config = json!({ "model_type": "llama", "tokenizer_class": "LlamaTokenizer" });
        assert_eq!(choose(&config, &Map::new()), Ok(Class::Llama));
    }
}
