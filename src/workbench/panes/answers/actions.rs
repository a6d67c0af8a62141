//! The actions of the Answers pane: their names, keys and messages.
//!
//! `action/mod.rs` reads the rows; `update.rs` in this folder carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane::Answers;

actions! {
    /// An action of the Answers pane.
    AnswersAction

    Filter: "filter", ["f"], [Answers], Looks, Nothing,
        "filter" | "絞り込み",
        "Show all questions, or those that differ, are gained, are lost" | "全問・相違・改善・悪化を切り替える";

    PinBaseline: "pin", ["b"], [Answers], Looks, Nothing,
        "pin" | "基準",
        "Compare the others against this column" | "この列を比較の基準にする";

    SwitchSplit: "split", ["t"], [Answers], Looks, Nothing,
        "train/held-out" | "訓練/検証",
        "Switch between training and held-out questions" | "訓練問題と検証問題を切り替える";

    Zoom: "zoom", ["enter", "z"], [Answers], Looks, Nothing,
        "full text" | "全文",
        "Give the texts the whole pane, or the table again" | "本文を画面いっぱいに広げる・表に戻す";

    CopyAnswer: "copy", ["y"], [Answers], Looks, Nothing,
        "copy" | "コピー",
        "Send this answer to the terminal's clipboard" | "この回答を端末のクリップボードへ送る";

    Export: "export", ["e"], [Answers], Changes, Nothing,
        "" | "",
        "Write the table of answers to a CSV or JSONL file" | "回答の表をCSVまたはJSONLに書き出す";

    CloseColumn: "close-column", ["x"], [Answers], Looks, Nothing,
        "" | "",
        "Close this candidate's column" | "この候補の列を閉じる";
}
