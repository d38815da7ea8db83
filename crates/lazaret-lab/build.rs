//! Makes the crate new when a recipe is: the macro that takes the recipes in does not tell cargo
//! which files it read.

fn main() {
    println!("cargo::rerun-if-changed=recipes");
}
