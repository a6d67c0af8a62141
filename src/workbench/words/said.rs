//! Sentences for the person, shown until the next key, and on the way out.

use super::words;

words! {
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
        = "{name} is finished: {train} of the training questions right and Japanese, {test} of the held-out ones"
        | "{name}が完了しました: 日本語で正解した割合は訓練問題{train}、検証問題{test}";
    run_halted(reason: &str) = "The run halted: {reason}. p resumes it" | "実行が止まりました: {reason}。p で再開します";
    key_does_nothing(key: char) = "{key} does nothing here; ? lists what can be done"
        | "{key}はここでは使えません。? で操作を一覧します";
    mouse_ours = "The mouse is the workbench's now; M gives it back to the terminal"
        | "マウスをワークベンチで使います。M で端末に返します";
    mouse_theirs = "The mouse is the terminal's again: select text with it"
        | "マウスを端末に返しました。文字を選択できます";
    start_beside(name: &str) = "{name} is running. Start another session beside it?"
        | "{name}が実行中です。別のセッションも始めますか？";
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

    // Recipe.
    not_a_number(text: &str) = "\"{text}\" is not a number" | "「{text}」は数値ではありません";
    gradient_needs_rows = "Select a block of two or more rows first: v, then move"
        | "先に2行以上の範囲を選んでください: v を押して移動";
    column_copied(model: &str) = "Copied the column of {model}; p pastes it into another"
        | "{model}の列をコピーしました。p で別の列に貼り付けます";
    nothing_copied = "Nothing copied yet; c copies the column under the cursor"
        | "まだ何もコピーしていません。c でカーソルの列をコピーします";
    paste_mismatch = "Weights go over weights and densities over densities"
        | "重みは重みの列に、密度は密度の列にだけ貼り付けられます";
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
    opened(path: &str) = "Opened {path}" | "{path}を開きました";
    no_file_named = "No file named" | "ファイル名がありません";

    // Evolve.
    no_session = "There is no session yet; s starts one" | "セッションがまだありません。s で開始します";
    pauses(session: &str) = "{session} pauses after the candidate in flight; p goes on"
        | "{session}は評価中の候補が終わると一時停止します。p で再開します";
    is_finished = "It is finished; s starts another" | "完了しています。s で次を開始します";
    does_not_run = "It does not run" | "実行していません";
    stop_question(session: &str) = "Stop {session}? It can be resumed later." | "{session}を停止しますか？後で再開できます。";
    goes_on(session: &str) = "{session} goes on" | "{session}を再開しました";
    is_stopped(session: &str) = "{session} is stopped; p resumes it" | "{session}を停止しました。p で再開します";
    name_a_question = "Name at least one question" | "問題番号を1つ以上入力してください";
    question_range(last: usize) = "The questions are numbered 0 to {last}" | "問題番号は0から{last}までです";
    watching_others = "Other sample questions from now on" | "サンプル問題を変更しました";
    not_question_numbers(text: &str) = "\"{text}\" is not a list of question numbers"
        | "「{text}」は問題番号の並びではありません";

    // Answers.
    questions_filtered(n: usize, filter: &str) = "{n} questions: {filter}" | "{n}問: {filter}";
    compared_with(name: &str) = "The others are compared with {name}" | "{name}と比較します";
    close_opened_only = "Only columns opened from Evolve can be closed" | "閉じられるのは進化画面から開いた列だけです";
    letters_sent(n: usize) = "{n} characters sent to the terminal (OSC 52)" | "{n}文字を端末へ送りました（OSC 52）";
    no_answer_here = "No answer here to copy" | "コピーする回答がありません";
    more_letters(n: usize) = "[{n} more characters]" | "［残り{n}文字］";
}
