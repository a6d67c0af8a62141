//! A JSON object whose keys must differ. Of two equal keys, an ordinary reader silently takes the last, another may
//! take the first. A header or an index that programs may read differently is therefore refused.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// Keys and values, in the order of the keys.
pub(super) struct Pairs<T>(pub(super) std::collections::BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Each<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut out = std::collections::BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    let name = crate::checkpoint::untrusted::printable(&key);
                    if out.insert(key, value).is_some() {
                        return Err(A::Error::custom(format!("{name} is there twice")));
                    }
                }
                Ok(Pairs(out))
            }
        }
        from.deserialize_map(Each(PhantomData))
    }
}
