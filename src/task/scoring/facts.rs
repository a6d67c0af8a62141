//! The facts that an answer names, in order: colours, things, counts, sides. The words that a task knows and an answer
//! come in, the facts found go out; the data reader and the judge call it.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::rouge::longest_common;

/// Words for facts. All spellings of a fact, in any language, have the fact's number.
#[derive(Clone, Debug, Default)]
pub(in crate::task) struct FactWords {
    /// Each fact's spellings as the task gives them; the first is the fact's name.
    facts: Vec<Vec<String>>,
    /// Normalised spellings with their fact's number.
    numbers: HashMap<String, usize>,
    /// Characters of the longest spelling.
    longest: usize,
}

impl FactWords {
    /// The words of these facts, one list of spellings each. The error is a spelling that stands for two facts, or an
    /// empty one.
    pub fn new(facts: &[Vec<String>]) -> Result<Self, String> {
        let mut all = Self::default();
        for spellings in facts {
            all.add(spellings)?;
        }
        Ok(all)
    }

    fn add(&mut self, spellings: &[String]) -> Result<usize, String> {
        let number = self.facts.len();
        if spellings.is_empty() {
            return Err("a fact has no spelling".to_owned());
        }
        for spelling in spellings {
            let plain = normalised(spelling.trim());
            if plain.is_empty() {
                return Err("a spelling of a fact is empty".to_owned());
            }
            self.longest = self.longest.max(plain.chars().count());
            if self.numbers.insert(plain, number).is_some_and(|other| other != number) {
                return Err(format!("{spelling:?} stands for two facts"));
            }
        }
        self.facts.push(spellings.to_vec());
        Ok(number)
    }

    /// The number of a fact by its spellings, which must be those of one known fact or all be new; a new fact is added.
    fn number(&mut self, spellings: &[String]) -> Result<usize, String> {
        let known: Vec<Option<usize>> =
            spellings.iter().map(|s| self.numbers.get(&normalised(s.trim())).copied()).collect();
        match known.first() {
            Some(&Some(number)) if known.iter().all(|k| *k == Some(number)) => Ok(number),
            _ if known.iter().all(Option::is_none) => self.add(spellings),
            _ => Err(format!("{} are spellings of more than one fact", spellings.join(", "))),
        }
    }

    /// The numbers of a question's facts, and the words together with those that only this question has.
    pub fn of_question(&self, facts: &[Vec<String>]) -> Result<(Self, Vec<usize>), String> {
        let mut all = self.clone();
        let wanted = facts.iter().map(|spellings| all.number(spellings)).collect::<Result<_, _>>()?;
        Ok((all, wanted))
    }

    /// The facts that a text names, from left to right. At each place the longest spelling counts, and the reading goes
    /// on behind it. A spelling whose edge is an ASCII letter or digit ends there, so that `1` is not in `10`.
    pub fn found(&self, text: &str) -> Vec<usize> {
        let text: Vec<char> = normalised(text).chars().collect();
        let apart = |a: Option<&char>, b: Option<&char>| {
            !(a.is_some_and(char::is_ascii_alphanumeric) && b.is_some_and(char::is_ascii_alphanumeric))
        };
        let (mut at, mut found) = (0, Vec::new());
        while at < text.len() {
            let begins = apart(at.checked_sub(1).and_then(|before| text.get(before)), text.get(at));
            let longest = self.longest.min(text.len() - at);
            let hit = (1..=longest).rev().filter(|_| begins).find_map(|length| {
                let end = at + length;
                let word: String = text[at..end].iter().collect();
                let number = *self.numbers.get(&word)?;
                apart(text.get(end - 1), text.get(end)).then_some((number, length))
            });
            at += hit.map_or(1, |(_, length)| length);
            found.extend(hit.map(|(number, _)| number));
        }
        found
    }

    /// The facts' names, joined by commas.
    pub fn names(&self, facts: &[usize]) -> String {
        facts.iter().map(|fact| self.facts[*fact][0].as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// The share of right facts: the longest common subsequence over the greater number of facts; 1 if both lists are
/// empty.
pub(in crate::task) fn share(wanted: &[usize], found: &[usize]) -> f64 {
    let most = wanted.len().max(found.len());
    if most == 0 {
        return 1.0;
    }
    let numbers = |facts: &[usize]| facts.iter().map(|fact| *fact as u32).collect::<Vec<_>>();
    longest_common(&numbers(wanted), &numbers(found)) as f64 / most as f64
}

/// NFKC in lower case.
fn normalised(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(all: &[&[&str]]) -> Vec<Vec<String>> {
        all.iter().map(|one| one.iter().map(|s| (*s).to_owned()).collect()).collect()
    }

    fn words() -> FactWords {
        FactWords::new(&lists(&[
            &["red", "赤"],
            &["left", "左"],
            &["left and right", "左右"],
            &["1", "one", "1つ", "一つ"],
            &["10", "ten"],
            &["red apple", "赤リンゴ"],
        ]))
        .unwrap()
    }

    #[test]
    fn the_longest_word_counts_and_words_of_ascii_end_at_their_edge() {
        let words = words();
        let names = |text: &str| words.names(&words.found(text));
        assert_eq!(names("Red, then a RED car"), "red, red");
        assert_eq!(names("A red apple redder than 赤"), "red apple, red");
        assert_eq!(names("左右に赤いものが１つ"), "left and right, red, 1");
        assert_eq!(names("10 of 1, not 101"), "10, 1");
        assert_eq!(names("赤1つ、左one"), "red, 1, left, 1");
        assert_eq!(names(""), "");
    }

    #[test]
    fn a_question_may_have_facts_of_its_own() {
        let words = words();
        let (all, wanted) = words.of_question(&lists(&[&["赤"], &["car", "車"]])).unwrap();
        assert_eq!(all.found("赤い車です"), wanted);
        assert!(words.found("車").is_empty());
        assert!(words.of_question(&lists(&[&["赤", "車"]])).is_err());
        assert!(words.of_question(&lists(&[&["赤", "左"]])).is_err());
        assert!(FactWords::new(&lists(&[&["a"], &["A"]])).unwrap_err().contains("two facts"));
        assert!(FactWords::new(&lists(&[&[" "]])).is_err() && FactWords::new(&lists(&[&[]])).is_err());
    }

    #[test]
    fn shares_count_what_is_too_much_as_what_is_missing() {
        for (wanted, found, right) in [
            (&[1, 2, 3][..], &[1, 2, 3][..], 1.0),
            (&[1, 2, 3], &[1, 3], 2.0 / 3.0),
            (&[1, 2], &[2, 1], 0.5),
            (&[1], &[1, 4, 5, 6], 0.25),
            (&[1], &[], 0.0),
            (&[], &[], 1.0),
        ] {
            assert!((share(wanted, found) - right).abs() < 1e-12, "{wanted:?} {found:?}");
        }
    }
}
