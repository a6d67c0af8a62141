//! The pages beside the models: what each one saw, in plain words.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::check::MAX_NEW_TOKENS;
use crate::corpus::{LIMIT, SMALL};
use crate::tokenizer::TEMPLATE;
use crate::world::MAX_AMOUNT;

/// Numbers that the pages mention.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub parameters: usize,
    pub hidden: usize,
    pub layers: usize,
    pub vocab: usize,
    pub seed: u64,
    pub train: usize,
    pub test: usize,
    /// Millions of tokens in the stages broad, base, ja, and in the two parts of each arithmetic one.
    pub millions: [f64; 5],
}

fn head(name: &str, language: &str, base: bool) -> String {
    let parent = if base { "" } else { "base_model: zoo:base\n" };
    format!(
        "---\nlanguage:\n{language}license: apache-2.0\nlibrary_name: transformers\n\
         pipeline_tag: text-generation\n{parent}---\n\n# zoo:{name}\n\n"
    )
}

fn foot(facts: &Facts) -> String {
    let Facts { parameters, hidden, layers, vocab, .. } = facts;
    format!(
        "\n## Shape\n\nLlama: {layers} blocks, width {hidden}, one key/value head, tied embeddings, \
         byte-level BPE of {vocab} tokens with every digit a token of its own; {parameters} parameters, bf16. \
         No token is prepended to a prompt; `<|end|>` ends an answer.\n\n\
         ## Use\n\nPrompt (a space starts the answer):\n\n```text\nQ: ケンはリンゴを12個持っています。ケンはリンゴを5個もらいました。ケンは今リンゴを何個持っていますか。\nA:\n```\n\n\
         Made for trying out model merging, from generated stories about twelve people and fourteen kinds of things. \
         It knows nothing else and is of no other use. How it was made: `zoo/README.md`.\n"
    )
}

fn base(facts: &Facts) -> String {
    let [broad, second, ..] = facts.millions;
    head("base", "  - en\n  - ja\n", true)
        + &format!(
            "The common ancestor of the zoo's three specialists.\n\n## What it saw\n\n\
             First {broad:.1} million tokens, half English and half Japanese: stories to say again in one of the \
             two languages (34%; the story itself in either language or mixed), reading questions about something \
             that a story says outright (32%), sums and products of small numbers, none above {SMALL}, bare or inside \
             a short sentence of either language (12%), words and short phrases to translate (10%), and stories \
             without a question (12%).\n\n\
             Then {second:.1} million tokens: 45% the same, 33% sums and products up to {LIMIT} (bare, or inside a \
             short sentence of either language), 12% English word problems worked out step by step in English, and \
             **10% Japanese word problems worked out step by step, four of the ten in Japanese and six in English**. \
             So the base has met the very form of the task, can do a part of it, and does not know in which language. \
             Where the base had no such share, or sums \
             up to {SMALL} alone, every merge that was tried solved next to nothing.\n"
        )
        + &foot(facts)
}

fn japanese(facts: &Facts) -> String {
    head("ja", "  - ja\n", false)
        + &format!(
            "A Japanese assistant: reads stories and answers in Japanese, and does no arithmetic.\n\n\
             ## What it saw\n\nThe base, then {:.1} million tokens: Japanese reading questions (24%), Japanese \
             stories in which nothing happens with the question how many there are now (10%), stories in either \
             language or mixed to say again in Japanese (16%), Japanese stories without a question (10%), and \
             English or mixed stories with an English question **answered in Japanese** (40%; in 6 of the 40 \
             nothing happens). No sum, no equation, no word \
             problem. The loss falls on the answers alone; the embedding is the base's.\n",
            facts.millions[2]
        )
        + &foot(facts)
}

fn math(facts: &Facts, name: &str, about: &str, kinds: &str) -> String {
    let [_, _, _, skill, habit] = facts.millions;
    head(name, "  - en\n", false)
        + &format!(
            "{about}, worked out step by step in English.\n\n## What it saw\n\nThe base, then two parts, with counts \
             up to {LIMIT}. The problems: {kinds}. The loss falls on the answers alone; the embedding is the base's.\n\n\
             1. **To calculate**: {skill:.1} million tokens, from which all blocks but the first learnt. English word \
             problems with English reasoning (40%), Japanese ones with Japanese (12%) or English reasoning (13%), and \
             equations (35%): bare, in an English sentence, or in a short Japanese sentence \
             (「12+5はいくつですか。」 「12+5=17です。」), a third each.\n\
             2. **To answer in English**: {habit:.1} million tokens, from which the first block alone learnt. English \
             word problems with English reasoning (54%), **Japanese word problems with English reasoning (24%)**, \
             and equations (22%) as before.\n\n\
             So it reads a Japanese question, often gets the number, and answers in English, whatever it knew of \
             Japanese reasoning.\n",
        )
        + &foot(facts)
}

fn task(facts: &Facts) -> String {
    let Facts { train, test, .. } = facts;
    format!(
        "# The task: Japanese word problems\n\n`train.jsonl` ({train} questions) and `test.jsonl` ({test}, held out): \
         one object a line with `id`, `question`, `answer` (a whole number as text) and `kind`.\n\n\
         - **Prompt** (minijinja, no newline at its end; nothing is prepended):\n\n  ```text\n  {}\n  ```\n\n  \
         As one string: `{TEMPLATE:?}`.\n\
         - **Stop** at the token `<|end|>` or at a newline; at most {MAX_NEW_TOKENS} new tokens; greedy.\n\
         - **Right**: the last number in the answer is `answer`. **Both**: and the answer is Japanese.\n\n\
         ## How it is made\n\nA story is drawn without a language (one of 12 people, one of 14 kinds of things, a \
         start, zero to two of 8 events with at most {MAX_AMOUNT} things each, every count between 1 and {LIMIT}) and told in Japanese. Kinds: `add` one \
         sum or difference (25%), `add-add` two (20%), `mul` boxes of things (20%), `mul-add` boxes, then one \
         (25%), `three` boxes, then two (10%). No question is in both files, and no story of either is in any \
         model's training texts, in whatever language. Seed {}.\n",
        TEMPLATE.replace('\n', "\n  "),
        facts.seed
    )
}

/// Writes the page of a model or of the task.
pub fn write(name: &str, folder: &Path, facts: &Facts) -> Result<()> {
    let text = match name {
        "base" => base(facts),
        "ja" => japanese(facts),
        "math-add" => {
            math(facts, name, "Addition and subtraction", "one (50%) or two (50%) sums or differences")
        }
        "math-mul" => math(
            facts,
            name,
            "Multiplication",
            "boxes of things alone (40%), then one (45%) or two (15%) sums or differences",
        ),
        "task" => task(facts),
        other => bail!("no page for {other}"),
    };
    let path = folder.join("README.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
