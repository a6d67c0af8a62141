//! What each action is called: a word or two for the hint bar (empty where it is not hinted) and a
//! line for help and the palette.

use super::either;
use crate::workbench::action::Action;
use crate::workbench::app::Pane::{Answers, Evolve, Models, Recipe};
use crate::workbench::replay::Control;

macro_rules! actions {
    ($($action:pat => $hint:literal | $hint_ja:literal, $label:literal | $label_ja:literal;)*) => {
        /// A word or two for the hint bar; empty where it is not hinted.
        #[must_use]
        pub fn hint(action: Action) -> &'static str {
            match action {
                $($action => either($hint, $hint_ja),)*
            }
        }

        /// What it does, in a line.
        #[must_use]
        pub fn label(action: Action) -> &'static str {
            match action {
                $($action => either($label, $label_ja),)*
            }
        }
    };
}

actions! {
    Action::ToggleSource => "pick" | "選択",
        "Take this model as a source, or leave it out" | "このモデルをソースに加える・外す";
    Action::ChooseBase => "base" | "ベース",
        "Make this model the base that task vectors are measured against" | "このモデルをベース（タスクベクトルの基準）にする";
    Action::TakePool => "to recipe" | "レシピへ",
        "Paint a merge of the picked models by hand" | "選んだモデルのマージを手で作る";
    Action::Rescan => "" | "",
        "Look again for models on this machine" | "このマシンのモデルを探し直す";
    Action::AddModel => "add" | "追加",
        "Add a model: a folder, or org/name from the hub" | "モデルを追加する（フォルダ、またはハブの org/name）";
    Action::Measure => "" | "",
        "Measure how far the sources lie from the base, layer by layer" | "ソースがベースからどれだけ離れているかを層ごとに測る";
    Action::TakeBest => "" | "",
        "Take the best candidate so far into the editor" | "現在の最良の候補をエディタに取り込む";
    Action::Compare => "compare" | "比較",
        "Mark what differs from another recipe" | "別のレシピとの違いを示す";
    Action::ShowYaml => "yaml" | "YAML",
        "Show the recipe as mergekit writes it" | "レシピをmergekitの書式で見る";
    Action::EvolveHere => "" | "",
        "Start a new session that searches from this recipe" | "このレシピから探索する新しいセッションを始める";
    Action::Keep => "keep" | "保持",
        "Keep this candidate in the list and beside the answers, or let it go" | "この候補を一覧と回答に残す・外す";
    Action::ShowRecipe => "recipe" | "レシピ",
        "Look at this candidate's recipe or path" | "この候補のレシピまたは経路を見る";
    Action::Export => "" | "",
        "Write the table of answers to a CSV or JSONL file" | "回答の表をCSVまたはJSONLに書き出す";
    Action::StepUp => "" | "",
        "Raise the cell or the selected block by one step" | "セルまたは選択範囲を1段上げる";
    Action::StepDown => "step" | "増減",
        "Lower the cell or the selected block by one step" | "セルまたは選択範囲を1段下げる";
    Action::EnterNumber => "number" | "数値",
        "Type a number for the cell or the block (or simply begin with a digit)" | "セルまたは選択範囲の数値を入力する（数字を打ち始めてもよい）";
    Action::Select => "block" | "範囲",
        "Begin or end selecting a block of cells" | "セルの範囲選択を始める・やめる";
    Action::Gradient => "gradient" | "勾配",
        "Fill the block evenly from its first row's value to its last row's" | "範囲を先頭行の値から末尾行の値まで均等に埋める";
    Action::Undo => "undo" | "元に戻す",
        "Undo the last edit" | "最後の編集を元に戻す";
    Action::Redo => "" | "",
        "Redo what was undone" | "元に戻した編集をやり直す";
    Action::ChooseMethod => "method" | "手法",
        "Choose the merge method" | "マージ手法を選ぶ";
    Action::Reset => "reset" | "初期化",
        "Start over from uniform, the best so far, or any candidate" | "均等マージ・現在の最良・任意の候補からやり直す";
    Action::CopyColumn => "" | "",
        "Copy this column's values" | "この列の値をコピーする";
    Action::PasteColumn => "" | "",
        "Paste the copied column here" | "コピーした列をここに貼り付ける";
    Action::Inject => "inject" | "投入",
        "Evaluate the hand-made recipe as a candidate of the session" | "手作りのレシピをセッションの候補として評価する";
    Action::TryAgain => "" | "",
        "Ask the sample questions again" | "サンプル問題をもう一度解かせる";
    Action::Save => "write" | "保存",
        "Write the recipe to a file: TOML, or mergekit's YAML by its ending" | "レシピをファイルに書き出す（拡張子でTOMLかmergekitのYAML）";
    Action::Open => "open" | "開く",
        "Open a recipe from a file: TOML, or mergekit's YAML" | "ファイルのレシピを開く（TOMLかmergekitのYAML）";
    Action::StartEvolution => "" | "",
        "Start to evolve" | "進化を始める";
    Action::PauseResume => "pause" | "一時停止",
        "Pause the evolution, or go on" | "進化を一時停止する・再開する";
    Action::Stop => "stop" | "停止",
        "Stop the evolution (it can be resumed later)" | "進化を停止する（後で再開できる）";
    Action::OpenCandidate => "answers" | "回答",
        "Read this candidate's answers beside the others" | "この候補の回答を他と並べて読む";
    Action::EditCandidate => "edit" | "編集",
        "Take this candidate's recipe into the editor" | "この候補のレシピをエディタに取り込む";
    Action::Watch => "watch" | "注目問題",
        "Choose the sample questions" | "サンプル問題を選ぶ";
    Action::NextSample => "next sample" | "次の例",
        "Show the next sample question first" | "次のサンプル問題を先頭に出す";
    Action::Filter => "filter" | "絞り込み",
        "Show all questions, or those that differ, are gained, are lost" | "全問・相違・改善・悪化を切り替える";
    Action::PinBaseline => "pin" | "基準",
        "Compare the others against this column" | "この列を比較の基準にする";
    Action::SwitchSplit => "train/held-out" | "訓練/検証",
        "Switch between training and held-out questions" | "訓練問題と検証問題を切り替える";
    Action::Zoom => "full text" | "全文",
        "Give the texts the whole pane, or the table again" | "本文を画面いっぱいに広げる・表に戻す";
    Action::CopyAnswer => "copy" | "コピー",
        "Send this answer to the terminal's clipboard" | "この回答を端末のクリップボードへ送る";
    Action::CloseColumn => "" | "",
        "Close this candidate's column" | "この候補の列を閉じる";
    Action::Go(Models) => "" | "",
        "Go to Models" | "モデル画面へ";
    Action::Go(Recipe) => "" | "",
        "Go to Recipe" | "レシピ画面へ";
    Action::Go(Evolve) => "" | "",
        "Go to Evolve" | "進化画面へ";
    Action::Go(Answers) => "" | "",
        "Go to Answers" | "回答画面へ";
    Action::NextPane => "pane" | "画面",
        "Go to the next pane" | "次の画面へ";
    Action::PreviousPane => "" | "",
        "Go to the previous pane" | "前の画面へ";
    Action::Up => "" | "",
        "Up" | "上へ";
    Action::Down => "" | "",
        "Down" | "下へ";
    Action::Left => "" | "",
        "Left" | "左へ";
    Action::Right => "" | "",
        "Right" | "右へ";
    Action::PageUp => "" | "",
        "A page up" | "1ページ上へ";
    Action::PageDown => "" | "",
        "A page down" | "1ページ下へ";
    Action::First => "" | "",
        "To the first row" | "先頭行へ";
    Action::Last => "" | "",
        "To the last row" | "最終行へ";
    Action::Sessions => "" | "",
        "Open or resume another session" | "別のセッションを開く・再開する";
    Action::Log => "" | "",
        "Read the engine's log" | "エンジンのログを読む";
    Action::Mouse => "" | "",
        "Give the mouse to the workbench, or back to the terminal" | "マウスをワークベンチで使う・端末に返す";
    Action::Palette => "" | "",
        "Find any action by its name" | "操作を名前で探す";
    Action::Redraw => "" | "",
        "Draw the screen anew" | "画面を描き直す";
    Action::Suspend => "" | "",
        "Go back to the shell for a while (fg returns)" | "いったんシェルに戻る（fgで復帰）";
    Action::Replay(Control::Pause) => "pause/play" | "停止/再生",
        "Pause the replay, or play on" | "再生を一時停止する・続ける";
    Action::Replay(Control::Faster) => "faster" | "速く",
        "Play twice as fast" | "2倍の速さで再生する";
    Action::Replay(Control::Slower) => "slower" | "遅く",
        "Play half as fast" | "半分の速さで再生する";
    Action::Replay(Control::Step) => "step" | "1つ進む",
        "Play the next event and pause" | "次の出来事だけ再生して止まる";
    Action::Help => "help" | "ヘルプ",
        "What can be done here" | "ここでできることの一覧";
    Action::Quit => "quit" | "終了",
        "Close the workbench; a run goes on" | "ワークベンチを閉じる（実行は続く）";
}
