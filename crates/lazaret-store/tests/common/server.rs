//! A PostgreSQL that ends with the test program, however that ends.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where Debian puts the programs of the server, which are not in the PATH.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop().expect("these tests need PostgreSQL: install the Debian package `postgresql`")
}

/// A server on a socket in a directory of its own. Its keeper waits for the end of its standard
/// input, which comes when this process ends, stops the server and removes the directory.
pub struct Server {
    pub directory: PathBuf,
    keeper: Child,
}

const KEEPER: &str = r#"
set -u
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"; else "$@"; fi; }
cd "$1"
as "$2/initdb" -D "$1/data" -U lazaret --auth-local=trust --auth-host=scram-sha-256 --no-sync -E UTF8 --locale=C >"$1/initdb.log" 2>&1 || exit 1
while read -r word; do
    case "$word" in
    start) as "$2/pg_ctl" -D "$1/data" -w -t 60 -l "$1/server.log" \
        -o "-k $1 -c fsync=off -c max_connections=200 $3" start >/dev/null 2>&1 </dev/null ;;
    stop) as "$2/pg_ctl" -D "$1/data" -w -t 60 -m immediate stop >/dev/null 2>&1 </dev/null ;;
    esac
    echo "$?" >"$1/answer.new"
    mv "$1/answer.new" "$1/answer"
done
as "$2/pg_ctl" -D "$1/data" -w -t 60 -m immediate stop >/dev/null 2>&1 </dev/null
rm -rf "$1"
"#;

impl Server {
    pub fn start() -> Self {
        Self::start_with(|_| "-c listen_addresses=".to_owned())
    }

    /// With these words to the server, which may name files that are put into the directory.
    pub fn start_with(words: impl FnOnce(&std::path::Path) -> String) -> Self {
        let directory = tempfile::Builder::new().prefix("lazaret-pg-").tempdir().unwrap().keep();
        let words = words(&directory);
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            let passwd = fs::read_to_string("/etc/passwd").unwrap();
            let line = passwd.lines().find(|line| line.starts_with("postgres:")).unwrap();
            let ids: Vec<u32> = line.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
            for path in fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()) {
                chown(path, Some(ids[0]), Some(ids[1])).unwrap();
            }
            chown(&directory, Some(ids[0]), Some(ids[1])).unwrap();
        }
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&directory)
            .arg(programs())
            .arg(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { directory, keeper };
        server.tell("start");
        server
    }

    /// `stop`, as if the machine had lost its power, or `start`.
    pub fn tell(&mut self, word: &str) {
        let answer = self.directory.join("answer");
        let _ = fs::remove_file(&answer);
        writeln!(self.keeper.stdin.as_ref().unwrap(), "{word}").unwrap();
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            if let Ok(text) = fs::read_to_string(&answer) {
                let log = || fs::read_to_string(self.directory.join("server.log")).unwrap_or_default();
                assert_eq!(text.trim(), "0", "{word}: {}", log());
                return;
            }
            assert!(self.keeper.try_wait().unwrap().is_none(), "PostgreSQL cannot be set up here");
            assert!(Instant::now() < until, "{word}: no answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new database, and its address.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let mut create = Command::new(programs().join("createdb"));
        create.arg("-h").arg(&self.directory).args(["-U", "lazaret", &name]);
        assert!(create.status().unwrap().success(), "{create:?}");
        self.url("lazaret", &name)
    }

    /// The address of a database, for this user.
    pub fn url(&self, user: &str, name: &str) -> String {
        format!("postgres:///{name}?host={}&user={user}", self.directory.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
