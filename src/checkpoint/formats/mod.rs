//! Weight files. In: the bytes of a file, mapped or in memory. Out: what it lists ([`header::Header`]), every number
//! checked against the file's length; or, for a format that is not read, the command that converts it.
//! Called where a checkpoint is opened or fetched.

pub(super) mod header;
mod pickle;
pub(super) mod safetensors;
pub(super) mod shards;
pub(super) mod table;
mod torch;
mod unique_keys;
pub(super) mod unsupported;
mod zip;
