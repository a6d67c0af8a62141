//! State as text, exact to the bit: JSON in which a real number is written as the sixteen
//! hexadecimal digits of its bits, for reading decimal digits back may miss the last one.

use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A number that is not finite makes a text that [`from_text`] refuses.
pub(super) fn to_text<T: Serialize>(state: &T) -> Option<String> {
    let mut value = serde_json::to_value(state).ok()?;
    each(&mut value, &|value| {
        if let Value::Number(number) = value
            && number.is_f64()
        {
            let bits = number.as_f64().map_or(0, f64::to_bits);
            *value = Value::String(format!("~{bits:016x}"));
        }
    });
    Some(value.to_string())
}

/// `None` where the text is not such a state.
pub(super) fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    each(&mut value, &|value| {
        let bits = value.as_str().and_then(|s| s.strip_prefix('~')).filter(|s| s.len() == 16);
        let number = bits.and_then(|s| u64::from_str_radix(s, 16).ok()).map(f64::from_bits);
        if let Some(number) = number.and_then(Number::from_f64) {
            *value = Value::Number(number);
        }
    });
    serde_json::from_value(value).ok()
}

fn each(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|v| each(v, change)),
        Value::Object(fields) => fields.values_mut().for_each(|v| each(v, change)),
        other => change(other),
    }
}

/// A generator that is drawn from without end; as text, its seed and how far it has come.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "(u64, u64)", from = "(u64, u64)")]
pub(super) struct Generator(pub ChaCha12Rng, u64);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed), seed)
    }
}

impl From<Generator> for (u64, u64) {
    fn from(generator: Generator) -> Self {
        (generator.1, generator.0.get_word_pos() as u64)
    }
}

impl From<(u64, u64)> for Generator {
    fn from((seed, position): (u64, u64)) -> Self {
        let mut out = Self::new(seed);
        out.0.set_word_pos(u128::from(position));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn every_bit_comes_back() {
        let numbers = vec![0.1, -0.0, 1.0, 1e300, f64::MIN_POSITIVE, 0.1 + 0.2, 5e-324];
        let text = to_text(&(7u64, &numbers, "~name")).unwrap();
        let (seven, back, name): (u64, Vec<f64>, String) = from_text(&text).unwrap();
        assert!(numbers.iter().zip(&back).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!((seven, name.as_str()), (7, "~name"));
        assert!(from_text::<Vec<f64>>("[1, ").is_none());
        // What is not finite is not a state.
        assert!(to_text(&vec![f64::NAN]).is_none_or(|t| from_text::<Vec<f64>>(&t).is_none()));
    }

    #[test]
    fn a_generator_goes_on_where_it_was() {
        let mut one = Generator::new(5);
        let _: f64 = one.0.random();
        let mut two: Generator = from_text(&to_text(&one).unwrap()).unwrap();
        assert_eq!(one.0.random::<u64>(), two.0.random::<u64>());
    }
}
