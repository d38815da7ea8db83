//! Reads the rows of one table of an SQLite file, no more ("Database File Format", sqlite.org).

pub(crate) const MAGIC: &[u8] = b"SQLite format 3\0";

const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// Deeper than any tree of a file that fits into memory.
const DEPTH: usize = 24;

struct File<'a> {
    bytes: &'a [u8],
    page: usize,
    /// Bytes of a page that are used.
    usable: usize,
    /// Pages that were read: each belongs to one place.
    taken: Vec<bool>,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    /// A number with a fraction, which nobody here asks for.
    Real,
}

/// Shows each row of the table as its record, in the order of the table.
pub(crate) fn table(bytes: &[u8], name: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<(), String> {
    let page = match bytes.get(16..18) {
        Some(&[0, 1]) => 65_536,
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
        _ => return Err("its header is cut off".to_owned()),
    };
    let reserved = usize::from(bytes.get(20).copied().unwrap_or(0));
    if !(512..=65_536).contains(&page) || !page.is_power_of_two() || page - reserved < 480 {
        return Err("its page size is none".to_owned());
    }
    let taken = vec![false; bytes.len() / page + 1];
    let mut file = File { bytes, page, usable: page - reserved, taken };
    let mut root = None;
    file.walk(1, 0, &mut |row| {
        // type, name, tbl_name, rootpage, sql
        let is_table = column(row, 0) == Some(Value::Text(b"table"));
        let is_named = matches!(column(row, 1), Some(Value::Text(text)) if text.eq_ignore_ascii_case(name));
        if is_table
            && is_named
            && let Some(Value::Integer(number)) = column(row, 3)
        {
            root = root.or(usize::try_from(number).ok());
        }
    })?;
    let root = root.ok_or("it has no table of packages")?;
    file.walk(root, 0, show)
}

/// Column `number` of a record.
pub(crate) fn column(record: &[u8], number: usize) -> Option<Value<'_>> {
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok().filter(|&header| header <= record.len())?;
    let mut body = header;
    for index in 0.. {
        if at >= header {
            return None;
        }
        let (kind, next) = varint(record, at)?;
        at = next;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((kind - 12) / 2).ok()?,
        };
        let end = body.checked_add(size)?;
        if index == number {
            let raw = record.get(body..end)?;
            return Some(match kind {
                0 => Value::Null,
                1..=6 => Value::Integer(integer(raw)),
                7 => Value::Real,
                8 | 9 => Value::Integer(kind as i64 - 8),
                _ if kind % 2 == 0 => Value::Blob(raw),
                _ => Value::Text(raw),
            });
        }
        body = end;
    }
    None
}

/// A number in big-endian two's complement.
fn integer(raw: &[u8]) -> i64 {
    let start = if raw.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    raw.iter().fold(start, |number, &byte| number << 8 | i64::from(byte))
}

/// A number of one to nine bytes, and where the next thing begins.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for count in 0..9 {
        let byte = *bytes.get(at + count)?;
        if count == 8 {
            return Some((number << 8 | u64::from(byte), at + 9));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + count + 1));
        }
    }
    None
}

impl<'a> File<'a> {
    /// A page, once.
    fn page(&mut self, number: usize) -> Result<&'a [u8], String> {
        let start = number.checked_sub(1).and_then(|index| index.checked_mul(self.page));
        let page = start.and_then(|start| self.bytes.get(start..start.checked_add(self.page)?));
        let page = page.ok_or_else(|| format!("page {number} is not there"))?;
        if std::mem::replace(&mut self.taken[number - 1], true) {
            return Err(format!("page {number} belongs to two places"));
        }
        Ok(page)
    }

    fn walk(&mut self, number: usize, depth: usize, show: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        if depth > DEPTH {
            return Err("its tree is too deep".to_owned());
        }
        let page = self.page(number)?;
        // The file's header stands in the first page.
        let start = if number == 1 { 100 } else { 0 };
        let short = || format!("page {number} is damaged");
        let half = |at: usize| -> Option<usize> {
            Some(usize::from(u16::from_be_bytes(*page.get(at..)?.first_chunk()?)))
        };
        let word = |at: usize| -> Option<usize> {
            Some(u32::from_be_bytes(*page.get(at..)?.first_chunk()?) as usize)
        };
        let cells = half(start + 3).ok_or_else(short)?;
        let kind = page[start];
        let pointers = start + if kind == INTERIOR { 12 } else { 8 };
        for cell in 0..cells {
            let at = half(pointers + 2 * cell).ok_or_else(short)?;
            match kind {
                INTERIOR => self.walk(word(at).ok_or_else(short)?, depth + 1, show)?,
                LEAF => {
                    let (length, next) = varint(page, at).ok_or_else(short)?;
                    let (_, next) = varint(page, next).ok_or_else(short)?;
                    let length = usize::try_from(length).map_err(|_| short())?;
                    match self.here(length) {
                        None => show(page.get(next..next + length).ok_or_else(short)?),
                        Some(here) => {
                            let first = page.get(next..next + here).ok_or_else(short)?;
                            let overflow = word(next + here).ok_or_else(short)?;
                            show(&self.joined(first, overflow, length)?);
                        }
                    }
                }
                _ => return Err(short()),
            }
        }
        if kind == INTERIOR {
            self.walk(word(start + 8).ok_or_else(short)?, depth + 1, show)?;
        }
        Ok(())
    }

    /// How much of a record stands in its leaf, where not all of it does.
    fn here(&self, length: usize) -> Option<usize> {
        let most = self.usable - 35;
        if length <= most {
            return None;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable - 4);
        Some(if fitting <= most { fitting } else { least })
    }

    fn joined(&mut self, first: &[u8], mut overflow: usize, length: usize) -> Result<Vec<u8>, String> {
        if length > self.bytes.len() {
            return Err("a record is longer than the file".to_owned());
        }
        let mut record = first.to_vec();
        while record.len() < length {
            let page = self.page(overflow)?;
            let next = u32::from_be_bytes([page[0], page[1], page[2], page[3]]) as usize;
            let part = &page[4..self.usable];
            record.extend_from_slice(&part[..part.len().min(length - record.len())]);
            overflow = next;
        }
        Ok(record)
    }
}
