# One command equals CI.
ready:
    cargo xtask ci

# A new detection: `just rule persistence/host-cron` (YARA), `just rule persistence/host-cron sigma`.
rule id kind="yara":
    cargo run --release -- rules new --into crates/lazaret-detect/rules {{ if kind == "sigma" { "--sigma" } else { "" } }} {{id}}

# The inert images.
lab out:
    cargo xtask lab {{out}}

bench:
    cargo xtask bench
