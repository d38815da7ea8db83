//! Messages between the program and its reading worker over a Unix socket pair.
//!
//! A frame is a header (length of the message, length of the bytes behind it, both little
//! endian), the message in postcard, then the bytes as they are: large contents are never
//! encoded. A file descriptor may ride on the header.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

const HEADER: usize = 16;

/// A frame larger than this is taken for a damaged stream, not for a request for memory.
const MOST: u64 = 4 << 30;

/// What came in with one frame.
pub(super) struct Frame<T> {
    pub message: T,
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

/// Sends one frame. The caller serialises senders.
pub(super) fn send<T: Serialize>(
    socket: &UnixStream,
    message: &T,
    parts: &[&[u8]],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    send_encoded(socket, &encode(message)?, parts, descriptor)
}

/// A message as it goes over the socket.
pub(super) fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    postcard::to_allocvec(message).map_err(io::Error::other)
}

/// Sends one frame whose message is encoded already.
pub(super) fn send_encoded(
    socket: &UnixStream,
    encoded: &[u8],
    parts: &[&[u8]],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let behind: u64 = parts.iter().map(|part| part.len() as u64).sum();
    let mut head = [0_u8; HEADER];
    head[..8].copy_from_slice(&(encoded.len() as u64).to_le_bytes());
    head[8..].copy_from_slice(&behind.to_le_bytes());

    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptor.into_iter().collect();
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for the file descriptor"));
    }
    let sent = loop {
        match sendmsg(socket, &[IoSlice::new(&head)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    let mut out: &UnixStream = socket;
    out.write_all(&head[sent..])?;
    out.write_all(encoded)?;
    for part in parts {
        out.write_all(part)?;
    }
    Ok(())
}

/// Receives one frame; None where the other side closed between frames.
pub(super) fn receive<T: DeserializeOwned>(socket: &UnixStream) -> io::Result<Option<Frame<T>>> {
    let mut head = [0_u8; HEADER];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut head)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    if got == 0 {
        return Ok(None);
    }
    let descriptor = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let mut input: &UnixStream = socket;
    input.read_exact(&mut head[got..])?;
    let number = |at: usize| {
        let mut raw = [0_u8; 8];
        raw.copy_from_slice(&head[at..at + 8]);
        u64::from_le_bytes(raw)
    };
    let (length, behind) = (number(0), number(8));
    if length > MOST || behind > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame claims an absurd length"));
    }
    let mut encoded = vec![0; length as usize];
    input.read_exact(&mut encoded)?;
    let mut bytes = vec![0; behind as usize];
    input.read_exact(&mut bytes)?;
    let message = postcard::from_bytes(&encoded).map_err(io::Error::other)?;
    Ok(Some(Frame { message, bytes, descriptor }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_message_its_bytes_and_a_descriptor_arrive_together() {
        let (a, b) = UnixStream::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(b"content").unwrap();
        let big = vec![7_u8; 3 << 20];
        let sender = std::thread::spawn(move || {
            send(&a, &"hello".to_owned(), &[&big, b"tail"], Some(file.as_fd())).unwrap();
            send(&a, &"again".to_owned(), &[], None).unwrap();
        });
        let first = receive::<String>(&b).unwrap().unwrap();
        assert_eq!(first.message, "hello");
        assert_eq!(first.bytes.len(), (3 << 20) + 4);
        let mut text = String::new();
        let mut passed = std::fs::File::from(first.descriptor.unwrap());
        std::io::Seek::rewind(&mut passed).unwrap();
        passed.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        let second = receive::<String>(&b).unwrap().unwrap();
        assert!(second.descriptor.is_none());
        sender.join().unwrap();
        assert!(receive::<String>(&b).unwrap().is_none());
    }
}
