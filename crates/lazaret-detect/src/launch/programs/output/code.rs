//! Encodings and compressions.

use std::io::Read;

use super::{Plan, bytes, crypt};
use crate::shell::Value;

impl<'s> Plan<'s> {
    /// Programs that turn bytes into other bytes.
    pub(super) fn code(name: &str, args: &[&'s str]) -> Option<Self> {
        let has = |flags: &[&str]| args.iter().any(|a| flags.contains(a));
        let letter = |c: char| {
            let short = |a: &&str| a.starts_with('-') && !a.starts_with("--");
            args.iter().filter(|a| short(a)).any(|a| a.contains(c))
        };
        let operands = |with_value: &[&str]| -> Vec<&'s str> {
            let mut skip = false;
            let taken = args.iter().copied().filter(|a| {
                if std::mem::take(&mut skip) {
                    return false;
                }
                skip = with_value.contains(a);
                !a.starts_with('-') || *a == "-"
            });
            taken.collect()
        };
        let unpacks = letter('d') || has(&["--decompress", "--uncompress"]);
        Some(match name {
            "base64" | "base32" | "basenc" => {
                let decode = letter('d') || letter('D') || has(&["--decode"]);
                let wide = name == "base64" || has(&["--base64", "--base64url"]);
                let hex = has(&["--base16"]);
                let files = operands(&["-w", "--wrap"]);
                let change = bytes(move |input, _| match (decode, hex) {
                    (true, true) => decode_hex(input),
                    (true, false) => decode_base(input, wide),
                    (false, true) => Some(data_encoding::HEXUPPER.encode(input).into_bytes()),
                    (false, false) if wide => Some((data_encoding::BASE64.encode(input) + "\n").into_bytes()),
                    (false, false) => Some((data_encoding::BASE32.encode(input) + "\n").into_bytes()),
                });
                Self { files, change }
            }
            "xxd" => Self::xxd(args, operands(&["-c", "-g", "-l", "-s", "-o", "-cols", "-len", "-seek"]))?,
            "od" | "hexdump" | "hd" => Self::dump(name, args)?,
            "uudecode" => Self { files: operands(&["-o"]), change: bytes(|input, _| uudecode(input)) },
            "gunzip" | "zcat" | "pigz" | "unpigz" | "gzip" if name != "gzip" && name != "pigz" || unpacks => {
                Self { files: operands(&["-S"]), change: bytes(gunzip) }
            }
            "gzip" | "pigz" => Self {
                files: operands(&["-S"]),
                change: bytes(|input, most| {
                    let mut out = Vec::new();
                    let mut packer = flate2::read::GzEncoder::new(input, flate2::Compression::fast());
                    packer.by_ref().take(most as u64 + 1).read_to_end(&mut out).ok()?;
                    Some(out)
                }),
            },
            "zlib-flate" => Self {
                files: Vec::new(),
                change: bytes(|input, most| all(flate2::read::ZlibDecoder::new(input), most)),
            },
            "bunzip2" | "bzcat" => Self { files: operands(&[]), change: bytes(bunzip2) },
            "bzip2" if unpacks => Self { files: operands(&[]), change: bytes(bunzip2) },
            "unxz" | "xzcat" | "unlzma" | "lzcat" => Self { files: operands(&[]), change: bytes(unxz) },
            "xz" | "lzma" if unpacks => Self { files: operands(&["-T"]), change: bytes(unxz) },
            "md5sum" | "sha1sum" | "sha256sum" | "sha384sum" | "sha512sum" if !letter('c') => {
                let digest = name.trim_end_matches("sum").to_owned();
                let files = operands(&[]);
                let shown = files.first().copied().unwrap_or("-").to_owned();
                let change = bytes(move |input, _| {
                    let sum = data_encoding::HEXLOWER.encode(&crypt::hash(&digest, input)?);
                    Some(format!("{sum}  {shown}\n").into_bytes())
                });
                Self { files, change }
            }
            _ => return None,
        })
    }

    fn xxd(args: &[&'s str], operands: Vec<&'s str>) -> Option<Self> {
        let flags: String = args.iter().filter_map(|a| a.strip_prefix('-')).collect();
        let (reverse, plain) = (flags.contains('r'), flags.contains('p'));
        let width = args.iter().position(|a| *a == "-c").and_then(|at| args.get(at + 1));
        let width = width.map_or(Some(if plain { 30 } else { 16 }), |w| w.parse::<usize>().ok())?;
        let width = if width == 0 { usize::MAX } else { width };
        let change = bytes(move |input, _| match (reverse, plain) {
            (true, true) => decode_hex(input),
            (true, false) => Some(undump(input)),
            (false, true) => {
                let lines = input.chunks(width).map(|line| data_encoding::HEXLOWER.encode(line) + "\n");
                Some(lines.collect::<String>().into_bytes())
            }
            (false, false) => {
                let mut out = String::new();
                for (n, line) in input.chunks(width.min(256)).enumerate() {
                    let groups: Vec<String> =
                        line.chunks(2).map(|pair| data_encoding::HEXLOWER.encode(pair)).collect();
                    out.push_str(&format!("{:08x}: {:<40} {}\n", n * width, groups.join(" "), visible(line)));
                }
                Some(out.into_bytes())
            }
        });
        Some(Self { files: operands, change })
    }

    /// `od -An -tx1`, `hexdump -ve '1/1 "%02x"'`, `hexdump -C`: bytes one by one.
    fn dump(name: &str, args: &[&'s str]) -> Option<Self> {
        let mut files = Vec::new();
        let mut addresses = name != "od";
        let (mut format, mut own) = (None, None);
        let mut rest = args.iter().copied();
        while let Some(arg) = rest.next() {
            match arg {
                "-A" => addresses = rest.next()? != "n",
                "-An" => addresses = false,
                "-t" => format = Some(rest.next()?),
                "-e" | "-ve" => own = Some(rest.next()?),
                "-v" | "-w" | "--output-duplicates" => {}
                "-N" | "-n" | "-j" | "-s" => return None,
                "-C" => return None,
                arg if arg.starts_with("-t") => format = Some(&arg[2..]),
                arg if arg.starts_with("-w") => {}
                arg if arg.starts_with('-') && arg.len() > 1 => return None,
                file => files.push(file),
            }
        }
        let (each, gap) = match (own, format) {
            (Some(own), _) => {
                let text = own.trim().strip_prefix("1/1")?.trim();
                let text = text.strip_prefix('"')?.strip_suffix('"')?;
                let at = text.find('%')?;
                let end = at + text[at..].find(['x', 'X', 'o', 'd', 'u'])? + 1;
                let each = match &text[at..end] {
                    "%02x" => Each::Hex,
                    "%02X" => Each::Upper,
                    "%03o" | "%o" => Each::Octal,
                    "%d" | "%u" => Each::Decimal,
                    _ => return None,
                };
                (each, (text[..at].to_owned(), crate::shell::ansi(&text[end..])))
            }
            (None, Some(kind)) if !addresses => {
                let each = match kind.trim_end_matches('z') {
                    "x1" => Each::Hex,
                    "o1" => Each::Octal,
                    "u1" | "d1" => Each::Decimal,
                    _ => return None,
                };
                (each, (" ".to_owned(), String::new()))
            }
            _ => return None,
        };
        let lines = own.is_none();
        let change = bytes(move |input, _| {
            let mut out = String::with_capacity(input.len() * 4);
            for line in input.chunks(if lines { 16 } else { usize::MAX }) {
                for &byte in line {
                    out.push_str(&gap.0);
                    out.push_str(&match each {
                        Each::Hex => format!("{byte:02x}"),
                        Each::Upper => format!("{byte:02X}"),
                        Each::Octal => format!("{byte:03o}"),
                        Each::Decimal if lines => format!("{byte:3}"),
                        Each::Decimal => byte.to_string(),
                    });
                    out.push_str(&gap.1);
                }
                if lines {
                    out.push('\n');
                }
            }
            Some(out.into_bytes())
        });
        Some(Self { files, change })
    }
}

#[derive(Clone, Copy)]
enum Each {
    Hex,
    Upper,
    Octal,
    Decimal,
}

fn visible(line: &[u8]) -> String {
    line.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '.' }).collect()
}

/// `xxd -r`: the bytes of a dump with addresses.
fn undump(input: &[u8]) -> Vec<u8> {
    let text = Value::from_bytes(input, crate::shell::Know::Sure).text;
    let mut out = Vec::new();
    for line in text.lines() {
        let Some((_, rest)) = line.split_once(": ") else { continue };
        // Two blanks part the bytes from what they look like.
        let code = rest.split("  ").next().unwrap_or_default();
        out.extend(decode_hex(code.as_bytes()).unwrap_or_default());
    }
    out
}

/// `begin 644 name` … `end`, in both forms.
fn uudecode(input: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(input).ok()?;
    let mut lines = text.lines().skip_while(|l| !l.starts_with("begin"));
    let wide = lines.next()?.starts_with("begin-base64");
    let mut out = Vec::new();
    for line in lines {
        if wide {
            if line.starts_with("====") {
                break;
            }
            out.extend(decode_base(line.as_bytes(), true)?);
            continue;
        }
        let value = |b: &u8| b.wrapping_sub(32) & 63;
        let Some((count, code)) = line.as_bytes().split_first() else { break };
        let count = usize::from(value(count));
        if count == 0 {
            break;
        }
        let mut row = Vec::with_capacity(count + 3);
        for group in code.chunks(4) {
            let at = |n: usize| group.get(n).map_or(0, value);
            row.extend([at(0) << 2 | at(1) >> 4, at(1) << 4 | at(2) >> 2, at(2) << 6 | at(3)]);
        }
        row.truncate(count);
        out.extend(row);
    }
    Some(out)
}

fn all(reader: impl Read, most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = reader.take(most as u64 + 1).read_to_end(&mut out);
    // What comes before the damage is put out.
    (out.len() <= most && (read.is_ok() || !out.is_empty())).then_some(out)
}

fn bunzip2(input: &[u8], most: usize) -> Option<Vec<u8>> {
    all(bzip2::read::MultiBzDecoder::new(input), most)
}

fn unxz(input: &[u8], most: usize) -> Option<Vec<u8>> {
    if input.starts_with(b"\xfd7zXZ") {
        return all(lzma_rust2::XzReader::new(input, true), most);
    }
    all(lzma_rust2::LzmaReader::new_mem_limit(input, 64 << 10, None).ok()?, most)
}

/// Decodes what is there up to the first thing that is no code, as `base64 -d` puts it out.
pub(super) fn decode_base(input: &[u8], wide: bool) -> Option<Vec<u8>> {
    let clean: Vec<u8> = input.iter().copied().filter(|b| !b.is_ascii_whitespace() && *b != b'=').collect();
    let good = clean
        .iter()
        .position(|b| {
            if wide {
                !(b.is_ascii_alphanumeric() || b"+/".contains(b))
            } else {
                !(b.is_ascii_uppercase() || (b'2'..=b'7').contains(b))
            }
        })
        .unwrap_or(clean.len());
    let mut end = good;
    let encoding = if wide { data_encoding::BASE64_NOPAD } else { data_encoding::BASE32_NOPAD };
    if wide && end % 4 == 1 {
        end -= 1;
    }
    let mut spec = encoding.specification();
    spec.check_trailing_bits = false;
    let encoding = spec.encoding().ok()?;
    encoding.decode(&clean[..end]).ok()
}

pub(super) fn decode_hex(input: &[u8]) -> Option<Vec<u8>> {
    let clean: Vec<u8> =
        input.iter().copied().filter(u8::is_ascii_hexdigit).map(|b| b.to_ascii_lowercase()).collect();
    data_encoding::HEXLOWER.decode(&clean[..clean.len() & !1]).ok()
}

pub(super) fn gunzip(input: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(input).take(most as u64 + 1);
    reader.read_to_end(&mut out).ok()?;
    (out.len() <= most).then_some(out)
}
