//! Weights in unsupported formats. In: the file names of a folder or repository. Out: a sentence that names the format
//! and gives the command that converts it.

use std::fs;
use std::path::Path;

use super::safetensors::SINGLE;
use super::torch;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted;

/// The error for a folder without supported weights.
pub(in crate::checkpoint) fn only_foreign(reference: &str, folder: &Path) -> CheckpointError {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match advice(&names, reference) {
        Some(what) => CheckpointError::Foreign { path: reference.to_owned(), what },
        None => CheckpointError::NotAFolder { path: reference.to_owned(), missing: SINGLE },
    }
}

/// Describes the files of `model` if none is supported, and how to get supported ones. `None` if the format is unknown.
pub(in crate::checkpoint) fn advice(names: &[&str], model: &str) -> Option<String> {
    let find = |is: &dyn Fn(&str) -> bool| names.iter().copied().find(|n| is(&n.to_ascii_lowercase()));
    let quoted = untrusted::quoted(model);
    let convert = |with: &str, how: &str| {
        format!(
            "convert it with {with}: python -c \"from transformers import AutoModelForCausalLM as M; \
             M.from_pretrained('{quoted}'{how}).save_pretrained('{quoted}-safetensors')\", and copy its tokenizer's files there"
        )
    };
    if let Some(name) = find(&|n| n.starts_with("adapter_model")) {
        return Some(format!("{name} is a LoRA adapter: name it as BASE+{model}"));
    }
    if let Some(name) = find(&|n| ends(n, "bin") && n.contains("model")) {
        let todo = convert("transformers", "");
        return Some(format!(
            "its weights are {name}, a pickle of PyTorch; of these {} is read, or the files that {} lists: {todo}",
            torch::SINGLE,
            torch::INDEX
        ));
    }
    if let Some(name) = find(&|n| ends(n, "gguf")) {
        let todo = convert("transformers", &format!(", gguf_file='{}'", untrusted::quoted(name)));
        return Some(format!(
            "its weights are {name}, a file for llama.cpp; take the model that it was made from, or {todo}"
        ));
    }
    if let Some(name) = find(&|n| ends(n, "h5") || ends(n, "msgpack") || n.contains(".ckpt")) {
        let from = if ends(name, "msgpack") { "from_flax=True" } else { "from_tf=True" };
        let todo = convert("transformers 4 (pip install 'transformers<5')", &format!(", {from}"));
        return Some(format!(
            "its weights are {name}, of TensorFlow or Flax, and safetensors are read here; {todo}"
        ));
    }
    if let Some(name) = find(&|n| ends(n, "pt") || ends(n, "pth")) {
        return Some(format!(
            "its weights are {name}, a pickle of PyTorch without a model's usual names; take the model in Hugging Face's \
             form, or convert it with the script of its family in transformers (models/*/convert_*_to_hf.py)"
        ));
    }
    if let Some(name) = find(&|n| ends(n, "safetensors")) {
        return Some(format!(
            "it has {name}, but neither {SINGLE} nor {SINGLE}.index.json, which says what is in several files; rename a single file to {SINGLE}"
        ));
    }
    None
}

/// Whether a file name has this ending, in upper or lower case.
fn ends(name: &str, end: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e.eq_ignore_ascii_case(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_is_named_with_its_way_out() {
        for (files, says) in [
            (&["model.bin"][..], "model.bin, a pickle of PyTorch; of these pytorch_model.bin is read"),
            (
                &["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"],
                "save_pretrained('o/m-safetensors')",
            ),
            (&["m.Q4_K_M.gguf"], "gguf_file='m.Q4_K_M.gguf'"),
            (&["tf_model.h5"], "from_tf=True"),
            (&["flax_model.msgpack"], "from_flax=True"),
            (&["consolidated.00.pth"], "convert_*_to_hf.py"),
            (&["weights.safetensors"], "rename a single file to model.safetensors"),
            (&["adapter_model.safetensors"], "BASE+o/m"),
        ] {
            let advice = advice(files, "o/m").unwrap();
            assert!(advice.contains(says), "{advice}");
        }
        assert_eq!(advice(&["README.md", "training_args.bin"], "o/m"), None);
    }
}
