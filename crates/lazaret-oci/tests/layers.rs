//! What a layer can hold, and what is made of it.
#![allow(clippy::unwrap_used)]

mod support;

use std::ops::ControlFlow;
use std::time::Instant;

use lazaret_model::{Budget, BudgetKind, Fact, FileEntry, FileKind, GapKind, Whiteout};
use lazaret_oci::{Compression, LayerSink, Owner, Piece, WINDOW_OVERLAP, read_layer};
use support::{Gathered, Header, Tar, bzip2, gzip, layer, noise, read_blob, read_tar, zstd};

fn sample() -> Vec<u8> {
    Tar::new().file("a", b"first").file("b/c", &[7; 3000]).end()
}

#[test]
fn every_compression_gives_the_same_layer_and_both_digests() {
    let tar = sample();
    let skippable = [
        &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..],
        &zstd(&tar),
        &[0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0],
    ]
    .concat();
    let members = [gzip(&tar[..700]), gzip(&tar[700..]), gzip(b"")].concat();
    for (blob, compression) in [
        (tar.clone(), Compression::None),
        (gzip(&tar), Compression::Gzip),
        (members, Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
        (skippable, Compression::Zstd),
        ([zstd(&tar[..100]), zstd(&tar[100..])].concat(), Compression::Zstd),
        (bzip2(&tar), Compression::Bzip2),
    ] {
        let (read, sink) = read_blob(&blob, &layer(&blob, &tar), &Budget::default());
        assert!(read.complete && read.blob_ok && read.diff_ok, "{compression:?}: {:?}", read.gaps);
        assert_eq!(read.compression, compression);
        assert_eq!(read.gaps, []);
        assert_eq!(sink.names(), ["/a", "/b/c"]);
        assert_eq!(sink.content("/b/c"), [7; 3000]);
        assert_eq!(read.bytes, tar.len() as u64);
    }
}

#[test]
fn a_media_type_that_lies_changes_nothing_but_is_told() {
    let tar = sample();
    for (blob, claim) in [
        (tar.clone(), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (zstd(&tar), "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        (gzip(&tar), "application/vnd.oci.image.layer.v1.tar"),
    ] {
        let described = lazaret_model::Layer { media_type: claim.to_owned(), ..layer(&blob, &tar) };
        let (read, sink) = read_blob(&blob, &described, &Budget::default());
        assert!(read.complete, "{claim}");
        assert!(sink.odd("the manifest calls this layer"), "{claim}");
        assert_eq!(sink.content("/a"), b"first");
    }
}

#[test]
fn a_changed_blob_is_a_digest_mismatch_and_never_complete() {
    let tar = sample();
    let blob = gzip(&tar);
    let mut described = layer(&blob, &tar);
    described.digest = support::sha256(b"something else");
    let (read, _) = read_blob(&blob, &described, &Budget::default());
    assert!(!read.blob_ok && !read.complete);
    assert!(
        read.gaps
            .iter()
            .any(|g| g.kind == GapKind::Mismatch && g.matters && g.detail.contains("digest mismatch"))
    );
}

#[test]
fn a_diff_id_that_lies_is_a_serious_gap() {
    let tar = sample();
    let blob = gzip(&tar);
    let (read, _) = read_blob(&blob, &layer(&blob, b"other"), &Budget::default());
    assert!(read.blob_ok && !read.diff_ok && !read.complete);
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::Mismatch && g.matters));
}

#[test]
fn a_truncated_stream_is_scanned_up_to_its_end() {
    let tar = Tar::new().file("before", b"here").file("cut", &noise(400_000)).end();
    for blob in [gzip(&tar), zstd(&tar), tar.clone()] {
        // The cut is found whatever the digest says: it is that of the cut blob.
        let cut = &blob[..blob.len() * 2 / 3];
        let (read, sink) = read_blob(cut, &layer(cut, &tar), &Budget::default());
        assert!(!read.complete);
        assert!(read.gaps.iter().any(|g| g.kind == GapKind::Damaged && g.matters), "{:?}", read.gaps);
        assert_eq!(sink.content("/before"), b"here");
    }
    let cut = &tar[..tar.len() - 100_000];
    let (_, sink) = read_blob(cut, &layer(cut, &tar), &Budget::default());
    let (_, piece) = sink.pieces.last().unwrap();
    assert!(piece.last && piece.size == 400_000 && piece.bytes.len() > 50_000);
}

#[test]
fn a_broken_checksum_does_not_hide_what_a_lenient_reader_would_run() {
    let tar = sample();
    let mut blob = gzip(&tar);
    let at = blob.len() - 6;
    blob[at] ^= 1;
    let (read, sink) = read_blob(&blob, &layer(&blob, &tar), &Budget::default());
    assert_eq!(sink.content("/b/c"), [7; 3000]);
    assert!(!read.complete && read.gaps.iter().any(|g| g.detail.contains("checksum")));
}

#[test]
fn data_after_the_end_of_the_archive_is_handed_out() {
    let tar = Tar::new().file("a", b"x").raw(&[0; 10_240]).raw(b"hidden payload").raw(&[0; 498]).bytes;
    let (read, sink) = read_tar(&tar);
    assert!(sink.of(Owner::Outside).starts_with(b"hidden payload"));
    assert!(read.gaps.iter().any(|g| g.kind == GapKind::TrailingData));
    assert!(read.complete, "the diff id covers it: {:?}", read.gaps);
}

#[test]
fn data_after_the_compressed_stream_is_handed_out() {
    let tar = sample();
    for compressed in [gzip(&tar), zstd(&tar), bzip2(&tar)] {
        let blob = [compressed, b"\0\0hidden payload".to_vec()].concat();
        let (read, sink) = read_blob(&blob, &layer(&blob, &tar), &Budget::default());
        assert!(String::from_utf8_lossy(&sink.of(Owner::Outside)).contains("hidden payload"));
        assert!(read.gaps.iter().any(|g| g.kind == GapKind::TrailingData));
        assert!(read.blob_ok && read.diff_ok);
    }
}

#[test]
fn whiteouts_say_what_they_remove_and_their_content_is_scanned() {
    let tar = Tar::new()
        .file("etc/.wh.passwd", b"payload in a whiteout")
        .file("opt/.wh..wh..opq", b"")
        .file(".wh..wh.plnk/1.2", b"")
        .end();
    let (read, sink) = read_tar(&tar);
    assert!(read.complete);
    assert_eq!(sink.entries[0].whiteout, Some(Whiteout::Path("etc/passwd".into())));
    assert_eq!(sink.entries[1].whiteout, Some(Whiteout::Opaque("opt".into())));
    assert_eq!(sink.entries[2].whiteout, None);
    assert_eq!(sink.content("/etc/.wh.passwd"), b"payload in a whiteout");
    assert!(sink.odd("a whiteout that carries content"));
}

#[test]
fn names_come_from_where_container_runtimes_take_them() {
    let long = "d/".repeat(80) + "file";
    let mut prefixed = Header::new("tail", b'0', 1);
    prefixed.block[345..349].copy_from_slice(b"head");
    let tar = Tar::new()
        .entry(prefixed, b"1")
        .pax(&[("path", "from-pax")])
        .file("short", b"2")
        .meta(b'L', format!("{long}\0").as_bytes())
        .entry(Header::new("cut", b'0', 1).gnu(), b"3")
        .pax(&[("path", "pax-name")])
        .meta(b'L', b"gnu-name\0")
        .file("header-name", b"4")
        .end();
    let (read, sink) = read_tar(&tar);
    assert_eq!(sink.names(), ["/head/tail", "/from-pax", &format!("/{long}"), "/gnu-name"]);
    assert!(sink.odd("its PAX name and its GNU long name differ"));
    assert!(read.complete && read.gaps.is_empty());
}

/// CVE-2025-62518 and its relatives: the size of an extended header belongs to the file behind it,
/// not to another extended header between the two.
#[test]
fn a_pax_size_applies_to_the_file_and_not_to_a_header_between() {
    let inner = Tar::new().file("smuggled", b"x").end();
    let tar = Tar::new()
        .pax(&[("size", &inner.len().to_string())])
        .meta(b'L', b"outer-name\0")
        .entry(Header::new("outer", b'0', 0), &inner)
        .file("after", b"y")
        .end();
    let (read, sink) = read_tar(&tar);
    assert_eq!(sink.names(), ["/outer-name", "/after"]);
    assert_eq!(sink.content("/outer-name"), inner);
    assert!(read.complete);
    // A header that states another size than its extended header is told.
    let tar = Tar::new().pax(&[("size", "3")]).entry(Header::new("f", b'0', 1), b"abc").end();
    let (_, sink) = read_tar(&tar);
    assert_eq!(sink.content("/f"), b"abc");
    assert!(sink.odd("its header says 1 bytes"));
}

#[test]
fn large_numbers_in_base_256_are_read() {
    let mut header = Header::new("f", b'0', 0);
    header.block[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    header.block[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0, 0x20, 0, 0]);
    let (_, sink) = read_tar(&Tar::new().entry(header, b"hello").end());
    assert_eq!(sink.content("/f"), b"hello");
    assert_eq!(sink.entries[0].uid, 0x20_0000);
}

#[test]
fn links_devices_pipes_modes_and_attributes_are_kept() {
    let tar = Tar::new()
        .entry(Header::new("bin/su", b'0', 1).mode(0o4755), b"#")
        .entry(Header::new("hard", b'1', 0).link("bin/su"), b"")
        .entry(Header::new("loop", b'2', 0).link("loop"), b"")
        .entry(Header::new("out", b'2', 0).link("../../../../etc/shadow"), b"")
        .entry(
            {
                let mut h = Header::new("dev", b'4', 0);
                h.octal(329..337, 8);
                h.octal(337..345, 1);
                h
            },
            b"",
        )
        .entry(Header::new("pipe", b'6', 0), b"")
        .pax(&[("SCHILY.xattr.security.capability", "caps"), ("LIBARCHIVE.xattr.user.a%20b", "aGk=")])
        .file("ping", b"")
        .entry(
            {
                let mut h = Header::new("x", b'0', 0);
                h.block[..3].copy_from_slice(b"\xff\xfen");
                h
            },
            b"",
        )
        .end();
    let (read, sink) = read_tar(&tar);
    assert!(read.complete);
    let kinds: Vec<_> = sink.entries.iter().map(|e| e.kind.clone()).collect();
    assert_eq!(kinds[1], FileKind::Hardlink("bin/su".into()));
    assert_eq!(kinds[2], FileKind::Symlink(b"loop".to_vec()));
    assert_eq!(kinds[3], FileKind::Symlink(b"../../../../etc/shadow".to_vec()));
    assert_eq!(kinds[4], FileKind::BlockDevice(8, 1));
    assert_eq!(kinds[5], FileKind::Fifo);
    assert_eq!(sink.entries[0].mode, 0o4755);
    assert_eq!(
        sink.entries[6].xattrs,
        [("security.capability".to_owned(), b"caps".to_vec()), ("user.a b".to_owned(), b"hi".to_vec())]
    );
    assert_eq!(sink.entries[7].path.as_bytes(), b"\xff\xfen");
}

#[test]
fn ambiguities_between_readers_are_told() {
    let tar = Tar::new()
        .file("twice", b"1")
        .file("./twice", b"2")
        .file("../../etc/cron.d/x", b"3")
        .entry(Header::new("link", b'2', 512).link("t"), b"")
        .entry(Header::new("odd", b'Q', 3), b"abc")
        .meta(b'g', &support::pax_records(&[("path", "everything")]))
        .pax(&[("path", "lost")])
        .meta(b'g', b"")
        .file("real", b"4")
        .entry(Header::new("slash/", b'0', 1), b"5")
        .end();
    let (read, sink) = read_tar(&tar);
    assert_eq!(read.gaps, []);
    assert_eq!(sink.names(), ["/twice", "/twice", "/etc/cron.d/x", "/link", "/odd", "/real", "/slash"]);
    for words in [
        "/twice: the archive holds this name more than once",
        "/etc/cron.d/x: its name climbs with `..`",
        "/link: it claims 512 bytes of content",
        "/odd: it is of the unknown type 0x51",
        "a global header sets `path`",
        "a global header stands between",
        "/slash: it is a file whose name ends like a directory's",
    ] {
        assert!(sink.odd(words), "{words}: {:?}", sink.oddities);
    }
    assert_eq!(sink.of(Owner::Entry(4)), b"abc", "content of an unknown type is scanned");
}

#[test]
fn damage_between_entries_hides_nothing_that_follows() {
    let mut bad = Header::new("bad", b'0', 0).sealed();
    bad[0] ^= 0xff;
    let tar = Tar::new().file("a", b"1").raw(&bad).raw(&[b'#'; 700]).raw(&[0; 324]).file("b", b"2").end();
    let (read, sink) = read_tar(&tar);
    assert_eq!(sink.names(), ["/a", "/b"]);
    assert!(String::from_utf8_lossy(&sink.of(Owner::Outside)).contains("####"));
    assert!(
        read.gaps.iter().any(|g| g.kind == GapKind::Damaged && g.matters && g.detail.contains("checksum"))
    );
}

#[test]
fn a_lone_zero_block_does_not_end_the_scan() {
    let tar = Tar::new().file("a", b"1").raw(&[0; 512]).file("behind", b"2").end();
    let (read, sink) = read_tar(&tar);
    assert_eq!(sink.names(), ["/a", "/behind"]);
    assert!(read.gaps.iter().any(|g| g.matters && g.detail.contains("lone zero block")));
}

#[test]
fn an_archive_without_its_end_is_read_whole() {
    let (read, sink) = read_tar(&Tar::new().file("a", b"1").bytes);
    assert!(read.complete && read.gaps.is_empty());
    assert!(sink.odd("does not say where it ends"));
}

fn sparse_gnu(real: u64, extents: &[(u64, u64)], content: &[u8]) -> Vec<u8> {
    let mut header = Header::new("sparse", b'S', content.len() as u64).gnu();
    for (number, (offset, length)) in extents.iter().enumerate() {
        header.octal(386 + 24 * number..398 + 24 * number, *offset);
        header.octal(398 + 24 * number..410 + 24 * number, *length);
    }
    header.octal(483..495, real);
    Tar::new().entry(header, content).file("after", b"!").end()
}

#[test]
fn a_small_sparse_file_is_seen_as_its_reader_would_see_it() {
    let forms = [
        sparse_gnu(5000, &[(1000, 3), (4998, 2)], b"abcde"),
        Tar::new()
            .pax(&[
                ("GNU.sparse.map", "1000,3,4998,2"),
                ("GNU.sparse.size", "5000"),
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.name", "sparse"),
            ])
            .file("GNUSparseFile.0/sparse", b"abcde")
            .file("after", b"!")
            .end(),
        Tar::new()
            .pax(&[
                ("GNU.sparse.size", "5000"),
                ("GNU.sparse.numblocks", "2"),
                ("path", "sparse"),
                ("GNU.sparse.offset", "1000"),
                ("GNU.sparse.numbytes", "3"),
                ("GNU.sparse.offset", "4998"),
                ("GNU.sparse.numbytes", "2"),
            ])
            .file("sparse", b"abcde")
            .file("after", b"!")
            .end(),
        {
            let mut content = b"2\n1000\n3\n4998\n2\n".to_vec();
            content.resize(512, 0);
            content.extend_from_slice(b"abcde");
            Tar::new()
                .pax(&[
                    ("GNU.sparse.major", "1"),
                    ("GNU.sparse.minor", "0"),
                    ("GNU.sparse.realsize", "5000"),
                    ("GNU.sparse.name", "sparse"),
                ])
                .file("x", &content)
                .file("after", b"!")
                .end()
        },
    ];
    for (number, tar) in forms.into_iter().enumerate() {
        let (read, sink) = read_tar(&tar);
        assert_eq!(sink.names(), ["/sparse", "/after"], "form {number}");
        let mut expected = vec![0; 5000];
        expected[1000..1003].copy_from_slice(b"abc");
        expected[4998..].copy_from_slice(b"de");
        assert_eq!(sink.content("/sparse"), expected, "form {number}");
        assert_eq!(sink.entries[0].size, 5000);
        assert!(read.complete && read.gaps.is_empty(), "form {number}: {:?}", read.gaps);
    }
}

#[test]
fn a_sparse_file_that_claims_tens_of_gigabytes_costs_what_it_stores() {
    let huge = 60 << 30;
    let started = Instant::now();
    let (read, sink) = read_tar(&sparse_gnu(huge, &[(1 << 30, 3), (huge - 2, 2)], b"abcde"));
    assert!(started.elapsed().as_secs() < 5);
    assert_eq!(sink.entries[0].size, huge);
    assert_eq!(sink.content("/sparse"), b"abcde");
    let offsets: Vec<u64> = sink.pieces.iter().take(2).map(|(_, p)| p.offset).collect();
    assert_eq!(offsets, [1 << 30, huge - 2]);
    assert!(read.complete, "{:?}", read.gaps);
    // A map that contradicts itself is told, and what is stored is scanned.
    let (read, sink) = read_tar(&sparse_gnu(10, &[(8, 5)], b"abcde"));
    assert_eq!(sink.content("/sparse"), b"abcde");
    assert!(read.gaps.iter().any(|g| g.matters && g.detail.contains("sparse")));
}

#[test]
fn a_file_larger_than_the_limit_comes_in_overlapping_windows() {
    let content = noise(1_000_000);
    let tar = Tar::new().file("big", &content).end();
    let budget = Budget { whole_file: 300_000, ..Budget::default() };
    let blob = gzip(&tar);
    let (read, sink) = read_blob(&blob, &layer(&blob, &tar), &budget);
    assert!(read.complete && read.gaps.is_empty());
    assert!(sink.pieces.len() > 3);
    let mut at = 0;
    for (number, (_, piece)) in sink.pieces.iter().enumerate() {
        let from = piece.offset as usize;
        assert_eq!(piece.bytes, content[from..from + piece.bytes.len()]);
        assert_eq!(piece.last, number + 1 == sink.pieces.len());
        assert_eq!(from, if number == 0 { 0 } else { at - WINDOW_OVERLAP });
        at = from + piece.bytes.len();
    }
    assert_eq!(at, content.len());
}

fn stopped_by(tar: &[u8], blob: &[u8], budget: &Budget) -> (BudgetKind, Gathered) {
    let (read, sink) = read_blob(blob, &layer(blob, tar), budget);
    assert!(!read.complete);
    let gap = read.gaps.iter().find_map(|g| match g.kind {
        GapKind::Budget(kind) if g.matters => Some(kind),
        _ => None,
    });
    (gap.unwrap(), sink)
}

#[test]
fn each_budget_stops_with_a_gap_that_names_its_flag() {
    let tar = Tar::new().file("a", b"1").file("b", &vec![0; 400_000]).file("c", b"3").end();
    let (kind, sink) = stopped_by(&tar, &tar, &Budget { entries: 2, ..Budget::default() });
    assert_eq!((kind, sink.entries.len()), (BudgetKind::Entries, 2));
    let (kind, _) = stopped_by(&tar, &gzip(&tar), &Budget { layer_bytes: 200_000, ..Budget::default() });
    assert_eq!(kind, BudgetKind::LayerBytes);
    let bomb = Tar::new().file("zeros", &vec![0; 80 << 20]).end();
    let (kind, _) = stopped_by(&bomb, &zstd(&bomb), &Budget { ratio: 100, ..Budget::default() });
    assert_eq!(kind, BudgetKind::Ratio);
    let mut sink = Gathered::default();
    let read = read_layer(&tar[..], &layer(&tar, &tar), &Budget::default(), Some(Instant::now()), &mut sink);
    assert!(
        read.gaps
            .iter()
            .any(|g| g.kind == GapKind::Budget(BudgetKind::Time) && g.detail.contains("--timeout"))
    );
}

#[test]
fn holes_count_against_the_budget_too() {
    let mut tar = Tar::new();
    for _ in 0..8 {
        let mut header = Header::new("hole", b'S', 0).gnu();
        header.octal(483..495, 20 << 20);
        tar = tar.entry(header, b"");
    }
    let tar = tar.end();
    let (kind, _) = stopped_by(&tar, &tar, &Budget::default());
    assert_eq!(kind, BudgetKind::Ratio);
}

/// Ends the reading after the first entry.
struct Stop(usize);

impl LayerSink for Stop {
    fn entry(&mut self, _: FileEntry) -> ControlFlow<()> {
        self.0 += 1;
        ControlFlow::Break(())
    }

    fn content(&mut self, _: Owner, _: Piece) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn fact(&mut self, _: Fact) {}
}

#[test]
fn a_sink_that_stops_leaves_the_layer_unread() {
    let tar = sample();
    let mut sink = Stop(0);
    let read = read_layer(&tar[..], &layer(&tar, &tar), &Budget::default(), None, &mut sink);
    assert_eq!(sink.0, 1);
    assert!(!read.complete && !read.blob_ok);
}

#[test]
fn an_empty_archive_and_an_empty_blob_are_layers_without_entries() {
    for tar in [vec![0; 1024], vec![0; 10_240], Vec::new()] {
        let (read, sink) = read_tar(&tar);
        assert!(read.complete && read.gaps.is_empty());
        assert!(sink.entries.is_empty() && sink.pieces.is_empty());
    }
    let (read, sink) = read_tar(b"this is no archive at all");
    assert!(read.gaps.iter().any(|g| g.matters));
    assert_eq!(sink.of(Owner::Outside), b"this is no archive at all");
}

/// The facts of a layer about its archive.
#[derive(Default)]
struct Facts(Vec<lazaret_model::FactKind>);

impl LayerSink for Facts {
    fn entry(&mut self, _: FileEntry) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn content(&mut self, _: Owner, _: Piece) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn fact(&mut self, fact: Fact) {
        self.0.push(fact.kind);
    }
}

fn owners(tar: &[u8]) -> Vec<lazaret_model::FactKind> {
    let mut sink = Facts::default();
    assert!(read_layer(tar, &layer(tar, tar), &Budget::default(), None, &mut sink).complete);
    sink.0
}

fn owned(name: &str, user: &[u8], group: &[u8]) -> [u8; 512] {
    let mut header = Header::new(name, b'0', 0);
    header.block[265..265 + user.len()].copy_from_slice(user);
    header.block[297..297 + group.len()].copy_from_slice(group);
    header.sealed()
}

#[test]
fn the_names_of_owners_are_told_once_for_a_layer() {
    let tar = Tar::new()
        .raw(&owned("a", b"dm117", b"staff"))
        .raw(&owned("b", b"dm117", b"staff"))
        .raw(&owned("c", b"root", b"root"))
        // Of no use as a name: no text, a line end in it, 32 bytes without an end.
        .raw(&owned("d", b"\xff\xfe", b"a\nb"))
        .raw(&owned("e", &[b'x'; 32], b""))
        .end();
    let told = |users: &[&str], groups: &[&str]| lazaret_model::FactKind::ArchiveOwners {
        users: users.iter().map(|&name| name.to_owned()).collect(),
        groups: groups.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(owners(&tar), [told(&["dm117", &"x".repeat(32)], &["staff"])]);
    assert_eq!(owners(&sample()), [], "no names, nothing to tell");
}

#[test]
fn thousands_of_owners_are_remembered_as_few() {
    let mut tar = Tar::new();
    for n in 0..5_000 {
        tar = tar.raw(&owned(&format!("f{n}"), format!("user{n}").as_bytes(), format!("g{n}").as_bytes()));
    }
    let facts = owners(&tar.end());
    let [lazaret_model::FactKind::ArchiveOwners { users, groups }] = facts.as_slice() else {
        panic!("{facts:?}")
    };
    assert_eq!((users.len(), groups.len()), (32, 32));
}
