//! The slab of calls: a key finds its call without a search and never finds another's.

/// Names a call from [`Event::Incoming`](super::Event::Incoming) or
/// [`invite`](super::UserAgent::invite) to [`Event::Released`](super::Event::Released); after
/// that it names nothing, for its generation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    pub(super) slot: u32,
    pub(super) generation: u32,
}
