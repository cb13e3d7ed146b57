//! Which interface a group is met on.

use std::io;
use std::net::Ipv4Addr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::discovery::Multicast;

/// Where one listens and speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The interface that is listened on, by its address; every address for the system's choice.
    pub(super) listens: Ipv4Addr,
    /// The one that is spoken on.
    pub(super) speaks: Ipv4Addr,
}

/// An interface, by one of its addresses.
#[derive(Clone, Debug)]
struct Interface {
    name: String,
    address: Ipv4Addr,
    /// Whether it is up, can do multicast, and leads out of this host.
    leads_out: bool,
}

/// Where it is now.
///
/// # Errors
/// The interfaces cannot be listed, or there is none as was asked for.
pub(super) fn find(options: &Multicast) -> io::Result<Place> {
    choose(options, &interfaces()?)
}

fn interfaces() -> io::Result<Vec<Interface>> {
    let found = getifaddrs().map_err(io::Error::from)?;
    let interfaces = found.filter_map(|one| {
        let address = one.address.as_ref()?.as_sockaddr_in()?.ip();
        let flags = one.flags;
        let needs = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING | InterfaceFlags::IFF_MULTICAST;
        let leads_out = flags.contains(needs)
            && !flags.contains(InterfaceFlags::IFF_LOOPBACK)
            && !one.interface_name.starts_with("vnic");
        Some(Interface { name: one.interface_name, address, leads_out })
    });
    Ok(interfaces.collect())
}

/// As ActiveMQ chooses where nothing was said: the first that leads out. (Java lists them the other way round, and it takes the last.) What is said of one
/// of listening and speaking holds for both, which is not so in ActiveMQ.
fn choose(options: &Multicast, interfaces: &[Interface]) -> io::Result<Place> {
    let named = |name: &Option<String>| {
        let Some(name) = name else { return Ok(None) };
        let found = interfaces.iter().find(|interface| interface.name == *name);
        let absent =
            || io::Error::new(io::ErrorKind::NotFound, format!("no interface {name} has an IPv4 address"));
        found.map(|interface| Some(interface.address)).ok_or_else(absent)
    };
    let (speaks, listens) = (named(&options.network_interface)?, named(&options.join_network_interface)?);
    let speaks = speaks.or(options.interface);
    let usual = || {
        let leads_out = interfaces.iter().find(|interface| interface.leads_out);
        leads_out.map_or(Ipv4Addr::UNSPECIFIED, |interface| interface.address)
    };
    Ok(Place {
        listens: listens.or(speaks).unwrap_or_else(usual),
        speaks: speaks.or(listens).unwrap_or_else(usual),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, last: u8, leads_out: bool) -> Interface {
        Interface { name: name.to_owned(), address: Ipv4Addr::new(10, 0, 0, last), leads_out }
    }

    fn chosen(options: &Multicast) -> (u8, u8) {
        let all = [interface("lo", 1, false), interface("eth0", 2, true), interface("eth1", 3, true)];
        let place = choose(options, &all).expect("there is such a place");
        (place.listens.octets()[3], place.speaks.octets()[3])
    }

    #[test]
    fn the_first_that_leads_out_is_taken_unless_another_is_asked_for() {
        let usual = Multicast::default();
        assert_eq!(chosen(&usual), (2, 2));
        let by_address = Multicast { interface: Some(Ipv4Addr::new(10, 0, 0, 3)), ..usual.clone() };
        assert_eq!(chosen(&by_address), (3, 3));
        let by_name = Multicast { network_interface: Some("lo".to_owned()), ..by_address.clone() };
        assert_eq!(chosen(&by_name), (1, 1));
        let join = Some("eth1".to_owned());
        assert_eq!(chosen(&Multicast { join_network_interface: join.clone(), ..usual.clone() }), (3, 3));
        assert_eq!(chosen(&Multicast { join_network_interface: join, ..by_name }), (3, 1));
        let absent = Multicast { network_interface: Some("eth7".to_owned()), ..usual.clone() };
        let problem = choose(&absent, &[interface("eth0", 2, true)]).expect_err("there is none");
        assert!(problem.to_string().contains("no interface eth7"), "{problem}");
        let place = choose(&usual, &[interface("lo", 1, false)]).expect("the system's choice");
        assert_eq!((place.listens, place.speaks), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
    }

    #[test]
    fn this_hosts_interfaces_can_be_listed() {
        let all = interfaces().expect("a list");
        assert!(
            all.iter().any(|interface| interface.address.is_loopback() && !interface.leads_out),
            "{all:?}"
        );
    }
}
