//! Phrases of the Evolve pane: status lines, chart, population, reference points, samples.

use super::words;
use crate::task::AnswerLanguage;

/// Heading over the scores: what counts as right, depending on the language that the tasks require. At most as wide
/// as `right, Japanese`.
#[must_use]
pub fn what_counts(asked: &AnswerLanguage) -> String {
    match language_asked(asked) {
        _ if *asked == AnswerLanguage::Mixed => score_right_as_asked().to_owned(),
        Some(language) => score_right_in(language),
        None => score_right().to_owned(),
    }
}

/// The language that an answer must be in to count, if the tasks require one: `Japanese`.
#[must_use]
pub fn language_asked(asked: &AnswerLanguage) -> Option<&str> {
    match asked {
        AnswerLanguage::Mixed => Some(in_the_language_asked()),
        _ if super::language() == super::Language::Japanese => asked.language_in_japanese(),
        _ => asked.language(),
    }
}

words! {
    welcome(title: &str, sources: &str, base: &str)
        = "Press s to evolve {title}: search, layer by layer, for the weights with which {sources} are merged onto {base} so that the result does what none of them does.\n\nThe run goes on when the workbench is closed. S lists earlier sessions."
        | "s で{title}の進化を始めます。{sources}を{base}にマージする重みを層ごとに探し、どのモデルにもできないことをするモデルを見つけます。\n\nワークベンチを閉じても実行は続きます。S で以前のセッションを一覧します。";
    reading_journal = "Reading the journal" | "ジャーナルを読んでいます";
    status_generation = "   generation " | "   世代 ";
    status_evaluations = "   evaluations " | "   評価 ";
    status_best = "   best " | "   最良 ";
    status_held_out = "   held-out " | "   検証 ";
    per_hour(n: &str) = "{n} candidates/h" | "{n}候補/時";
    tokens_per_second(n: &str) = "{n} tokens/s" | "{n}トークン/秒";
    time_left(time: &str) = "{time} left" | "残り{time}";
    since_start(time: &str) = "{time} since the start" | "開始から{time}";
    tokens(n: &str) = "{n} tokens" | "{n}トークン";
    stage(at: usize, of: usize, name: &str) = "stage {at}/{of} {name}" | "段階{at}/{of} {name}";
    fell_back = "no GPU: see L" | "GPUなし: Lを参照";
    seed(n: u64) = "seed {n}" | "シード{n}";
    fitness = "Fitness" | "適応度";
    series_best = "best" | "最良";
    series_mean = "mean" | "平均";
    series_held_out = "held-out" | "検証";
    level_base = "base" | "ベース";
    level_global = "global" | "全体";
    axis_generation = "generation" | "世代";
    generation_numbered(n: u64) = "Generation {n}" | "第{n}世代";
    population = "Population" | "集団";
    best_labelled(label: &str) = "Best: {label}" | "最良: {label}";
    samples = "Samples" | "サンプル";
    reference_point = "reference point" | "基準点";
    samples_appear = "Answers appear here while candidates are evaluated." | "候補を評価している間、回答がここに流れます。";
    reference_points = "Reference points" | "基準点";
    references_first = "The reference points are measured first." | "まず基準点を測っています。";
    no_candidate = "No candidate yet." | "候補はまだありません。";
    failed = "failed" | "失敗";
    not_in_space = "not a point of the space" | "探索空間の外";
    score_right_in(language: &str) = "right, {language}" | "正解かつ{language}";
    score_right_as_asked = "right, as asked" | "正解（言語も）";
    in_the_language_asked = "in the task's language" | "課題の言語";
    score_right = "right" | "正解";
    score_train = "train" | "訓練";
    score_held_out = "held-out" | "検証";
    score_any = "any lang" | "言語不問";
    best_global = "best global" | "全体の最良";
    best_of(label: &str) = "best {label}" | "最良 {label}";
    search_mean = "mean of search" | "探索の平均";
}
