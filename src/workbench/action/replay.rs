//! The actions of a replay. Their keys work only while a replay plays.
//!
//! `action/mod.rs` reads the rows; the playback (`workbench/replay`) carries the actions out.

use crate::workbench::action::row::actions;
use crate::workbench::app::Pane;

actions! {
    /// An action of a replay.
    ReplayAction

    Pause: "replay-pause", ["space"], Pane::ALL, Looks, Nothing,
        "pause/play" | "停止/再生",
        "Pause the replay, or play on" | "再生を一時停止する・続ける";

    Faster: "replay-faster", [">"], Pane::ALL, Looks, Nothing,
        "faster" | "速く",
        "Play twice as fast" | "2倍の速さで再生する";

    Slower: "replay-slower", ["<"], Pane::ALL, Looks, Nothing,
        "slower" | "遅く",
        "Play half as fast" | "半分の速さで再生する";

    Step: "replay-step", ["]"], Pane::ALL, Looks, Nothing,
        "step" | "1つ進む",
        "Play the next event and pause" | "次の出来事だけ再生して止まる";
}
