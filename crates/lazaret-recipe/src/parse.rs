//! The directives of a whole recipe.

use lazaret_model::{Healthcheck, HistoryStep, ImageConfig, Platform};

use crate::lines::{Directive, directives};
use crate::{Recipe, RecipeError, RecipeLayer, entries};

/// The time of a recipe that states none.
const DEFAULT_CREATED: &str = "2024-01-01T00:00:00Z";
/// What BuildKit writes beside each of its steps.
const BUILDKIT: &str = "buildkit.dockerfile.v0";

/// How configuration directives show in the history.
#[derive(Clone, Copy, PartialEq)]
enum Builder {
    BuildKit,
    Classic,
    None,
}

/// A layer while its default times are not known yet.
struct Draft {
    layer: RecipeLayer,
    /// The step's own time.
    created: Option<String>,
    /// Indexes of files that take the layer's time.
    undated: Vec<usize>,
}

struct State {
    config: ImageConfig,
    platform: Platform,
    drafts: Vec<Draft>,
    /// Where in `config.history` a draft's step stands: (step, draft).
    steps: Vec<(usize, usize)>,
    builder: Builder,
    run: Option<String>,
    name: Option<String>,
    manifest: Option<(String, String)>,
}

pub(crate) fn parse(text: &str) -> Result<Recipe, RecipeError> {
    let mut state = State {
        config: ImageConfig::default(),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        drafts: Vec::new(),
        steps: Vec::new(),
        builder: Builder::BuildKit,
        run: None,
        name: None,
        manifest: None,
    };
    for directive in directives(text.lines().enumerate().map(|(i, line)| (i + 1, line)))? {
        state.apply(&directive)?;
    }
    state.finish()
}

impl State {
    fn apply(&mut self, directive: &Directive<'_>) -> Result<(), RecipeError> {
        if let Some(parsed) = entries::entry(directive, &self.platform)? {
            if self.drafts.is_empty() {
                let claim = (self.builder != Builder::None).then_some("COPY rootfs / # buildkit");
                self.start_layer(None, claim);
            }
            let draft = self.drafts.last_mut().expect("a layer was started above");
            if !parsed.has_mtime {
                draft.undated.push(draft.layer.files.len());
            }
            draft.layer.files.push(parsed.file);
            return Ok(());
        }
        let rest = directive.rest;
        if directive.name == "MANIFEST" {
            if rest.is_empty() {
                return Err(directive.error("MANIFEST needs the name of a file"));
            }
            self.manifest = Some((rest.to_owned(), directive.block_text()));
            return Ok(());
        }
        directive.no_block()?;
        match directive.name {
            "LAYER" => {
                let (created, text) = time_and_text(directive)?;
                let claim = match text {
                    "-" => None,
                    "" => Some("COPY . / # buildkit"),
                    text => Some(text),
                };
                self.start_layer(created, claim);
            }
            "HISTORY" | "CLAIM" => {
                let (created, text) = time_and_text(directive)?;
                let mut step = step(text);
                step.created = created.unwrap_or_default().to_owned();
                step.empty_layer = directive.name == "HISTORY";
                self.config.history.push(step);
            }
            "PLATFORM" => {
                self.platform = rest.parse().map_err(|e| directive.error(format!("{e}")))?;
            }
            "BUILDER" => {
                self.builder = match rest {
                    "buildkit" => Builder::BuildKit,
                    "classic" => Builder::Classic,
                    "none" => Builder::None,
                    _ => return Err(directive.error("a builder is buildkit, classic or none")),
                }
            }
            "CREATED" => {
                entries::seconds(rest)
                    .ok_or_else(|| directive.error("write a time as 2024-01-31T12:00:00Z"))?;
                rest.clone_into(&mut self.config.created);
            }
            "AUTHOR" => rest.clone_into(&mut self.config.author),
            "NAME" if rest.is_empty() => return Err(directive.error("NAME needs a repository")),
            "NAME" => self.name = Some(rest.to_owned()),
            "RUNARGS" if rest.is_empty() => return Err(directive.error("RUNARGS needs a command")),
            "RUNARGS" => self.run = Some(rest.to_owned()),
            _ => {
                self.configure(directive)?;
                self.note(directive.name, rest);
            }
        }
        Ok(())
    }

    fn configure(&mut self, directive: &Directive<'_>) -> Result<(), RecipeError> {
        let rest = directive.rest;
        if rest.is_empty() {
            return Err(directive.error(format!("{} needs a value", directive.name)));
        }
        match directive.name {
            "ENTRYPOINT" => self.config.entrypoint = self.command(directive, rest)?,
            "CMD" => self.config.cmd = self.command(directive, rest)?,
            "SHELL" => {
                self.config.shell =
                    exec_form(directive, rest)?.ok_or_else(|| directive.error("SHELL is a JSON array"))?;
            }
            "ENV" => {
                let (name, value) = pair(directive)?;
                self.config.env.push((name.to_owned(), value.to_owned()));
            }
            "LABEL" => {
                let (name, value) = pair(directive)?;
                self.config.labels.retain(|(n, _)| n != name);
                self.config.labels.push((name.to_owned(), value.to_owned()));
                self.config.labels.sort();
            }
            "USER" => rest.clone_into(&mut self.config.user),
            "WORKDIR" => rest.clone_into(&mut self.config.working_dir),
            "STOPSIGNAL" => rest.clone_into(&mut self.config.stop_signal),
            "ONBUILD" => self.config.on_build.push(rest.to_owned()),
            "EXPOSE" => {
                let ports = rest.split_whitespace();
                self.config.exposed_ports.extend(ports.map(|port| match port.contains('/') {
                    true => port.to_owned(),
                    false => format!("{port}/tcp"),
                }));
                self.config.exposed_ports.sort();
            }
            "VOLUME" => {
                let listed = exec_form(directive, rest)?
                    .unwrap_or_else(|| rest.split_whitespace().map(str::to_owned).collect());
                self.config.volumes.extend(listed);
                self.config.volumes.sort();
            }
            "HEALTHCHECK" => self.config.healthcheck = Some(healthcheck(directive)?),
            other => return Err(directive.error(format!("`{other}` is no directive of a recipe"))),
        }
        Ok(())
    }

    /// The exec form of a command, as the engine's builder makes it of either form.
    fn command(&self, directive: &Directive<'_>, text: &str) -> Result<Vec<String>, RecipeError> {
        if let Some(argv) = exec_form(directive, text)? {
            return Ok(argv);
        }
        let mut argv = match self.config.shell.as_slice() {
            [] => vec!["/bin/sh".to_owned(), "-c".to_owned()],
            shell => shell.to_vec(),
        };
        argv.push(text.to_owned());
        Ok(argv)
    }

    /// Leaves the step that a builder leaves for a configuration directive.
    fn note(&mut self, name: &str, rest: &str) {
        let text = match self.builder {
            Builder::None => return,
            Builder::BuildKit => format!("{name} {rest}"),
            Builder::Classic => format!("/bin/sh -c #(nop)  {name} {rest}"),
        };
        self.config.history.push(HistoryStep { empty_layer: true, ..step(&text) });
    }

    fn start_layer(&mut self, created: Option<&str>, claim: Option<&str>) {
        let history = claim.map(step);
        if let Some(step) = &history {
            self.steps.push((self.config.history.len(), self.drafts.len()));
            let created = created.unwrap_or_default().to_owned();
            self.config.history.push(HistoryStep { created, ..step.clone() });
        }
        self.drafts.push(Draft {
            layer: RecipeLayer { history, files: Vec::new() },
            created: created.map(str::to_owned),
            undated: Vec::new(),
        });
    }

    fn finish(mut self) -> Result<Recipe, RecipeError> {
        if self.config.created.is_empty() {
            DEFAULT_CREATED.clone_into(&mut self.config.created);
        }
        for step in &mut self.config.history {
            if step.created.is_empty() {
                step.created.clone_from(&self.config.created);
            }
        }
        for (step, draft) in self.steps {
            self.drafts[draft].layer.history = Some(self.config.history[step].clone());
        }
        let created = self.config.created.clone();
        let layers = self.drafts.into_iter().map(|mut draft| {
            let time = entries::seconds(draft.created.as_deref().unwrap_or(&created)).unwrap_or_default();
            for index in draft.undated {
                draft.layer.files[index].entry.mtime = time.max(0);
            }
            draft.layer
        });
        Ok(Recipe {
            layers: layers.collect(),
            config: self.config,
            platform: self.platform,
            run: self.run,
            name: self.name,
            manifest: self.manifest,
        })
    }
}

fn step(text: &str) -> HistoryStep {
    let classic = text.starts_with("/bin/sh -c");
    let comment = if classic { String::new() } else { BUILDKIT.to_owned() };
    HistoryStep { created_by: text.to_owned(), comment, ..HistoryStep::default() }
}

/// `[@time] text`.
fn time_and_text<'a>(directive: &Directive<'a>) -> Result<(Option<&'a str>, &'a str), RecipeError> {
    let Some(dated) = directive.rest.strip_prefix('@') else {
        return Ok((None, directive.rest));
    };
    let (time, text) = dated.split_once(' ').unwrap_or((dated, ""));
    entries::seconds(time).ok_or_else(|| directive.error("write a time as @2024-01-31T12:00:00Z"))?;
    Ok((Some(time), text.trim_start()))
}

/// A JSON array of strings, or `None` for any other text.
fn exec_form(directive: &Directive<'_>, text: &str) -> Result<Option<Vec<String>>, RecipeError> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str(text) {
        Ok(argv) => Ok(Some(argv)),
        // `[ -f x ] && y` is a shell command.
        Err(_) if !text.starts_with("[\"") => Ok(None),
        Err(e) => Err(directive.error(format!("not a JSON array of strings: {e}"))),
    }
}

fn pair<'a>(directive: &Directive<'a>) -> Result<(&'a str, &'a str), RecipeError> {
    let (name, value) = directive
        .rest
        .split_once('=')
        .ok_or_else(|| directive.error(format!("write {} NAME=VALUE", directive.name)))?;
    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    Ok((name.trim(), unquoted))
}

fn healthcheck(directive: &Directive<'_>) -> Result<Healthcheck, RecipeError> {
    let mut rest = directive.rest;
    while rest.starts_with("--") {
        rest = rest.split_once(' ').map_or("", |(_, after)| after.trim_start());
    }
    let test = match rest.split_once(' ').unwrap_or((rest, "")) {
        ("NONE", "") => vec!["NONE".to_owned()],
        ("CMD", command) if !command.trim().is_empty() => match exec_form(directive, command.trim())? {
            Some(argv) => [vec!["CMD".to_owned()], argv].concat(),
            None => vec!["CMD-SHELL".to_owned(), command.trim().to_owned()],
        },
        _ => return Err(directive.error("write HEALTHCHECK [--options] CMD command, or HEALTHCHECK NONE")),
    };
    Ok(Healthcheck { test })
}
