use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{BlobStream, RegistryError};

/// Chunks that may wait for a slow reader.
const QUEUE: usize = 16;
/// Size of the pipe in bytes, where the system grants it: fewer wake-ups on both sides.
const PIPE_SIZE: usize = 1 << 20;

/// How a transfer into a pipe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pumped {
    /// Every byte was written.
    All {
        /// How many.
        bytes: u64,
    },
    /// The reader closed its end before the last byte: it had seen enough or is gone.
    ReaderLeft {
        /// Bytes that were written before.
        bytes: u64,
    },
}

/// Takes what passes on the way to the reader as well.
pub trait BlobCopy: Send {
    /// The next bytes. What goes wrong is the copy's own affair: the reader must not suffer.
    fn write(&mut self, bytes: &[u8]);
    /// All bytes have passed. Without this call the copy is incomplete.
    fn complete(self: Box<Self>);
}

/// Writes a blob into a pipe or socket and closes it. `sink` must be in blocking mode; `copy`
/// gets the same bytes.
///
/// The writing is done on a thread of the runtime's blocking pool, so that a slow reader holds up
/// nobody else; the download waits for it.
///
/// # Errors
/// The download fails, or writing fails otherwise than by the reader leaving.
pub async fn pump(
    mut stream: BlobStream,
    sink: OwnedFd,
    copy: Option<Box<dyn BlobCopy>>,
) -> Result<Pumped, RegistryError> {
    let digest = stream.digest().clone();
    let (sender, receiver) = mpsc::channel::<Bytes>(QUEUE);
    let writer = tokio::task::spawn_blocking(move || write_all(sink, receiver, copy));
    let mut failed = None;
    loop {
        match stream.next_chunk().await {
            Ok(Some(chunk)) => {
                // A closed channel means that the writer has ended; it says why.
                if sender.send(chunk).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // The copy is whole only if the writer hears so: a download that fails is no end.
    if failed.is_none() {
        let _ = sender.send(Bytes::new()).await;
    }
    drop(sender);
    let written =
        writer.await.map_err(|e| RegistryError::Pump { digest: digest.clone(), reason: e.to_string() })?;
    match (failed, written) {
        // The reader that left early is not told of a download that failed after.
        (_, Ok(left @ Pumped::ReaderLeft { .. })) => Ok(left),
        (Some(error), _) => Err(error),
        (None, Ok(pumped)) => Ok(pumped),
        (None, Err(error)) => Err(RegistryError::Pump { digest, reason: error.to_string() }),
    }
}

/// An empty chunk says that the download came to its end.
fn write_all(
    sink: OwnedFd,
    mut chunks: mpsc::Receiver<Bytes>,
    mut copy: Option<Box<dyn BlobCopy>>,
) -> std::io::Result<Pumped> {
    // Fails on sockets, and where the user's pipe quota is used up: then the default size serves.
    let _ = rustix::pipe::fcntl_setpipe_size(&sink, PIPE_SIZE);
    let mut sink = File::from(sink);
    let mut bytes = 0;
    while let Some(chunk) = chunks.blocking_recv() {
        if chunk.is_empty() {
            if let Some(copy) = copy.take() {
                copy.complete();
            }
            continue;
        }
        if let Some(copy) = &mut copy {
            copy.write(&chunk);
        }
        match sink.write_all(&chunk) {
            Ok(()) => bytes += chunk.len() as u64,
            Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Ok(Pumped::ReaderLeft { bytes });
            }
            Err(e) => return Err(e),
        }
    }
    Ok(Pumped::All { bytes })
}
