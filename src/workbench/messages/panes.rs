//! Phrases of the lines around the panes, and of the panes Models, Recipe and Answers.

use super::words;
use crate::session::journal::TroubleKind;
use crate::session::protocol::Status;
use crate::workbench::app::Pane;
use crate::workbench::panes::answers::state::QuestionFilter;

words! {
    models = "Models" | "モデル";
    recipe = "Recipe" | "レシピ";
    evolve = "Evolve" | "進化";
    answers = "Answers" | "回答";

    // The frame.
    starting_engine = "starting the engine" | "エンジン起動中";
    ready = "ready" | "準備完了";
    no_engine = "no engine" | "エンジンなし";
    replaying(name: &str, speed: f64, at: u64, of: u64) = "{name} replay x{speed} {at}/{of}" | "{name} 再生 x{speed} {at}/{of}";
    replay_paused(name: &str, at: u64, of: u64) = "{name} replay paused {at}/{of}" | "{name} 再生停止中 {at}/{of}";
    replay_ended(name: &str, of: u64) = "{name} replay ended {of}/{of}" | "{name} 再生終了 {of}/{of}";
    status_new = "new" | "新規";
    status_running = "running" | "実行中";
    status_paused = "paused" | "一時停止";
    status_stopped = "stopped" | "停止";
    status_killed = "killed" | "中断";
    status_finished = "finished" | "完了";
    trouble_damaged = "damaged" | "破損";
    trouble_newer = "newer" | "新版";
    trouble_foreign = "foreign" | "別物";
    trouble_empty = "empty" | "空";
    trouble_unreadable = "no access" | "読取不可";
    trouble_read_only = "read-only" | "読取専用";
    prompt_keys = "Enter accepts   Esc leaves it as it was" | "Enter 確定   Esc 取り消し";
    esc_closes = "Esc closes" | "Esc 閉じる";
    hint_evolve = "evolve" | "進化開始";
    hint_set = "set" | "確定";
    hint_give_up = "give up" | "やめる";
    hint_leave = "leave" | "取り消し";
    hint_sign = "sign" | "符号";
    hint_pane = "pane" | "画面";

    // Models.
    next = "Next" | "次の一歩";
    engine_being_started = "The engine is being started." | "エンジンを起動しています。";
    engine_gone(why: &str) = "The engine is gone: {why}" | "エンジンがいなくなりました: {why}";
    looking_for_models = "Looking for models" | "モデルを探しています";
    no_models = "No models here" | "モデルがありません";
    next_with_run = "3 shows the evolution, 2 paints a merge by hand, 4 compares answers"
        | "3 進化を見る   2 マージを手で作る   4 回答を比べる";
    next_start(title: &str) = "Press s to evolve {title}, 2 to paint a merge by hand, ? for a tour"
        | "s で{title}の進化を開始、2 でマージを手で作る、? でツアー";
    models_counted(n: usize) = "Models ({n})" | "モデル（{n}）";
    bundled_zoo = "the bundled zoo" | "付属のzoo";
    head_name = "name" | "名前";
    head_size = "size" | "容量";
    head_layers = "layers" | "層数";
    head_family = "family" | "系統";
    head_vocab = "vocab" | "語彙";
    head_dtype = "dtype" | "型";
    head_fit(base: &str) = "with {base}" | "{base}との相性";
    pick_base = " base" | " ベース";
    pick_source(n: usize) = " src {n}" | " 元{n}";
    is_base = "is the base" | "ベース";
    fits = "fits" | "マージ可";
    fits_not(why: &str) = "no: {why}" | "不可: {why}";
    card_size(parameters: &str, bytes: &str, dtype: &str) = "{parameters} parameters in {bytes} ({dtype})"
        | "パラメータ{parameters}、{bytes}（{dtype}）";
    card_shape(layers: usize, hidden: usize, heads: usize, kv_heads: usize, vocab: usize)
        = ", {layers} layers of width {hidden}, {heads} heads over {kv_heads} key-value heads, vocabulary {vocab}"
        | "、幅{hidden}の{layers}層、ヘッド{heads}（KVヘッド{kv_heads}）、語彙{vocab}";
    card_tied = ", tied embeddings" | "、埋め込み共有";
    card_chat = ", chat template" | "、チャットテンプレートあり";
    card_vision(layout: &str, tower: &str, layers: usize, hidden: usize, pixels: usize)
        = ", {layout} with a {tower} tower ({layers} layers of width {hidden}, {pixels} pixels): the language model is merged, tower and projector stay as they are"
        | "、{layout}（{tower}タワー、幅{hidden}の{layers}層、{pixels}画素）。マージするのは言語モデルだけで、タワーと射影層はそのまま使います";

    distances_title = "How far the sources lie from the base" | "ベースからの距離";
    distances_norm = "per cent" | "割合%";
    distances_cosine = "Cosine between two task vectors" | "タスクベクトル同士のコサイン";
    distances_left_out(n: usize) = "{n} tensors differ in shape and are left out" | "形の違う{n}個のテンソルは除きました";
    distances_not_finite(model: &str, n: u64) = "{model}: {n} numbers are not finite (NaN or infinite)" | "{model}: {n}個の数値が有限ではありません（NaNか無限大）";
    distances_wait(bytes: &str) = "d reads {bytes} and shows, layer by layer, where each source differs" | "d で{bytes}を読み、各ソースが違う層を示します";

    // How far long work has come.
    headway(what: &str, bytes: &str) = "{what} {bytes}" | "{what} {bytes}";
    headway_left(what: &str, bytes: &str, left: &str) = "{what} {bytes}, {left} left" | "{what} {bytes}、残り{left}";
    fetching(file: &str) = "fetching {file}" | "{file}を取得中";
    fingerprints = "fingerprints of the models" | "モデルの指紋を計算中";
    reading_models = "reading the models" | "モデルを読み取り中";
    measuring_distances = "measuring distances" | "違いを測定中";
    merging = "merging" | "マージ中";
    loading(model: &str) = "loading {model}" | "{model}を読み込み中";
    writing(folder: &str) = "writing {folder}" | "{folder}を書き込み中";

    // Recipe.
    recipe_title(method: &str, from: &str) = "{method} from {from}" | "{method}（{from}から）";
    uniform_name = "uniform" | "均等";
    base_name = "base" | "ベース";
    file_name = "file" | "ファイル";
    grid_waits = "The grid appears when the base model is known." | "ベースモデルが分かると表が現れます。";
    whole_merge = "all" | "全体";
    other_tensors = "the rest" | "その他";
    compared(n: usize, name: &str) = "{n} changed from {name}" | "{name}と{n}か所相違";
    was(old: &str) = "was {old} there" | "比較先では {old}";
    was_absent = "the other recipe has nothing there" | "比較先にはありません";
    yes = "yes" | "はい";
    no = "no" | "いいえ";
    any_number = "any number" | "任意の数";
    default_is(value: &str) = "default {value}" | "既定 {value}";
    step_words(n: usize, layer: usize, model: &str, scale: f64) = "step {n}: layer {layer} of {model}, what enters it times {scale:.3}"
        | "ステップ{n}: {model}の第{layer}層、入力を{scale:.3}倍";
    path_begins = "embedding" | "埋め込み";
    path_ends = "norm, head" | "正規化、ヘッド";
    input_embedding = "input embedding" | "入力埋め込み";
    block(i: usize) = "block {i}" | "ブロック{i}";
    final_head = "final norm and head" | "最終正規化とヘッド";
    block_keys(cells: usize) = "{cells} cells: type a number, + -, or g for a gradient"
        | "{cells}セル: 数値を入力、+ - で増減、g で勾配";
    cell_words(track: &str, model: &str, place: &str, value: f64) = "{track} of {model}, {place}: {value:.3}"
        | "{model}の{track}、{place}: {value:.3}";
    base_is(base: &str) = "base {base}" | "ベース {base}";
    file_at(path: &str) = "file {path}" | "ファイル {path}";
    sample_answers = "Sample answers" | "サンプル回答";
    sample_answering = "Sample answers: answering" | "サンプル回答: 回答中";
    samples_wait = "The sample questions are answered anew after each edit."
        | "編集のたびにサンプル問題を解き直します。";
    question_numbered(n: usize) = "question {n}" | "問題{n}";
    before = "before" | "前";
    now = "now" | "今";
    picture_named(name: &str, width: u32, height: u32) = "[{name} {width}x{height}]" | "[{name} {width}x{height}]";
    a_picture = "picture" | "画像";
    more_pictures(n: usize) = "and {n} more" | "ほか{n}枚";
    answer_is(gold: &str) = " expected {gold}" | " 正解 {gold}";

    // Answers.
    answers_wait = "Answers of the base, the sources, the best and any opened candidate appear here once a session runs; s starts one."
        | "セッションが動くと、ベース・ソース・最良・開いた候補の回答がここに並びます。s で開始します。";
    train_questions(n: usize, filter: &str) = "{n} training questions: {filter}" | "訓練問題 {n}問: {filter}";
    test_questions(n: usize, filter: &str) = "{n} held-out questions: {filter}" | "検証問題 {n}問: {filter}";
    filter_all = "all" | "すべて";
    filter_different = "different" | "相違";
    filter_gained = "gained" | "改善";
    filter_lost = "lost" | "悪化";
    answers_on_their_way = "The answers are on their way." | "回答を取り寄せています。";
    filter_empty = "No question passes the filter; f goes on." | "この絞り込みに当てはまる問題はありません。f で次へ。";
    share_of(share: &str, n: u64) = "{share} of {n}" | "{share}/{n}問";
    none = "none" | "なし";
    waiting = "waiting" | "待機中";
    question_title(id: &str, gold: &str) = "{id} (expected {gold})" | "{id}（正解 {gold}）";
    strict_lenient(strict: &str, lenient: &str) = "  strict {strict} lenient {lenient}" | "  厳格 {strict} 寛容 {lenient}";
    answer_facts(language: &str, p: f64, tokens: u64) = "  p({language}) {p:.2}  {tokens} tokens" | "  p({language}) {p:.2}  {tokens}トークン";
    best_name = "best" | "最良";
    by_hand = "by hand" | "手作り";
    global_named(label: &str) = "global {label}" | "全体 {label}";
}

/// A pane's name on its tab.
#[must_use]
pub fn pane(pane: Pane) -> &'static str {
    match pane {
        Pane::Models => models(),
        Pane::Recipe => recipe(),
        Pane::Evolve => evolve(),
        Pane::Answers => answers(),
    }
}

/// A session's status in one word.
#[must_use]
pub fn status(status: Status) -> &'static str {
    match status {
        Status::New => status_new(),
        Status::Running => status_running(),
        Status::Paused => status_paused(),
        Status::Stopped => status_stopped(),
        Status::Finished => status_finished(),
    }
}

/// The fault of a session's journal, in one word.
#[must_use]
pub fn trouble(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::Damaged => trouble_damaged(),
        TroubleKind::Newer => trouble_newer(),
        TroubleKind::Foreign => trouble_foreign(),
        TroubleKind::Empty => trouble_empty(),
        TroubleKind::Unreadable => trouble_unreadable(),
        TroubleKind::ReadOnly => trouble_read_only(),
    }
}

/// A yes or no.
#[must_use]
pub fn yes_or_no(yes_is: bool) -> &'static str {
    if yes_is { yes() } else { no() }
}

impl QuestionFilter {
    /// The name on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => filter_all(),
            Self::Different => filter_different(),
            Self::Gained => filter_gained(),
            Self::Lost => filter_lost(),
        }
    }
}
