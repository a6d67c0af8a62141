//! Phrases of the overlays: lists, questions, the line to type, sessions, the log, the tour.

use super::words;

words! {
    unread(n: usize) = "new in the log: {n}" | "ログに新着{n}件";
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
    tour_step(step: usize, of: usize) = "Tour, step {step} of {of}" | "ツアー {step}/{of}";
    tour_keys = "Enter goes on   left goes back   Esc ends" | "Enter 次へ   左 戻る   Esc 終わる";
    tour_models = "Models: what is on this machine. Space picks a model as a source, b makes it the base; the last column says in words what fits. The map below shows where each fine-tune differs from the base. a adds a folder or a model of the hub."
        | "モデル: このマシンにあるモデルです。空白キーでソースに選び、b でベースにします。右端の列は相性を言葉で示し、下の図は各モデルがベースとどの層で違うかを示します。a でフォルダやハブのモデルを追加します。";
    tour_recipe = "Recipe: layers down, sources across, a cell a number. Arrows move, + and - step, a digit types; v selects a block, g fills it evenly, m changes the method. After each edit the sample questions are answered anew, old and new side by side."
        | "レシピ: 縦に層、横にソース、セルは数値です。矢印で移動、+ - で増減、数字で入力、v で範囲、g で勾配、m で手法。編集のたびにサンプル問題を解き直し、前と今の回答を並べます。";
    tour_evolve = "Evolve: s starts the search. The chart shows best, mean and held-out fitness, the rows are candidates as colours of their genes. Close the workbench with q at any time: the run goes on, and yosegi attach brings it back."
        | "進化: s で探索を始めます。図は最良・平均・検証の適応度、各行は候補の遺伝子の色です。q でいつ閉じても実行は続き、yosegi attach で戻れます。";
    tour_mix = "By hand and by search: in Evolve e takes a candidate into the editor and K keeps it; in Recipe i puts the hand-made recipe into the running search, b takes the best back, E starts a search from here."
        | "手と探索の行き来: 進化画面では e で候補をエディタに取り込み、K で残します。レシピ画面では i で手作りのレシピを探索に入れ、b で最良を取り込み、E でここから探索を始めます。";
    tour_answers = "Answers: questions down, models across. b pins a column, f shows only what differs, is gained or lost; Enter gives the full text, y copies. ? lists what can be done in any pane, : finds any action by name."
        | "回答: 縦に問題、横にモデル。b で基準の列を決め、f で相違・改善・悪化だけを表示、Enter で全文、y でコピー。どの画面でも ? で操作一覧、: で名前から探せます。";
    tour_item = "Take the tour: five steps" | "ツアーを始める: 5ステップ";
    yaml_title = "As mergekit writes it (y copies, Esc closes)" | "mergekitの書式（y コピー、Esc 閉じる）";
    look_title(label: &str) = "Recipe of {label} (e edits, Esc closes)" | "{label}のレシピ（e 編集、Esc 閉じる）";
    look_model(label: &str) = "{label} is a model as it is." | "{label}はモデルそのものです。";
    text_keys = "y copies   up and down scroll   Esc closes" | "y コピー   上下 スクロール   Esc 閉じる";
    look_keys = "e edits it   Esc closes" | "e 編集   Esc 閉じる";
    compare_title = "Compare with" | "比較する相手";
    compare_none = "nothing" | "なし";
    compare_none_about = "show the numbers alone" | "数値だけを表示する";
    compare_began = "what this began as" | "編集前";
    compare_began_about(name: &str) = "{name}, before the edits" | "{name}（編集前）";
    compare_file = "a file" | "ファイル";
    compare_file_about = "a recipe in TOML or mergekit's YAML" | "TOMLまたはmergekitのYAMLのレシピ";
    prompt_compare = "Compare with the recipe in" | "比較するレシピのファイル";
    prompt_add = "Model: a folder, or org/name" | "モデル: フォルダまたは org/name";
    prompt_export = "Write the answers to (.csv or .jsonl)" | "回答の書き出し先（.csv か .jsonl）";
    questions_title = "Sample questions (Tab ticks, Enter takes them)" | "サンプル問題（Tab 印、Enter 決定）";
    template_ramp = "ramp" | "傾斜";
    template_ramp_about(first: &str) = "{first} from all to nothing over the depth, the others rise" | "{first}を深さに沿って1から0へ、他は増やす";
    template_front(first: &str) = "{first} in front" | "前半に{first}";
    template_front_about = "it alone in the front half of the layers, the others behind" | "前半の層はこれだけ、後半は他";
    template_back(first: &str) = "{first} behind" | "後半に{first}";
    template_back_about = "the others in the front half, it alone behind" | "前半の層は他、後半はこれだけ";
    template_halves = "attention and MLP" | "注意とMLP";
    template_halves_about(first: &str) = "attention of {first}, MLPs of the others" | "注意は{first}、MLPは他";
    template_only(model: &str) = "only {model}" | "{model}だけ";
    template_only_about = "weight 1 for it, 0 for the others" | "これを1、他を0にする";
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

/// The text of a step of the tour. Steps count from 0.
#[must_use]
pub fn tour(step: usize) -> &'static str {
    match step {
        0 => tour_models(),
        1 => tour_recipe(),
        2 => tour_evolve(),
        3 => tour_mix(),
        _ => tour_answers(),
    }
}
