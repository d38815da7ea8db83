//! Small images made by the field's own tools, in a storage of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{needed, run};

/// A place in which images are made.
pub struct Workshop {
    pub dir: TempDir,
}

impl Workshop {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#)
            .unwrap();
        std::fs::write(
            dir.path().join("containers.conf"),
            "[engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"runc\"\n[containers]\nnetns=\"none\"\ndefault_ulimits=[\"nofile=20000:20000\",\"nproc=30000:30000\"]\n",
        )
        .unwrap();
        std::fs::write(
            dir.path().join("storage.conf"),
            format!(
                "[storage]\ndriver=\"vfs\"\ngraphroot=\"{0}/graph\"\nrunroot=\"{0}/run\"\n",
                dir.path().display()
            ),
        )
        .unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// One of the containers tools, pointed at this workshop.
    pub fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(needed(program, program));
        command
            .env("CONTAINERS_CONF", self.path().join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.path().join("storage.conf"))
            .env("TMPDIR", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("HOME", self.path())
            .env("BUILDAH_ISOLATION", "chroot");
        command
    }

    pub fn skopeo(&self) -> Command {
        let mut command = self.tool("skopeo");
        command.arg("--policy").arg(self.path().join("policy.json"));
        command
    }

    /// Makes an image of two layers with buildah and keeps it under `name`.
    pub fn build(&self, name: &str, architecture: &str) {
        let mut first = None;
        for layer in ["one", "two"] {
            let base = first.unwrap_or_else(|| "scratch".to_owned());
            let made =
                run(self.tool("buildah").args(["from", "--arch", architecture, "--pull-never", &base]));
            let container = made.trim();
            let file = self.path().join(format!("{layer}-{architecture}.txt"));
            // Long and regular enough that compression shows, unlike in each image.
            let content: String =
                (0..4000).map(|n| format!("{name} {layer} {architecture} line {n}\n")).collect();
            std::fs::write(&file, content).unwrap();
            run(self.tool("buildah").arg("copy").arg(container).arg(&file).arg(format!("/srv/{layer}.txt")));
            if layer == "two" {
                run(self.tool("buildah").args(["config", "--entrypoint", r#"["/srv/two.txt"]"#, container]));
            }
            let tag =
                if layer == "two" { name.to_owned() } else { format!("localhost/{layer}-{architecture}") };
            run(self.tool("buildah").args(["commit", "--rm", container, &tag]));
            first = Some(tag);
        }
    }

    /// The image as an OCI layout.
    pub fn layout(&self, name: &str) -> PathBuf {
        let path = self.path().join(format!("layout-{}", name.replace(['/', ':'], "-")));
        run(self.tool("buildah").arg("push").arg(name).arg(format!("oci:{}:it", path.display())));
        path
    }

    /// The image as a `docker save` archive that names it `reference`.
    pub fn archive(&self, name: &str, reference: &str) -> PathBuf {
        let path = self.path().join("archive.tar");
        run(self
            .tool("buildah")
            .arg("push")
            .arg(name)
            .arg(format!("docker-archive:{}:{reference}", path.display())));
        path
    }
}
