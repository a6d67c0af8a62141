//! The documentation's pictures match what the code draws.

use std::path::Path;

use crate::workbench::recording::{RECORDED, Recording, documentation};

#[test]
fn screenshots_are_fresh() {
    let recording = Recording::from_lines(RECORDED).unwrap();
    assert_eq!(Recording::from_lines(&recording.to_lines().unwrap()).unwrap(), recording);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots");
    for picture in documentation().unwrap() {
        let (name, svg) = (format!("{}.svg", picture.name), picture.svg());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(folder.join(&name), &svg).unwrap();
        }
        let stored = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert!(stored == svg, "screenshots/{name} is stale: run `yosegi screenshot`");
    }
}
