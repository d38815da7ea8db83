//! PAX extended headers: `length key=value\n`, again and again.

/// The records of one extended header, in order, with GNU's sparse pairs gathered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Records {
    /// Key and value; a later record of the same key wins.
    pub(crate) pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `GNU.sparse.offset` and `GNU.sparse.numbytes` in order of appearance (sparse format 0.0).
    pub(crate) sparse: Vec<u64>,
    /// What is wrong with the header, where something is. What came before it is kept.
    pub(crate) fault: Option<&'static str>,
}

/// A decimal number without sign or space.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, &b| match b {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

impl Records {
    /// Go's `parsePAX`: it accepts what this accepts.
    pub(crate) fn parse(mut rest: &[u8]) -> Self {
        let mut records = Self::default();
        while !rest.is_empty() {
            match Self::one(rest) {
                Some((key, value, after)) => {
                    rest = after;
                    match key {
                        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                            let second = records.sparse.len() % 2 == 1;
                            match decimal(value) {
                                Some(n) if second == (key == b"GNU.sparse.numbytes") => {
                                    records.sparse.push(n)
                                }
                                _ => records.fault = Some("its sparse map is out of order"),
                            }
                        }
                        _ => records.pairs.push((key.to_vec(), value.to_vec())),
                    }
                }
                None => {
                    records.fault = Some("a record is malformed");
                    break;
                }
            }
        }
        records
    }

    fn one(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
        let space = memchr::memchr(b' ', &bytes[..bytes.len().min(21)])?;
        let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
        if length < 5 || length > bytes.len() || length <= space + 1 || bytes[length - 1] != b'\n' {
            return None;
        }
        let record = &bytes[space + 1..length - 1];
        let equals = memchr::memchr(b'=', record)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        let name = matches!(key, b"path" | b"linkpath" | b"uname" | b"gname");
        let nul = if name { memchr::memchr(0, value) } else { memchr::memchr(0, key) };
        (!key.is_empty() && nul.is_none()).then_some((key, value, &bytes[length..]))
    }

    /// The value of a key; None where it is absent or empty (empty keeps the header's own value).
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.pairs.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.as_slice()).filter(|v| !v.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_anything_and_the_last_of_a_key_wins() {
        let records = Records::parse(b"9 path=a\n13 path=b\nc=\n");
        assert_eq!(records.get(b"path"), Some(b"b\nc=".as_slice()));
        assert_eq!(records.fault, None);
    }

    #[test]
    fn a_malformed_record_keeps_what_came_before() {
        for bad in ["9 path=b", "99 path=b\n", "5 =b\n", "x", "8 path\n ", "-9 path=b\n"] {
            let records = Records::parse(format!("9 path=a\n{bad}").as_bytes());
            assert_eq!(records.get(b"path"), Some(b"a".as_slice()), "{bad}");
            assert!(records.fault.is_some(), "{bad}");
        }
    }
}
