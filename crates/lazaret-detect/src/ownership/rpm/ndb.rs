//! rpm's own database (`lib/backend/ndb/rpmpkg.c`): pages of slots that point to blobs, in blocks of
//! 16 bytes; all little-endian.

pub(super) const MAGIC: &[u8] = b"RpmP";

const PAGE: usize = 4096;
const BLOCK: usize = 16;
const SLOT: &[u8] = b"Slot";
const HEAD: &[u8] = b"BlbS";

/// Shows each blob.
pub(super) fn blobs(bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let word =
        |at: usize| -> Option<usize> { Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize) };
    let pages = word(12).ok_or("its header is cut off")?;
    let end = pages.saturating_mul(PAGE).min(bytes.len());
    // The first page begins with the header, in the place of two slots. Blobs do not overlap, so all
    // together they are no longer than the file.
    let (mut left, mut damaged) = (bytes.len(), 0usize);
    for at in (2 * BLOCK..end).step_by(BLOCK) {
        let Some(block) = word(at + 8).filter(|&block| block != 0) else { continue };
        if bytes.get(at..at + 4) != Some(SLOT) {
            return Err(format!("the slot at {at} has a wrong mark"));
        }
        let start = block.saturating_mul(BLOCK);
        let length = word(start.saturating_add(12)).unwrap_or(usize::MAX);
        let whole = start.saturating_add(BLOCK);
        let blob =
            bytes.get(whole..whole.saturating_add(length)).filter(|_| bytes[start..].starts_with(HEAD));
        match blob {
            Some(blob) if blob.len() <= left => {
                left -= blob.len();
                show(blob);
            }
            _ => damaged += 1,
        }
    }
    if damaged > 0 {
        return Err(format!("{damaged} of its entries are damaged"));
    }
    Ok(())
}
