//! The parameters that a recipe, a module, a slice or a source gives. The readers fill them; `recipe/resolve.rs` looks
//! values up in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Param, Values};

/// Values of parameters, in the order of [`Param`]. A missing value comes from the place with the next lower precedence
/// (see `recipe/resolve.rs`), else from the method's defaults.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Parameters(BTreeMap<Param, Values>);

impl Parameters {
    /// An empty set of parameters.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The value given for `param`.
    #[must_use]
    pub fn get(&self, param: Param) -> Option<&Values> {
        self.0.get(&param)
    }

    /// Mutable access to the value given for `param`; inserts `default` if there is none.
    pub fn entry(&mut self, param: Param, default: f64) -> &mut Values {
        self.0.entry(param).or_insert(Values::All(default))
    }

    /// Gives `param` a value.
    pub fn set(&mut self, param: Param, values: impl Into<Values>) {
        self.0.insert(param, values.into());
    }

    /// Removes the value of `param`.
    pub fn remove(&mut self, param: Param) -> Option<Values> {
        self.0.remove(&param)
    }

    /// These parameters with one more.
    #[must_use]
    pub fn with(mut self, param: Param, values: impl Into<Values>) -> Self {
        self.set(param, values);
        self
    }

    /// All values given.
    pub fn iter(&self) -> impl Iterator<Item = (Param, &Values)> {
        self.0.iter().map(|(param, values)| (*param, values))
    }

    /// All values given, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Param, &mut Values)> {
        self.0.iter_mut().map(|(param, values)| (*param, values))
    }

    /// These parameters, with those of `others` that are missing here.
    #[must_use]
    pub fn over(mut self, others: &Self) -> Self {
        for (param, values) in others.iter() {
            self.0.entry(param).or_insert_with(|| values.clone());
        }
        self
    }

    /// Whether no parameter is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<f64> for Values {
    fn from(value: f64) -> Self {
        Self::All(value)
    }
}

impl From<bool> for Values {
    fn from(value: bool) -> Self {
        Self::All(if value { 1.0 } else { 0.0 })
    }
}

/// A yes or no may be written as a boolean; null means no value.
impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Flag(bool),
            Values(Values),
        }
        let given = BTreeMap::<Param, Option<Given>>::deserialize(deserializer)?;
        let values = given.into_iter().filter_map(|(param, given)| {
            Some(match given? {
                Given::Flag(flag) => (param, flag.into()),
                Given::Values(values) => (param, values),
            })
        });
        Ok(Self(values.collect()))
    }
}
