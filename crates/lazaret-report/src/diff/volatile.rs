//! What every rebuild changes and what says nothing: versions, digests, times, passing names.

/// `text` with versions, digests, times and passing names made alike. Addresses stay: an address
/// that changes is what a comparison is for.
pub fn stable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        if run == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(run);
        out.push_str(&word_of(word));
        rest = after;
    }
    out
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '~')
}

/// One word: `openssl-3.0.11-1~deb12u2` and `openssl-3.0.13-1~deb12u1` are alike.
fn word_of(word: &str) -> String {
    if is_address(word) {
        return word.to_owned();
    }
    if word.len() >= 12
        && word.bytes().all(|b| b.is_ascii_hexdigit())
        && word.bytes().any(|b| b.is_ascii_digit())
    {
        return "#".to_owned();
    }
    if let Some(stem) = word.strip_prefix("tmp.") {
        return if stem.is_empty() { word.to_owned() } else { "tmp.#".to_owned() };
    }
    let bytes = word.as_bytes();
    let mut out = String::new();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_digit() {
            out.push(char::from(bytes[at]));
            at += 1;
            continue;
        }
        // A version: numbers with dots between them, and what hangs on behind.
        let mut end = at;
        let mut dots = 0;
        while end < bytes.len()
            && (bytes[end].is_ascii_digit() || bytes[end] == b'.' && next_is_digit(bytes, end))
        {
            dots += usize::from(bytes[end] == b'.');
            end += 1;
        }
        if dots == 0 {
            out.push_str(&word[at..end]);
            at = end;
            continue;
        }
        out.push('#');
        while end < bytes.len() && (bytes[end].is_ascii_digit() || matches!(bytes[end], b'~' | b'+'))
            || end + 1 < bytes.len() && matches!(bytes[end], b'-') && bytes[end + 1].is_ascii_digit()
        {
            end += 1;
        }
        // `deb12u1`, `rc2` after a sign belongs to the version.
        if end > 0 && end < bytes.len() && matches!(bytes[end - 1], b'~' | b'+') {
            while end < bytes.len() && bytes[end].is_ascii_alphanumeric() {
                end += 1;
            }
        }
        at = end;
    }
    out
}

fn next_is_digit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1).is_some_and(u8::is_ascii_digit)
}

/// Four numbers below 256: an address and not a version.
fn is_address(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rebuild_changes_is_alike_and_what_matters_is_not() {
        for (a, b) in [
            ("/usr/lib/x-3.0.11/a", "/usr/lib/x-3.0.13/a"),
            ("nginx=1.25.3-1~bookworm", "nginx=1.27.0-2~bookworm"),
            ("a@0123456789abcdef", "a@fedcba9876543210"),
            ("/tmp/tmp.XXXX", "/tmp/tmp.abcd"),
        ] {
            assert_eq!(stable(a), stable(b), "{a}");
        }
        for (a, b) in [
            ("http://192.0.2.1/x", "http://192.0.2.2/x"),
            ("-p 3333", "-p 4444"),
            ("/usr/bin/a", "/usr/bin/b"),
            ("mysqld", "mysqld2"),
        ] {
            assert_ne!(stable(a), stable(b), "{a}");
        }
        assert_eq!(stable("größe 漢"), "größe 漢");
    }
}
