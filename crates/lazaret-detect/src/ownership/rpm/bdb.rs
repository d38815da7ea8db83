//! Berkeley DB, hash access method, as far as rpm uses it: values in overflow pages
//! (`db_page.h` of the Berkeley DB sources).

/// `DB_HASHMAGIC`.
const HASH_MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// An item that stands in pages of its own (`H_OFFPAGE`).
const OFF_PAGE: u8 = 3;

struct Database<'a> {
    bytes: &'a [u8],
    page: usize,
    big: bool,
}

/// Shows each value that stands in overflow pages: all headers do.
pub(super) fn blobs(bytes: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let magic: [u8; 4] = *bytes.get(12..).and_then(|rest| rest.first_chunk()).ok_or("it is cut off")?;
    let big = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (HASH_MAGIC, _) => false,
        (_, HASH_MAGIC) => true,
        _ => return Err("it is none of the three formats".to_owned()),
    };
    let mut database = Database { bytes, page: 0, big };
    database.page = database.word(20).unwrap_or(0) as usize;
    if !(512..=65_536).contains(&database.page) || !database.page.is_power_of_two() {
        return Err("its page size is none".to_owned());
    }
    let count = bytes.len() / database.page;
    // Each overflow page belongs to one value, so that no chain can be followed twice.
    let mut taken = vec![false; count];
    let mut damaged = 0usize;
    for number in 1..count {
        let at = number * database.page;
        let kind = bytes.get(at + 25);
        if !matches!(kind, Some(&HASH | &HASH_UNSORTED)) {
            continue;
        }
        let entries = usize::from(database.half(at + 20).unwrap_or(0)).min(database.page / 2);
        // Keys and values take turns.
        for entry in (1..entries).step_by(2) {
            let Some(offset) = database.half(at + PAGE_HEADER + 2 * entry) else { break };
            let item = at + usize::from(offset);
            if usize::from(offset) + 12 > database.page || bytes.get(item) != Some(&OFF_PAGE) {
                continue;
            }
            let (first, length) = (database.word(item + 4), database.word(item + 8));
            match database.value(first, length, &mut taken) {
                Some(value) => show(&value),
                None => damaged += 1,
            }
        }
    }
    if damaged > 0 {
        return Err(format!("{damaged} of its entries are damaged"));
    }
    Ok(())
}

impl Database<'_> {
    fn word(&self, at: usize) -> Option<u32> {
        let raw = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    fn half(&self, at: usize) -> Option<u16> {
        let raw = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    /// A value of so many bytes, from the page where it begins.
    fn value(&self, first: Option<u32>, length: Option<u32>, taken: &mut [bool]) -> Option<Vec<u8>> {
        let (mut number, length) = (first? as usize, length? as usize);
        let mut value = Vec::new();
        while number != 0 && value.len() < length {
            if std::mem::replace(taken.get_mut(number)?, true) {
                return None;
            }
            let at = number * self.page;
            if self.bytes.get(at + 25) != Some(&OVERFLOW) {
                return None;
            }
            let used = usize::from(self.half(at + 22)?).min(self.page - PAGE_HEADER);
            value.extend_from_slice(self.bytes.get(at + PAGE_HEADER..at + PAGE_HEADER + used)?);
            number = self.word(at + 16)? as usize;
        }
        value.truncate(length);
        (value.len() == length).then_some(value)
    }
}
