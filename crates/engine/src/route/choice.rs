//! Which of a carrier's addresses a call tries, and in what order: RFC 2782's priorities
//! and weights, those that failed a moment ago last.

use std::net::SocketAddr;

use rand::{Rng, RngExt};

/// Addresses that a call may try, one after the other; more would outlast Timer B.
const TRIES_MAX: usize = 8;

/// One SRV target with its addresses, or all addresses of a name without SRV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// Lower ones first.
    pub(super) priority: u16,
    /// Its share among those of the same priority.
    pub(super) weight: u16,
    /// In the order of the name server.
    pub(super) addresses: Vec<SocketAddr>,
}

/// The addresses in the order that one call tries them. Those that `failed` come last, in
/// their order: when all have failed, the first is as good as any.
pub(super) fn order(
    sites: &[Site],
    random: &mut impl Rng,
    failed: impl Fn(SocketAddr) -> bool,
) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for site in by_weight(sites, random) {
        for address in &site.addresses {
            if !addresses.contains(address) {
                addresses.push(*address);
            }
        }
    }
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| failed(*address));
    }
    addresses.truncate(TRIES_MAX);
    addresses
}

/// RFC 2782, "Usage rules": lowest priority first; within one, each next site is drawn by
/// its share of the weights that are left, those of weight 0 in front of the draw.
fn by_weight<'s>(sites: &'s [Site], random: &mut impl Rng) -> Vec<&'s Site> {
    let mut left: Vec<&Site> = sites.iter().collect();
    left.sort_by_key(|site| (site.priority, site.weight != 0));
    let mut drawn = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let rivals = left.iter().take_while(|site| site.priority == first.priority).count();
        let sum: u32 = left.iter().take(rivals).map(|site| u32::from(site.weight)).sum();
        let draw = if rivals > 1 { random.random_range(0..=sum) } else { 0 };
        let mut running = 0;
        let winner = left.iter().take(rivals).position(|site| {
            running += u32::from(site.weight);
            running >= draw
        });
        drawn.push(left.remove(winner.unwrap_or(0)));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn site(priority: u16, weight: u16, ports: &[u16]) -> Site {
        let at = |port: &u16| SocketAddr::from(([192, 0, 2, 1], *port));
        Site { priority, weight, addresses: ports.iter().map(at).collect() }
    }

    fn ports(sites: &[Site], seed: u64, failed: &[u16]) -> Vec<u16> {
        let mut random = StdRng::seed_from_u64(seed);
        let order = order(sites, &mut random, |address| failed.contains(&address.port()));
        order.iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn the_lowest_priority_number_comes_first_whatever_the_dice_say() {
        let sites = [site(20, 100, &[3]), site(10, 1, &[1]), site(30, 0, &[4, 5])];
        for seed in 0..50 {
            assert_eq!(ports(&sites, seed, &[]), [1, 3, 4, 5]);
        }
    }

    #[test]
    fn within_a_priority_the_weights_are_shares() {
        let sites = [site(1, 60, &[60]), site(1, 30, &[30]), site(1, 10, &[10])];
        let mut first: BTreeMap<u16, i32> = BTreeMap::new();
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..10_000 {
            let order = order(&sites, &mut random, |_| false);
            assert_eq!(order.len(), 3, "each is tried once");
            *first.entry(order[0].port()).or_insert(0) += 1;
        }
        for (weight, times) in first {
            let expected = i32::from(weight) * 100;
            assert!((times - expected).abs() < 250, "{weight} came first {times} times");
        }
    }

    #[test]
    fn a_weight_of_zero_has_a_small_chance_and_zeros_alone_have_equal_order() {
        let sites = [site(1, 0, &[1]), site(1, 9, &[9])];
        let zero_first = (0..2_000).filter(|seed| ports(&sites, *seed, &[])[0] == 1).count();
        // One draw of the ten from 0 to 9 falls on it.
        assert!((120..300).contains(&zero_first), "{zero_first}");
        assert_eq!(ports(&[site(1, 0, &[1]), site(1, 0, &[2])], 3, &[]), [1, 2]);
    }

    #[test]
    fn what_failed_a_moment_ago_is_tried_last() {
        let sites = [site(1, 0, &[1, 2]), site(2, 0, &[3])];
        assert_eq!(ports(&sites, 0, &[1]), [2, 3, 1]);
        assert_eq!(ports(&sites, 0, &[1, 2, 3]), [1, 2, 3]);
    }

    #[test]
    fn an_address_is_tried_once_and_no_more_than_eight_are() {
        let sites = [site(1, 0, &[1, 2, 1]), site(2, 0, &[2, 3, 4, 5, 6, 7, 8, 9, 10])];
        assert_eq!(ports(&sites, 0, &[]), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(ports(&[], 0, &[]).is_empty());
    }
}
