//! Whether a program was packed.

use memchr::memmem;

/// What of an ELF file tells a packer.
pub(super) struct Shape<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether `bytes` reach to the end of the file.
    pub(super) whole: bool,
    /// The largest executable segment.
    pub(super) code: &'a [u8],
    /// Its entropy, see [`entropy`].
    pub(super) entropy: u16,
    /// Where the program header table ends.
    pub(super) headers_end: u64,
    /// Whether no usable section table names the code: packers cut it off, and a made-up one is no
    /// better than none.
    pub(super) bare: bool,
    /// The section in which Go keeps the names of functions, where there is one.
    pub(super) go_names: &'a [u8],
}

/// From here on (hundredths of a bit per byte) code is compressed or encrypted: machine code has
/// about 600, packed code more than 750.
const PACKED: u16 = 720;
/// Too little code to tell anything from its entropy.
const LEAST_CODE: usize = 2048;

/// How far behind the program headers the loader information is looked for.
const HEAD: usize = 160;

/// The packer, if one left its marks.
pub(super) fn detect(shape: &Shape<'_>) -> Option<&'static str> {
    let bytes = shape.bytes;
    let start = usize::try_from(shape.headers_end).unwrap_or(usize::MAX).min(bytes.len());
    let dense = shape.entropy >= PACKED && shape.code.len() >= LEAST_CODE;
    // The loader information follows the program headers (UPX, `l_info`: checksum, then magic);
    // some versions leave a gap for two more headers. No other file has the magic there.
    let head = &bytes[start..bytes.len().min(start.saturating_add(HEAD))];
    if memmem::find(head, b"UPX!").is_some() {
        return Some("upx");
    }
    // The pack header at the end of the file has the magic a second time.
    let tail = &bytes[bytes.len().saturating_sub(64)..];
    if shape.bare && shape.whole && memmem::find(tail, b"UPX!").is_some() {
        return Some("upx (damaged header)");
    }
    if shape.bare && dense {
        let blocks = (0..=HEAD)
            .step_by(4)
            .any(|skip| upx_blocks(&bytes[start.saturating_add(skip).min(bytes.len())..]));
        return Some(if blocks { "upx (damaged header)" } else { "packed" });
    }
    // A loader written in Go that decrypts a program into memory and starts it there: its functions
    // keep their names in the table that Go needs at run time.
    let has = |name: &[u8]| memmem::find(shape.go_names, name).is_some();
    if has(b"main.runFromMemory\0") && has(b"main.aesDec\0") {
        return Some("ezuri");
    }
    None
}

/// Whether the UPX structures stand at the start of `bytes`, whatever their magic says: `l_info`
/// (checksum, magic, loader size, version, format), `p_info` (program id, file size, block size),
/// and a first block `b_info` that holds the packed ELF headers.
fn upx_blocks(bytes: &[u8]) -> bool {
    let Some(raw) = bytes.first_chunk::<36>() else { return false };
    let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
    let (version, format) = (raw[10], raw[11]);
    let (file_size, block_size) = (word(16), word(20));
    let (unpacked, packed, method) = (word(24), word(28), raw[32]);
    // Sizes zeroed by hand keep `upx -d` from working and the program from nothing.
    let sizes =
        file_size == 0 && block_size == 0 || block_size > 0 && file_size >= block_size && file_size < 1 << 31;
    (9..=20).contains(&version)
        && (8..=48).contains(&format)
        && sizes
        && (52..=65_536).contains(&unpacked)
        && packed > 0
        && packed <= unpacked
        && (2..=15).contains(&method)
}

/// Entropy in hundredths of a bit per byte.
///
/// Of large inputs sixteen evenly spaced pages are taken: enough to tell packed code from code, and
/// the cost does not grow with the file.
pub(crate) fn entropy(bytes: &[u8]) -> u16 {
    const PAGE: usize = 4096;
    const PAGES: usize = 16;
    let mut counts = [0u32; 256];
    let mut count = |part: &[u8]| part.iter().for_each(|&b| counts[usize::from(b)] += 1);
    if bytes.len() <= PAGE * PAGES {
        count(bytes);
    } else {
        let step = bytes.len() / PAGES;
        (0..PAGES).for_each(|page| count(&bytes[page * step..page * step + PAGE]));
    }
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return 0;
    }
    let bits: f64 = counts
        .iter()
        .filter(|&&n| n > 0)
        .map(|&n| {
            let p = f64::from(n) / f64::from(total);
            -p * p.log2()
        })
        .sum();
    // Within 0 to 800 by definition.
    (bits * 100.0).round() as u16
}
