//! The actions of the Evolve pane: their names, keys and messages.
//!
//! `action/mod.rs` reads the rows; `update.rs` in this folder carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane::{self, Answers, Evolve, Recipe};

actions! {
    /// An action of the Evolve pane, on the session or on a candidate.
    EvolveAction

    StartEvolution: "start", ["s"], Pane::ALL, Changes, Nothing,
        "" | "",
        "Start to evolve" | "進化を始める";

    ShowPlan: "plan", ["P"], Pane::ALL, Changes, Nothing,
        "" | "",
        "Show what the session that s starts would take, before it starts" | "s で始めるセッションに要るものを、始める前に見る";

    PauseResume: "pause", ["p"], [Evolve], Changes, Session,
        "pause" | "一時停止",
        "Pause the evolution, or go on" | "進化を一時停止する・再開する";

    Stop: "stop", ["x"], [Evolve], Changes, Session,
        "stop" | "停止",
        "Stop the evolution (it can be resumed later)" | "進化を停止する（後で再開できる）";

    OpenCandidate: "open-candidate", ["enter"], [Evolve], Looks, Session,
        "answers" | "回答",
        "Read this candidate's answers beside the others" | "この候補の回答を他と並べて読む";

    EditCandidate: "edit-candidate", ["e"], [Evolve], Looks, Session,
        "edit" | "編集",
        "Take this candidate's recipe into the editor" | "この候補のレシピをエディタに取り込む";

    Keep: "keep", ["K"], [Evolve], Changes, Session,
        "keep" | "保持",
        "Keep this candidate in the list and beside the answers, or let it go" | "この候補を一覧と回答に残す・外す";

    ShowRecipe: "show-recipe", ["r"], [Evolve, Answers], Looks, Session,
        "recipe" | "レシピ",
        "Look at this candidate's recipe or path" | "この候補のレシピまたは経路を見る";

    Watch: "watch", ["W"], [Recipe, Evolve], Changes, Nothing,
        "watch" | "注目問題",
        "Choose the sample questions" | "サンプル問題を選ぶ";

    NextSample: "next-sample", ["n"], [Evolve], Looks, Session,
        "next sample" | "次の例",
        "Show the next sample question first" | "次のサンプル問題を先頭に出す";
}
