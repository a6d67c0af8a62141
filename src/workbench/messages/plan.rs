//! Phrases of a session's plan.

use super::words;

words! {
    plan_title(title: &str) = "What a session like {title} takes" | "{title}と同じセッションに要るもの";
    plan_waits = "Looking at the models and the task ..." | "モデルとタスクを調べています...";
    plan_times = "Timing a few candidates ..." | "候補をいくつか計っています...";
    plan_keys = "Enter starts it   m times a few candidates   Esc closes" | "Enter 開始   m 候補を計る   Esc 閉じる";
    plan_keys_timed = "Enter starts it   up and down scroll   Esc closes" | "Enter 開始   上下 スクロール   Esc 閉じる";
    plan_base = "base" | "ベース";
    plan_sources = "sources" | "ソース";
    plan_memory = "memory" | "メモリ";
    plan_search = "search" | "探索";
    plan_stage = "stage" | "段階";
    plan_baselines = "before" | "探索前";
    plan_questions = "questions" | "問題";
    plan_answers = "answers" | "回答";
    plan_tokens = "tokens" | "トークン";
    plan_journal = "journal" | "記録";
    plan_candidate = "candidate" | "候補";
    plan_whole = "whole run" | "全体";
    plan_bundled(name: &str, bytes: &str) = "{name}, {bytes}, bundled" | "{name}、{bytes}、同梱";
    plan_folder(name: &str, bytes: &str) = "{name}, {bytes}, a folder" | "{name}、{bytes}、フォルダ";
    plan_cache(name: &str, bytes: &str) = "{name}, {bytes}, in the hub cache" | "{name}、{bytes}、ハブのキャッシュ";
    plan_hub(name: &str, bytes: &str) = "{name}, {bytes} to download" | "{name}、{bytes}をダウンロード";
    plan_hub_unknown(name: &str) = "{name}, to download (size unknown)" | "{name}、ダウンロード（サイズ不明）";
    plan_unknown = "unknown before a model is here" | "モデルが手元にないため不明";
    plan_of_memory(total: &str, available: &str) = "{total} of {available} that are available" | "{available}のうち{total}";
    plan_genes(method: &str, genes: usize, algorithm: &str) = "{method}, {genes} genes by {algorithm}"
        | "{method}、遺伝子{genes}個、{algorithm}";
    plan_no_genes(method: &str, algorithm: &str) = "{method} by {algorithm}" | "{method}、{algorithm}";
    plan_rounds(generations: u64, population: usize, evaluations: u64)
        = "{generations} generations of {population}: {evaluations} evaluations"
        | "{population}個ずつ{generations}世代、評価{evaluations}回";
    plan_evaluations(evaluations: u64) = "{evaluations} evaluations" | "評価{evaluations}回";
    plan_of_baselines(n: u64) = "{n} baselines: base, sources, uniform, global weights" | "基準{n}件（ベース、ソース、均等、一律の重み）";
    plan_of_few_baselines(n: u64) = "{n} baselines: base, sources, uniform" | "基準{n}件（ベース、ソース、均等）";
    plan_of_questions(train: u64, test: u64) = "{train} for each candidate, {test} held out" | "候補ごとに{train}問、検証{test}問";
    plan_span(least: &str, most: &str) = "{least} to {most}" | "{least}から{most}";
    plan_at_most(n: &str) = "at most {n}" | "最大{n}";
    plan_about(n: &str, each: f64) = "about {n}, {each:.0} an answer" | "約{n}、回答あたり{each:.0}";
    plan_free(bytes: &str, free: &str) = "{bytes}; {free} are free" | "{bytes}（空き{free}）";
    plan_a_candidate(time: &str, rate: &str) = "{time}, {rate} tokens a second" | "{time}、毎秒{rate}トークン";
    plan_about_time(time: &str) = "about {time}" | "約{time}";
    plan_racing = "candidates race: the last of them stop early" | "候補は競争し、劣るものは早く止まります";
}
