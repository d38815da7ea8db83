//! Programs that start a shell though they are none.

use super::*;

fn last(words: &[&str]) -> String {
    lines(&Fixture::new().start(words, &[]).follow()).pop().unwrap_or_default()
}

#[test]
fn commands_hidden_in_options_are_stated() {
    for words in [
        &["vim", "-c", ":!id"][..],
        &["vi", "+!id"],
        &["vim", "-c", ":py3 import os; os.system('id')"],
        &["tar", "-cf", "/dev/null", "/dev/null", "--checkpoint=1", "--checkpoint-action=exec=id"],
        &["tar", "xf", "/dev/null", "-I", "id"],
        &["git", "-c", "core.pager=id", "log"],
        &["ssh", "-o", "ProxyCommand=;id", "x"],
        &["awk", "BEGIN {system(\"id\")}"],
        &["gawk", "BEGIN { \"id\" | getline x; print x }"],
        &["mawk", "BEGIN { print \"x\" | \"id\" }"],
        &["gdb", "-nx", "-ex", "!id", "-ex", "quit"],
        &["gdb", "-nx", "-ex", "python import os; os.system('id')"],
        &["expect", "-c", "spawn id;interact"],
        &["sed", "1e id", "/etc/hosts"],
        &["zip", "x.zip", "/etc/hosts", "-T", "-TT", "id"],
        &["make", "-s", "--eval=x:\n\t-id"],
        &["apt-get", "update", "-o", "APT::Update::Pre-Invoke::=id"],
        &["split", "--filter=id", "/dev/stdin"],
        &["sshpass", "-p", "x", "id"],
        &["xvfb-run", "id"],
        &["logsave", "/dev/null", "id"],
        &["R", "--no-save", "-e", "system(\"id\")"],
        &["find", ".", "-exec", "id", ";"],
        &["env", "id"],
        &["perl", "-e", "exec 'id'"],
        &["ruby", "-e", "exec 'id'"],
        &["php", "-r", "system('id');"],
        &["lua", "-e", "os.execute('id')"],
        &["node", "-e", "require('child_process').spawn('id')"],
    ] {
        let got = last(words);
        assert_eq!(got.trim_start_matches("may "), "run id", "{words:?}");
    }
}

#[test]
fn everyday_options_start_nothing_more() {
    for words in [
        &["tar", "-I", "pigz", "-xf", "a.tgz"][..],
        &["rsync", "-e", "ssh -p 22", "a", "b:c"],
        &["git", "-c", "core.pager=cat", "log"],
        &["awk", "{ print $1 | \"sort\" }", "/etc/passwd"],
        &["sed", "s/a/e /", "/etc/hosts"],
        &["vim", "-c", "wq", "/tmp/x"],
        &["sort", "-k", "2"],
    ] {
        let path = Fixture::new().start(words, &[]).follow();
        let runs = lines(&path).iter().filter(|l| l.starts_with("run ") || l.starts_with("may run ")).count();
        assert_eq!(runs, 1, "{words:?} {:?}", lines(&path));
    }
}
