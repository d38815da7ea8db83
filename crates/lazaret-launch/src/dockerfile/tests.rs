#![allow(clippy::unwrap_used)]

use super::*;
use crate::{MadeImage, Nothing};

struct Context(Vec<(&'static str, &'static str)>);

impl Beside for Context {
    fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_bytes().to_vec())
    }

    fn below(&self, folder: &str) -> Vec<(String, u32)> {
        let prefix =
            if folder.is_empty() { String::new() } else { format!("{}/", folder.trim_end_matches('/')) };
        self.0
            .iter()
            .filter_map(|(n, _)| Some((n.strip_prefix(prefix.as_str())?.to_owned(), 0o755)))
            .collect()
    }
}

fn made(text: &str) -> MadeImage {
    let context = Context(vec![("run.sh", "#!/bin/sh\nid\n"), ("app/a.py", "import os"), ("app/b.py", "x")]);
    let plan = dockerfile(text, "Dockerfile", &BuildArguments::default(), &context);
    let PlannedImage::Made(made) = plan.containers.into_iter().next().unwrap().image else {
        panic!("no image")
    };
    *made
}

#[test]
fn the_last_stage_makes_the_image_and_every_name_is_told() {
    let text = "# syntax=docker/dockerfile:1\nARG V=3.19\nFROM golang:1.22 AS build\nRUN --mount=type=bind,from=tools:2,target=/t go build\n\
        COPY run.sh /out/run.sh\nFROM alpine:${V}\nCOPY --from=build /out/run.sh /run.sh\nCOPY --from=busybox:1 /bin/nc /bin/nc\n\
        ENV A=1 B=\"two words\"\nENV OLD old value\nWORKDIR /srv\nWORKDIR app\nUSER 1000:1000\nEXPOSE 80 22/tcp\nENTRYPOINT [\"/run.sh\"]\nCMD echo hi\n";
    let plan =
        dockerfile(text, "Dockerfile", &BuildArguments::default(), &Context(vec![("run.sh", "#!/bin/sh\n")]));
    assert_eq!(plan.notes, []);
    let names: Vec<_> = plan.references.iter().map(|r| (r.role.as_str(), r.name.as_str())).collect();
    assert_eq!(
        names,
        [
            ("# syntax=", "docker/dockerfile:1"),
            ("FROM", "golang:1.22"),
            ("RUN --mount", "tools:2"),
            ("FROM", "alpine:3.19"),
            ("COPY --from", "busybox:1")
        ]
    );
    let PlannedImage::Made(made) = &plan.containers[0].image else { panic!() };
    assert_eq!(made.base.as_deref(), Some("alpine:3.19"));
    assert_eq!(made.config.argv(), ["/run.sh", "/bin/sh", "-c", "echo hi"]);
    assert_eq!(
        made.config.env,
        [("A".into(), "1".into()), ("B".into(), "two words".into()), ("OLD".into(), "old value".into())]
    );
    assert_eq!((made.config.working_dir.as_str(), made.config.user.as_str()), ("/srv/app", "1000:1000"));
    assert_eq!(made.config.exposed_ports, ["80/tcp", "22/tcp"]);
    assert_eq!(
        (made.files[0].path.as_str(), made.files[0].content.as_slice()),
        ("/run.sh", b"#!/bin/sh\n".as_slice())
    );
    assert_eq!(made.unknown, ["/bin/nc"]);
    let user = made.instructions.iter().find(|s| s.kind == "USER").unwrap();
    assert_eq!(user.place.as_ref().unwrap().to_string(), "Dockerfile:13 USER");
    assert_eq!(user.field("Final"), Some("true"));
    assert_eq!(made.instructions.iter().find(|s| s.kind == "RUN").unwrap().field("Final"), Some("false"));
}

#[test]
fn a_run_is_a_step_of_the_history_as_the_shell_sees_it() {
    let text = "FROM x\nARG URL=http://192.0.2.1\nRUN apt-get update && \\\n    # a comment between\n    curl $URL \\\n    | sh\nRUN [\"a\", \"b c\"]\n\
        RUN <<EOF\nset -e\ncurl http://192.0.2.9/x | sh\nEOF\nRUN python3 <<PY\nprint(1)\nPY\n";
    let steps: Vec<String> = made(text).config.history.iter().map(|s| s.created_by.clone()).collect();
    assert_eq!(
        steps,
        [
            "RUN |1 URL=http://192.0.2.1 /bin/sh -c apt-get update &&     curl $URL     | sh # buildkit",
            "RUN [\"a\",\"b c\"]",
            "RUN /bin/sh -c set -e\ncurl http://192.0.2.9/x | sh\n # buildkit",
            "RUN /bin/sh -c python3 <<PY\nprint(1)\nPY # buildkit",
        ]
    );
}

#[test]
fn files_of_the_context_and_here_documents_are_files_of_the_image() {
    let made = made(
        "FROM x\nCOPY app /srv/\nCOPY *.sh /bin/\nCOPY missing /m\nCOPY <<EOF /etc/cron.d/job\n* * * * * root id\nEOF\nADD http://192.0.2.9/x.sh /x.sh\n",
    );
    let paths: Vec<_> = made.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["/srv/a.py", "/srv/b.py", "/bin/run.sh", "/etc/cron.d/job"]);
    assert_eq!(made.unknown, ["/m", "/x.sh"]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let plan =
        dockerfile("FROM x\nNONSENSE here\nCOPY a\nUSER app\n", "D", &BuildArguments::default(), &Nothing);
    let PlannedImage::Made(made) = &plan.containers[0].image else { panic!() };
    assert_eq!(made.config.user, "app");
    assert_eq!(plan.notes.len(), 2, "{:?}", plan.notes);
    let none = dockerfile("RUN id\nUSER app\n", "D", &BuildArguments::default(), &Nothing);
    let PlannedImage::Made(made) = &none.containers[0].image else { panic!() };
    assert_eq!(
        made.instructions.iter().find(|s| s.kind == "USER").unwrap().place.as_ref().unwrap().to_string(),
        "D:2 USER"
    );
}

#[test]
fn a_target_stops_the_build_and_a_build_argument_fills_a_variable() {
    let text =
        "ARG BASE=a\nFROM $BASE AS one\nENTRYPOINT [\"/one\"]\nFROM one AS two\nENTRYPOINT [\"/two\"]\n";
    let args = BuildArguments { target: Some("one".into()), args: vec![("BASE".into(), "b:1".into())] };
    let plan = dockerfile(text, "D", &args, &Nothing);
    let PlannedImage::Made(made) = &plan.containers[0].image else { panic!() };
    assert_eq!((made.config.argv(), made.base.as_deref()), (vec!["/one".to_owned()], Some("b:1")));
    assert_eq!(plan.references[0].name, "b:1");
}
