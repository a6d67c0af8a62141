//! The small files beside a checkpoint's weights, by name. Answers three questions about a file name: is it fetched with
//! the model, does a merge hand it on, does it decide what the model answers. Asked by `hub`, `model` and `fingerprint`.

use std::fs;
use std::path::Path;

/// Files by name, and whether a merge takes them over from the model that gives it its config.
const FILES: [(&str, bool); 14] = [
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
    ("USE_POLICY.md", true),
    ("AUTHORS", true),
];

/// The folder of further chat templates, each under its own name.
pub(super) const TEMPLATES: &str = "additional_chat_templates";

/// Whether a repository's file is fetched with the model.
pub(super) fn is_one(name: &str) -> bool {
    FILES.iter().any(|(n, _)| *n == name) || is_legal(name) || is_template(name)
}

/// Whether a merge takes this file over from the model that gives its config.
pub(super) fn is_handed_on(name: &str) -> bool {
    FILES.iter().any(|(n, handed)| *n == name && *handed) || is_legal(name) || is_template(name)
}

/// Whether this file decides what a model answers.
pub(super) fn decides(name: &str) -> bool {
    let about = ["README.md", "USE_POLICY.md", "AUTHORS"].contains(&name);
    is_template(name) || !about && FILES.iter().any(|(n, _)| *n == name)
}

/// Names of the files in a checkpoint's folder, those of its chat templates with their folder.
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

/// `LICENSE`, `LICENSE.txt`, `Notice.md`, `COPYING`: what must go along with a copy.
fn is_legal(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let kind = ["LICENSE", "LICENCE", "NOTICE", "COPYING"].into_iter().find(|k| upper.starts_with(k));
    let rest = kind.map(|k| &upper[k.len()..]);
    rest.is_some_and(|r| matches!(r, "" | ".MD" | ".TXT") || r.starts_with(['-', '_', '.']) && is_text(r))
}

/// Whether a name ends like a text's, or has no ending.
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
