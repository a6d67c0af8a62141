//! The actions of the Recipe pane: their names, keys and messages.
//!
//! `action/mod.rs` reads the rows; `update.rs` in this folder carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane::{Evolve, Recipe};

actions! {
    /// An action of the Recipe pane, the editor of the hand-made recipe.
    RecipeAction

    StepUp: "step-up", ["+", "="], [Recipe], Changes, Nothing,
        "" | "",
        "Raise the cell or the selected block by one step" | "セルまたは選択範囲を1段上げる";

    StepDown: "step-down", ["-"], [Recipe], Changes, Nothing,
        "step" | "増減",
        "Lower the cell or the selected block by one step" | "セルまたは選択範囲を1段下げる";

    EnterNumber: "enter-number", ["enter"], [Recipe], Changes, Nothing,
        "number" | "数値",
        "Type a number for the cell or the block (or simply begin with a digit)" | "セルまたは選択範囲の数値を入力する（数字を打ち始めてもよい）";

    Select: "select", ["v"], [Recipe], Changes, Nothing,
        "block" | "範囲",
        "Begin or end selecting a block of cells" | "セルの範囲選択を始める・やめる";

    Gradient: "gradient", ["g"], [Recipe], Changes, Nothing,
        "gradient" | "勾配",
        "Fill the block evenly from its first row's value to its last row's" | "範囲を先頭行の値から末尾行の値まで均等に埋める";

    Undo: "undo", ["u"], [Recipe], Changes, Nothing,
        "undo" | "元に戻す",
        "Undo the last edit" | "最後の編集を元に戻す";

    Redo: "redo", ["ctrl-r"], [Recipe], Changes, Nothing,
        "" | "",
        "Redo what was undone" | "元に戻した編集をやり直す";

    ChooseMethod: "method", ["m"], [Recipe], Changes, Nothing,
        "method" | "手法",
        "Choose the merge method" | "マージ手法を選ぶ";

    Reset: "reset", ["r"], [Recipe], Changes, Nothing,
        "reset" | "初期化",
        "Start over from uniform, the best so far, or any candidate" | "均等マージ・現在の最良・任意の候補からやり直す";

    TakeBest: "take-best", ["b"], [Recipe], Changes, Session,
        "" | "",
        "Take the best candidate so far into the editor" | "現在の最良の候補をエディタに取り込む";

    Compare: "compare", ["d"], [Recipe], Changes, Nothing,
        "compare" | "比較",
        "Mark what differs from another recipe" | "別のレシピとの違いを示す";

    ShowYaml: "yaml", ["y"], [Recipe], Looks, Nothing,
        "yaml" | "YAML",
        "Show the recipe as mergekit writes it" | "レシピをmergekitの書式で見る";

    CopyColumn: "copy-column", ["c"], [Recipe], Changes, Nothing,
        "" | "",
        "Copy this column's values" | "この列の値をコピーする";

    PasteColumn: "paste-column", ["p"], [Recipe], Changes, Nothing,
        "" | "",
        "Paste the copied column here" | "コピーした列をここに貼り付ける";

    Inject: "inject", ["i"], [Recipe, Evolve], Changes, Session,
        "inject" | "投入",
        "Evaluate the hand-made recipe as a candidate of the session" | "手作りのレシピをセッションの候補として評価する";

    EvolveHere: "evolve-here", ["E"], [Recipe], Changes, Nothing,
        "" | "",
        "Start a new session that searches from this recipe" | "このレシピから探索する新しいセッションを始める";

    TryAgain: "try", ["t"], [Recipe], Changes, Nothing,
        "" | "",
        "Ask the sample questions again" | "サンプル問題をもう一度解かせる";

    Save: "save", ["w", "ctrl-s"], [Recipe], Changes, Nothing,
        "write" | "保存",
        "Write the recipe to a file: TOML, or mergekit's YAML by its ending" | "レシピをファイルに書き出す（拡張子でTOMLかmergekitのYAML）";

    Open: "open", ["o"], [Recipe], Changes, Nothing,
        "open" | "開く",
        "Open a recipe from a file: TOML, or mergekit's YAML" | "ファイルのレシピを開く（TOMLかmergekitのYAML）";
}
