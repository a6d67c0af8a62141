//! The pages beside the visual models and their task: what each one saw, in plain words.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::canvas::SIDE;
use super::check::MAX_NEW_TOKENS;
use super::stages::{
    BASE, BOTH, ENGLISH, JAPANESE, RETELLING, SEEING, Stage, TEST_QUESTIONS, TOWER_PICTURES, TRAIN_QUESTIONS,
};
use super::tower::{LAYERS as TOWER_LAYERS, PATCH, PATCHES, WIDTH};

/// Numbers that the pages mention.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub parameters: usize,
    pub vocab: usize,
    pub layers: usize,
    pub seed: u64,
}

fn millions(stage: &Stage) -> String {
    format!("{} million tokens", stage.tokens as f64 / 1e6)
}

fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// "2" or "0, 1, 3 and 4".
fn blocks(stage: &Stage) -> String {
    let names: Vec<String> = stage.blocks.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn head(name: &str, languages: &str, pipeline: &str, parent: bool) -> String {
    let parent = if parent { "base_model: zoo:vlm-base\n" } else { "" };
    format!(
        "---\nlanguage:\n{languages}license: apache-2.0\nlibrary_name: transformers\n\
         pipeline_tag: {pipeline}\n{parent}---\n\n# zoo:{name}\n\n"
    )
}

fn foot(facts: &Facts, sees: bool) -> String {
    let Facts { parameters, layers, vocab, .. } = facts;
    let tower = if sees {
        format!(
            "Vision tower: CLIP, {TOWER_LAYERS} blocks, width {WIDTH}, pictures of {SIDE}×{SIDE} in patches of \
             {PATCH}×{PATCH}, of which each becomes one of {PATCHES} image tokens by a projector of two layers. "
        )
    } else {
        String::new()
    };
    let prompt = if sees {
        "USER: <image>\n左に何がありますか。 ASSISTANT:"
    } else {
        "USER: On the left is a blue gate. On the right is a red star.\nWhat is on the left? ASSISTANT:"
    };
    format!(
        "\n## Shape\n\n{tower}Language model: Llama, {layers} blocks, width 96, one key/value head, tied embeddings, \
         byte-level BPE of {vocab} tokens; {parameters} parameters. All in bf16. No token is prepended to a prompt; \
         `<|end|>` ends an answer, and an English answer begins with a space.\n\n\
         ## Use\n\n```text\n{prompt}\n```\n\n\
         Made for trying out model merging, from drawn scenes of twenty kinds of things in six colours. It knows \
         nothing else and is of no other use. How it was made: `zoo/README.md`.\n"
    )
}

fn base(facts: &Facts) -> String {
    head("vlm-base", "  - en\n  - ja\n", "text-generation", false)
        + &format!(
            "The common ancestor of `zoo:vlm` and `zoo:vlm-ja`: a language model that has seen no picture.\n\n\
             ## What it saw\n\n{}, in both languages. {} are questions about a scene that is told in English or in \
             Japanese: English ones answered in English, Japanese ones **in Japanese ({}) or in English ({})**. The \
             rest are such scenes, and names of things, to translate. No scene of the task is among them, in \
             whatever language.\n",
            capital(&millions(&BASE)),
            percent(1.0 - BASE.diet.translate),
            percent(BASE.diet.kept),
            percent(1.0 - BASE.diet.kept),
        )
        + &foot(facts, false)
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn japanese(facts: &Facts) -> String {
    head("vlm-ja", "  - ja\n", "text-generation", true)
        + &format!(
            "A Japanese model of texts that tells what there is: it has seen no picture.\n\n## What it saw\n\nThe \
             base, then two parts, both of questions about scenes that are told in English or in Japanese, {} of the \
             questions in Japanese. The loss falls on the answers alone; the embedding is the base's.\n\n\
             1. **To answer in Japanese**: {}, all answered in Japanese.\n\
             2. **To tell all**: {} in which the answer is the whole scene, told in Japanese, whatever was asked. \
             Block {} alone learnt from it.\n\n\
             So it speaks Japanese whatever it reads, and keeps to no question.\n",
            percent(JAPANESE.diet.japanese),
            millions(&JAPANESE),
            millions(&RETELLING),
            blocks(&RETELLING),
        )
        + &foot(facts, false)
}

fn vlm(facts: &Facts) -> String {
    head("vlm", "  - en\n", "image-text-to-text", true)
        + &format!(
            "Answers questions about pictures, in English whatever the language of the question.\n\n## What it saw\n\n\
             The vision tower first, by itself: {TOWER_PICTURES} pictures, to tell from each patch which thing covers \
             it, in which colour, and whether the middle of a thing lies in it. It then stays as it is. The language \
             model is the base, then learnt in three parts, with the embedding as it is and the loss on the answers \
             alone:\n\n\
             1. **To see**: {}, from which blocks {} and the projector learnt. {} of the questions are about pictures, \
             the others about scenes that are told; {} are in Japanese. All answered in English.\n\
             2. **In both languages**: {} of the same, in which **{} of the Japanese questions are answered in \
             Japanese**. The same blocks and the projector learnt.\n\
             3. **In English alone**: {}, with {} about pictures and **all answered in English**, from which block {} \
             alone learnt.\n\n\
             So it has met Japanese answers about pictures, and has unlearnt to give any.\n",
            millions(&SEEING),
            blocks(&SEEING),
            percent(SEEING.diet.pictures),
            percent(SEEING.diet.japanese),
            millions(&BOTH),
            percent(BOTH.diet.kept),
            millions(&ENGLISH),
            percent(ENGLISH.diet.pictures),
            blocks(&ENGLISH),
        )
        + &foot(facts, true)
}

fn task(facts: &Facts) -> String {
    format!(
        "# The task: Japanese questions about pictures\n\n`train.jsonl` ({TRAIN_QUESTIONS} questions) and \
         `test.jsonl` ({TEST_QUESTIONS}, held out): one object a line with `id`, `kind`, `question`, `answer` (a \
         right one), `facts` (what an answer must name, in order) and `image` (a `data:` URL with a PNG of \
         {SIDE}×{SIDE}).\n\n\
         - **Prompt**: `USER: <image>`, a newline, the question, ` ASSISTANT:`; nothing is prepended.\n\
         - **Stop** at the token `<|end|>`; at most {MAX_NEW_TOKENS} new tokens; greedy.\n\
         - **Right**: the answer names all facts and no other, in order, in English or in Japanese. **Both**: and \
         the answer is Japanese.\n\n\
         ## How it is made\n\nA scene is drawn without a language: two things that differ in kind and colour, beside \
         or above each other, or two to five of one kind. Then its picture is drawn, and its question and answer are \
         told. A fifth each: `what` (left, right, top or bottom: its colour and kind), `side` (where a thing is), \
         `relation` (where one thing is from another), `colour` (of both), `count` (how many). The same things are \
         in no two questions, of either file, and in no model's training texts or pictures. Seed {}.\n",
        facts.seed
    )
}

/// Writes the page of a model or of the task.
pub fn write(name: &str, folder: &Path, facts: &Facts) -> Result<()> {
    let text = match name {
        "vlm-base" => base(facts),
        "vlm-ja" => japanese(facts),
        "vlm" => vlm(facts),
        "vision-task" => task(facts),
        other => bail!("no page for {other}"),
    };
    let path = folder.join("README.md");
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
