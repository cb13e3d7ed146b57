//! Faults at random.

use std::time::Duration;

use crate::fault::Fault;
use crate::network::connection::Cut;
use crate::network::link::Partition;
use crate::world::World;

/// Which faults, where, and how often. Each is undone by itself after a while, but for clocks.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// The hosts to whose machines, processes, disks and clocks it happens.
    pub hosts: Vec<String>,
    /// The pairs of hosts between which it happens.
    pub links: Vec<(String, String)>,
    /// The kinds.
    pub faults: Vec<Fault>,
    /// How long it takes to the next fault, at most.
    pub every: Duration,
    /// How long a fault lasts, at most.
    pub lasts: Duration,
    /// How far a clock jumps, at most.
    pub jump: Duration,
    /// How fast or slow a clock gets, in parts in a million, at most.
    pub skew: i64,
}

impl Chaos {
    /// Lets it happen from now on for so long. All that is to be undone is undone by itself; [`World::mend`] does it at once.
    pub fn begin(self, world: &mut World, time: Duration) {
        let until = world.now() + time;
        self.go_on(world, until);
    }

    fn go_on(self, world: &mut World, until: Duration) {
        let next = world.random().between(Duration::ZERO, self.every);
        world.after(next, move |world| {
            if world.now() < until {
                self.happen(world);
                self.go_on(world, until);
            }
        });
    }

    /// One of the faults happens, somewhere.
    fn happen(&self, world: &mut World) {
        let Some(fault) = world.random().pick(&self.faults).copied() else { return };
        let lasts = world.random().between(Duration::ZERO, self.lasts);
        match fault {
            Fault::Partition | Fault::OneWay | Fault::Refuse | Fault::Cut | Fault::Delay => {
                let Some((one, other)) = world.random().pick(&self.links).cloned() else { return };
                let (one, other) = if world.random().one_in(2) { (one, other) } else { (other, one) };
                self.happen_to_link(world, fault, lasts, one, other);
            }
            _ => {
                let Some(host) = world.random().pick(&self.hosts).cloned() else { return };
                self.happen_to_host(world, fault, lasts, host);
            }
        }
    }

    fn happen_to_link(&self, world: &mut World, fault: Fault, lasts: Duration, one: String, other: String) {
        match fault {
            Fault::Partition => world.part(&one, &other, Partition::Silent),
            Fault::Refuse => world.part(&one, &other, Partition::Refusing),
            Fault::OneWay => world.block(&one, &other, Partition::Silent),
            Fault::Delay => world.delay(&one, &other, lasts / 4),
            _ => {
                let found = world.connections(&one, &other);
                let prefix = world.random().below(200);
                let Some(end) = world.random().pick(&found).copied() else { return };
                let first = if world.random().one_in(2) { end } else { end.other() };
                world.cut(first, Cut { prefix, late: lasts });
                return;
            }
        }
        world.after(lasts, move |world| world.heal(&one, &other));
    }

    fn happen_to_host(&self, world: &mut World, fault: Fault, lasts: Duration, host: String) {
        match fault {
            Fault::Kill => world.kill(&host),
            Fault::Crash => world.crash(&host),
            Fault::Pause => world.pause(&host),
            Fault::Suspend => world.suspend(&host),
            Fault::KillAtDisk => {
                let calls = world.random().below(20);
                world.disk(&host).die_in(calls);
            }
            Fault::Flush => world.disk(&host).fail_flushes(),
            Fault::Write => world.disk(&host).fail_writes(),
            Fault::Full => world.disk(&host).fill(true),
            Fault::Jump => {
                let by = world.random().between(Duration::ZERO, self.jump);
                world.jump_clock(&host, by);
            }
            _ => {
                let width = self.skew.unsigned_abs();
                let fast = world.random().below(2 * width + 1) as i64 - width as i64;
                world.skew_clock(&host, fast);
            }
        }
        // Whatever it was: it runs, moves, and has room again. A store that failed has ended its process, or will.
        world.after(lasts, move |world| {
            world.disk(&host).fill(false);
            world.resume(&host);
            world.start(&host);
        });
    }
}
