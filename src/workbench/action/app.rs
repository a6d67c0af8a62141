//! The actions that apply in every pane: changing panes, moving the cursor, help, quitting.
//!
//! `action/mod.rs` reads the rows; `workbench/update/everywhere.rs` carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane;

actions! {
    /// An action that applies in every pane.
    AppAction

    GoModels: "models", ["1", "alt-1"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go to Models" | "モデル画面へ";

    GoRecipe: "recipe", ["2", "alt-2"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go to Recipe" | "レシピ画面へ";

    GoEvolve: "evolve", ["3", "alt-3"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go to Evolve" | "進化画面へ";

    GoAnswers: "answers", ["4", "alt-4"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go to Answers" | "回答画面へ";

    NextPane: "next-pane", ["tab"], Pane::ALL, Looks, Nothing,
        "pane" | "画面",
        "Go to the next pane" | "次の画面へ";

    PreviousPane: "previous-pane", ["backtab"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go to the previous pane" | "前の画面へ";

    Up: "up", ["up", "k"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Up" | "上へ";

    Down: "down", ["down", "j"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Down" | "下へ";

    Left: "left", ["left", "h"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Left" | "左へ";

    Right: "right", ["right", "l"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Right" | "右へ";

    PageUp: "page-up", ["pageup", "ctrl-u"], Pane::ALL, Looks, Nothing,
        "" | "",
        "A page up" | "1ページ上へ";

    PageDown: "page-down", ["pagedown", "ctrl-d"], Pane::ALL, Looks, Nothing,
        "" | "",
        "A page down" | "1ページ下へ";

    First: "first", ["home"], Pane::ALL, Looks, Nothing,
        "" | "",
        "To the first row" | "先頭行へ";

    Last: "last", ["end"], Pane::ALL, Looks, Nothing,
        "" | "",
        "To the last row" | "最終行へ";

    Sessions: "sessions", ["S"], Pane::ALL, Changes, Nothing,
        "" | "",
        "Open or resume another session" | "別のセッションを開く・再開する";

    Log: "log", ["L"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Read the engine's log" | "エンジンのログを読む";

    GiveUp: "give-up", ["X"], Pane::ALL, Changes, Nothing,
        "" | "",
        "Give up what loads or is measured for you" | "読み込みや測定をやめる";

    Mouse: "mouse", ["M"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Give the mouse to the workbench, or back to the terminal" | "マウスをワークベンチで使う・端末に返す";

    Palette: "palette", [":", "ctrl-p"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Find any action by its name" | "操作を名前で探す";

    Redraw: "redraw", ["ctrl-l"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Draw the screen anew" | "画面を描き直す";

    Suspend: "suspend", ["ctrl-z"], Pane::ALL, Looks, Nothing,
        "" | "",
        "Go back to the shell for a while (fg returns)" | "いったんシェルに戻る（fgで復帰）";

    Help: "help", ["?"], Pane::ALL, Looks, Nothing,
        "help" | "ヘルプ",
        "What can be done here" | "ここでできることの一覧";

    Quit: "quit", ["q", "ctrl-c"], Pane::ALL, Looks, Nothing,
        "quit" | "終了",
        "Close the workbench; a run goes on" | "ワークベンチを閉じる（実行は続く）";
}
