//! NRV2B, the stream in which UPX keeps programs by default on small files: bits in little-endian words
//! of 32, whole bytes between them. Enough of a packer for look-alikes: it finds only near matches.

/// How far back a match is looked for: with more the lengths would have to be coded otherwise.
const WINDOW: usize = 0xd00;
const LONGEST: usize = 255;

#[derive(Default)]
struct Writer {
    out: Vec<u8>,
    /// Where the word stands whose bits are being written.
    word: usize,
    left: u32,
}

impl Writer {
    fn bit(&mut self, bit: bool) {
        if self.left == 0 {
            // The reader takes a word when it needs its first bit.
            self.word = self.out.len();
            self.out.extend([0; 4]);
            self.left = 32;
        }
        self.left -= 1;
        if bit {
            let byte = self.word + (self.left / 8) as usize;
            self.out[byte] |= 1 << (self.left % 8);
        }
    }

    /// The bits of a number of at least two below its highest, each followed by whether it is the last.
    fn gamma(&mut self, number: u32) {
        let bits = 31 - number.leading_zeros();
        for at in (0..bits).rev() {
            self.bit(number >> at & 1 == 1);
            self.bit(at == 0);
        }
    }
}

/// Packs bytes.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    let mut at = 0;
    let mut last = 1;
    while at < bytes.len() {
        let (distance, length) = longest(bytes, at);
        // The shortest match has two bytes; shorter than five it hardly pays.
        if length < 5 {
            writer.bit(true);
            writer.out.push(bytes[at]);
            at += 1;
            continue;
        }
        writer.bit(false);
        if distance == last {
            writer.gamma(2);
        } else {
            let code = distance as u32 - 1;
            writer.gamma((code >> 8) + 3);
            writer.out.push(code as u8);
            last = distance;
        }
        // No bit says a short length; of a longer one the reader adds three.
        writer.bit(false);
        writer.bit(false);
        writer.gamma(length as u32 - 3);
        at += length;
    }
    writer.bit(false);
    writer.gamma(0x0100_0002);
    writer.out.push(0xff);
    writer.out
}

/// Distance and length of the longest match that begins at `at`.
fn longest(bytes: &[u8], at: usize) -> (usize, usize) {
    let rest = &bytes[at..];
    let same = |distance: usize| {
        let before = &bytes[at - distance..];
        rest.iter().zip(before).take(LONGEST).take_while(|(a, b)| a == b).count()
    };
    let best = (1..=at.min(WINDOW)).map(|distance| (same(distance), std::cmp::Reverse(distance))).max();
    best.map_or((0, 0), |(length, distance)| (distance.0, length))
}
