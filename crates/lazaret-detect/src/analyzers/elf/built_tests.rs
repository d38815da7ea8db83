#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::*;

const FRAME: &[u8; 16] = b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6";

fn modules() -> Vec<u8> {
    let text = "path\texample.invalid/cmd/tool\nmod\texample.invalid/tool\tv1.2.3\t\n\
                dep\texample.invalid/a\tv0.1.0\th1:x=\ndep\texample.invalid/b\tv0.2.0\n\
                =>\texample.invalid/fork\tv0.3.0\th1:y=\nbuild\t-ldflags=\"-s -w\"\nbuild\tGOOS=linux\n";
    [FRAME.as_slice(), text.as_bytes(), FRAME].concat()
}

fn told(fact: Option<FactKind>) -> (String, String, String, Vec<String>) {
    let Some(FactKind::GoBuild { go, path, module, modules, settings }) = fact else { panic!("no build") };
    let mut list: Vec<String> =
        modules.into_iter().map(|(name, version)| format!("{name}@{version}")).collect();
    list.extend(settings.into_iter().map(|(name, value)| format!("{name}={value}")));
    (go, path, format!("{}@{}", module.0, module.1), list)
}

fn expected() -> (String, String, String, Vec<String>) {
    (
        "go1.22.1".into(),
        "example.invalid/cmd/tool".into(),
        "example.invalid/tool@v1.2.3".into(),
        vec![
            "example.invalid/a@v0.1.0".into(),
            "example.invalid/fork@v0.3.0".into(),
            "-ldflags=-s -w".into(),
            "GOOS=linux".into(),
        ],
    )
}

#[test]
fn go_writes_its_build_inline_or_by_address() {
    let mut bytes = vec![0u8; 32];
    bytes.extend(GO_MAGIC);
    bytes.extend([8, 2]);
    bytes.extend([0; 16]);
    bytes.push(8);
    bytes.extend(b"go1.22.1");
    let list = modules();
    bytes.extend([list.len() as u8 & 0x7f | 0x80, (list.len() >> 7) as u8]);
    bytes.extend(&list);
    assert_eq!(told(go(&bytes, &|_| None, Endianness::Little)), expected());

    // Addresses are offsets here.
    let mut bytes = GO_MAGIC.to_vec();
    bytes.extend([8, 0]);
    for address in [32u64, 48, 64, 8, 72, list.len() as u64] {
        bytes.extend(address.to_le_bytes());
    }
    bytes.extend(b"go1.22.1");
    bytes.extend(&list);
    let found = go(&bytes, &|address| bytes.get(usize::try_from(address).ok()?..), Endianness::Little);
    assert_eq!(told(found), expected());
}

#[test]
fn what_only_names_the_mark_has_no_build() {
    let mut bytes = GO_MAGIC.to_vec();
    bytes.extend([0xff; 60]);
    assert_eq!(go(&bytes, &|_| None, Endianness::Little), None);
    for cut in 0..GO_MAGIC.len() + 4 {
        assert_eq!(go(&bytes[..cut], &|_| None, Endianness::Little), None);
    }
}

#[test]
fn the_list_of_crates_begins_with_the_program() {
    let text = br#"{"packages":[{"name":"aaa","version":"1.0.0","source":"crates.io"},{"name":"tool","version":"0.1.0","source":"local","root":true}]}"#;
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(text).unwrap();
    let section = writer.finish().unwrap();
    let crates = vec![("tool".to_owned(), "0.1.0".to_owned()), ("aaa".to_owned(), "1.0.0".to_owned())];
    assert_eq!(rust(&section), Some(FactKind::RustCrates { crates }));
    assert_eq!(rust(&section[..section.len() / 2]), None);
    assert_eq!(rust(b"not compressed"), None);
}
