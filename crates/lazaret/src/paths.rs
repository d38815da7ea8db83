//! Where the program keeps things, after the XDG base directory specification.

use std::env;
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
