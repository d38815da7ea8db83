//! A script made of the words that shells know, over a small world: files to read, programs that
//! are computed, and limits that are reached. Pieces are joined from the input byte by byte, so
//! that most inputs are scripts and few are noise.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use lazaret_detect::{LaunchLimits, View, follow};
use lazaret_model::{
    ContentId, Digest, EntryPath, FileEntry, FileKind, GapKind, Image, ImageConfig, LayerFacts, PinnedRef,
};
use libfuzzer_sys::fuzz_target;

const PIECES: &[&str] = &[
    " ", "\n", ";", "|", "&&", "||", "&", "(", ")", "{ ", "; }", "$(", "`", "'", "\"", "\\", "$", "${", "}", "<", ">",
    ">>", "<<E\n", "E\n", "<<<", "2>&1", "<(", ">(", "3<>", "<&3", "[ ", " ]", "[[ ", " ]]", "((", "))", "$((", "if ",
    "; then ", "; else ", "; fi", "for i in ", "; do ", "; done", "for ((i=0;i<3;i++))", "while ", "until ", "case $x in ",
    ") ", ";; ", ";& ", "esac", "f() ", "function g ", "select y in ", "x=", "x+=", "a=(", "a[1]=", "declare -A m; m[k]=",
    "local ", "export ", "readonly ", "unset ", "set -- ", "shift", "eval ", ". /file", "exec ", "trap ", "alias q=", "q ",
    "read a b", "read -d '' ", "mapfile -t l", "getopts ab: o", "printf -v v ", "let ", "return", "exit", "break", "continue",
    "$x", "${x}", "$@", "$*", "$#", "$?", "${x#*", "${x##", "${x%", "${x/", "${x//", "${x^^", "${x:1:2", "${!x", "${#x",
    "${a[@]", "${!m[@]", "${x:-", "${x:=", "IFS=,; ", "a", "b/c", "1", "-1", "*", "?", "[a-z]", "~", "#", "{a,b}", "{1..9}",
    "echo ", "printf '%s\\n' ", "printf '\\x41' ", "cat ", "cat /file ", "base64 -d", "base64 ", "xxd -r -p", "xxd -p", "rev",
    "tr a-z n-za-m", "sed s/a/b/g ", "sed -n '1,2p;$!d' ", "awk '{print $1}' ", "awk 'BEGIN{for(i=0;i<9;i++)printf \"%c\",i}'",
    "cut -c1-2", "head -c 3", "tail -n +2", "sort -k2", "uniq -c", "fold -w2", "nl", "wc", "seq 1 9 ", "expr 1 + ", "bc",
    "dd bs=1 skip=1", "gunzip", "gzip", "xz -d", "bzip2 -d", "openssl enc -d -aes-128-cbc -k a", "od -An -tx1", "paste -sd,",
    "xargs -n1 ", "xargs -I{} ", "find / -exec ", "tee /t ", "cp /file /t;", "ln -s /bin/sh /s;", "/s ", "sh ", "sh -c ",
    "bash /t", "curl http://192.0.2.1/a", "wget -O /t http://192.0.2.1/a", "nc -e sh ", "timeout 5 ", "env A=b ", "sudo ",
    "\u{e9}", "\u{1f600}", "\0", "\r\n", "\t", "aGVsbG8=", "68656c6c6f", "/dev/tcp/192.0.2.1/80", "/dev/null", "/file",
];

/// Small limits, so that they are reached.
const LIMITS: LaunchLimits = LaunchLimits {
    steps: 50_000,
    depth: 48,
    value_bytes: 1 << 16,
    script_bytes: 1 << 18,
    rounds: 32,
    behaviours: 2_000,
};

fn file(path: &str, bytes: &[u8], contents: &mut BTreeMap<ContentId, Arc<[u8]>>) -> FileEntry {
    let id = ContentId(*blake3::hash(bytes).as_bytes());
    contents.insert(id, Arc::from(bytes));
    FileEntry {
        path: EntryPath::from(path),
        kind: FileKind::File,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: bytes.len() as u64,
        mtime: 0,
        content: Some(id),
        xattrs: Vec::new(),
        whiteout: None,
    }
}

fuzz_target!(|data: &[u8]| {
    let mut script = Vec::new();
    let mut rest = data;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match PIECES.get(usize::from(byte)) {
            Some(piece) => script.extend_from_slice(piece.as_bytes()),
            // The next byte as it is.
            None => {
                if let Some((&raw, after)) = rest.split_first() {
                    script.push(raw);
                    rest = after;
                }
            }
        }
    }
    let mut contents = BTreeMap::new();
    let mut layer = LayerFacts { complete: true, ..LayerFacts::default() };
    for program in ["bin/sh", "bin/bash", "bin/cat", "usr/bin/curl", "usr/bin/env", "usr/bin/xargs"] {
        layer.entries.push(file(program, b"\x7fELF\0", &mut contents));
    }
    layer.entries.push(file("start", &script, &mut contents));
    layer.entries.push(file("file", b"x=1\necho a b c\n", &mut contents));
    let digest = Digest::sha256(&[0; 32]);
    let image = Image {
        pinned: PinnedRef { repository: "example.invalid/x".to_owned(), tag: None, digest: digest.clone() },
        manifest: digest.clone(),
        config_digest: digest,
        platform: None,
        config: ImageConfig {
            entrypoint: ["/bin/bash", "/start", "one", "two words"].map(str::to_owned).to_vec(),
            ..ImageConfig::default()
        },
        layers: Vec::new(),
    };
    let layers = [&layer];
    let path = follow(&image, &View::new(&layers), &contents, &LIMITS);
    assert!(path.behaviours.len() <= LIMITS.behaviours + 1);
    assert!(!path.gaps.iter().any(|gap| matches!(gap.kind, GapKind::AnalyzerFailed(_))), "it broke");
});
