//! Environment variables and labels that few images have.

use lazaret_model::{Image, IndicatorKind};

use super::gathered::{Gathered, Weight};
use super::step;

/// Notes them. `traced` says that a label was told as a trace of the builder already.
pub(super) fn of(image: &Image, traced: impl Fn(&str) -> bool, gathered: &mut Gathered<'_>) {
    for (at, (name, value)) in image.config.env.iter().enumerate() {
        if !is_known_variable(name) && is_telling(value) {
            let location = step::of_variable(image, at, name);
            gathered.see(IndicatorKind::Environment, &format!("{name}={value}"), Weight::Acts, location);
        }
    }
    for (name, value) in &image.config.labels {
        if !is_known_label(name) && is_telling(value) && !traced(name) {
            let location = step::of_label(image, name);
            gathered.see(IndicatorKind::Label, &format!("{name}={value}"), Weight::Acts, location);
        }
    }
}

/// Variables that distributions, languages and products set, whose value follows from what they are.
fn is_known_variable(name: &str) -> bool {
    const NAMES: [&str; 51] = [
        "ALGO",
        "CFLAGS",
        "CHARSET",
        "COIN",
        "CPPFLAGS",
        "CXXFLAGS",
        "DEBIAN_FRONTEND",
        "ENV",
        "GOTOOLCHAIN",
        "GPG_KEY",
        "GPG_KEYS",
        "HOME",
        "HOSTNAME",
        "HTTPD_PREFIX",
        "JAVA_OPTS",
        "JRE_CACERTS_PATH",
        "LANG",
        "LANGUAGE",
        "LDFLAGS",
        "LOGNAME",
        "MAIL",
        "MAVEN_CONFIG",
        "NODE_ENV",
        "NODE_OPTIONS",
        "NPM_CONFIG_LOGLEVEL",
        "PAGER",
        "PATH",
        "PGDATA",
        "PHPIZE_DEPS",
        "PHP_CFLAGS",
        "PHP_CPPFLAGS",
        "PHP_LDFLAGS",
        "PIP_NO_CACHE_DIR",
        "POOL",
        "POOL_ADDRESS",
        "POOL_URL",
        "PKG_RELEASE",
        "PS1",
        "PWD",
        "PYTHONIOENCODING",
        "RACK_ENV",
        "RAILS_ENV",
        "SHELL",
        "SHLVL",
        "TERM",
        "TOMCAT_TGZ_URLS",
        "TOMCAT_ASC_URLS",
        "TZ",
        "USER",
        "container",
        "no_proxy",
    ];
    // Of what the field's runtimes, package managers and agents read; whoever uses one sets what its manual says.
    const PREFIXES: [&str; 39] = [
        "APT_",
        "ASPNETCORE_",
        "BUNDLE_",
        "CARGO_",
        "CONDA_",
        "COMPOSER_",
        "CUDA_",
        "DATADOG_",
        "DD_",
        "DOCKER_",
        "DOTNET_",
        "GEM_",
        "GIT_",
        "GODEBUG",
        "GOFLAGS",
        "GOPROXY",
        "GOSUMDB",
        "GRADLE_",
        "HIST",
        "JAVA_",
        "KUBERNETES_",
        "LC_",
        "MAVEN_",
        "NEW_RELIC_",
        "NPM_CONFIG_",
        "NUGET_",
        "NVIDIA_",
        "NV_",
        "OTEL_",
        "PHP_",
        "PIP_",
        "POETRY_",
        "PYTHON",
        "RUSTUP_",
        "S6_",
        "SENTRY_",
        "UV_",
        "XDG_",
        "YARN_",
    ];
    // Parts of a name between underscores.
    const WORDS: [&str; 29] = [
        "VERSION",
        "VERSIONS",
        "HOME",
        "DIR",
        "DIRS",
        "DIRECTORY",
        "ROOT",
        "PATH",
        "PATHS",
        "PREFIX",
        "SHA1",
        "SHA256",
        "SHA512",
        "MD5",
        "CHECKSUM",
        "DIGEST",
        "GPG",
        "KEYRING",
        "PROXY",
        "LOCALE",
        "ENCODING",
        "PORT",
        "PORTS",
        "MAJOR",
        "MINOR",
        "RELEASE",
        "ARCH",
        "PLATFORM",
        "LOGLEVEL",
    ];
    let upper = name.to_ascii_uppercase();
    NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || upper.split('_').any(|word| WORDS.contains(&word))
}

/// Labels that standards and build tools define.
fn is_known_label(name: &str) -> bool {
    const NAMES: [&str; 26] = [
        "architecture",
        "arch",
        "author",
        "authoritative-source-url",
        "build-date",
        "build_date",
        "built-by",
        "created",
        "desc",
        "description",
        "distribution-scope",
        "license",
        "licenses",
        "name",
        "org.opencontainers",
        "release",
        "revision",
        "source",
        "summary",
        "title",
        "url",
        "vcs-ref",
        "vcs-type",
        "vcs-url",
        "vendor",
        "version",
    ];
    const PREFIXES: [&str; 17] = [
        "com.datadoghq.",
        "com.docker.compose.",
        "com.docker.desktop.",
        "com.docker.extension.",
        "com.redhat.",
        "com.microsoft.",
        "com.nvidia.",
        "dev.containers.",
        "desktop.docker.",
        "devcontainer.",
        "io.artifacthub.",
        "io.buildah.",
        "io.k8s.",
        "io.openshift.",
        "org.label-schema.",
        "org.opencontainers.",
        "sh.brew.",
    ];
    let lower = name.to_ascii_lowercase();
    NAMES.contains(&lower.as_str()) || PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

/// Whether a value is one that two people would hardly choose alike.
fn is_telling(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    value.len() >= 4
        && !is_word_of_many(value)
        && !is_number_or_version(value)
        && !is_plain_path(value)
        && !is_checksum(value)
}

fn is_word_of_many(value: &str) -> bool {
    const WORDS: [&str; 38] = [
        "admin",
        "all",
        "amd64",
        "arm64",
        "changeme",
        "debug",
        "default",
        "development",
        "disable",
        "disabled",
        "docker",
        "enable",
        "enabled",
        "error",
        "false",
        "graphics",
        "info",
        "latest",
        "linux",
        "localhost",
        "master",
        "none",
        "noninteractive",
        "null",
        "password",
        "postgres",
        "prod",
        "production",
        "release",
        "root",
        "root123",
        "secret",
        "stable",
        "test",
        "testing",
        "true",
        "user",
        "warn",
    ];
    let lower = value.to_ascii_lowercase();
    WORDS.contains(&lower.as_str()) || ["utf-8", "utf8"].iter().any(|end| lower.ends_with(end))
}

/// `17`, `512m`, `1.25.3`, `v2`, `3.19-r1`, `2024-05-17T00:10:00Z`.
fn is_number_or_version(value: &str) -> bool {
    let rest = value.trim_start_matches(['v', 'V', '-', '+', '=', '~', '^']);
    let letters = rest.chars().filter(char::is_ascii_alphabetic).count();
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-+:~_".contains(c))
        && letters <= 4
        && rest.len() <= 40
        && rest.parse::<std::net::IpAddr>().is_err()
        && rest.split(':').next().is_none_or(|host| host.parse::<std::net::Ipv4Addr>().is_err())
}

/// One or several paths, and nothing else.
fn is_plain_path(value: &str) -> bool {
    let rest = value.split([':', ' ']).filter(|part| !part.is_empty());
    rest.clone().next().is_some()
        && rest.clone().all(|part| {
            part.starts_with(['/', '.', '~', '$'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "/._-~${}@+".contains(c))
        })
}

fn is_checksum(value: &str) -> bool {
    let value = value.split_once(':').map_or(value, |(_, rest)| rest);
    matches!(value.len(), 32 | 40 | 64 | 96 | 128) && value.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_two_people_choose_alike_say_nothing() {
        for value in [
            "",
            "1",
            "true",
            "noninteractive",
            "C.UTF-8",
            "17.0.11+9",
            "v1.25.3",
            "512m",
            "2024-05-17T00:10:00Z",
            "/usr/local/tomcat",
            "/usr/lib:/opt/lib",
            "production",
            "0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ] {
            assert!(!is_telling(value), "{value}");
        }
        for value in ["mysql4", "build7", "203.0.113.7", "203.0.113.7:99", "dm117 was here", "h7Gk-qq0"] {
            assert!(is_telling(value), "{value}");
        }
    }

    #[test]
    fn names_that_products_define_are_known() {
        for name in [
            "PATH",
            "NVIDIA_VISIBLE_DEVICES",
            "PIP_INDEX_URL",
            "GOPROXY",
            "JAVA_VERSION",
            "CATALINA_HOME",
            "GPG_KEYS",
            "HTTP_PROXY",
            "http_proxy",
            "LC_ALL",
        ] {
            assert!(is_known_variable(name), "{name}");
        }
        for name in ["DB_HOST", "RIG", "WORKER_ID"] {
            assert!(!is_known_variable(name), "{name}");
        }
        for name in ["org.opencontainers.image.source", "org.label-schema.name", "build-date", "Version"] {
            assert!(is_known_label(name), "{name}");
        }
        assert!(!is_known_label("com.dockmaster.builder"));
    }
}
