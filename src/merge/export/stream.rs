//! Writes shards to disk: one thread makes a few tensors while a second thread writes the previous ones. `export` and
//! `folded` call it.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::checkpoint::{ResumableFolder, ShardWriter};

use super::shards::{Shard, TensorHeader};
use crate::merge::MergeError;
use crate::progress::Meter;

/// Bytes made at a time, unless one tensor is larger. At most two such batches are in memory.
const BATCH_BYTES: u64 = 16 << 20;

/// Makes the tensors of an export. `stream` asks for them in shard order, each once.
pub(super) trait Maker {
    /// Makes consecutive tensors, each into a buffer of its exact size.
    fn make(&mut self, tensors: &[TensorHeader], out: Vec<&mut [u8]>) -> Result<(), MergeError>;
    /// Skips tensors that are already on disk.
    fn skip(&mut self, tensors: &[TensorHeader]) -> Result<(), MergeError>;
}

/// A message to the writing thread.
enum Message {
    Open(ShardWriter),
    /// Write this many bytes of the buffer.
    Bytes(Vec<u8>, usize),
    Close,
}

/// Memory needed to write these shards, without the inputs of the tensors.
pub(super) fn memory(shards: &[Shard]) -> u64 {
    2 * largest(shards)
}

/// Bytes of the largest batch.
fn largest(shards: &[Shard]) -> u64 {
    let pieces =
        shards.iter().flat_map(|s| pieces(&s.tensors)).map(|p| p.iter().map(TensorHeader::bytes).sum());
    pieces.max().unwrap_or(0)
}

/// Writes every missing shard; `meter` counts the tensors' bytes on disk. Returns the number of shards that already
/// existed.
pub(super) fn write(
    staged: &ResumableFolder,
    shards: &[Shard],
    maker: &mut dyn Maker,
    meter: &Meter<'_>,
) -> Result<usize, Failure> {
    let (to_disk, parts) = sync_channel(1);
    let (give_back, buffers) = sync_channel(2);
    let room = largest(shards) as usize;
    for _ in 0..2 {
        // The channel has room for both buffers; untouched pages take no memory.
        let _ = give_back.send(vec![0; room]);
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_parts(&parts, &give_back, meter));
        let sent = send(staged, shards, maker, meter, (&to_disk, &buffers));
        drop(to_disk);
        let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread failed")));
        match (sent, written) {
            (_, Err(error)) => Err(Failure::Io(error)),
            (Err(failure), Ok(())) => Err(failure),
            (Ok(kept), Ok(())) => Ok(kept),
        }
    })
}

/// Why shards could not be written.
pub(super) enum Failure {
    Merge(MergeError),
    Io(io::Error),
    /// The observer has ended it.
    Stopped,
}

impl Failure {
    /// Converts this to an error. After a failed write and after an interruption the finished shards stay for the next
    /// try; after a failed merge they are removed.
    pub(super) fn told(self, staged: ResumableFolder) -> MergeError {
        match self {
            Self::Io(source) => MergeError::Checkpoint(staged.give_up(source)),
            Self::Stopped => MergeError::Interrupted(staged.interrupt()),
            Self::Merge(error) => {
                staged.discard();
                error
            }
        }
    }
}

fn send(
    staged: &ResumableFolder,
    shards: &[Shard],
    maker: &mut dyn Maker,
    meter: &Meter<'_>,
    (to_disk, buffers): (&SyncSender<Message>, &Receiver<Vec<u8>>),
) -> Result<usize, Failure> {
    let mut kept = 0;
    // The writer only ends early on its own error, which `write` reports.
    let lost = || Failure::Io(io::Error::other("the writing thread ended"));
    for shard in shards {
        if staged.has(&shard.file, shard.bytes) {
            maker.skip(&shard.tensors).map_err(Failure::Merge)?;
            kept += 1;
            continue;
        }
        let file = staged.shard(&shard.file, shard.header()).map_err(Failure::Io)?;
        to_disk.send(Message::Open(file)).map_err(|_| lost())?;
        for piece in pieces(&shard.tensors) {
            if meter.stopped() {
                return Err(Failure::Stopped);
            }
            let mut buffer = buffers.recv().map_err(|_| lost())?;
            let bytes = piece.iter().map(TensorHeader::bytes).sum::<u64>() as usize;
            let mut rest = &mut buffer[..bytes];
            let mut out = Vec::with_capacity(piece.len());
            for tensor in piece {
                let (own, after) = rest.split_at_mut(tensor.bytes() as usize);
                out.push(own);
                rest = after;
            }
            maker.make(piece, out).map_err(Failure::Merge)?;
            to_disk.send(Message::Bytes(buffer, bytes)).map_err(|_| lost())?;
        }
        to_disk.send(Message::Close).map_err(|_| lost())?;
    }
    Ok(kept)
}

fn write_parts(
    parts: &Receiver<Message>,
    give_back: &SyncSender<Vec<u8>>,
    meter: &Meter<'_>,
) -> io::Result<()> {
    let mut open: Option<ShardWriter> = None;
    for part in parts {
        match (part, &mut open) {
            (Message::Open(shard), open) => *open = Some(shard),
            (Message::Bytes(buffer, bytes), Some(shard)) => {
                shard.write(&buffer[..bytes])?;
                meter.add(bytes as u64);
                // The other thread may have stopped on its own error.
                let _ = give_back.send(buffer);
            }
            (Message::Close, open) => {
                if let Some(shard) = open.take() {
                    shard.finish()?;
                }
            }
            (Message::Bytes(..), None) => return Err(io::Error::other("bytes outside a shard")),
        }
    }
    Ok(())
}

/// Splits tensors into runs of at most [`BATCH_BYTES`] bytes.
fn pieces(tensors: &[TensorHeader]) -> Vec<&[TensorHeader]> {
    let mut out = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        if i > start && bytes + tensor.bytes() > BATCH_BYTES {
            out.push(&tensors[start..i]);
            (start, bytes) = (i, 0);
        }
        bytes += tensor.bytes();
    }
    if start < tensors.len() {
        out.push(&tensors[start..]);
    }
    out
}
