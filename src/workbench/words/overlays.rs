//! What lies over a pane: lists, questions, the line to type, sessions, the log.

use super::words;

words! {
    sure = "Sure?" | "確認";
    yes_no = "y yes   n no" | "y はい   n いいえ";
    log_title = "Log of the engine (Esc closes)" | "エンジンのログ（Escで閉じる）";
    log_empty = "The engine has said nothing yet." | "エンジンはまだ何も記録していません。";
    help_title(pane: &str) = "What can be done in {pane}" | "{pane}画面でできること";
    palette_title = "Do" | "操作";
    method_title = "Merge method" | "マージ手法";
    presets_title = "Start over from" | "何からやり直すか";
    search_hint = " type to search, Enter does it, Esc closes" | " 入力で検索、Enter 実行、Esc 閉じる";
    nothing_found = " nothing by that name" | " 見つかりません";
    prompt_save = "Write the recipe to" | "レシピの保存先";
    prompt_open = "Open the recipe in" | "開くレシピ";
    prompt_watch = "Sample questions, by number" | "サンプル問題の番号";
    preset_uniform = "the same weight everywhere" | "すべて同じ重み";
    preset_base = "all weights zero" | "すべての重みが0";
    preset_best = "best so far, " | "現在の最良、";
    preset_fitness(value: f64) = "fitness {value:.3}" | "適応度 {value:.3}";
    preset_unscored = "not scored yet" | "未評価";
    sessions_title = "Sessions" | "セッション";
    sessions_evaluations = "evaluations" | "評価";
    sessions_fitness = "fitness" | "適応度";
    sessions_held_out = "held-out" | "検証";
    sessions_none = "None yet; s starts one." | "まだありません。s で開始します。";
    sessions_keys = "Enter open   r resume   Esc close" | "Enter 開く   r 再開   Esc 閉じる";
}
