//! The archives and programs that recipes make, read back by other readers.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Read};
use std::process::{Command, Stdio};

use lazaret_recipe::Recipe;
use object::{Object, ObjectSection, ObjectSymbol};

fn first_file(text: &str) -> Vec<u8> {
    Recipe::parse(text).unwrap().layers[0].files[0].bytes.clone()
}

/// Lists a tar as GNU tar sees it.
fn listed(tar: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), tar).unwrap();
    let out = Command::new("tar")
        .args(["--numeric-owner", "--utc", "--full-time", "--xattrs", "-tvvf"])
        .arg(file.path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn gnu_tar_reads_every_kind_of_entry() {
    let long = "d".repeat(150);
    let recipe = Recipe::parse(&format!(
        "FILE /bin/x 04755 uid=3000000 gid=7\n    hi\nDIR /t 01777\nSYMLINK /l -> {long}\n\
         HARDLINK /h -> /bin/x\nDEVICE /dev/n b 7 9\nFIFO /p\nFILE /{long}/f mtime=-5\n\
         FILE /\\xfe\nWHITEOUT /w\nFILE /cap xattr:user.k=AAE=\n"
    ))
    .unwrap();
    let tar = recipe.layers[0].to_tar();
    // Columns are padded to different widths by different versions.
    let list = listed(&tar).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "-rwsr-xr-x 3000000/7",
        "drwxrwxrwt 0/0",
        &format!("l -> {long}"),
        "h link to bin/x",
        "brw-rw---- 0/0 7,9",
        "prw-r--r--",
        &format!("1969-12-31 23:59:55 {long}/f"),
        "\\376",
        ".wh.w",
        "-rw-r--r--* 0/0 0",
    ] {
        assert!(list.contains(part), "{part} in\n{list}");
    }
    let xattr = b" SCHILY.xattr.user.k=\x00\x01\n";
    assert!(tar.windows(xattr.len()).any(|w| w == xattr));
    assert_eq!(tar, recipe.layers[0].to_tar());
    assert_eq!(tar.len() % 512, 0);
}

#[test]
fn a_record_whose_length_gains_a_digit_states_its_own_length() {
    for length in 80..110 {
        let path = "x".repeat(length);
        let recipe = Recipe::parse(&format!("SYMLINK /{path} -> {path}{path}\n")).unwrap();
        assert!(listed(&recipe.layers[0].to_tar()).contains(&format!("{path} -> {path}{path}")), "{length}");
    }
}

#[test]
fn nested_archives_hold_their_files() {
    let zip = first_file("ZIP /a.zip\n    FILE x/run 0755\n        #!/bin/sh\n    FILE y\n");
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert_eq!(zip.len(), 2);
    let mut entry = zip.by_name("x/run").unwrap();
    assert_eq!(entry.unix_mode().unwrap() & 0o777, 0o755);
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    assert_eq!(text, "#!/bin/sh\n");

    let targz = first_file("TARGZ /a.tgz\n    FILE x/run 0755\n        hello\n");
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(targz.as_slice()).read_to_end(&mut tar).unwrap();
    assert!(listed(&tar).contains("x/run"));
}

#[test]
fn a_program_is_well_formed_holds_its_strings_and_exits_at_once() {
    let elf = first_file(concat!(
        "ELF /x 0755 interp=/lib64/ld-linux-x86-64.so.2 needed=libc.so.6,libuv.so.1 symbols=main,hash ",
        "imports=connect sections=.go.buildinfo,.note.x entropy=2\n    first\n    second line\n"
    ));
    let file = object::File::parse(elf.as_slice()).unwrap();
    assert_eq!(file.architecture(), object::Architecture::X86_64);
    let rodata = file.section_by_name(".rodata").unwrap().data().unwrap();
    assert_eq!(rodata, b"first\0second line\0");
    assert!(file.section_by_name(".go.buildinfo").is_some());
    let names: Vec<_> =
        file.dynamic_symbols().map(|s| (s.name().unwrap().to_owned(), s.is_undefined())).collect();
    assert_eq!(names, [("connect".into(), true), ("main".into(), false), ("hash".into(), false)]);

    for arch in ["arm64", "riscv64", "ppc64le"] {
        let elf = first_file(&format!("PLATFORM linux/{arch}\nELF /x symbols=main\n    s\n"));
        let file = object::File::parse(elf.as_slice()).unwrap();
        assert_ne!(file.architecture(), object::Architecture::X86_64);
        assert!(file.symbols().any(|s| s.name() == Ok("main")));
    }
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn programs_really_exit_with_nothing_done() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [("plain", ""), ("packed", "upx"), ("stripped", "stripped entropy=4")] {
        let path = dir.path().join(name);
        std::fs::write(&path, first_file(&format!("ELF /x 0755 arch=amd64 {options}\n    text\n"))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Through the shell: another test's fork may hold the file open for writing for a moment.
        let run = || Command::new("/bin/sh").arg("-c").arg(&path).output().unwrap();
        let mut out = run();
        for _ in 0..20 {
            if out.status.code() != Some(126) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            out = run();
        }
        assert!(out.status.success() && out.stdout.is_empty(), "{name}: {out:?}");
    }
}

#[test]
fn a_packed_program_shows_the_packer_and_not_its_sections() {
    let has = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).any(|w| w == what);
    // What repeats is packed away.
    let packed = first_file("ELF /x upx\n    secret text, secret text, secret text\n");
    assert!(has(&packed, b"UPX!") && !has(&packed, b"secret text, secret text"));
    let file = object::File::parse(packed.as_slice()).unwrap();
    assert_eq!(file.sections().count(), 0);
    let damaged = first_file("ELF /x upx-damaged\n    secret text\n");
    assert!(!has(&damaged, b"UPX!") && !has(&damaged, b"UPX"));
}
