//! Decompression: which format, told by magic bytes alone, and one pull interface for all.

use std::io::{self, Read};

use bzip2::{Decompress as Bunzip, Status as BzStatus};
use flate2::{Crc, Decompress as Inflate, FlushDecompress, Status as ZStatus};
use lazaret_model::Digest;
use lzma_rust2::{Action, Status as XzStatus, XzStream};
use zstd::stream::raw::{Decoder as Unzstd, InBuffer, Operation, OutBuffer};

use crate::hash::Hasher;

/// Largest dictionary that an xz stream may ask for, in KiB. `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 96 << 10;

/// How many bytes are read from a blob at once.
const INPUT_BUFFER: usize = 256 << 10;

/// How a stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// Zstandard (RFC 8878), any number of frames, skippable ones too.
    Zstd,
    /// xz, any number of streams.
    Xz,
    /// bzip2, any number of streams.
    Bzip2,
}

impl Compression {
    /// Told from the first bytes (six are enough). What has no magic is [`Compression::None`].
    pub fn sniff(first: &[u8]) -> Self {
        match first {
            [0x1f, 0x8b, 8, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame: magic 0x184D2A50 to 0x184D2A5F (RFC 8878, 3.1.2).
            [b, 0x2a, 0x4d, 0x18, ..] if b & 0xf0 == 0x50 => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The name used in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }

    /// What an image's media type says, None where it says nothing about compression.
    pub fn claimed_by(media_type: &str) -> Option<Self> {
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        if media_type.ends_with("+gzip") || media_type.ends_with(".gzip") {
            Some(Self::Gzip)
        } else if media_type.ends_with("+zstd") || media_type.ends_with(".zstd") {
            Some(Self::Zstd)
        } else if media_type.ends_with(".tar") {
            Some(Self::None)
        } else {
            None
        }
    }
}

/// Bytes that can be looked at before they are taken.
pub(crate) trait Input {
    /// At least `want` bytes, fewer only at the end. `want` is at most 64 KiB.
    fn peek(&mut self, want: usize) -> io::Result<&[u8]>;
    /// Takes `n` of the bytes last seen.
    fn take(&mut self, n: usize);
}

/// A slice as input.
pub(crate) struct SliceInput<'a>(pub &'a [u8]);

impl Input for SliceInput<'_> {
    fn peek(&mut self, _want: usize) -> io::Result<&[u8]> {
        Ok(self.0)
    }

    fn take(&mut self, n: usize) {
        self.0 = &self.0[n.min(self.0.len())..];
    }
}

/// A reader as input, in large pieces; every byte read goes through `hasher` once.
pub(crate) struct ReadInput<R> {
    reader: R,
    hasher: Option<Hasher>,
    total: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
}

impl<R: Read> ReadInput<R> {
    pub(crate) fn new(reader: R, hasher: Option<Hasher>) -> Self {
        Self { reader, hasher, total: 0, buffer: vec![0; INPUT_BUFFER], start: 0, end: 0, ended: false }
    }

    /// The digest of everything read, once: None without a hasher or the second time.
    pub(crate) fn digest(&mut self) -> Option<Digest> {
        self.hasher.take().map(Hasher::finish)
    }

    /// Bytes read from the reader.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

impl<R: Read> Input for ReadInput<R> {
    fn peek(&mut self, want: usize) -> io::Result<&[u8]> {
        while self.end - self.start < want && !self.ended {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => {
                    if let Some(hasher) = &mut self.hasher {
                        hasher.update(&self.buffer[self.end..self.end + n]);
                    }
                    self.total += n as u64;
                    self.end += n;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn take(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}

/// Why a stream could not be decompressed to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset in the compressed stream.
    pub at: u64,
    /// What is wrong, for people.
    pub what: String,
}

/// The state of one member, frame or stream.
// One of them lives at a time, for a whole layer: its size on the stack does not matter.
#[allow(clippy::large_enum_variant)]
enum Codec {
    Copy,
    Gzip { inflate: Inflate, crc: Crc },
    Zstd(Unzstd<'static>),
    Xz(XzStream),
    Bzip2(Bunzip),
}

/// Where the decompressor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before a member.
    Between,
    /// In a member.
    Inside,
    /// Nothing more comes out. What is left of the input belongs to no member.
    Done,
}

/// Pulls uncompressed bytes out of an [`Input`].
pub(crate) struct Decompressor<I> {
    input: I,
    format: Compression,
    codec: Codec,
    stage: Stage,
    /// One deflate stream without header and trailer.
    raw: bool,
    consumed: u64,
    members: u64,
    fault: Option<Fault>,
}

impl<I: Input> Decompressor<I> {
    /// Looks at the first bytes and decides.
    pub(crate) fn new(mut input: I) -> Self {
        let (format, fault) = match input.peek(6) {
            Ok(first) => (Compression::sniff(first), None),
            Err(e) => (Compression::None, Some(Fault { at: 0, what: format!("cannot be read: {e}") })),
        };
        Self::with_format(input, format, fault)
    }

    /// Raw deflate data (RFC 1951), as zip stores it.
    pub(crate) fn deflate(input: I) -> Self {
        let codec = Codec::Gzip { inflate: Inflate::new(false), crc: Crc::new() };
        let (format, stage) = (Compression::Gzip, Stage::Inside);
        Self { input, format, codec, stage, raw: true, consumed: 0, members: 0, fault: None }
    }

    fn with_format(input: I, format: Compression, fault: Option<Fault>) -> Self {
        let stage = if fault.is_some() { Stage::Done } else { Stage::Between };
        Self { input, format, codec: Codec::Copy, stage, raw: false, consumed: 0, members: 0, fault }
    }

    pub(crate) fn format(&self) -> Compression {
        self.format
    }

    /// Compressed bytes taken so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// What stopped it before the end, if something did.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    pub(crate) fn input(&mut self) -> &mut I {
        &mut self.input
    }

    /// Uncompressed bytes into `out`; 0 at the end or after a fault. May give less than fits.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        if out.is_empty() {
            return 0;
        }
        loop {
            match self.stage {
                Stage::Done => return 0,
                Stage::Between => {
                    if let Err(fault) = self.begin() {
                        return self.fail(fault);
                    }
                }
                Stage::Inside => match self.step(out) {
                    Ok(0) => {}
                    Ok(n) => return n,
                    Err((made, fault)) => {
                        self.fail(fault);
                        return made;
                    }
                },
            }
        }
    }

    fn fail(&mut self, what: String) -> usize {
        self.fault = Some(Fault { at: self.consumed, what });
        self.stage = Stage::Done;
        0
    }

    fn peek(&mut self, want: usize) -> Result<&[u8], String> {
        self.input.peek(want).map_err(|e| format!("cannot be read: {e}"))
    }

    fn take(&mut self, n: usize) {
        self.input.take(n);
        self.consumed += n as u64;
    }

    /// Starts the next member, or finds that there is none.
    fn begin(&mut self) -> Result<(), String> {
        let format = self.format;
        let first = self.peek(6)?;
        if format == Compression::None {
            self.stage = Stage::Inside;
            return Ok(());
        }
        if Compression::sniff(first) != format {
            self.stage = Stage::Done;
            return Ok(());
        }
        self.members += 1;
        match format {
            Compression::None => {}
            Compression::Gzip => {
                self.gzip_header()?;
                match &mut self.codec {
                    Codec::Gzip { inflate, crc } => {
                        inflate.reset(false);
                        crc.reset();
                    }
                    codec => *codec = Codec::Gzip { inflate: Inflate::new(false), crc: Crc::new() },
                }
            }
            Compression::Zstd => {
                if !matches!(self.codec, Codec::Zstd(_)) {
                    self.codec = Codec::Zstd(Unzstd::new().map_err(|e| e.to_string())?);
                }
            }
            Compression::Xz => self.codec = Codec::Xz(XzStream::new_mem_limit(false, XZ_MEMORY_KIB)),
            Compression::Bzip2 => self.codec = Codec::Bzip2(Bunzip::new(false)),
        }
        self.stage = Stage::Inside;
        Ok(())
    }

    /// Takes a member header (RFC 1952, 2.3.1).
    fn gzip_header(&mut self) -> Result<(), String> {
        const SHORT: &str = "the gzip header ends early";
        let flags = match self.peek(10)? {
            [_, _, _, flags, _, _, _, _, _, _, ..] => *flags,
            _ => return Err(SHORT.to_owned()),
        };
        self.take(10);
        if flags & 4 != 0 {
            let mut left = match self.peek(2)? {
                [a, b, ..] => u16::from_le_bytes([*a, *b]) as usize,
                _ => return Err(SHORT.to_owned()),
            };
            self.take(2);
            while left > 0 {
                let n = self.peek(1)?.len().min(left);
                if n == 0 {
                    return Err(SHORT.to_owned());
                }
                self.take(n);
                left -= n;
            }
        }
        for flag in [8, 16] {
            if flags & flag == 0 {
                continue;
            }
            loop {
                let seen = self.peek(1)?;
                if seen.is_empty() {
                    return Err(SHORT.to_owned());
                }
                match memchr::memchr(0, seen) {
                    Some(at) => {
                        self.take(at + 1);
                        break;
                    }
                    None => {
                        let n = seen.len();
                        self.take(n);
                    }
                }
            }
        }
        if flags & 2 != 0 {
            if self.peek(2)?.len() < 2 {
                return Err(SHORT.to_owned());
            }
            self.take(2);
        }
        Ok(())
    }

    /// One step inside a member. `Err` carries how many bytes came out before the fault.
    fn step(&mut self, out: &mut [u8]) -> Result<usize, (usize, String)> {
        let input = match self.input.peek(1) {
            Ok(input) => input,
            Err(e) => return Err((0, format!("cannot be read: {e}"))),
        };
        let early = input.is_empty();
        let (taken, made, ended, fault) = match &mut self.codec {
            Codec::Copy => {
                let n = input.len().min(out.len());
                out[..n].copy_from_slice(&input[..n]);
                (n, n, early, None)
            }
            Codec::Gzip { inflate, crc } => {
                let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                let result = inflate.decompress(input, out, FlushDecompress::None);
                let taken = (inflate.total_in() - before_in) as usize;
                let made = (inflate.total_out() - before_out) as usize;
                crc.update(&out[..made]);
                match result {
                    Ok(ZStatus::StreamEnd) => (taken, made, true, None),
                    Ok(_) => (taken, made, false, None),
                    Err(_) => (taken, made, false, Some("the deflate data is damaged".to_owned())),
                }
            }
            Codec::Zstd(decoder) => {
                let mut source = InBuffer::around(input);
                let mut target = OutBuffer::around(&mut *out);
                let result = decoder.run(&mut source, &mut target);
                let (taken, made) = (source.pos(), target.pos());
                match result {
                    Ok(0) => (taken, made, true, None),
                    Ok(_) => (taken, made, false, None),
                    Err(e) => (taken, made, false, Some(format!("the zstd data is damaged: {e}"))),
                }
            }
            Codec::Xz(stream) => {
                // A failing call does not say how much it wrote: short steps lose little.
                let room = out.len().min(32 << 10);
                let (before_in, before_out) = (stream.total_in(), stream.total_out());
                let action = if early { Action::Finish } else { Action::Run };
                let result = stream.process(input, &mut out[..room], action);
                let taken = (stream.total_in() - before_in) as usize;
                let made = (stream.total_out() - before_out) as usize;
                match result {
                    Ok(r) => (r.bytes_consumed, r.bytes_produced, r.status == XzStatus::StreamEnd, None),
                    Err(e) => (taken, made, false, Some(format!("the xz data is damaged: {e}"))),
                }
            }
            Codec::Bzip2(stream) => {
                let (before_in, before_out) = (stream.total_in(), stream.total_out());
                let result = stream.decompress(input, out);
                let taken = (stream.total_in() - before_in) as usize;
                let made = (stream.total_out() - before_out) as usize;
                match result {
                    Ok(BzStatus::StreamEnd) => (taken, made, true, None),
                    Ok(_) => (taken, made, false, None),
                    Err(e) => (taken, made, false, Some(format!("the bzip2 data is damaged: {e}"))),
                }
            }
        };
        self.take(taken);
        if let Some(fault) = fault {
            return Err((made, fault));
        }
        if ended {
            if self.raw || self.format == Compression::None {
                self.stage = Stage::Done;
            } else {
                self.stage = Stage::Between;
                self.gzip_trailer().map_err(|what| (made, what))?;
            }
        } else if early && made == 0 {
            return Err((0, format!("the {} stream ends early", self.format.name())));
        } else if taken == 0 && made == 0 {
            return Err((0, format!("the {} stream cannot go on", self.format.name())));
        }
        Ok(made)
    }

    /// Takes and checks the trailer of a gzip member (RFC 1952, 2.3.1: CRC32, ISIZE).
    fn gzip_trailer(&mut self) -> Result<(), String> {
        let Codec::Gzip { inflate, crc } = &self.codec else { return Ok(()) };
        let (sum, size) = (crc.sum(), inflate.total_out() as u32);
        let trailer = match self.peek(8)?.first_chunk::<8>() {
            Some(trailer) => *trailer,
            None => return Err("the gzip stream ends before its checksum".to_owned()),
        };
        self.take(8);
        let [a, b, c, d, e, f, g, h] = trailer;
        if u32::from_le_bytes([a, b, c, d]) != sum {
            return Err("the gzip checksum is wrong".to_owned());
        }
        if u32::from_le_bytes([e, f, g, h]) != size {
            return Err("the gzip length is wrong".to_owned());
        }
        Ok(())
    }
}
