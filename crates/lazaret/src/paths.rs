//! Where the program keeps things, after the XDG base directory specification.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

fn xdg(variable: &str, below_home: &str) -> Option<PathBuf> {
    // The specification: a relative path in the variable is to be ignored.
    let set = env::var_os(variable).map(PathBuf::from).filter(|p| p.is_absolute());
    set.or_else(|| {
        let home = env::var_os("HOME").map(PathBuf::from).filter(|p| p.is_absolute())?;
        Some(home.join(below_home))
    })
    .map(|dir| dir.join("lazaret"))
}

/// `$XDG_CACHE_HOME/lazaret`: what can be made again.
pub fn cache() -> Option<PathBuf> {
    xdg("XDG_CACHE_HOME", ".cache")
}

/// The same folder, made where it is not there: rules that were read are kept in it. Where it
/// cannot be made, they are read anew each time.
pub fn made_cache() -> Option<PathBuf> {
    let dir = cache()?;
    // Without the folder nothing is kept, which costs time and nothing else.
    let _ = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
    Some(dir)
}

/// `$XDG_CONFIG_HOME/lazaret`: what a person decided.
pub fn config() -> Option<PathBuf> {
    xdg("XDG_CONFIG_HOME", ".config")
}

/// `$XDG_STATE_HOME/lazaret`: what cannot be made again.
pub fn state() -> Option<PathBuf> {
    xdg("XDG_STATE_HOME", ".local/state")
}
