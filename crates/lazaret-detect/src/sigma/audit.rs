//! What happens, in the words of the Linux audit daemon (`auditd(8)`, `ausearch(8)`): the records
//! `EXECVE`, `SYSCALL` (of `execve`) and `PATH` that the kernel would write.

use lazaret_model::{BehaviourKind, FileOp};
use serde_json::{Map, Value};

use super::event::{Event, program};
use super::scene::Told;
use crate::case::base_name;

/// Arguments beyond this many are not told; the kernel splits longer lists over several records.
const ARGUMENTS: usize = 64;

/// Characters of a command's name that the kernel keeps (`TASK_COMM_LEN` less one).
const COMM: usize = 15;

/// Programs that read the files that they are given and print what is in them.
const READERS: &[&str] = &[
    "cat", "tac", "head", "tail", "less", "more", "grep", "egrep", "fgrep", "zcat", "awk", "gawk", "mawk",
    "sed", "cut", "sort", "uniq", "wc", "od", "xxd", "hexdump", "strings", "base64", "cp", "tar", "source",
    ".",
];

/// The records of a behaviour.
pub(super) fn records(told: &Told<'_>) -> Vec<Event> {
    match told.kind {
        BehaviourKind::Process { argv, image, .. } => process(argv, image.as_deref(), told.user),
        BehaviourKind::File { op, path, .. } => {
            let kind = match op {
                FileOp::Write => "CREATE",
                FileOp::Delete => "DELETE",
                _ => "NORMAL",
            };
            vec![path_record(path, kind)]
        }
        _ => Vec::new(),
    }
}

fn process(argv: &[String], image: Option<&str>, user: &str) -> Vec<Event> {
    let Some(called) = argv.first() else { return Vec::new() };
    let exe = program(image, argv).unwrap_or_default();
    let mut execve = record("EXECVE");
    execve.insert("argc".to_owned(), argv.len().into());
    for (number, argument) in argv.iter().take(ARGUMENTS).enumerate() {
        execve.insert(format!("a{number}"), argument.as_str().into());
    }
    let mut call = record("SYSCALL");
    call.insert("SYSCALL".to_owned(), "execve".into());
    call.insert("success".to_owned(), "yes".into());
    call.insert("comm".to_owned(), base_name(called).chars().take(COMM).collect::<String>().into());
    call.insert("exe".to_owned(), exe.as_str().into());
    let user = user.split(':').next().unwrap_or_default();
    let id = if matches!(user, "" | "root") { Some(0) } else { user.parse::<u64>().ok() };
    if let Some(id) = id {
        call.insert("uid".to_owned(), id.into());
        call.insert("euid".to_owned(), id.into());
    }
    let mut records = vec![Event::audit(execve), Event::audit(call), path_record(&exe, "NORMAL")];
    if READERS.contains(&base_name(called)) {
        let files = argv[1..].iter().filter(|argument| argument.starts_with('/'));
        records.extend(files.take(ARGUMENTS).map(|file| path_record(file, "NORMAL")));
    }
    records
}

fn path_record(name: &str, kind: &str) -> Event {
    let mut record = record("PATH");
    record.insert("name".to_owned(), name.into());
    record.insert("nametype".to_owned(), kind.into());
    Event::audit(record)
}

fn record(kind: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), kind.into())])
}
