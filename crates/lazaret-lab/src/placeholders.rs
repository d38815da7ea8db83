//! What stands for made-up keys, wallets and encodings in a lab recipe.
//!
//! | placeholder | becomes |
//! |---|---|
//! | `{{wallet COIN NAME}}` | an address with a valid checksum, the same for the same name (`xmr`, `xmr-sub`, `eth`, …) |
//! | `{{sshkey NAME}}`, `{{sshkey-rsa NAME}}` | a public key line without a comment |
//! | `{{crypt NAME}}` | a password hash for `/etc/shadow` |
//! | `{{token LENGTH NAME}}` | letters and digits |
//! | `{{hexid LENGTH NAME}}` | hexadecimal digits |
//! | `{{base64 text}}`, `{{hex text}}`, `{{zlib64 text}}`, `{{gzip64 text}}`, `{{rev text}}` | the text encoded; `\n` in it is a line end |
//!
//! Placeholders nest: the innermost is replaced first. Braces around a word that begins with a dot
//! (`{{.Names}}`) or with a space are left alone: they belong to somebody's template.

use std::io::Write;

use data_encoding::{BASE64, HEXLOWER};
use flate2::{Compression, GzBuilder, write::ZlibEncoder};

use crate::keys;
use crate::wallet::wallet;

/// Replaces every placeholder in `text`; the error says what is wrong.
pub fn fill(text: &str) -> Result<String, String> {
    let mut out = text.to_owned();
    let mut from = 0;
    while let Some(end) = out[from..].find("}}").map(|at| from + at) {
        match out[..end].rfind("{{") {
            Some(start) if !out[start + 2..].starts_with(['.', ' ', '{', '}']) => {
                let value = value(&out[start + 2..end])?;
                out.replace_range(start..end + 2, &value);
                // An outer placeholder may begin before, but ends after, this one.
                from = start + value.len();
            }
            _ => from = end + 2,
        }
    }
    Ok(out)
}

fn value(inside: &str) -> Result<String, String> {
    let (name, rest) = inside.split_once(' ').unwrap_or((inside, ""));
    let text = || rest.replace("\\n", "\n");
    let sized = || -> Result<(usize, &str), String> {
        let (length, seed) =
            rest.split_once(' ').ok_or_else(|| format!("`{{{{{name}}}}}` needs a length and a name"))?;
        Ok((length.parse().map_err(|_| format!("`{length}` is no length"))?, seed))
    };
    Ok(match name {
        "wallet" => {
            let (coin, seed) = rest.split_once(' ').ok_or("`{{wallet}}` needs a coin and a name")?;
            wallet(coin, seed).map_err(|e| e.to_string())?
        }
        "sshkey" => keys::authorized_key(rest),
        "sshkey-rsa" => keys::authorized_key_rsa(rest),
        "crypt" => keys::password_hash(rest),
        "token" => {
            let (length, seed) = sized()?;
            keys::seeded_text(
                "token",
                seed,
                length,
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            )
        }
        "hexid" => {
            let (length, seed) = sized()?;
            keys::seeded_text("hexid", seed, length, b"0123456789abcdef")
        }
        "base64" => BASE64.encode(text().as_bytes()),
        "hex" => HEXLOWER.encode(text().as_bytes()),
        "rev" => text().chars().rev().collect(),
        "zlib64" => {
            let mut writer = ZlibEncoder::new(Vec::new(), Compression::new(9));
            writer.write_all(text().as_bytes()).expect("memory takes every write");
            BASE64.encode(&writer.finish().expect("memory takes every write"))
        }
        "gzip64" => {
            let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(9));
            writer.write_all(text().as_bytes()).expect("memory takes every write");
            BASE64.encode(&writer.finish().expect("memory takes every write"))
        }
        other => return Err(format!("`{{{{{other}}}}}` is no placeholder")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn placeholders_nest_and_templates_of_others_stay() {
        assert_eq!(fill("a {{base64 x{{hex yz}}}} b").unwrap(), format!("a {} b", BASE64.encode(b"x797a")));
        assert_eq!(
            fill("docker ps --format '{{.Names}}' ${X}}").unwrap(),
            "docker ps --format '{{.Names}}' ${X}}"
        );
        assert_eq!(fill("{{ jinja }}").unwrap(), "{{ jinja }}");
        assert_eq!(fill("{{base64 a\\nb}}").unwrap(), BASE64.encode(b"a\nb"));
        assert_eq!(fill("{{token 8 x}}").unwrap().len(), 8);
        assert!(fill("{{nonsense x}}").unwrap_err().contains("nonsense"));
        assert!(fill("{{wallet xmr}}").is_err());
    }
}
