//! Whether an image is built on the base that it claims.

use lazaret_model::{
    BuiltOn, Class, Confidence, Digest, Evidence, Finding, ImageConfig, ImageReport, Location, Reach,
    RegistryRef, Rule, Severity, TrustedBase,
};

use crate::policy;

/// Labels with which builders name the base (image-spec, `annotations.md`).
const NAME: &str = "org.opencontainers.image.base.name";
const DIGEST: &str = "org.opencontainers.image.base.digest";

fn rule() -> Rule {
    Rule {
        id: "stealth/false-base".into(),
        title: "claim a base that it is not built on".into(),
        explanation: "The image names a base by name and digest. What has that digest is known here, recorded as \
            trusted or judged before, and the layers of this image are not the base's. Either the base was joined with what is above it by whoever \
            built the image, or the label is there to borrow trust. Ask its maker, or build it anew."
            .into(),
        class: Class::Malware,
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        attack: vec!["T1036".into()],
        references: vec!["https://attack.mitre.org/techniques/T1036/".into()],
    }
}

/// The digest of the base that an image names by a label, where it names one.
pub fn claimed_base(config: &ImageConfig) -> Option<Digest> {
    label(config, DIGEST)?.parse().ok()
}

fn label<'c>(config: &'c ImageConfig, name: &str) -> Option<&'c str> {
    config.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
}

/// Says in `report` which recorded base the image is built on. Where it names a base whose layers
/// are known and are not its own, that is a finding, and the verdict follows. Known is what is
/// recorded under that name and digest, and what was `seen` before with that digest, under
/// whichever name.
///
/// Nothing is said of an image whose layers were not all read: only a layer that was read is known
/// to be what its digest says.
pub fn compare_base(report: &mut ImageReport, bases: &[TrustedBase], seen: &[TrustedBase]) {
    let image = &report.image;
    let chain: Option<Vec<&Digest>> = image.layers.iter().map(|layer| layer.diff_id.as_ref()).collect();
    let whole = report.coverage.layers_read >= report.coverage.layers;
    let Some(chain) = chain.filter(|chain| !chain.is_empty() && whole) else { return };
    let is_base = |base: &TrustedBase| {
        base.diff_ids.len() <= chain.len() && base.diff_ids.iter().zip(&chain).all(|(a, b)| a == *b)
    };
    let built_on = bases.iter().filter(|base| is_base(base)).max_by_key(|base| base.diff_ids.len());
    report.base = built_on.map(|base| BuiltOn {
        name: base.name.clone(),
        digest: base.root.clone(),
        recorded: base.recorded.clone(),
        layers: base.diff_ids.len(),
    });

    let (Some(name), Some(digest)) = (label(&image.config, NAME), claimed_base(&image.config)) else {
        return;
    };
    let is_it = |base: &&TrustedBase| {
        (base.root == digest || base.manifest == digest)
            && (base.platform.is_none() || base.platform == image.platform)
    };
    let named = |base: &&TrustedBase| one_name(&base.name) == one_name(name);
    let claimed: Vec<&TrustedBase> = bases.iter().filter(named).chain(seen).filter(is_it).collect();
    let Some(first) = claimed.first().filter(|_| !claimed.iter().any(|base| is_base(base))) else { return };
    let message = format!("it claims to be built on {name}, and its lowest layers are not that base's");
    let claim = Evidence::at(Location::Config(format!("Labels.{NAME}")), "names its base")
        .quoting(format!("{name}@{digest}"));
    let layer = Evidence::at(
        Location::Layer(0),
        format!("is {}, and the base's first is {}", chain[0], first.diff_ids[0]),
    );
    let rule = rule();
    let mut finding = Finding::of(&rule, message, claim)
        .and(layer)
        .reach(Reach::Starts)
        .refuted_by("its builder joined the layers of the base with its own");
    if chain.len() == 1 || chain.len() < first.diff_ids.len() {
        // All in one layer, or fewer than the base has: some builders make it so.
        finding = finding.confidence(Confidence::Low);
    }
    let finding = finding.build();
    report.findings.push(finding);
    policy::sort(&mut report.findings);
    report.verdict = policy::verdict(&report.findings, &report.gaps);
}

/// A name as it is compared: with its registry and tag, and without a digest.
fn one_name(name: &str) -> String {
    match name.parse::<RegistryRef>() {
        Ok(parsed) => RegistryRef { digest: None, ..parsed }.to_string(),
        Err(_) => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use lazaret_model::Outcome;
    use lazaret_recipe::Recipe;

    use super::*;
    use crate::{Pack, try_recipe};

    const BASE: &str = "FILE /etc/os-release\n    ID=debian\nLAYER COPY a /a # buildkit\nFILE /a\n    a\n";

    fn judged(text: &str) -> ImageReport {
        let folder = tempfile::tempdir().unwrap();
        let rule = "title: t\nlogsource: {category: process_creation}\ndetection: {s: {Image: nothing}, condition: s}\n";
        std::fs::write(folder.path().join("r.yml"), rule).unwrap();
        try_recipe(&Pack::only(folder.path()).unwrap(), &Recipe::parse(text).unwrap())
    }

    fn recorded() -> TrustedBase {
        let image = judged(BASE).image;
        TrustedBase {
            name: "docker.io/library/debian:12".to_owned(),
            root: image.manifest.clone(),
            manifest: image.manifest,
            platform: image.platform,
            diff_ids: image.layers.into_iter().filter_map(|layer| layer.diff_id).collect(),
            recorded: "2026-03-04".to_owned(),
        }
    }

    fn claiming(name: &str, text: &str) -> String {
        let digest = recorded().root;
        format!("{text}LABEL {NAME}={name}\nLABEL {DIGEST}={digest}\nENTRYPOINT [\"/app\"]\n")
    }

    #[test]
    fn an_image_on_a_recorded_base_says_so() {
        let mut report = judged(&claiming(
            "debian:12",
            &format!("{BASE}LAYER COPY app /app # buildkit\nELF /app 0755\n    x\n"),
        ));
        compare_base(&mut report, &[recorded()], &[]);
        let base = report.base.unwrap();
        assert_eq!(
            (base.name.as_str(), base.layers, base.recorded.as_str()),
            ("docker.io/library/debian:12", 2, "2026-03-04")
        );
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }

    #[test]
    fn a_recorded_base_that_is_claimed_and_not_there_is_a_finding() {
        let other =
            "FILE /etc/os-release\n    ID=other\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\n";
        let mut report = judged(&claiming("debian:12", other));
        compare_base(&mut report, &[recorded()], &[]);
        assert_eq!(report.base, None);
        assert_eq!(report.verdict.outcome, Outcome::Suspicious);
        assert_eq!(report.findings[0].rule.id, "stealth/false-base");
    }

    #[test]
    fn what_was_seen_under_another_name_is_known_by_its_digest() {
        let other =
            "FILE /etc/os-release\n    ID=other\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\n";
        let seen = TrustedBase { name: "mirror.example/debian:12".to_owned(), ..recorded() };
        let mut report = judged(&claiming("debian:12", other));
        compare_base(&mut report, &[], std::slice::from_ref(&seen));
        assert_eq!(report.findings[0].rule.id, "stealth/false-base");

        let honest = format!("{BASE}LAYER COPY app /app # buildkit\nELF /app 0755\n    x\n");
        let mut report = judged(&claiming("debian:12", &honest));
        compare_base(&mut report, &[], &[seen]);
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        assert_eq!(report.base, None, "seen is not trusted");
    }

    #[test]
    fn a_claim_that_cannot_be_checked_is_no_finding() {
        let other =
            "FILE /etc/os-release\n    ID=other\nLAYER COPY app /app # buildkit\nELF /app 0755\n    x\n";
        for (name, text, bases) in [
            // Another name, a base that nobody recorded, one that is recorded for another platform.
            ("docker.io/library/ubuntu:24.04", other, vec![recorded()]),
            ("debian:12", other, Vec::new()),
            ("debian:12", other, vec![TrustedBase { platform: "linux/s390x".parse().ok(), ..recorded() }]),
        ] {
            let mut report = judged(&claiming(name, text));
            compare_base(&mut report, &bases, &[]);
            assert_eq!(report.verdict.outcome, Outcome::Clean, "{name}");
            assert!(report.findings.is_empty());
        }
        // Joined into one layer, it is told and accuses nobody.
        let mut joined =
            judged(&claiming("debian:12", "FILE /etc/os-release\n    ID=debian\nELF /app 0755\n    x\n"));
        compare_base(&mut joined, &[recorded()], &[]);
        assert_eq!((joined.findings.len(), joined.verdict.outcome), (1, Outcome::Clean));
    }
}
