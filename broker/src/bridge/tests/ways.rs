//! What a subscription that stands for several tells of where they are.

use kahawai_openwire::text::Text;

use super::*;

/// A consumer over there that came by way of other brokers.
fn by(way: &[&str], info: ConsumerInfo) -> ConsumerInfo {
    let path = way.iter().map(|id| broker(id)).collect();
    ConsumerInfo { network_subscription: true, broker_path: Some(path), ..info }
}

fn topic() -> Destination {
    Destination::topic("t")
}

fn anywhere(change: impl FnOnce(&mut NetworkConnector)) -> World {
    World::standing(|connector| {
        connector.consumer_ttl = -1;
        change(connector);
    })
}

fn path(info: &ConsumerInfo) -> Vec<&str> {
    info.broker_path.iter().flat_map(|path| path.iter()).map(|id| &*id.value).collect()
}

/// Hears something, and answers what is asked for it here. Gives the consumers that are told of here, each by its number and its way.
fn told(world: &mut World, heard: Command) -> Vec<(i64, String)> {
    world.hear(heard);
    told_here(world)
}

fn told_here(world: &mut World) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    loop {
        let said = world.subscribed();
        if said.is_empty() {
            return all;
        }
        for info in said {
            let number = info.consumer_id.as_ref().expect("an id").value;
            all.push((number, path(&info).join(" ")));
            if info.response_required {
                world.bridge.received(Side::Local, answer(&info.into()));
            }
        }
    }
}

fn one(number: i64, way: &str) -> Vec<(i64, String)> {
    vec![(number, way.to_owned())]
}

#[test]
fn the_nearest_of_those_that_are_there_is_told() {
    let mut world = anywhere(|_| ());
    let first = told(&mut world, by(&["a", "b"], wants(1, topic())).into());
    let [(number, way)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(way, "a b ID:there");
    assert_eq!(told(&mut world, wants(2, topic()).into()), one(*number, "ID:there"));
    // Whoever is there besides changes nothing.
    assert_eq!(told(&mut world, wants(3, topic()).into()), []);
    assert_eq!(told(&mut world, by(&["a"], wants(4, topic())).into()), []);
    assert_eq!(told(&mut world, gone(2)), []);
    assert_eq!(told(&mut world, gone(3)), one(*number, "a ID:there"));
    assert_eq!(told(&mut world, gone(4)), one(*number, "a b ID:there"));
    world.hear(gone(1));
    assert!(matches!(world.said(Side::Local)[..], [Command::RemoveInfo(_)]));
}

#[test]
fn of_several_as_near_it_stays_with_the_one_that_was_told() {
    for ways in [["a", "b"], ["b", "a"]] {
        let mut world = anywhere(|_| ());
        let first = told(&mut world, by(&ways[..1], wants(1, topic())).into());
        let number = first[0].0;
        assert_eq!(told(&mut world, by(&ways[1..], wants(2, topic())).into()), []);
        assert_eq!(told(&mut world, gone(1)), one(number, &format!("{} ID:there", ways[1])));
    }
}

#[test]
fn what_changes_before_the_broker_here_has_answered_is_told_when_it_has() {
    let mut world = anywhere(|_| ());
    world.hear(by(&["a"], wants(1, topic())).into());
    let asked = world.subscribed();
    world.hear(wants(2, topic()).into());
    assert_eq!(world.orders(), []);
    world.bridge.received(Side::Local, answer(&asked[0].clone().into()));
    let number = asked[0].consumer_id.as_ref().expect("an id").value;
    assert_eq!(told_here(&mut world), one(number, "ID:there"));
}

#[test]
fn a_consumer_that_is_told_of_again_is_where_it_is_told_to_be() {
    let mut world = anywhere(|_| ());
    let first = told(&mut world, by(&["a"], wants(1, topic())).into());
    let number = first[0].0;
    assert_eq!(told(&mut world, by(&["a"], wants(1, topic())).into()), []);
    let moved = by(&["b", "c"], wants(1, topic()));
    assert_eq!(told(&mut world, moved.into()), one(number, "b c ID:there"));
    // It is reached through here alone from now on.
    world.hear(by(&["b", "ID:here"], wants(1, topic())).into());
    let said = world.said(Side::Local);
    assert!(matches!(said[..], [Command::RemoveInfo(_)]), "{said:?}");
    assert_eq!(told(&mut world, gone(1)), []);
}

#[test]
fn of_a_queue_each_way_has_a_subscription_of_its_own() {
    let mut world = anywhere(|connector| connector.conduit_network_queue_subscriptions = true);
    let first = told(&mut world, by(&["a"], wants(1, queue("q"))).into());
    let second = told(&mut world, by(&["b"], wants(2, queue("q"))).into());
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].0, second[0].0);
    assert_eq!(told(&mut world, by(&["a"], wants(3, queue("q"))).into()), []);
    assert_eq!(told(&mut world, gone(1)), [], "the third goes on with it");
    assert_eq!(told(&mut world, wants(4, queue("q")).into()).len(), 1);
}

#[test]
fn what_is_included_statically_is_next_to_the_broker_there_whoever_comes_and_goes() {
    let mut world = anywhere(|connector| {
        connector.conduit_network_queue_subscriptions = true;
        connector.statically_included_destinations = vec![Address::topic("t"), Address::queue("q")];
    });
    let fixed = told_here(&mut world);
    assert!(fixed.iter().all(|(_, way)| way == "ID:there") && fixed.len() == 2, "{fixed:?}");
    for to in [topic(), queue("q")] {
        assert_eq!(told(&mut world, by(&["a"], wants(1, to)).into()), []);
        assert_eq!(told(&mut world, gone(1)), []);
    }
}

#[test]
fn a_durable_subscription_is_told_as_far_as_those_it_is_kept_for() {
    let durable = |value, name: &str| ConsumerInfo {
        client_id: Some("client".into()),
        subscription_name: Some(name.into()),
        ..wants(value, topic())
    };
    let mut world = World::standing(|connector| connector.consumer_ttl = 2);
    let first = told(&mut world, durable(1, "near").into());
    let number = first[0].0;
    assert_eq!(told(&mut world, by(&["a"], durable(2, "far")).into()), []);
    // Its client goes; it is kept for it all the same.
    assert_eq!(told(&mut world, gone(1)), []);
    let over = |name: &str| RemoveSubscriptionInfo {
        client_id: Some("client".into()),
        subscription_name: Some(name.into()),
        ..RemoveSubscriptionInfo::default()
    };
    assert_eq!(told(&mut world, over("near").into()), one(number, "a ID:there"));
    // It is not near enough any more: what was kept for it may be all that there is, and it stays.
    assert_eq!(told(&mut world, by(&["a", "b"], durable(4, "far")).into()), []);
    assert_eq!(told(&mut world, by(&["a", "ID:here"], durable(4, "far")).into()), []);
    world.hear(over("far").into());
    let said = world.said(Side::Local);
    assert!(matches!(said[..], [Command::RemoveInfo(_), Command::RemoveSubscriptionInfo(_)]), "{said:?}");
}

#[test]
fn a_kept_subscription_of_another_bridge_that_is_away_is_where_it_was() {
    let durable = |value| ConsumerInfo {
        client_id: Some("NC_x_inbound_there".into()),
        subscription_name: Some("NC-DS_there_t".into()),
        ..wants(value, topic())
    };
    let mut world = anywhere(|connector| {
        connector.sync_durable_subs = true;
        connector.dynamically_included_destinations = vec![Address::topic(">")];
    });
    assert_eq!(told(&mut world, by(&["a"], durable(1)).into()).len(), 1);
    let all = BrokerSubscriptionInfo {
        subscription_infos: Some(vec![durable(2)].into()),
        ..BrokerSubscriptionInfo::default()
    };
    world.bridge.received(Side::Remote, all.into());
    assert_eq!(world.orders(), []);
}

#[test]
fn what_is_kept_is_where_it_was_until_it_is_known_for_whom() {
    let kept = Kept {
        client_id: "NC_there_inbound_here".into(),
        name: "NC-DS_here_t".into(),
        address: Address::topic("t"),
        passed: ["a", "b", "ID:there-before"].map(Text::from).to_vec(),
    };
    let mut world = World::standing_with(vec![kept], |connector| connector.consumer_ttl = -1);
    let begun = told_here(&mut world);
    let [(number, way)] = &begun[..] else { panic!("{begun:?}") };
    assert_eq!(way, "a b ID:there");
    let durable = |value, name: &str, way: &[&str]| {
        let info = ConsumerInfo {
            client_id: Some("client".into()),
            subscription_name: Some(name.into()),
            ..wants(value, topic())
        };
        Command::from(by(way, info))
    };
    assert_eq!(told(&mut world, durable(1, "one", &["a", "b", "c"])), []);
    assert_eq!(told(&mut world, durable(2, "two", &["c"])), one(*number, "c ID:there"));
    let over = RemoveSubscriptionInfo {
        client_id: Some("client".into()),
        subscription_name: Some("two".into()),
        ..RemoveSubscriptionInfo::default()
    };
    assert_eq!(told(&mut world, over.into()), one(*number, "a b c ID:there"));
}

#[test]
fn what_was_kept_for_one_that_is_too_far_now_ends_with_it_and_not_with_one_behind_here() {
    let durable = |way: &[&str]| {
        let info = ConsumerInfo {
            client_id: Some("client".into()),
            subscription_name: Some("one".into()),
            ..wants(1, topic())
        };
        Command::from(by(way, info))
    };
    let over = || RemoveSubscriptionInfo {
        client_id: Some("client".into()),
        subscription_name: Some("one".into()),
        ..RemoveSubscriptionInfo::default()
    };
    for (way, ends) in [(["a", "b"], true), (["ID:here", "b"], false)] {
        let kept = Kept {
            client_id: "NC_there_inbound_here".into(),
            name: "NC-DS_here_t".into(),
            address: Address::topic("t"),
            passed: Vec::new(),
        };
        let mut world = World::standing_with(vec![kept], |connector| connector.consumer_ttl = 2);
        assert_eq!(told_here(&mut world).len(), 1);
        assert_eq!(told(&mut world, durable(&way)), []);
        world.hear(over().into());
        assert_eq!(world.said(Side::Local).len(), if ends { 2 } else { 0 }, "{way:?}");
    }
}

#[test]
fn demand_without_a_limit_has_one() {
    let far = |hops: usize| by(&vec!["a"; hops], wants(1, topic()));
    let mut world = anywhere(|_| ());
    assert_eq!(told(&mut world, far(64).into()), []);
    assert_eq!(told(&mut world, far(63).into()).len(), 1);
    world.hear(far(64).into());
    assert!(matches!(world.said(Side::Local)[..], [Command::RemoveInfo(_)]));
}
