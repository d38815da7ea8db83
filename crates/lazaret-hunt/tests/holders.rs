//! Who counts against what two images share, and what it is to those who hold it.

mod common;

use common::{Draft, World};
use lazaret_hunt::graph::Reason;
use lazaret_model::IndicatorKind::*;
use lazaret_model::Role;

#[test]
fn customers_of_a_convicted_image_do_not_make_its_wallet_and_tools_everybodys() {
    let mut world = World::default();
    for (account, layer) in [("hub/a", 2), ("hub/b", 3)] {
        world
            .image(account, "x")
            .on(&[1, layer])
            .at(Wallet, "xmr:4a", Some(1), 7)
            .named()
            .at(ScriptHash, "agent", Some(1), 8)
            .seen();
    }
    let mut customers = Vec::new();
    for customer in 0..30 {
        let at = world
            .image(&format!("hub/c{customer}"), "svc")
            .honest()
            .on(&[1, 2 + customer % 2, 100 + customer])
            .at(Wallet, "xmr:4a", Some(1), 7)
            .at(ScriptHash, "agent", Some(1), 8)
            .seen();
        customers.push(at);
    }
    assert_eq!(world.clustered(), [vec![0, 1]]);
    let wallet = world.indicator(Wallet, "xmr:4a");
    assert_eq!(world.graph.weight_of(wallet), (24_000, 1, 0));
    assert_eq!(world.graph.elsewhere(wallet, &[0, 1]), 0, "they got it from the actor");
    let script = world.indicator(ScriptHash, "agent");
    assert_eq!(world.graph.weight_of(script).0, 12_000);
    let leads: Vec<u32> = world.graph.leads(&[0, 1]).into_iter().map(|(image, _)| image).collect();
    assert_eq!(leads, customers);
}

#[test]
fn holders_on_a_base_that_a_clean_image_is_count_whoever_abuses_that_base() {
    let mut world = World::default();
    fn purse(draft: Draft<'_>) -> Draft<'_> {
        draft.at(Wallet, "xmr:purse", Some(1), 7)
    }
    purse(world.image("hub/product", "app").honest().on(&[1, 2])).seen();
    // The base as it is, started otherwise.
    for actor in ["hub/one", "hub/two"] {
        purse(world.image(actor, "x").on(&[1, 2])).named().seen();
    }
    for user in 0..20 {
        purse(world.image(&format!("hub/u{user}"), "x").honest().on(&[1, 2, 50 + user])).seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn an_honest_image_that_pays_into_a_wallet_does_not_make_it_public_and_one_that_shows_it_does() {
    for (role, together) in
        [(Role::Acts, true), (Role::Named, false), (Role::Lies, false), (Role::Mentioned, false)]
    {
        let mut world = World::default();
        for account in ["hub/a", "hub/b"] {
            world.image(account, "x").at(Wallet, "xmr:4a", None, 3).named().seen();
        }
        for miner in 0..18 {
            world
                .image(&format!("hub/m{miner}"), "xmrig")
                .honest()
                .at(Wallet, "xmr:4a", None, 3)
                .is(role)
                .seen();
        }
        assert_eq!(!world.clustered().is_empty(), together, "{role:?}");
    }
}

#[test]
fn a_wallet_that_nothing_acts_on_falls_with_the_first_honest_manual_that_names_it() {
    let mut world = World::default();
    for account in ["hub/a", "hub/b"] {
        world.image(account, "x").at(Wallet, "xmr:sample", None, 3).seen();
        world.image(account, "y").at(Wallet, "xmr:own", None, 3).named().seen();
    }
    world.image("hub/c", "tool").honest().at(Wallet, "xmr:sample", None, 4).is(Role::Mentioned).seen();
    world.image("hub/d", "tool").honest().at(Wallet, "xmr:own", None, 4).is(Role::Mentioned).seen();
    world.clustered();
    assert!(world.graph.tied(0, 2).bits < 16_000, "{:?}", world.graph.tied(0, 2));
    assert!(world.graph.tied(1, 3).bits >= 16_000, "{:?}", world.graph.tied(1, 3));
}

#[test]
fn what_is_only_spoken_of_ties_nobody() {
    let mut world = World::default();
    for account in ["hub/a", "hub/b"] {
        world.image(account, "x").at(Wallet, "xmr:donate", None, 3).is(Role::Mentioned).seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
    assert_eq!(world.graph.leads(&[0]), []);
}

#[test]
fn a_vendors_address_that_two_merely_fetch_stays_far_from_a_tie_with_public_tools_and_a_variable() {
    for role in [Role::Lies, Role::Named, Role::Acts, Role::Suspected] {
        let mut world = World::default();
        for account in ["hub/one", "hub/two"] {
            world
                .image(account, "x")
                .at(Url, "https://get.vendor.invalid/install.sh", None, 3)
                .is(role)
                .at(Host, "get.vendor.invalid", None, 3)
                .is(role)
                .at(Pool, "stratum+tcp://eu.anypool.invalid:3333", None, 3)
                .named()
                .at(ScriptHash, "public tool", None, 4)
                .at(ElfHash, "public miner", None, 5)
                .seen();
            world
                .image(account, "y")
                .at(Url, "https://other.vendor.invalid/x", None, 3)
                .is(role)
                .at(Url, "https://one-more.vendor.invalid/", None, 0)
                .is(role)
                .has(Host, "other.vendor.invalid")
                .has(Host, "one-more.vendor.invalid")
                .has(Environment, "NAME=common")
                .at(ElfHash, "another public miner", None, 5)
                .seen();
        }
        world.graph.refute_account("hub/one");
        world.graph.refute_account("hub/two");
        assert_eq!(world.clustered(), Vec::<Vec<u32>>::new(), "{role:?}");
    }
}

#[test]
fn a_setting_with_an_address_at_a_public_host_is_said_once() {
    let mut world = World::default();
    for account in ["hub/one", "hub/two"] {
        world
            .image(account, "x")
            .has(Environment, "HOMEPAGE=https://github.com/somebody/tool")
            .has(Url, "https://github.com/somebody/tool")
            .seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());
}

#[test]
fn a_named_host_that_both_do_harm_with_ties_by_its_address_and_one_of_two_is_not_enough() {
    let address = "https://drop.actor.invalid/stage2.sh";
    let mut world = World::default();
    for (account, role) in [("hub/a", Role::Harms), ("hub/b", Role::Harms), ("hub/c", Role::Named)] {
        world.image(account, "x").at(Url, address, None, 3).is(role).seen();
    }
    let plain = "http://drop.actor.invalid/stage2.sh";
    for account in ["hub/f", "hub/g"] {
        world.image(account, "x").at(Url, plain, None, 3).is(Role::Suspected).seen();
    }
    let bare = "http://203.0.113.77:8220/stage2.sh";
    for account in ["hub/d", "hub/e"] {
        world.image(account, "x").at(Url, bare, None, 3).seen();
    }
    assert_eq!(world.clustered(), [vec![0, 1], vec![3, 4], vec![5, 6]]);
    let url = world.indicator(Url, address);
    assert_eq!(world.graph.says_among(url, &[0, 1]), 17_500);
    assert_eq!(world.graph.says_among(url, &[0, 2]), 3_500);
}

#[test]
fn a_key_or_wallet_in_the_base_of_two_strangers_is_the_bases_and_one_that_a_finding_names_is_not() {
    let mut world = World::default();
    for (account, layer) in [("hub/a", 5), ("hub/b", 6)] {
        let draft = world.image(account, "x").on(&[1, 2, layer]).at(SshKey, "base", Some(1), 3);
        draft.at(Wallet, "xmr:base", Some(1), 4).seen();
    }
    assert_eq!(world.clustered(), Vec::<Vec<u32>>::new());

    let mut world = World::default();
    for (account, layer) in [("hub/a", 5), ("hub/b", 6)] {
        world.image(account, "x").on(&[1, 2, layer]).at(SshKey, "own", Some(1), 3).named().seen();
    }
    // In its own layer, somewhere else.
    world.image("hub/c", "x").on(&[1, 9]).at(SshKey, "own", Some(1), 3).seen();
    assert_eq!(world.clustered(), [vec![0, 1, 2]]);
    assert!(matches!(world.graph.tied(0, 1).reasons[0].0, Reason::Indicator(_)));
}

/// A pool in a file of the lowest layer, named by a finding about that file.
fn pool(draft: Draft<'_>) -> Draft<'_> {
    draft.at(Pool, "pool.common.invalid:3333", Some(0), 9).is(Role::Harms)
}

#[test]
fn layers_are_no_bond_where_the_finding_is_about_how_an_image_starts() {
    // One pool stands in a sample of a public base, and in the command of an image that adds no layer to it.
    let mut world = World::default();
    let mut started = pool(world.image("hub/a", "tool").on(&[1, 2]));
    for link in &mut started.input.links {
        link.accused = None;
    }
    let started = started.seen();
    let above = world.image("hub/b", "other").on(&[1, 2, 3]).has(Wallet, "xmr:other").named().seen();
    assert_eq!(world.clustered().into_iter().filter(|cluster| cluster.len() > 1).count(), 0);
    // Where it is about a file of these layers, the other image is built on it.
    let mut world = World::default();
    let accused = pool(world.image("hub/a", "tool").on(&[1, 2])).seen();
    let built = world.image("hub/b", "other").on(&[1, 2, 3]).has(Wallet, "xmr:other").named().seen();
    assert_eq!((accused, built), (started, above));
    assert!(world.clustered().contains(&vec![accused, built]));
}

#[test]
fn strangers_who_build_one_public_project_are_not_tied_once_an_honest_one_of_it_was_seen() {
    fn project(draft: Draft<'_>) -> Draft<'_> {
        draft.at(ScriptHash, "start of the project", None, 4).at(Label, "maintainer=the project", None, 0).at(
            BuilderTrace,
            "user author",
            None,
            0,
        )
    }
    for honest in 0..3 {
        let mut world = World::default();
        project(world.image("hub/fork", "x")).seen();
        project(world.image("hub/other", "x")).seen();
        for number in 0..honest {
            project(world.image(&format!("hub/user{number}"), "x").honest()).seen();
        }
        // What nobody else has is one maker's; what honest people have too is the project's.
        let expected: &[Vec<u32>] = if honest == 0 { &[vec![0, 1]] } else { &[] };
        assert_eq!(world.clustered(), expected, "{honest} honest");
    }
}

#[test]
fn clean_images_of_an_account_that_attacks_with_a_tool_do_not_make_it_public() {
    let mut world = World::default();
    for account in ["hub/a", "hub/b"] {
        world.image(account, "x").at(ScriptHash, "kit", None, 4).seen();
        world.image(account, "decoy").honest().at(ScriptHash, "kit", None, 4).seen();
    }
    world.clustered();
    let kit = world.indicator(ScriptHash, "kit");
    assert_eq!(world.graph.weight_of(kit), (10_000, 2, 0));
}
