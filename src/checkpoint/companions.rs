//! The small files beside a checkpoint's weights, by name. A file name comes in; out goes whether it is fetched with
//! the model, whether a merge copies it, and whether it affects the model's answers. `hub`, `model` and `fingerprint`
//! call it.

use std::fs;
use std::path::Path;

/// Files by name, and whether a merge copies each from the model that provides its config.
const FILES: [(&str, bool); 16] = [
    ("config.json", false),
    ("README.md", false),
    ("generation_config.json", true),
    ("tokenizer.json", true),
    ("tokenizer_config.json", true),
    ("special_tokens_map.json", true),
    ("added_tokens.json", true),
    ("chat_template.jinja", true),
    ("chat_template.json", true),
    ("tokenizer.model", true),
    ("vocab.json", true),
    ("merges.txt", true),
    ("preprocessor_config.json", true),
    ("processor_config.json", true),
    ("USE_POLICY.md", true),
    ("AUTHORS", true),
];

/// The folder of additional chat templates, one file per template.
pub(super) const TEMPLATES: &str = "additional_chat_templates";

/// Whether a file of a repository is fetched with the model.
pub(super) fn is_one(name: &str) -> bool {
    FILES.iter().any(|(n, _)| *n == name) || is_legal(name) || is_template(name)
}

/// Whether a merge copies this file from the model that provides its config.
pub(super) fn is_handed_on(name: &str) -> bool {
    FILES.iter().any(|(n, handed)| *n == name && *handed) || is_legal(name) || is_template(name)
}

/// Whether this file affects the model's answers.
pub(super) fn decides(name: &str) -> bool {
    let about = ["README.md", "USE_POLICY.md", "AUTHORS"].contains(&name);
    is_template(name) || !about && FILES.iter().any(|(n, _)| *n == name)
}

/// Names of the files in a checkpoint's folder; chat templates include their subfolder.
pub(super) fn in_folder(folder: &Path) -> Vec<String> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries.filter(|e| e.path().is_file());
        files.filter_map(|e| e.file_name().into_string().ok()).collect()
    };
    let templates = names(&folder.join(TEMPLATES));
    let templates = templates.into_iter().map(|name| format!("{TEMPLATES}/{name}"));
    names(folder).into_iter().chain(templates).collect()
}

/// `LICENSE`, `LICENSE.txt`, `Notice.md`, `COPYING`: files that must accompany a copy.
fn is_legal(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let kind = ["LICENSE", "LICENCE", "NOTICE", "COPYING"].into_iter().find(|k| upper.starts_with(k));
    let rest = kind.map(|k| &upper[k.len()..]);
    rest.is_some_and(|r| matches!(r, "" | ".MD" | ".TXT") || r.starts_with(['-', '_', '.']) && is_text(r))
}

/// Whether a file name has a text extension or no extension.
fn is_text(name: &str) -> bool {
    name.rsplit_once('.').is_none_or(|(_, end)| matches!(end, "MD" | "TXT" | "RST"))
}

fn is_template(name: &str) -> bool {
    let file = name.strip_prefix(TEMPLATES).and_then(|rest| rest.strip_prefix('/'));
    let stem = file.and_then(|f| f.strip_suffix(".jinja"));
    stem.is_some_and(|s| !s.is_empty() && !s.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companions_by_name() {
        for name in [
            "tokenizer.model",
            "vocab.json",
            "merges.txt",
            "added_tokens.json",
            "special_tokens_map.json",
            "generation_config.json",
            "preprocessor_config.json",
            "processor_config.json",
            "chat_template.jinja",
            "additional_chat_templates/tools.jinja",
            "LICENSE",
            "LICENSE.txt",
            "license.md",
            "LICENSE-MODEL",
            "NOTICE",
            "Notice.txt",
        ] {
            assert!(is_one(name) && is_handed_on(name), "{name}");
        }
        for name in ["config.json", "README.md"] {
            assert!(is_one(name) && !is_handed_on(name), "{name}");
        }
        for name in [
            "model.gguf",
            "LICENSE.safetensors",
            "licenses/LICENSE",
            "original/tokenizer.model",
            "additional_chat_templates/a/b.jinja",
            "additional_chat_templates/../x.jinja",
            "additional_chat_templates/.jinja",
            "pytorch_model.bin",
            "figure.png",
            "LICENSE.pdf",
        ] {
            assert!(!is_one(name), "{name}");
        }
    }
}
