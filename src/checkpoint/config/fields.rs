//! Reads single keys of a `config.json` and checks each. In: the JSON object and a key. Out: the value, its default, or
//! an error that names file and key. As strict as transformers 5: text is not accepted as a number, a number is not
//! accepted as a flag, and null is allowed only where it has a meaning.

use serde_json::Value;

use super::family::Family;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::untrusted::printable;
use crate::limits::MODEL_SIZE;

/// The value of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

pub(super) struct ConfigReader<'a> {
    pub(super) file: &'a str,
    pub(super) raw: &'a Value,
}

impl<'a> ConfigReader<'a> {
    pub(super) fn problem(&self, key: &str, problem: String) -> CheckpointError {
        CheckpointError::Config { file: self.file.to_owned(), key: key.to_owned(), problem }
    }

    /// The error for a value of the wrong kind.
    pub(super) fn unfit(&self, key: &str, value: &Value, must: &str) -> CheckpointError {
        self.problem(key, format!("is {}; it must be {must}", printable(&value.to_string())))
    }

    fn read<T>(
        &self,
        key: &str,
        must: &str,
        take: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Given<T>, CheckpointError> {
        match self.raw.get(key) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(value) => take(value).map(Given::Value).ok_or_else(|| self.unfit(key, value, must)),
        }
    }

    /// The value, or the default if the key is absent; null is refused.
    fn filled<T>(&self, key: &str, given: Given<T>, default: T, must: &str) -> Result<T, CheckpointError> {
        match given {
            Given::Value(value) => Ok(value),
            Given::Absent => Ok(default),
            Given::Null => Err(self.unfit(key, &Value::Null, must)),
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, key: &str) -> Result<Given<i64>, CheckpointError> {
        self.read(key, "a whole number", Value::as_i64)
    }

    /// A count of at least 1.
    pub(super) fn count(&self, key: &str) -> Result<Given<usize>, CheckpointError> {
        let must = format!("a whole number from 1 to {MODEL_SIZE}");
        let take = |v: &Value| v.as_u64().filter(|n| (1..=MODEL_SIZE).contains(n)).map(|n| n as usize);
        self.read(key, &must, take)
    }

    /// A count of at least 1; the default if absent; null is refused.
    pub(super) fn size(&self, key: &str, default: usize) -> Result<usize, CheckpointError> {
        self.filled(key, self.count(key)?, default, &format!("a whole number from 1 to {MODEL_SIZE}"))
    }

    /// A number written with a point or an exponent.
    pub(super) fn real(&self, key: &str) -> Result<Given<f64>, CheckpointError> {
        self.read(key, "a number written with a point, as 1.0", |v| v.as_f64().filter(|_| v.is_f64()))
    }

    /// A number of at least 0, written with a point; the default if absent; null is refused.
    pub(super) fn share(&self, key: &str, default: f64) -> Result<f64, CheckpointError> {
        let must = "a number of at least 0.0, written with a point";
        match self.filled(key, self.real(key)?, default, must)? {
            value if value.is_finite() && value >= 0.0 => Ok(value),
            value => Err(self.unfit(key, &value.into(), must)),
        }
    }

    /// true or false; the default if absent; null is refused.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool, CheckpointError> {
        let must = "true or false";
        self.filled(key, self.read(key, must, Value::as_bool)?, default, must)
    }

    /// A text; the default if absent; null is refused.
    pub(super) fn text(&self, key: &str, default: &'a str) -> Result<&'a str, CheckpointError> {
        self.filled(key, self.read(key, "a text", Value::as_str)?, default, "a text")
    }

    /// A token id; null, a negative number and a number too large for any vocabulary mean none.
    pub(super) fn token(&self, key: &str, default: Option<u32>) -> Result<Option<u32>, CheckpointError> {
        Ok(match self.whole(key)? {
            Given::Value(id) => u32::try_from(id).ok(),
            Given::Absent => default,
            Given::Null => None,
        })
    }

    /// A token or a list of them.
    pub(super) fn tokens(&self, key: &str, default: Option<u32>) -> Result<Vec<u32>, CheckpointError> {
        let Some(Value::Array(list)) = self.raw.get(key) else {
            return Ok(self.token(key, default)?.into_iter().collect());
        };
        let mut out = Vec::with_capacity(list.len());
        for value in list {
            let id =
                value.as_i64().ok_or_else(|| self.unfit(key, value, "a whole number or a list of them"))?;
            out.extend(u32::try_from(id).ok());
        }
        Ok(out)
    }

    /// Checks keys that Yosegi does not use: transformers checks their types, and a merge must load there.
    pub(super) fn check_unused(&self, family: &Family) -> Result<(), CheckpointError> {
        if family.model_type == "llama" {
            self.whole("pretraining_tp")?;
        }
        self.share("initializer_range", 0.02)?;
        self.flag("use_cache", true)?;
        self.read("attention_dropout", "a number", Value::as_f64)?;
        if self.raw.get("per_layer_config").is_some_and(|v| !v.is_null()) {
            let problem = "gives layers sizes of their own, which is not supported".to_owned();
            return Err(self.problem("per_layer_config", problem));
        }
        Ok(())
    }

    /// Checks that `pad_token_id` is in the vocabulary: transformers cannot load embeddings without a row for it.
    pub(super) fn check_padding(&self, family: &Family, vocab: usize) -> Result<(), CheckpointError> {
        let key = "pad_token_id";
        let token = match self.whole(key)? {
            Given::Value(token) => Some(token),
            Given::Absent => family.pad,
            Given::Null => None,
        };
        // A negative number counts from the end.
        let rows = vocab as i64;
        match token.filter(|token| !(-rows..rows).contains(token)) {
            None => Ok(()),
            Some(token) => Err(self.problem(
                key,
                format!("is {token}, which the vocabulary of {vocab} does not have; write a token or null"),
            )),
        }
    }
}
