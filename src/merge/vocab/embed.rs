//! Embeddings and LM heads of models with different vocabularies, mapped to one list of tokens by mergekit's rules
//! (`PermutedVocabulary`). A model keeps its own rows. For a token that it lacks it takes the base's row, else the only
//! row there is, else the mean of the models that have one.

use std::collections::HashMap;

use half::{bf16, f16};

use crate::checkpoint::{Dtype, TensorView};
use crate::recipe::{TokenName, TokenOrigin, TokenSpec};

use super::tokens::Tokens;

/// One model's embedding or LM head, and its tokens.
pub(super) struct Table<'a> {
    pub(super) model: &'a str,
    pub(super) tokens: &'a Tokens,
    /// `[rows, hidden]`.
    pub(super) view: TensorView<'a>,
}

/// The vocabulary and type of the result.
pub(super) struct Target<'a> {
    pub(super) tokens: &'a Tokens,
    pub(super) rules: &'a HashMap<&'a str, &'a TokenSpec>,
    /// Rows of the result: one per token, then padding.
    pub(super) rows: usize,
    pub(super) dtype: Dtype,
    /// Index of the base's table.
    pub(super) base: Option<usize>,
}

/// One row of values in f32; each value is representable in the target's type.
type Row = Vec<f32>;

impl Target<'_> {
    /// The row for models without `token`, and whether it also replaces the row of models that have the token. `None`
    /// if every model has the token and no row is forced.
    fn substitute(&self, tables: &[Table<'_>], token: &str) -> Result<Option<(Row, bool)>, String> {
        let rule = self.rules.get(token);
        let force = rule.is_some_and(|r| r.force);
        let having: Vec<usize> =
            (0..tables.len()).filter(|i| tables[*i].tokens.ids.contains_key(token)).collect();
        if !force && having.len() == tables.len() {
            return Ok(None);
        }
        let own = |i: usize| self.row(&tables[i], tables[i].tokens.ids[token] as usize);
        let row = match (rule.and_then(|r| r.source.as_ref()), &having[..]) {
            (Some(origin), _) => self.origin(tables, token, origin)?,
            (None, []) => vec![0.0; tables[0].view.shape[1]],
            (None, [only]) => own(*only),
            (None, _) => match self.base.filter(|b| having.contains(b)) {
                Some(base) => own(base),
                None => self.mean(having.iter().map(|i| own(*i)), having.len()),
            },
        };
        Ok(Some((row, force)))
    }

    /// The row that a recipe's token rule names.
    fn origin(&self, tables: &[Table<'_>], token: &str, origin: &TokenOrigin) -> Result<Row, String> {
        let (model, place) = match origin {
            TokenOrigin::Zero => return Ok(vec![0.0; tables[0].view.shape[1]]),
            TokenOrigin::Model(model) => (model, TokenName::Text(token.to_owned())),
            TokenOrigin::ModelToken { model, token } => (model, token.clone()),
        };
        let table = tables.iter().find(|t| t.model == model).ok_or_else(|| {
            let known: Vec<&str> = tables.iter().map(|t| t.model).collect();
            format!(
                "token {token:?} is to come from {model}, which does not take part; known are {}",
                known.join(", ")
            )
        })?;
        let row = match &place {
            TokenName::Id(id) => Some(*id),
            TokenName::Text(text) => table.tokens.ids.get(text).copied(),
        };
        match row.map(|r| r as usize) {
            Some(row) if row < table.view.shape[0] => Ok(self.row(table, row)),
            Some(row) => Err(format!(
                "token {token:?} is to be {model}'s token {row}, but that model has {}",
                table.view.shape[0]
            )),
            None => {
                let text = match place {
                    TokenName::Text(text) => text,
                    TokenName::Id(id) => id.to_string(),
                };
                Err(format!("token {token:?} is to be {model}'s {text:?}, which that model does not have"))
            }
        }
    }

    fn row(&self, table: &Table<'_>, row: usize) -> Row {
        let columns = table.view.shape[1];
        let mut out = vec![0.0; columns];
        table.view.read_f32(row * columns, &mut out);
        for v in &mut out {
            *v = round(self.dtype, *v);
        }
        out
    }

    /// Summed and divided in the target's type, as in torch.
    fn mean(&self, rows: impl Iterator<Item = Row>, count: usize) -> Row {
        let add = |mut sum: Row, row: Row| {
            sum.iter_mut().zip(row).for_each(|(s, v)| *s = round(self.dtype, *s + v));
            sum
        };
        let mut sum = rows.reduce(add).unwrap_or_default();
        for s in &mut sum {
            *s = round(self.dtype, *s / count as f32);
        }
        sum
    }

    /// All tables with the target's tokens: `[rows, hidden]` each, little-endian. `None` for a table that already
    /// matches.
    pub(super) fn remake(&self, tables: &[Table<'_>]) -> Result<Vec<Option<Vec<u8>>>, String> {
        let order = self.tokens.in_order();
        let mut substitutes = HashMap::new();
        for (id, token) in &order {
            if let Some(found) = self.substitute(tables, token)? {
                substitutes.insert(*id, found);
            }
        }
        Ok(tables.iter().map(|table| self.remake_one(table, &order, &substitutes)).collect())
    }

    fn remake_one(
        &self,
        table: &Table<'_>,
        order: &std::collections::BTreeMap<u32, &str>,
        substitutes: &HashMap<u32, (Row, bool)>,
    ) -> Option<Vec<u8>> {
        let columns = table.view.shape[1];
        let forced = |id: &u32| substitutes.get(id).is_some_and(|(_, force)| *force);
        let same = |(id, token): (&u32, &&str)| !forced(id) && table.tokens.ids.get(*token) == Some(id);
        if table.view.dtype == self.dtype
            && table.view.shape[0] == self.rows
            && order.len() == self.rows
            && order.iter().all(same)
        {
            return None;
        }
        let size = self.dtype.size();
        let mut out = vec![0; self.rows * columns * size];
        let mut sum = vec![0.0_f64; columns];
        for (id, token) in order {
            let own = table.tokens.ids.get(*token).filter(|_| !forced(id));
            let row = match (own, substitutes.get(id)) {
                (Some(own), _) => self.row(table, *own as usize),
                (None, Some((row, _))) => row.clone(),
                // If every model has the token and no row is forced, each model keeps its own row.
                (None, None) => continue,
            };
            sum.iter_mut().zip(&row).for_each(|(s, v)| *s += f64::from(*v));
            let at = *id as usize * columns * size;
            store(self.dtype, &row, &mut out[at..at + columns * size]);
        }
        // Rows without a token get the mean of the other rows.
        if order.len() < self.rows {
            let mean: Row = sum.iter().map(|s| round(self.dtype, (s / order.len() as f64) as f32)).collect();
            for row in (0..self.rows).filter(|r| !order.contains_key(&(*r as u32))) {
                let at = row * columns * size;
                store(self.dtype, &mean, &mut out[at..at + columns * size]);
            }
        }
        Some(out)
    }
}

fn round(dtype: Dtype, value: f32) -> f32 {
    match dtype {
        Dtype::F32 => value,
        Dtype::F16 => f16::from_f32(value).to_f32(),
        Dtype::BF16 => bf16::from_f32(value).to_f32(),
    }
}

fn store(dtype: Dtype, row: &[f32], out: &mut [u8]) {
    let two = out.as_chunks_mut::<2>().0;
    match dtype {
        Dtype::F32 => {
            let four = out.as_chunks_mut::<4>().0;
            four.iter_mut().zip(row).for_each(|(o, v)| *o = v.to_le_bytes());
        }
        Dtype::F16 => two.iter_mut().zip(row).for_each(|(o, v)| *o = f16::from_f32(*v).to_le_bytes()),
        Dtype::BF16 => two.iter_mut().zip(row).for_each(|(o, v)| *o = bf16::from_f32(*v).to_le_bytes()),
    }
}
