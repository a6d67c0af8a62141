//! Finds this machine's fonts. For each letter it returns the first font that has a glyph for it: monospaced fonts come
//! before Japanese ones, and those before all others. `png.rs` draws with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ab_glyph::{Font, FontVec};

use crate::limits;

/// How many folder levels below a font folder are searched.
const DEPTH: usize = 6;

/// Parts of the file names of suitable fonts, the best first. `mono` matches any other monospaced font.
const WANTED: [&str; 18] = [
    "jetbrainsmono",
    "dejavusansmono",
    "liberationmono",
    "ubuntumono",
    "menlo",
    "consola",
    "notosansmonocjkjp",
    "notosansmonocjk",
    "notosanscjkjp",
    "notosansjp",
    "notosanscjk",
    "ipagothic",
    "ipag",
    "takaogothic",
    "vl-gothic",
    "hiragino",
    "gothic",
    "mono",
];

/// The fonts found, each read when a letter first needs it.
#[derive(Default)]
pub struct Fonts {
    files: Vec<PathBuf>,
    /// `None` for a file that can't be read as a font.
    read: HashMap<usize, Option<FontVec>>,
    /// The font that draws a letter; `None` if no font does.
    chosen: HashMap<(char, bool), Option<usize>>,
}

impl Fonts {
    /// All fonts of this machine.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
        let own = |part: &str| home.as_ref().map(|h| h.join(part));
        let folders = [
            own(".fonts"),
            data.map(|d| d.join("fonts")),
            own(".local/share/fonts"),
            own("Library/Fonts"),
            Some("/usr/local/share/fonts".into()),
            Some("/usr/share/fonts".into()),
            Some("/Library/Fonts".into()),
            Some("/System/Library/Fonts".into()),
        ];
        Self::in_folders(folders.into_iter().flatten())
    }

    /// All fonts below these folders.
    #[must_use]
    pub fn in_folders(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut files = Vec::new();
        for folder in folders {
            gather(&folder, DEPTH, &mut files);
        }
        files.sort_by_cached_key(|file| (rank(file), file.clone()));
        files.dedup();
        Self { files, ..Self::default() }
    }

    /// Whether no font was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The font that draws `letter`. A bold font is preferred if bold is requested.
    pub(super) fn font_for(&mut self, letter: char, bold: bool) -> Option<&FontVec> {
        let key = (letter, bold);
        let known = self.chosen.get(&key).copied();
        let at = known.unwrap_or_else(|| self.choose(letter, bold));
        self.chosen.insert(key, at);
        self.read.get(&at?)?.as_ref()
    }

    fn choose(&mut self, letter: char, bold: bool) -> Option<usize> {
        let mut second = None;
        for at in 0..self.files.len() {
            if self.font(at).is_none_or(|font| font.glyph_id(letter).0 == 0) {
                continue;
            }
            if is_bold(&self.files[at]) == bold {
                return Some(at);
            }
            // A better family in the wrong weight comes before a worse family in the right weight.
            let best: usize = *second.get_or_insert(at);
            if family(&self.files[at]) != family(&self.files[best]) {
                return Some(best);
            }
        }
        second
    }

    fn font(&mut self, at: usize) -> Option<&FontVec> {
        let file = &self.files[at];
        let read = || FontVec::try_from_vec_and_index(limits::read(file, limits::SMALL_FILE).ok()?, 0).ok();
        self.read.entry(at).or_insert_with(read).as_ref()
    }
}

/// Font files in a folder and below it.
fn gather(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(Result::ok).map(|e| e.path()) {
        if path.is_dir() {
            if depth > 0 {
                gather(&path, depth - 1, files);
            }
        } else if path
            .extension()
            .is_some_and(|e| ["ttf", "otf", "ttc", "otc"].iter().any(|known| e.eq_ignore_ascii_case(known)))
        {
            files.push(path);
        }
    }
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The order of fonts: upright ones first, then by [`WANTED`].
fn rank(file: &Path) -> (bool, usize) {
    let stem = stem(file);
    let wanted = WANTED.iter().position(|part| stem.contains(part)).unwrap_or(WANTED.len());
    (stem.contains("italic") || stem.contains("oblique"), wanted)
}

fn is_bold(file: &Path) -> bool {
    let stem = stem(file);
    stem.contains("bold") && !stem.contains("semibold") && !stem.contains("extrabold")
}

/// The file's name without the weight.
fn family(file: &Path) -> String {
    stem(file).split('-').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monospaced_before_japanese_before_all_others() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("truetype/x");
        std::fs::create_dir_all(&deep).unwrap();
        for name in ["Serif.ttf", "NotoSansCJK-Regular.ttc", "DejaVuSansMono-Oblique.ttf", "readme.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(deep.join("DejaVuSansMono.TTF"), "").unwrap();
        let mut fonts = Fonts::in_folders([folder.path().to_owned()]);
        let names: Vec<String> = fonts.files.iter().map(|f| stem(f)).collect();
        assert_eq!(names, ["dejavusansmono", "notosanscjk-regular", "serif", "dejavusansmono-oblique"]);
        // None of them can be read: no letter has a shape, and nothing breaks.
        assert!(fonts.font_for('あ', false).is_none());
    }
}
