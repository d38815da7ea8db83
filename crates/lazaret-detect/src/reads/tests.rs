#![allow(clippy::unwrap_used)]

use super::*;

fn entry(path: &str, kind: FileKind, whiteout: Option<Whiteout>) -> FileEntry {
    FileEntry {
        path: path.into(),
        kind,
        mode: 0o755,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: 0,
        content: None,
        xattrs: Vec::new(),
        whiteout,
    }
}

fn file(path: &str) -> FileEntry {
    entry(path, FileKind::File, None)
}

fn directory(path: &str) -> FileEntry {
    entry(path, FileKind::Directory, None)
}

fn gone(path: &str) -> FileEntry {
    entry(&format!(".wh.{path}"), FileKind::File, Some(Whiteout::Path(path.into())))
}

fn layers(of: Vec<Vec<FileEntry>>) -> Vec<LayerFacts> {
    of.into_iter().map(|entries| LayerFacts { entries, ..LayerFacts::default() }).collect()
}

fn last_touching(reads: &Reads, layers: &[LayerFacts]) -> Option<usize> {
    reads.last_touching(&layers.iter().collect::<Vec<_>>(), 1)
}

#[test]
fn a_file_with_an_end_that_was_asked_for_is_taken_away_by_what_meets_its_path() {
    let reads = Reads { ends: [".dist-info/RECORD"].into(), ..Reads::default() };
    let path = "lib/a.dist-info/RECORD";
    let told =
        |upper| last_touching(&reads, &layers(vec![vec![file("x"), file(path), file("y")], vec![upper]]));
    for upper in
        [file(path), gone(path), file("lib/a.dist-info"), gone("lib"), file("lib/a.dist-info/RECORD/x")]
    {
        assert_eq!(told(upper.clone()), Some(1), "{upper:?}");
    }
    for upper in
        [directory("lib"), file("lib/a"), gone("lib/a.dist-info0"), file("lib/a.dist-info/REC"), file("")]
    {
        let root = upper.path.is_root();
        assert_eq!(told(upper.clone()), root.then_some(1), "{upper:?}");
    }
    // Only what stood below a layer can be taken away by it.
    let above = layers(vec![vec![file("x")], vec![gone("lib")], vec![directory("lib"), file("lib/z")]]);
    assert_eq!(last_touching(&reads, &above), None);
}

#[test]
fn a_directory_that_was_one_before_changes_nothing() {
    let reads = Reads { trees: [b"srv".to_vec()].into(), ..Reads::default() };
    let told = |of: Vec<Vec<FileEntry>>| last_touching(&reads, &layers(of));
    let dir = || directory("srv/a");
    assert_eq!(told(vec![vec![dir()], vec![dir()]]), None);
    assert_eq!(told(vec![vec![], vec![dir()]]), Some(1));
    assert_eq!(told(vec![vec![file("srv/a")], vec![dir()]]), Some(1));
    // The last entry of a path in a layer counts.
    assert_eq!(told(vec![vec![file("srv/a"), dir()], vec![dir()]]), None);
    assert_eq!(told(vec![vec![dir(), file("srv/a")], vec![dir()]]), Some(1));
    // A whiteout takes away what lower layers have, and not what its own has.
    for path in ["srv/a", "srv", ""] {
        let was = |lower, upper| {
            let layers = layers(vec![lower, upper, vec![dir()]]);
            let layers: Vec<&LayerFacts> = layers.iter().collect();
            Directories::of(&layers, 2).has(&"srv/a".into(), 2)
        };
        assert!(!was(vec![dir()], vec![gone(path)]), "{path}");
        assert!(was(vec![dir()], vec![gone(path), dir()]), "{path}");
        assert!(was(vec![dir(), gone(path)], vec![]), "{path}");
    }
}

/// With a comparison for each two of these entries this would take minutes.
#[test]
fn many_entries_in_two_layers_are_no_more_work_than_both_have() {
    let reads =
        Reads { ends: [".dist-info/RECORD"].into(), trees: [b"noted".to_vec()].into(), ..Reads::default() };
    let directories = || (0..200_000).map(|n| directory(&format!("noted/{n}")));
    let ended = (0..50_000).map(|n| file(&format!("a/{n}.dist-info/RECORD")));
    let others = (0..200_000).map(|n| file(&format!("b/{n}")));
    let image = layers(vec![ended.chain(directories()).collect(), others.chain(directories()).collect()]);
    assert_eq!(last_touching(&reads, &image), None);
}

struct Holds(Vec<ContentId>);

impl Contents for Holds {
    fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        self.0.contains(id).then(|| Arc::from(&b"text"[..]))
    }
}

#[test]
fn an_answer_rests_on_the_contents_that_were_there_and_on_those_that_were_not() {
    let [one, other] = [1, 2].map(|n| ContentId([n; 32]));
    let (bytes, reads) = noted(|| [one, other].map(|id| content(&Holds(vec![one]), &id).is_some()));
    assert_eq!(bytes, [true, false]);
    assert!(reads.have_same_contents(&Holds(vec![one])));
    assert!(!reads.have_same_contents(&Holds(vec![one, other])));
    assert!(!reads.have_same_contents(&Holds(Vec::new())));
}
