//! What the gate and its workers share: leases, decisions, holders, the queue and secrets.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Ground, digest, on_both_engines};
use lazaret_store::{Answer, Decision, DecisionFilter, JobState, Store};

on_both_engines! {
    a_lease_has_one_holder_at_a_time_and_is_renewed_by_it,
    a_lease_of_a_holder_that_died_is_taken_over_when_it_has_run_out,
    of_many_who_ask_for_a_lease_at_once_one_has_it,
    decisions_are_listed_newest_first_and_by_what_is_asked,
    what_came_in_is_named_once_for_each_image_and_digest,
    holders_are_known_to_every_replica_and_noted_once,
    a_job_is_asked_for_once_for_each_digest_and_rules,
    the_most_urgent_and_then_the_oldest_job_is_claimed_first,
    eight_workers_claim_each_of_two_hundred_jobs_once,
    a_job_of_a_worker_that_died_is_claimed_again_and_given_up_in_the_end,
    a_job_that_fails_waits_and_stays_listed_when_it_is_given_up,
    a_job_that_is_given_back_costs_no_attempt,
    of_many_who_make_a_secret_at_once_all_get_the_same,
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(30);

async fn wait_out(lease: Duration) {
    tokio::time::sleep(lease + Duration::from_millis(30)).await;
}

async fn a_lease_has_one_holder_at_a_time_and_is_renewed_by_it(ground: &Ground) {
    let (one, two) = (ground.open().await, ground.open().await);
    assert!(one.lease("sha256:a", "one", LONG).await.unwrap());
    assert!(one.lease("sha256:a", "one", LONG).await.unwrap());
    assert!(!two.lease("sha256:a", "two", LONG).await.unwrap());
    assert!(two.lease("sha256:b", "two", LONG).await.unwrap());
    // Only its holder gives it back.
    two.release("sha256:a", "two").await.unwrap();
    assert!(!two.lease("sha256:a", "two", LONG).await.unwrap());
    one.release("sha256:a", "one").await.unwrap();
    assert!(two.lease("sha256:a", "two", LONG).await.unwrap());
    assert_eq!(one.prune_leases().await.unwrap(), 0);
    ground.execute("UPDATE leases SET ends = ends - 90000000 WHERE what = 'sha256:b'").await;
    assert_eq!(one.prune_leases().await.unwrap(), 1);
}

async fn a_lease_of_a_holder_that_died_is_taken_over_when_it_has_run_out(ground: &Ground) {
    let (one, two) = (ground.open().await, ground.open().await);
    assert!(one.lease("x", "one", SHORT).await.unwrap());
    wait_out(SHORT).await;
    assert!(two.lease("x", "two", LONG).await.unwrap());
    assert!(!one.lease("x", "one", LONG).await.unwrap(), "the first comes too late");
}

async fn of_many_who_ask_for_a_lease_at_once_one_has_it(ground: &Ground) {
    let stores = [ground.open().await, ground.open().await];
    for round in 0..5 {
        let what = format!("sha256:{round}");
        let ask = async |n: usize| stores[n % 2].lease(&what, &format!("holder {n}"), LONG).await.unwrap();
        let (a, b, c, d, e, f) = tokio::join!(ask(0), ask(1), ask(2), ask(3), ask(4), ask(5));
        assert_eq!([a, b, c, d, e, f].into_iter().filter(|has| *has).count(), 1, "round {round}");
    }
}

fn decision(time: i64, image: &str, answer: Answer) -> Decision {
    Decision {
        time,
        door: "registry".to_owned(),
        client: "192.0.2.7".to_owned(),
        user: String::new(),
        image: image.to_owned(),
        digest: (answer != Answer::Failed).then(|| digest(u32::try_from(image.len()).unwrap())),
        verdict: (answer != Answer::Failed).then(|| "clean".to_owned()),
        why: "because".to_owned(),
        policy: "default".to_owned(),
        author: (answer == Answer::Audited).then(|| "ops@example.test".to_owned()),
        reason: None,
        answer,
        request: format!("request-{time}"),
    }
}

async fn decisions_are_listed_newest_first_and_by_what_is_asked(ground: &Ground) {
    let store = ground.open().await;
    let answers = [Answer::Served, Answer::Refused, Answer::Audited, Answer::Failed, Answer::Pending];
    let all: Vec<Decision> = (0..250)
        .map(|n| {
            let image = if n % 10 == 0 { "docker.io/a/miner_%" } else { "docker.io/library/nginx" };
            decision(1000 + n, image, answers[usize::try_from(n % 5).unwrap()])
        })
        .collect();
    store.put_decisions(&all).await.unwrap();
    store.put_decisions(&[]).await.unwrap();
    let last = decision(1000, "docker.io/library/late", Answer::Served);
    store.put_decision(&last).await.unwrap();
    let listed = store.decisions(&DecisionFilter::default()).await.unwrap();
    assert_eq!(listed.len(), 251);
    assert_eq!(listed[0], all[249]);
    // Of the same moment the one written last comes first.
    assert_eq!(listed[249..], [last, all[0].clone()]);
    let count = async |filter: DecisionFilter| store.decisions(&filter).await.unwrap().len();
    let some = DecisionFilter::default;
    assert_eq!(count(DecisionFilter { answers: vec![Answer::Refused], ..some() }).await, 50);
    assert_eq!(count(DecisionFilter { answers: vec![Answer::Refused, Answer::Failed], ..some() }).await, 100);
    assert_eq!(count(DecisionFilter { image: Some("miner_%".to_owned()), ..some() }).await, 25);
    assert_eq!(count(DecisionFilter { image: Some("r%".to_owned()), ..some() }).await, 0);
    assert_eq!(count(DecisionFilter { since: Some(1240), ..some() }).await, 10);
    assert_eq!(count(DecisionFilter { limit: Some(3), ..some() }).await, 3);
    assert_eq!(store.prune_decisions(1240).await.unwrap(), 241);
    assert_eq!(count(some()).await, 10);
}

async fn what_came_in_is_named_once_for_each_image_and_digest(ground: &Ground) {
    let store = ground.open().await;
    let answers = [
        ("a", Answer::Served),
        ("a", Answer::Served),
        ("bb", Answer::Audited),
        ("ccc", Answer::Refused),
        ("dddd", Answer::Pending),
        ("eeeee", Answer::Failed),
    ];
    for (time, (image, answer)) in (1..).zip(answers) {
        store.put_decision(&decision(time, image, answer)).await.unwrap();
    }
    let wanted = [("bb".to_owned(), digest(2)), ("a".to_owned(), digest(1))];
    assert_eq!(store.admitted_digests(0).await.unwrap(), wanted);
    assert_eq!(store.admitted_digests(3).await.unwrap(), wanted[..1]);
}

async fn holders_are_known_to_every_replica_and_noted_once(ground: &Ground) {
    let (one, two) = (ground.open().await, ground.open().await);
    let held: Vec<_> = (0..450u32).map(|n| (digest(n), digest(1000 + n % 2), u64::from(n), n != 7)).collect();
    let backwards: Vec<_> = held.iter().rev().cloned().collect();
    let (a, b) = tokio::join!(one.put_holders("h/r", &held), two.put_holders("h/r", &backwards));
    a.unwrap();
    b.unwrap();
    one.put_holders("h/r", &[(digest(7), digest(1000), 7, true)]).await.unwrap();
    one.put_holders("h/r", &[]).await.unwrap();
    assert_eq!(ground.number("SELECT count(*) FROM holders").await, 451);
    let of_seven = two.holders("h/r", &digest(7)).await.unwrap();
    let mut facts: Vec<_> =
        of_seven.iter().map(|h| (h.manifest == digest(1000), h.size, h.is_image)).collect();
    facts.sort();
    assert_eq!(facts, [(false, 7, false), (true, 7, true)]);
    assert!(two.holders("h/other", &digest(7)).await.unwrap().is_empty());
    assert_eq!(two.prune_holders(0).await.unwrap(), 0);
    assert_eq!(two.prune_holders(i64::MAX).await.unwrap(), 451);
}

async fn a_job_is_asked_for_once_for_each_digest_and_rules(ground: &Ground) {
    let store = ground.open().await;
    let (a, b) = (digest(1), digest(2));
    assert!(store.enqueue("r/a:1", Some(&a), "rules 1", 0).await.unwrap());
    assert!(!store.enqueue("r/a:other", Some(&a), "rules 1", 9).await.unwrap());
    assert!(store.enqueue("r/a:1", Some(&b), "rules 1", 0).await.unwrap());
    assert!(store.enqueue("r/a:1", Some(&a), "rules 2", 0).await.unwrap());
    assert!(store.enqueue("r/a:1", None, "rules 1", 0).await.unwrap());
    assert!(!store.enqueue("r/a:1", None, "rules 1", 0).await.unwrap());
    // Not while it waits, but when it is done, on demand.
    assert!(!store.enqueue_again("r/a:1", Some(&a), "rules 1", 5).await.unwrap());
    let job = store.claim("w", LONG, 3).await.unwrap().unwrap();
    assert!(store.finish(&job, "w", "clean").await.unwrap());
    assert!(!store.enqueue("r/a:1", Some(&a), "rules 1", 0).await.unwrap());
    assert!(store.enqueue_again("r/a:1", Some(&a), "rules 1", 5).await.unwrap());
    let again = store.claim("w", LONG, 3).await.unwrap().unwrap();
    assert_eq!((again.id, again.attempts), (job.id, 1));
}

async fn the_most_urgent_and_then_the_oldest_job_is_claimed_first(ground: &Ground) {
    let store = ground.open().await;
    for (name, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1)] {
        store.enqueue(name, None, "r", priority).await.unwrap();
    }
    let listed: Vec<_> = store.queue(10).await.unwrap().jobs.into_iter().map(|job| job.reference).collect();
    let mut claimed = Vec::new();
    while let Some(job) = store.claim("w", LONG, 3).await.unwrap() {
        claimed.push(job.reference);
    }
    assert_eq!(claimed, ["b", "d", "a", "c", "e"]);
    assert_eq!(listed, claimed);
}

async fn eight_workers_claim_each_of_two_hundred_jobs_once(ground: &Ground) {
    let store = ground.open().await;
    for n in 0..200 {
        store.enqueue(&format!("image {n}"), None, "r", n % 3).await.unwrap();
    }
    let mut workers = tokio::task::JoinSet::new();
    for n in 0..8 {
        let store = ground.open().await;
        workers.spawn(async move {
            let (worker, mut mine) = (format!("worker {n}"), Vec::new());
            while let Some(job) = store.claim(&worker, LONG, 3).await.unwrap() {
                assert!(store.extend(&job, &worker, LONG).await.unwrap());
                assert!(store.finish(&job, &worker, "clean").await.unwrap());
                mine.push(job.reference);
            }
            mine
        });
    }
    let all: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(all.len(), 200);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 200);
    let queue = store.queue(5).await.unwrap();
    assert_eq!((queue.pending, queue.running, queue.done, queue.failed), (0, 0, 200, 0));
    assert_eq!(queue.jobs.len(), 5);
    assert_eq!(store.prune_jobs(i64::MAX).await.unwrap(), 200);
}

async fn a_job_of_a_worker_that_died_is_claimed_again_and_given_up_in_the_end(ground: &Ground) {
    let store = ground.open().await;
    store.enqueue("a", None, "r", 0).await.unwrap();
    let first = store.claim("one", SHORT, 2).await.unwrap().unwrap();
    assert_eq!(store.claim("two", LONG, 2).await.unwrap(), None);
    wait_out(SHORT).await;
    let second = store.claim("two", SHORT, 2).await.unwrap().unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    // The first was not dead but slow: it is told that the job is another's now.
    assert!(!store.extend(&first, "one", LONG).await.unwrap());
    assert!(!store.finish(&first, "one", "clean").await.unwrap());
    assert!(!store.fail(&first, "one", "x", SHORT, 2).await.unwrap());
    wait_out(SHORT).await;
    assert_eq!(store.claim("three", LONG, 2).await.unwrap(), None);
    let queue = store.queue(10).await.unwrap();
    assert_eq!((queue.failed, queue.jobs[0].state), (1, JobState::Failed));
    assert!(queue.jobs[0].note.contains("the last was two"), "{:?}", queue.jobs);
}

async fn a_job_that_fails_waits_and_stays_listed_when_it_is_given_up(ground: &Ground) {
    let store = ground.open().await;
    store.enqueue("a", None, "r", 0).await.unwrap();
    let job = store.claim("w", LONG, 2).await.unwrap().unwrap();
    assert!(store.fail(&job, "w", "no route to host", SHORT * 5, 2).await.unwrap());
    assert_eq!(store.claim("w", LONG, 2).await.unwrap(), None);
    assert_eq!(store.queue(1).await.unwrap().jobs[0].note, "no route to host");
    wait_out(SHORT * 5).await;
    let job = store.claim("w", LONG, 2).await.unwrap().unwrap();
    assert!(store.fail(&job, "w", "still none", SHORT, 2).await.unwrap());
    wait_out(SHORT).await;
    assert_eq!(store.claim("w", LONG, 2).await.unwrap(), None);
    let queue = store.queue(1).await.unwrap();
    assert_eq!((queue.failed, &*queue.jobs[0].note, queue.jobs[0].attempts), (1, "still none", 2));
}

async fn a_job_that_is_given_back_costs_no_attempt(ground: &Ground) {
    let store = ground.open().await;
    store.enqueue("a", Some(&digest(1)), "r", 0).await.unwrap();
    let job = store.claim("one", LONG, 1).await.unwrap().unwrap();
    assert!(store.give_back(&job, "one").await.unwrap());
    let job = store.claim("two", LONG, 1).await.unwrap().unwrap();
    assert_eq!((job.attempts, job.digest), (1, Some(digest(1))));
}

async fn of_many_who_make_a_secret_at_once_all_get_the_same(ground: &Ground) {
    let stores = [ground.open().await, ground.open().await];
    let ask = async |store: &Store, byte: u8| store.secret("tokens", || vec![byte; 32]).await.unwrap();
    let (a, b, c, d) =
        tokio::join!(ask(&stores[0], 1), ask(&stores[1], 2), ask(&stores[0], 3), ask(&stores[1], 4));
    assert!(a == b && b == c && c == d && a.len() == 32);
    let kept = stores[0].secret("tokens", || panic!("it is made once")).await.unwrap();
    assert_eq!(kept, a);
    assert_ne!(stores[0].secret("other", || vec![9]).await.unwrap(), a);
}
