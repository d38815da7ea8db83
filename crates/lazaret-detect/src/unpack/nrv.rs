//! NRV2B, NRV2D and NRV2E, the compressed streams of the UCL library in the form that reads its bits
//! from little-endian words of 8, 16 or 32 bits.
//!
//! A stream is a mix of single bits and whole bytes. A bit 1 announces a literal byte; otherwise a
//! match follows, its distance in a code of ever more bits, whose low byte is stored whole, then its
//! length. The three differ in how they write distances and lengths.

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    B,
    D,
    E,
}

/// A distance that says that the stream ends.
const END: u32 = u32::MAX;

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    word: u32,
    left: u32,
    /// 1, 2 or 4.
    width: usize,
}

impl Bits<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// The next bit, the highest of its word first.
    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let raw = self.bytes.get(self.at..self.at + self.width)?;
            self.word = raw.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
            self.at += self.width;
            self.left = self.width as u32 * 8;
        }
        self.left -= 1;
        Some(self.word >> self.left & 1)
    }

    /// A number of at least two whose bits are each followed by a mark that says whether it ends.
    fn gamma(&mut self, mut number: u32) -> Option<u32> {
        loop {
            number = number.checked_mul(2)? | self.bit()?;
            if self.bit()? == 1 {
                return Some(number);
            }
        }
    }
}

/// Unpacks to exactly `size` bytes; None where the stream does not do that.
pub(super) fn unpack(bytes: &[u8], size: usize, variant: Variant, width: usize) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes, at: 0, word: 0, left: 0, width };
    // Room is made as it is filled, for the size is only what a header says.
    let mut out: Vec<u8> = Vec::with_capacity(size.min(bytes.len().saturating_mul(8)));
    let mut last = 1u32;
    loop {
        while bits.bit()? == 1 {
            if out.len() >= size {
                return None;
            }
            out.push(bits.byte()?);
        }
        let high = match variant {
            Variant::B => bits.gamma(1)?,
            Variant::D | Variant::E => {
                let mut number = 1u32;
                loop {
                    number = number.checked_mul(2)? | bits.bit()?;
                    if bits.bit()? == 1 {
                        break number;
                    }
                    number = (number - 1).checked_mul(2)? | bits.bit()?;
                }
            }
        };
        let mut first = None;
        let distance = if high == 2 {
            last
        } else {
            // The end is a distance of all ones, whose high part overflows.
            let low = u32::from(bits.byte()?);
            let code = high.wrapping_sub(3).wrapping_mul(256).wrapping_add(low);
            if code == END {
                break;
            }
            last = match variant {
                Variant::B => code.checked_add(1)?,
                Variant::D | Variant::E => {
                    first = Some(code & 1 ^ 1);
                    (code >> 1) + 1
                }
            };
            last
        };
        let length = match variant {
            Variant::B => {
                let two = bits.bit()? << 1 | bits.bit()?;
                let length = if two == 0 { bits.gamma(1)?.checked_add(2)? } else { two };
                length.checked_add(u32::from(distance > 0xd00))?
            }
            Variant::D => {
                let high = if let Some(bit) = first { bit } else { bits.bit()? };
                let two = high << 1 | bits.bit()?;
                let length = if two == 0 { bits.gamma(1)?.checked_add(2)? } else { two };
                length.checked_add(u32::from(distance > 0x500))?
            }
            Variant::E => {
                let high = if let Some(bit) = first { bit } else { bits.bit()? };
                let length = if high == 1 {
                    1 + bits.bit()?
                } else if bits.bit()? == 1 {
                    3 + bits.bit()?
                } else {
                    bits.gamma(1)?.checked_add(3)?
                };
                length.checked_add(u32::from(distance > 0x500))?
            }
        };
        let (distance, length) = (distance as usize, length as usize + 1);
        if distance > out.len() || length > size - out.len() {
            return None;
        }
        // A match may reach into what it writes.
        for _ in 0..length {
            out.push(out[out.len() - distance]);
        }
    }
    (out.len() == size).then_some(out)
}
