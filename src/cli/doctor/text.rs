//! The doctor's findings about the files that scoring needs: the dictionary and the language identification model.
//! `doctor::run` calls it.

use super::Finding;
use crate::task::{Detector, Segmenter};

pub fn look() -> Vec<Finding> {
    vec![dictionary(), languages()]
}

fn dictionary() -> Finding {
    match Segmenter::shared() {
        Ok(Segmenter::MeCab(_)) => Finding::good("dictionary", "MeCab's, from YOSEGI_MECAB_DICT"),
        Ok(Segmenter::Classes) => Finding::note(
            "dictionary",
            "none: ROUGE and F1 cut Japanese by character class and say so",
            "pip install unidic-lite, and set YOSEGI_MECAB_DICT to the folder that \
             python3 -c 'import unidic_lite; print(unidic_lite.DICDIR)' prints",
        ),
        Err(why) => Finding::gap("dictionary", why.to_string(), "mend or unset YOSEGI_MECAB_DICT"),
    }
}

fn languages() -> Finding {
    match Detector::shared() {
        detector @ Detector::FastText(_) => {
            Finding::good("language id", format!("{} (fastText), bundled", detector.name()))
        }
        detector @ Detector::Letters => Finding::gap(
            "language id",
            format!("the bundled model can't be read; language is judged by the {}", detector.name()),
            "build again from a whole checkout: zoo/lid/lid.176.ftz is damaged",
        ),
    }
}
