//! Turns for hashing passwords. A hash takes as much work as a thousand requests, so few run at the same
//! time, and those who wait take turns: a flood at one business, or from one network, does not keep others
//! waiting.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenancy::TenantId;
use tokio::sync::oneshot;

/// The hash did not get its turn in time, or too many others were waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the same time; try again later")]
pub struct TooBusy;

/// For whom a password is hashed. Businesses take turns, and within a business networks do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applicant {
    tenant: Option<TenantId>,
    network: Option<IpAddr>,
}

impl Applicant {
    /// A client at a business; `None` is the platform. Clients with the same network are counted together.
    pub fn client(tenant: Option<TenantId>, network: Option<IpAddr>) -> Self {
        Self { tenant, network }
    }

    /// The operator's own commands.
    pub fn operator() -> Self {
        Self::default()
    }
}

/// The longest time for which a hash waits.
const WAIT: Duration = Duration::from_secs(5);
/// The number of hashes that one network may have waiting at one business.
const WAITING_PER_NETWORK: usize = 8;
/// The number of hashes that one network may have waiting at all businesses together.
const WAITING_PER_NETWORK_IN_ALL: usize = 32;
/// The number of hashes that may wait at one business.
const WAITING_PER_BUSINESS: usize = 64;

/// Lets a limited number of hashes run at the same time.
pub(super) struct HashTurns {
    state: Mutex<State>,
}

struct State {
    free: usize,
    /// Businesses with somebody waiting, in the order of their turns.
    order: VecDeque<Option<TenantId>>,
    businesses: HashMap<Option<TenantId>, Business>,
    /// How many each network has waiting.
    networks: HashMap<IpAddr, usize>,
    /// The number of the next one who waits.
    next_number: u64,
}

/// Those who wait at one business.
#[derive(Default)]
struct Business {
    /// Networks with somebody waiting, in the order of their turns.
    order: VecDeque<Option<IpAddr>>,
    waiting: HashMap<Option<IpAddr>, VecDeque<Waiting>>,
    count: usize,
}

/// One who waits.
struct Waiting {
    number: u64,
    sender: oneshot::Sender<Turn>,
}

/// A place among those who wait. Dropping it leaves.
struct Place<'a> {
    turns: &'a HashTurns,
    applicant: &'a Applicant,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.state.lock().unwrap_or_else(PoisonError::into_inner).leave(self.applicant, self.number);
    }
}

/// The right to compute one hash. Dropping it passes the right on. `None` when it has been given back.
pub(super) struct Turn(Option<Arc<HashTurns>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

impl HashTurns {
    pub(super) fn new(most: usize) -> Arc<Self> {
        let state = State {
            free: most,
            order: VecDeque::new(),
            businesses: HashMap::new(),
            networks: HashMap::new(),
            next_number: 0,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`TooBusy`], at once if too many of the same business or network are waiting.
    pub(super) async fn take(self: Arc<Self>, applicant: &Applicant) -> Result<Turn, TooBusy> {
        let (number, turn) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.free > 0 {
                state.free -= 1;
                return Ok(Turn(Some(self.clone())));
            }
            state.join(applicant)?
        };
        let _place = Place { turns: &self, applicant, number };
        match tokio::time::timeout(WAIT, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(TooBusy),
        }
    }

    /// Gives a turn that has ended to the next one who still waits for it.
    fn pass_on(self: &Arc<Self>) {
        let mut turn = Turn(Some(self.clone()));
        loop {
            let next = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let next = state.next();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else {
                turn.0 = None;
                return;
            };
            // One who waits no longer gives the turn back.
            match next.sender.send(turn) {
                Ok(()) => return,
                Err(back) => turn = back,
            }
        }
    }
}

impl State {
    fn join(&mut self, applicant: &Applicant) -> Result<(u64, oneshot::Receiver<Turn>), TooBusy> {
        let Applicant { tenant, network } = *applicant;
        let of_network = network.map_or(0, |network| self.networks.get(&network).copied().unwrap_or(0));
        let business = self.businesses.get(&tenant);
        let of_business = business.map_or(0, |business| business.count);
        let here = business.and_then(|business| business.waiting.get(&network)).map_or(0, VecDeque::len);
        if of_network >= WAITING_PER_NETWORK_IN_ALL || (network.is_some() && here >= WAITING_PER_NETWORK) {
            return Err(TooBusy);
        }
        if of_business >= WAITING_PER_BUSINESS && !self.make_room(tenant, here) {
            return Err(TooBusy);
        }
        let business = self.businesses.entry(tenant).or_default();
        if business.count == 0 {
            self.order.push_back(tenant);
        }
        business.count += 1;
        if let Some(network) = network {
            *self.networks.entry(network).or_default() += 1;
        }
        let (sender, receiver) = oneshot::channel();
        let queue = business.waiting.entry(network).or_default();
        if queue.is_empty() {
            business.order.push_back(network);
        }
        self.next_number += 1;
        queue.push_back(Waiting { number: self.next_number, sender });
        Ok((self.next_number, receiver))
    }

    /// Sends the last one of the longest queue of a business away, in favour of a network that has at least
    /// two fewer waiting. Returns whether there was one.
    fn make_room(&mut self, tenant: Option<TenantId>, here: usize) -> bool {
        let Some(business) = self.businesses.get(&tenant) else { return false };
        let Some((network, queue)) = business.waiting.iter().max_by_key(|(_, queue)| queue.len()) else {
            return false;
        };
        let (Some(last), true) = (queue.back(), queue.len() > here + 1) else { return false };
        let (applicant, number) = (Applicant { tenant, network: *network }, last.number);
        self.leave(&applicant, number);
        true
    }

    /// Removes one who waits no longer, or has got the turn already.
    fn leave(&mut self, applicant: &Applicant, number: u64) {
        let Applicant { tenant, network } = *applicant;
        let Some(business) = self.businesses.get_mut(&tenant) else { return };
        let Some(queue) = business.waiting.get_mut(&network) else { return };
        let Some(at) = queue.iter().position(|waiting| waiting.number == number) else { return };
        queue.remove(at);
        if queue.is_empty() {
            business.waiting.remove(&network);
            business.order.retain(|other| *other != network);
        }
        self.count_one_less(tenant, network);
        if !self.businesses.contains_key(&tenant) {
            self.order.retain(|other| *other != tenant);
        }
    }

    fn count_one_less(&mut self, tenant: Option<TenantId>, network: Option<IpAddr>) {
        if let Some(business) = self.businesses.get_mut(&tenant) {
            business.count -= 1;
            if business.count == 0 {
                self.businesses.remove(&tenant);
            }
        }
        if let Some(network) = network
            && let Some(count) = self.networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
    }

    /// The next one of the next network of the next business.
    fn next(&mut self) -> Option<Waiting> {
        let tenant = self.order.pop_front()?;
        let business = self.businesses.get_mut(&tenant)?;
        let network = business.order.pop_front()?;
        let queue = business.waiting.get_mut(&network)?;
        let next = queue.pop_front()?;
        if queue.is_empty() {
            business.waiting.remove(&network);
        } else {
            business.order.push_back(network);
        }
        self.count_one_less(tenant, network);
        if self.businesses.contains_key(&tenant) {
            self.order.push_back(tenant);
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenant: TenantId, last: u8) -> Applicant {
        Applicant::client(Some(tenant), Some(IpAddr::from([192, 0, 2, last])))
    }

    /// Lets everybody wait who is named, and returns the order in which they get their turns.
    async fn order_of(applicants: &[(&'static str, Applicant)]) -> Vec<&'static str> {
        let turns = HashTurns::new(1);
        let first = turns.clone().take(&Applicant::operator()).await.unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        for (name, applicant) in applicants {
            let (turns, applicant, sender, name) = (turns.clone(), applicant.clone(), sender.clone(), *name);
            tokio::spawn(async move {
                if let Ok(turn) = turns.take(&applicant).await {
                    sender.send(name).unwrap();
                    drop(turn);
                }
            });
            tokio::task::yield_now().await;
        }
        drop((first, sender));
        let mut order = Vec::new();
        while let Some(name) = receiver.recv().await {
            order.push(name);
        }
        let state = turns.state.lock().unwrap();
        assert_eq!((state.free, state.businesses.len(), state.networks.len()), (1, 0, 0));
        order
    }

    #[tokio::test]
    async fn businesses_take_turns_and_so_do_networks() {
        let (flooded, quiet) = (TenantId::new(), TenantId::new());
        let order = order_of(&[
            ("flood", at(flooded, 1)),
            ("flood", at(flooded, 1)),
            ("flood", at(flooded, 1)),
            ("member", at(flooded, 2)),
            ("other", at(quiet, 3)),
        ])
        .await;
        assert_eq!(order, ["flood", "other", "member", "flood", "flood"]);
    }

    #[tokio::test]
    async fn one_network_has_few_waiting_at_one_business_and_not_too_many_in_all() {
        let mut flood: Vec<_> = (0..99).map(|_| ("flood", at(TenantId::new(), 1))).collect();
        flood.push(("other", at(TenantId::new(), 2)));
        let order = order_of(&flood).await;
        assert_eq!(order.len(), WAITING_PER_NETWORK_IN_ALL + 1);
        assert!(order.contains(&"other"));
        let flooded = TenantId::new();
        let mut flood: Vec<_> = (0..20).map(|_| ("flood", at(flooded, 1))).collect();
        flood.push(("same network", at(TenantId::new(), 1)));
        flood.push(("same business", at(flooded, 2)));
        let order = order_of(&flood).await;
        assert_eq!(order.len(), WAITING_PER_NETWORK + 2);
        assert!(order[..3].contains(&"same network") && order[..4].contains(&"same business"), "{order:?}");
    }

    #[tokio::test]
    async fn a_full_business_makes_room_for_a_network_that_has_fewer_waiting() {
        let flooded = TenantId::new();
        let mut flood: Vec<_> =
            (0..WAITING_PER_BUSINESS).map(|n| ("flood", at(flooded, (n % 8) as u8))).collect();
        flood.push(("member", at(flooded, 99)));
        let order = order_of(&flood).await;
        assert_eq!(order.len(), WAITING_PER_BUSINESS);
        assert!(order[..9].contains(&"member"), "{order:?}");
    }

    #[tokio::test]
    async fn a_turn_for_one_who_waits_no_longer_goes_to_the_next() {
        let turns = HashTurns::new(1);
        let first = turns.clone().take(&Applicant::operator()).await.unwrap();
        let tenant = TenantId::new();
        let (one, other) = (at(tenant, 1), at(tenant, 1));
        let mut gone = Box::pin(turns.clone().take(&one));
        assert!(futures_util::poll!(&mut gone).is_pending());
        let mut stays = Box::pin(turns.clone().take(&other));
        assert!(futures_util::poll!(&mut stays).is_pending());
        drop(gone);
        drop(first);
        let second = stays.await.unwrap();
        drop(second);
        assert_eq!(turns.state.lock().unwrap().free, 1);
    }
}
