//! By which address this broker is told of.

use std::net::{IpAddr, SocketAddr};

/// Where clients reach what listens at `bound`, by what was configured: the host's own name stands for every address that it has, as in ActiveMQ.
pub(in crate::shell) fn reachable(configured: &str, bound: SocketAddr) -> String {
    let host = configured.rsplit_once(':').map_or(configured, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_every = bare.parse().is_ok_and(|address: IpAddr| address.is_unspecified());
    let own = if is_every { own_name() } else { None };
    format!("tcp://{}:{}", own.as_deref().unwrap_or(host), bound.port())
}

/// This host's name, where it has one that can stand in an address.
fn own_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok()?;
    let is_name = crate::shell::listen::check(&format!("{name}:1")).is_ok();
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_the_hosts_own_name_and_all_others_stay() {
        let bound = "0.0.0.0:61616".parse().expect("an address");
        for same in ["10.0.0.1:0", "mq-1.example.org:61616", "[2001:db8::1]:61616", "localhost:0"] {
            let (host, _) = same.rsplit_once(':').expect("a port");
            assert_eq!(reachable(same, bound), format!("tcp://{host}:61616"));
        }
        let name = own_name().expect("this host has a name");
        for every in ["0.0.0.0:61616", "[::]:0"] {
            assert_eq!(reachable(every, bound), format!("tcp://{name}:61616"));
        }
    }
}
