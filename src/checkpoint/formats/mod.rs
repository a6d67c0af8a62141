//! Weight files. In: the bytes of a file, mapped or in memory. Out: its contents ([`header::Header`]), every number
//! checked against the file's length; or, for an unsupported format, the command that converts it. Called when a
//! checkpoint is opened or fetched.

pub(super) mod header;
mod pickle;
pub(super) mod safetensors;
pub(super) mod shards;
pub(super) mod table;
mod torch;
mod unique_keys;
pub(super) mod unsupported;
mod zip;
