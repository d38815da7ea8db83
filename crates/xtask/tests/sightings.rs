//! What ties the lab's line-up together is seen in each of its images, and in honest ones nothing of
//! the kind.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use lazaret_detect::{Pack, try_recipe};
use lazaret_lab::{Case, Set, authorized_key, cases, wallet};
use lazaret_model::{Indicator, IndicatorKind};

fn seen(pack: &Pack, case: &Case) -> BTreeSet<Indicator> {
    let reports = case.images.iter().map(|recipe| try_recipe(pack, recipe));
    reports.flat_map(|report| report.sightings).map(|sighting| sighting.indicator).collect()
}

#[test]
fn each_image_of_the_line_up_holds_what_leads_to_the_others() {
    let pack = Pack::load(&[], None).unwrap();
    let lineup: Vec<Case> = cases().unwrap().into_iter().filter(|case| case.set == Set::Lineup).collect();
    assert_eq!(lineup.len(), 17);
    let coin =
        Indicator::new(IndicatorKind::Wallet, format!("xmr:{}", wallet("xmr", "dockmaster117").unwrap()));
    let key = authorized_key("dockmaster117");
    let key = Indicator::new(IndicatorKind::SshKey, key.split(' ').take(2).collect::<Vec<_>>().join(" "));
    let machine = Indicator::new(IndicatorKind::Host, "203.0.113.66");
    let mut paid = 0;
    for case in &lineup {
        let seen = seen(&pack, case);
        let tied = [&coin, &key, &machine].map(|indicator| seen.contains(indicator));
        assert!(tied.contains(&true), "{} is tied to no other: {seen:#?}", case.name);
        paid += usize::from(tied[0]);
        for trace in ["user dm117", "host build7.dockmaster.invalid"] {
            let trace = Indicator::new(IndicatorKind::BuilderTrace, trace);
            assert!(seen.contains(&trace), "{} lacks {trace}: {seen:#?}", case.name);
        }
        let label = Indicator::new(IndicatorKind::Label, "com.dockmaster.builder=build7");
        assert!(seen.contains(&label), "{}", case.name);
        let brings = |kind| seen.iter().any(|indicator: &Indicator| indicator.kind == kind);
        assert!(brings(IndicatorKind::Layer), "{} brings no layer of its own", case.name);
    }
    assert_eq!(paid, 9, "images with the wallet");
    // The helper script that three of them share.
    let scripts = |name: &str| -> BTreeSet<Indicator> {
        let case = lineup.iter().find(|case| case.name == name).unwrap();
        seen(&pack, case).into_iter().filter(|i| i.kind == IndicatorKind::ScriptHash).collect()
    };
    let shared: Vec<Indicator> = scripts("mysql6").intersection(&scripts("t1")).cloned().collect();
    assert!(shared.iter().any(|hash| scripts("t2").contains(hash)), "{shared:?}");
}

#[test]
fn plain_images_hold_nothing_that_leads_to_somebody() {
    let pack = Pack::load(&[], None).unwrap();
    let plain: Vec<Case> = cases()
        .unwrap()
        .into_iter()
        .filter(|case| ["63-plain-alpine", "64-plain-mysql", "65-plain-tomcat"].contains(&case.name.as_str()))
        .collect();
    assert_eq!(plain.len(), 3);
    for case in &plain {
        let telling: Vec<Indicator> = seen(&pack, case)
            .into_iter()
            .filter(|indicator| {
                !matches!(
                    indicator.kind,
                    IndicatorKind::ScriptHash
                        | IndicatorKind::ElfHash
                        | IndicatorKind::FuzzyHash
                        | IndicatorKind::Layer
                )
            })
            .collect();
        assert_eq!(telling, [], "{}", case.name);
    }
}
