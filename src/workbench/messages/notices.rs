//! Notices: the sentences shown at the foot of the screen until the next key, and those printed when the workbench
//! closes.

use super::words;

words! {
    overlap(n: u64)
        = "{n} of the held-out questions stand among the training questions too: their scores say too much."
        | "検証用の質問のうち{n}件が訓練用にも含まれています。検証の得点は高めに出ます。";
    run_goes_on(name: &str) = "The run goes on. yosegi attach {name} brings it back."
        | "実行は続いています。yosegi attach {name} で戻れます。";
    run_is_paused(name: &str) = "{name} is paused. yosegi attach {name} brings it back."
        | "{name}は一時停止中です。yosegi attach {name} で戻れます。";
    engine_lost(why: &str) = "The engine is gone: {why}. Looking for it again"
        | "エンジンがいなくなりました: {why}。もう一度探しています";
    engine_not_yet = "The engine does not answer yet" | "エンジンがまだ応答しません";
    is_evolving(session: &str) = "{session} is evolving; q closes the workbench and leaves it running"
        | "{session}の進化を始めました。q で閉じても実行は続きます";
    no_such_session(name: &str, known: &str) = "There is no session {name}. Known: {known}"
        | "セッション{name}はありません。あるもの: {known}";
    finished_with(name: &str, train: &str, test: &str)
        = "{name} is finished: {train} of the training questions right, {test} of the held-out ones"
        | "{name}が完了しました: 正解した割合は訓練問題{train}、検証問題{test}";
    finished_with_in(name: &str, language: &str, train: &str, test: &str)
        = "{name} is finished: {train} of the training questions right and {language}, {test} of the held-out ones"
        | "{name}が完了しました: {language}で正解した割合は訓練問題{train}、検証問題{test}";
    run_halted(reason: &str) = "The run halted: {reason}. p resumes it" | "実行が止まりました: {reason}。p で再開します";
    run_taken_up(name: &str, pid: u32) = "{name} goes on: process {pid} runs it" | "{name}が再開されました: プロセス{pid}が実行しています";
    keys_unreadable(place: &str, why: &str) = "{place} can't be read, the usual keys hold: {why}"
        | "{place}を読めないため既定のキーを使います: {why}";
    keys_no_action(place: &str, id: &str, near: &str) = "{place}: there is no action {id}; did you mean {near}?"
        | "{place}: {id}という操作はありません。{near}ですか？";
    keys_no_list(place: &str, id: &str) = "{place}: {id}: give a key or a list of keys, each in quotes"
        | "{place}: {id}: キーまたはキーの並びを引用符付きで書いてください";
    keys_no_key(place: &str, id: &str, key: &str) = "{place}: {id}: \"{key}\" is no key" | "{place}: {id}: 「{key}」というキーはありません";
    keys_conflict(place: &str, key: &str, wins: &str, loses: &str) = "{place}: {key} means both {wins} and {loses}; {wins} has it"
        | "{place}: {key}は{wins}と{loses}の両方です。{wins}が使います";
    key_does_nothing(key: char) = "{key} does nothing here; ? lists what can be done"
        | "{key}はここでは使えません。? で操作を一覧します";
    mouse_ours = "The mouse is the workbench's now; M gives it back to the terminal"
        | "マウスをワークベンチで使います。M で端末に返します";
    mouse_theirs = "The mouse is the terminal's again: select text with it"
        | "マウスを端末に返しました。文字を選択できます";
    start_beside(name: &str) = "{name} is running. Start another session beside it?"
        | "{name}が実行中です。別のセッションも始めますか？";
    given_up = "Given up" | "やめました";
    nothing_to_give_up = "Nothing loads or is measured for you; x in Evolve stops a session"
        | "読み込みや測定はしていません。セッションは進化画面の x で停止します";
    starting(title: &str) = "Starting {title}" | "{title}を開始しています";

    replay_only = "This is a replay: nothing can be changed here" | "これは再生です。ここでは何も変更できません";
    replay_untried = "This is a replay: answers are kept only of recipes that the session evaluated"
        | "これは再生です。回答が残っているのは、セッションが評価したレシピだけです";

    // Models.
    needs_a_source = "A merge needs at least one source" | "マージには少なくとも1つのソースが要ります";
    is_the_base(name: &str) = "{name} is the base; pick another base with b first"
        | "{name}はベースです。先に b で別のベースを選んでください";
    cannot_merge(name: &str, base: &str, why: &str) = "{name} can't be merged onto {base}: {why}"
        | "{name}は{base}にマージできません: {why}";
    too_many_sources(most: usize) = "{most} sources are the most; leave one out first"
        | "ソースは{most}個までです。先に1つ外してください";

    pictures_setting(value: &str, names: &str)
        = "YOSEGI_PICTURES is {value}, which is none of {names}; the terminal decides"
        | "YOSEGI_PICTURES の値 {value} は {names} のどれでもありません。端末に合わせます";

    // Recipe.
    not_a_number(text: &str) = "\"{text}\" is not a number" | "「{text}」は数値ではありません";
    gradient_needs_rows = "Select a block of two or more rows first: v, then move"
        | "先に2行以上の範囲を選んでください: v を押して移動";
    column_copied(model: &str) = "Copied the column of {model}; p pastes it into another"
        | "{model}の列をコピーしました。p で別の列に貼り付けます";
    nothing_copied = "Nothing copied yet; c copies the column under the cursor"
        | "まだ何もコピーしていません。c でカーソルの列をコピーします";
    paste_mismatch = "A column goes over one of the same parameter: weights over weights"
        | "列は同じパラメータの列にだけ貼り付けられます（重みは重みへ）";
    too_heavy(value: f64) = "{value} is surely a slip: the editor goes to 10" | "{value}は大きすぎます。エディタでは10までです";
    compared_with_recipe(n: usize, name: &str) = "{n} numbers differ from {name}" | "{name}と{n}か所違います";
    no_yaml(why: &str) = "mergekit has no way to write it: {why}" | "mergekitの書式では書けません: {why}";
    no_best = "There is no best candidate yet" | "最良の候補がまだありません";
    path_evolves_by_config = "A search over paths starts from a config: yosegi evolve configs/zoo-dfs.toml"
        | "経路の探索は設定ファイルから始めます: yosegi evolve configs/zoo-dfs.toml";
    evolving_from_here = "A new session is started and searches from this recipe" | "このレシピから探索する新しいセッションを始めます";
    must_stop_first(name: &str) = "{name} is running, and the engine runs one at a time: pause it first (p in Evolve)"
        | "{name}が実行中です。エンジンは1つずつ動かします。先に一時停止してください（進化画面の p）";
    nothing_to_undo = "Nothing to undo" | "元に戻す編集はありません";
    nothing_to_redo = "Nothing to redo" | "やり直す編集はありません";
    number_being_typed = "A number is being typed: Enter sets it, Esc leaves it, Alt-1..4 go to a pane"
        | "数値の入力中です: Enter 確定、Esc 取り消し、Alt-1..4 画面移動";
    no_recipe_in(label: &str) = "{label} is a model as it is; there is no recipe to edit"
        | "{label}はモデルそのもので、編集するレシピがありません";
    in_editor(label: &str) = "{label} is in the editor; u brings back what was there"
        | "{label}をエディタに取り込みました。u で前の内容に戻ります";
    no_session_to_inject = "There is no session to inject into; s starts one"
        | "投入先のセッションがありません。s で開始します";
    has_ended(name: &str) = "{name} has ended; S resumes a session" | "{name}は終わっています。S でセッションを再開できます";
    injected(session: &str) = "The hand-made recipe is a candidate of {session} now"
        | "手作りのレシピが{session}の候補になりました";
    written(path: &str) = "Written to {path}" | "{path}に書き出しました";
    not_written(path: &str, why: &str) = "{path} can't be written: {why}" | "{path}に書き出せません: {why}";
    recipe_ending(path: &str) = "{path}: a recipe is written as .toml, or in mergekit's notation as .yaml or .yml"
        | "{path}: レシピの拡張子は .toml、mergekitの書式なら .yaml か .yml です";
    answers_ending(path: &str) = "{path}: answers are written as .csv or .jsonl"
        | "{path}: 回答の拡張子は .csv か .jsonl です";
    it_is_a_folder = "it is a folder; give the file a name in it" | "フォルダです。中のファイル名を付けてください";
    it_is_no_file = "it is no ordinary file" | "通常のファイルではありません";
    newer_file = "it was written by a newer version" | "新しい版が書いたファイルです";
    overwrite(path: &str) = "{path} exists already. Write over it?" | "{path}はすでにあります。上書きしますか？";
    overwrite_changed(path: &str) = "{path} was changed by another program since. Write over it?"
        | "{path}はその後ほかのプログラムが変更しました。上書きしますか？";
    hand_is_back = "The recipe made by hand is in the editor again" | "手作りのレシピをエディタに戻しました";
    desk_unreadable(path: &str, why: &str)
        = "The stored hand work can't be read and is put aside ({path} gets the ending .aside): {why}"
        | "保存された手作業を読めないため脇に置きました（{path}に .aside を付けます）: {why}";
    desk_not_kept(path: &str, why: &str) = "Hand work can't be stored in {path}: {why}. Write the recipe with w"
        | "手作業を{path}に保存できません: {why}。w でレシピを書き出してください";
    opened(path: &str) = "Opened {path}" | "{path}を開きました";
    no_file_named = "No file named" | "ファイル名がありません";

    // Models.
    adding(name: &str) = "Looking at {name}" | "{name}を調べています";
    added(name: &str) = "{name} is in the list; space picks it" | "{name}を一覧に加えました。空白キーで選びます";
    measuring = "Measuring the task vectors" | "タスクベクトルを測っています";

    // Evolve.
    kept(label: &str) = "{label} is kept" | "{label}を残しました";
    let_go(label: &str) = "{label} is let go" | "{label}を外しました";
    reading_questions = "Reading the questions" | "問題を読み込んでいます";
    no_session = "There is no session yet; s starts one" | "セッションがまだありません。s で開始します";
    pauses(session: &str) = "{session} pauses after the candidate in flight; p goes on"
        | "{session}は評価中の候補が終わると一時停止します。p で再開します";
    is_finished = "It is finished; s starts another" | "完了しています。s で次を開始します";
    does_not_run = "It does not run" | "実行していません";
    stop_question(session: &str) = "Stop {session}? It can be resumed later." | "{session}を停止しますか？後で再開できます。";
    goes_on(session: &str) = "{session} goes on" | "{session}を再開しました";
    is_stopped(session: &str) = "{session} is stopped; p resumes it" | "{session}を停止しました。p で再開します";
    watching_others = "Other sample questions from now on" | "サンプル問題を変更しました";

    // Answers.
    questions_filtered(n: usize, filter: &str) = "{n} questions: {filter}" | "{n}問: {filter}";
    compared_with(name: &str) = "The others are compared with {name}" | "{name}と比較します";
    exported(path: &str) = "The answers are in {path}" | "回答を{path}に書き出しました";
    no_answers_to_export = "No answers here to write yet" | "書き出す回答がまだありません";
    close_opened_only = "Only columns opened from Evolve can be closed" | "閉じられるのは進化画面から開いた列だけです";
    letters_sent(n: usize) = "{n} characters handed to the terminal; whether it keeps them is its own matter" | "{n}文字を端末に渡しました（端末が受け取ったかは分かりません）";
    no_answer_here = "No answer here to copy" | "コピーする回答がありません";
    more_letters(n: usize) = "[{n} more characters]" | "［残り{n}文字］";
}
