//! The actions of the Models pane: their names, keys and messages.
//!
//! `action/mod.rs` reads the rows; `update.rs` in this folder carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane::Models;

actions! {
    /// An action of the Models pane.
    ModelsAction

    ToggleSource: "toggle-source", ["space"], [Models], Changes, Nothing,
        "pick" | "選択",
        "Take this model as a source, or leave it out" | "このモデルをソースに加える・外す";

    ChooseBase: "choose-base", ["b"], [Models], Changes, Nothing,
        "base" | "ベース",
        "Make this model the base that task vectors are measured against" | "このモデルをベース（タスクベクトルの基準）にする";

    TakePool: "take-pool", ["enter"], [Models], Changes, Nothing,
        "to recipe" | "レシピへ",
        "Paint a merge of the picked models by hand" | "選んだモデルのマージを手で作る";

    Rescan: "rescan", ["r"], [Models], Changes, Nothing,
        "" | "",
        "Look again for models on this machine" | "このマシンのモデルを探し直す";

    AddModel: "add-model", ["a"], [Models], Changes, Nothing,
        "add" | "追加",
        "Add a model: a folder, or org/name from the hub" | "モデルを追加する（フォルダ、またはハブの org/name）";

    Measure: "measure", ["d"], [Models], Changes, Nothing,
        "" | "",
        "Measure how far the sources lie from the base, layer by layer" | "ソースがベースからどれだけ離れているかを層ごとに測る";
}
