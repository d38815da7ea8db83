#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::nrv::Variant;
use super::*;

/// Writes the bits of a stream into words of `width` bytes, between which bytes stand whole.
struct Writer {
    out: Vec<u8>,
    word: usize,
    left: usize,
    width: usize,
}

impl Writer {
    fn bit(&mut self, bit: u32) {
        if self.left == 0 {
            self.word = self.out.len();
            self.out.resize(self.out.len() + self.width, 0);
            self.left = self.width * 8;
        }
        self.left -= 1;
        self.out[self.word + self.left / 8] |= (bit as u8) << (self.left % 8);
    }

    fn gamma(&mut self, number: u32) {
        let bits = 31 - number.leading_zeros();
        for at in (0..bits).rev() {
            self.bit(number >> at & 1);
            self.bit(u32::from(at == 0));
        }
    }

    /// The high part of a distance in NRV2D and NRV2E.
    fn high(&mut self, number: u32) {
        fn steps(number: u32, last: u32, out: &mut Vec<u32>) {
            let above = number >> 1;
            if above > 1 {
                steps((above >> 1) + 1, 0, out);
                out.push(above & 1);
            }
            out.push(number & 1);
            out.push(last);
        }
        let mut bits = Vec::new();
        steps(number, 1, &mut bits);
        bits.into_iter().for_each(|bit| self.bit(bit));
    }

    fn literal(&mut self, byte: u8) {
        self.bit(1);
        self.out.push(byte);
    }

    fn matched(&mut self, variant: Variant, distance: u32, length: u32, last: &mut u32) {
        self.bit(0);
        let far = if variant == Variant::B { 0xd00 } else { 0x500 };
        let code = length - 1 - u32::from(distance > far);
        let high = match variant {
            Variant::B => u32::from(code < 4) * (code >> 1),
            Variant::D => u32::from(code < 4) * (code >> 1),
            Variant::E => u32::from(code == 1 || code == 2),
        };
        let again = distance == *last;
        *last = distance;
        match (variant, again) {
            (Variant::B, true) => self.gamma(2),
            (_, true) => {
                self.high(2);
                self.bit(high);
            }
            (Variant::B, false) => {
                self.gamma(((distance - 1) >> 8) + 3);
                self.out.push((distance - 1) as u8);
            }
            (_, false) => {
                let whole = (distance - 1) << 1 | (high ^ 1);
                self.high((whole >> 8) + 3);
                self.out.push(whole as u8);
            }
        }
        match variant {
            Variant::B | Variant::D => {
                if variant == Variant::B {
                    self.bit(high);
                }
                if code < 4 {
                    self.bit(code & 1);
                } else {
                    self.bit(0);
                    self.gamma(code - 2);
                }
            }
            Variant::E => match code {
                1 | 2 => self.bit(code - 1),
                3 | 4 => {
                    self.bit(1);
                    self.bit(code - 3);
                }
                _ => {
                    self.bit(0);
                    self.gamma(code - 3);
                }
            },
        }
    }

    fn end(&mut self, variant: Variant) {
        self.bit(0);
        if variant == Variant::B {
            self.gamma(0x0100_0002);
        } else {
            self.high(0x0100_0002);
        }
        self.out.push(0xff);
    }
}

/// Packs with the longest match of the last 8 KiB.
fn pack(bytes: &[u8], variant: Variant, width: usize) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), word: 0, left: 0, width };
    let (mut at, mut last) = (0, 1);
    while at < bytes.len() {
        let same = |distance: usize| {
            bytes[at..].iter().zip(&bytes[at - distance..]).take(300).take_while(|(a, b)| a == b).count()
        };
        let best = (1..=at.min(8192)).map(|distance| (same(distance), distance)).max();
        match best {
            Some((length, distance)) if length >= 4 => {
                writer.matched(variant, distance as u32, length as u32, &mut last);
                at += length;
            }
            _ => {
                writer.literal(bytes[at]);
                at += 1;
            }
        }
    }
    writer.end(variant);
    writer.out
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 99u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

/// Text with near and far repetitions of many lengths.
fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    for round in 0..60usize {
        out.extend_from_slice(&b"the quick brown fox jumps over the lazy dog"[..5 + round % 38]);
        out.extend(std::iter::repeat_n(round as u8, round % 9));
        out.extend(noise(round % 50));
    }
    let far = out[..700].to_vec();
    out.extend(noise(3000));
    out.extend(far);
    out
}

#[test]
fn what_was_packed_comes_back_in_every_variant_and_width() {
    let sample = sample();
    for variant in [Variant::B, Variant::D, Variant::E] {
        for width in [1, 2, 4] {
            let packed = pack(&sample, variant, width);
            assert!(packed.len() < sample.len(), "{variant:?}");
            let back = nrv::unpack(&packed, sample.len(), variant, width);
            assert_eq!(back.as_deref(), Some(sample.as_slice()), "{variant:?} {width}");
            assert_eq!(nrv::unpack(&packed, sample.len() - 1, variant, width), None);
            assert_eq!(nrv::unpack(&packed, sample.len() + 1, variant, width), None);
        }
    }
}

#[test]
fn a_damaged_stream_ends_without_growing() {
    let sample = sample();
    for variant in [Variant::B, Variant::D, Variant::E] {
        let packed = pack(&sample, variant, 4);
        for round in 0..3_000usize {
            let mut damaged = packed.clone();
            let at = round * 7919 % damaged.len();
            damaged[at] ^= 1 << (round % 8);
            if round % 3 == 0 {
                damaged.truncate(at);
            }
            if let Some(out) = nrv::unpack(&damaged, sample.len(), variant, 4) {
                assert_eq!(out.len(), sample.len());
            }
        }
        assert_eq!(nrv::unpack(&[0; 64], usize::MAX, variant, 4), None);
        assert_eq!(nrv::unpack(&[0xff; 64], usize::MAX, variant, 4), None);
    }
}

/// A program of one segment that holds `text`.
fn program(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0u8; 120];
    out[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    out[16] = 2;
    out[18] = 62;
    out[20] = 1;
    out[24..32].copy_from_slice(&0x40_0078u64.to_le_bytes());
    out[32] = 64;
    out[52] = 64;
    out[54] = 56;
    out[56] = 1;
    let size = (120 + text.len()) as u64;
    out[64..72].copy_from_slice(&[1, 0, 0, 0, 5, 0, 0, 0]);
    out[80..88].copy_from_slice(&0x40_0000u64.to_le_bytes());
    out[96..104].copy_from_slice(&size.to_le_bytes());
    out[104..112].copy_from_slice(&size.to_le_bytes());
    out.extend(text);
    out
}

/// The text of the program whose parts [`lzma`] holds packed.
fn lzma_text() -> Vec<u8> {
    b"mine to pool.example.invalid as somebody ".repeat(40)
}

/// The headers or the text of that program as another packer wrote them (`lc` 3, `lp` 0, `pb` 2).
fn lzma(bytes: &[u8]) -> Vec<u8> {
    const HEADERS: &str = "1a03003f914584683d89a6da8acc93e24ed9065c0c18ec03c969da604744fb5246330c42f1c9ce178f296955ffffb83c0000";
    const TEXT: &str = "1a0300369a4a1f08a1a94713f34f05f64f29a6ec42132e990e0aecd69a1f0c73e69559be7d2a44e89fd7bea2cdc60e366353869738c58335a9a9ffffa0840000";
    let packed = if bytes.starts_with(b"\x7fELF") { HEADERS } else { TEXT };
    data_encoding::HEXLOWER.decode(packed.as_bytes()).unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn compress(bytes: &[u8], method: u8) -> Vec<u8> {
    match method {
        2 => pack(bytes, Variant::B, 4),
        5 => pack(bytes, Variant::D, 4),
        8 => pack(bytes, Variant::E, 4),
        14 => lzma(bytes),
        _ => deflate(bytes),
    }
}

/// What UPX would make of a program, with a loader of noise; `marked` by its magic and sizes.
fn upx(inner: &[u8], method: u8, marked: bool) -> Vec<u8> {
    let mut out = program(&[]);
    out.extend([1, 2, 3, 4]);
    out.extend(if marked { b"UPX!" } else { b"\x13\x37\0\x01" });
    out.extend([0xf4, 7, 13, 22]);
    for size in [0, inner.len() as u32, inner.len() as u32] {
        out.extend(if marked { size } else { 0 }.to_le_bytes());
    }
    for part in [&inner[..120], &inner[120..]] {
        let packed = compress(part, method);
        let data = if packed.len() < part.len() { packed.as_slice() } else { part };
        out.extend((part.len() as u32).to_le_bytes());
        out.extend((data.len() as u32).to_le_bytes());
        out.extend([method, 0x49, 0, 0]);
        out.extend(data);
    }
    out.extend([0; 4]);
    out.extend(if marked { b"UPX!" } else { b"\0\0\0\0" });
    out.extend([0; 4]);
    out.extend(noise(4096));
    let size = out.len() as u64;
    out[96..104].copy_from_slice(&size.to_le_bytes());
    out[104..112].copy_from_slice(&size.to_le_bytes());
    out
}

fn opened(bytes: &[u8], packer: Option<&str>) -> Opened {
    let path = EntryPath::from("a");
    let size = bytes.len() as u64;
    open(&Subject { path: &path, inside: &[], mode: 0o755, size, bytes, offset: 0 }, packer, 1 << 20)
}

#[test]
fn upx_is_unpacked_by_every_method_with_and_without_its_marks() {
    let text = [b"pool.example.invalid".as_slice(), &sample()].concat();
    for method in [2, 5, 8, 14, 15] {
        let inner = program(if method == 14 { lzma_text() } else { text.clone() }.as_slice());
        for marked in [true, false] {
            let packed = upx(&inner, method, marked);
            let name = if marked { "upx" } else { "packed" };
            let opened = opened(&packed, Some(name));
            assert_eq!(opened.gaps, [], "{method}");
            assert_eq!(opened.inner.len(), 1, "{method}");
            assert_eq!(opened.inner[0].name, UNPACKED);
            assert!(opened.inner[0].bytes == inner, "{method}");
        }
    }
}

#[test]
fn a_method_that_was_overwritten_is_found_by_trial() {
    let inner = program(&sample());
    let mut packed = upx(&inner, 8, false);
    packed[120 + 24 + 8] = 99;
    assert!(opened(&packed, Some("packed")).inner[0].bytes == inner);
}

#[test]
fn what_cannot_be_unpacked_is_a_gap_and_what_could_is_looked_at() {
    let inner = program(&sample());
    let packed = upx(&inner, 2, true);
    let cut = opened(&packed[..packed.len() / 3], Some("upx"));
    assert_eq!(cut.inner.len(), 1);
    assert_eq!(cut.gaps.len(), 1);
    let mut broken = packed.clone();
    broken[140..400].fill(0xee);
    let broken = opened(&broken, Some("upx"));
    assert_eq!((broken.inner.len(), broken.gaps.len()), (0, 1));
    let mut unknown = program(&noise(5000));
    let data = opened(&unknown, Some("packed"));
    assert_eq!((data.inner.len(), data.gaps.len()), (0, 0), "dense data is not a packed program");
    unknown[104..112].copy_from_slice(&20_000u64.to_le_bytes());
    let unknown = opened(&unknown, Some("packed"));
    assert_eq!((unknown.inner.len(), unknown.gaps.len()), (0, 1));
}

#[test]
fn sizes_that_lie_do_not_grow_memory() {
    let inner = program(&lzma_text());
    let mut packed = upx(&inner, 14, true);
    let second = 144 + 12 + u32::from_le_bytes(packed[148..152].try_into().unwrap()) as usize;
    packed[second..second + 4].copy_from_slice(&0x7fff_ffffu32.to_le_bytes());
    let opened = opened(&packed, Some("upx"));
    assert_eq!(opened.gaps.len(), 1);
    assert!(opened.inner[0].bytes.len() < 1 << 20);
}

#[test]
fn a_program_in_a_program_and_data_after_one_are_taken_out() {
    let inner = program(b"inner text");
    let carrier = program(&[noise(100), inner.clone(), noise(100)].concat());
    let found = opened(&carrier, None);
    assert_eq!(found.facts, [FactKind::EmbeddedProgram { offset: 220, size: inner.len() as u64 }]);
    assert!(found.inner[0].bytes == inner);
    let with_tail = [
        program(b"x"),
        b"#!/bin/sh\necho this stands after the program and is long enough to be told\n".to_vec(),
    ]
    .concat();
    let found = opened(&with_tail, None);
    assert!(matches!(&found.facts[..], [FactKind::Overlay { offset: 121, kind, .. }] if kind == "script"));
    assert!(found.inner[0].bytes.starts_with(b"#!/bin/sh"));
}

#[test]
fn magic_numbers_templates_and_padding_are_no_programs() {
    for text in [
        b"\x7fELF is the magic of a program".to_vec(),
        program(b"")[..64].to_vec(),
        [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 200]].concat(),
    ] {
        assert_eq!(opened(&program(&text), None).facts, [], "{text:?}");
    }
    assert_eq!(opened(&[program(b"x"), vec![0; 4096]].concat(), None), Opened::default());
}

#[test]
fn damaged_programs_never_panic() {
    let inner = program(&sample()[..400]);
    let other = program(&lzma_text());
    for packed in [upx(&inner, 8, true), upx(&other, 14, false), program(&inner)] {
        for round in 0..1_500usize {
            let mut damaged = packed.clone();
            for step in 0..1 + round % 4 {
                let at = (round * 7919 + step * 104_729) % damaged.len().min(400);
                damaged[at] = [0, 0xff, 0x7f, round as u8][round % 4];
            }
            if round % 5 == 0 {
                damaged.truncate(round * 31 % damaged.len());
            }
            opened(&damaged, Some("upx (damaged header)"));
        }
    }
}
