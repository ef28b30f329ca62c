//! Live pages: one stream of HTML fragments for a whole browser.
//!
//! A page asks for topics (`campaign:cmp_…`, `list`) at `/live?topics=…`. Each topic
//! has one task while somebody watches it: it renders the fragment once and every
//! viewer gets the same bytes. A viewer gets the newest frame, never a queue of old
//! ones, and the first one at once.

mod history;
mod hub;
mod stream;

use std::{fmt, str::FromStr};

use campanile_domain::ids::CampaignId;

pub(crate) use history::{Histories, Point, SPAN_SECONDS, record};
pub(crate) use hub::Pages;
pub(crate) use stream::{campaign_events, pages};

/// What can be watched; its text form is the name of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// `campaign:cmp_…`: the live parts of a campaign's page.
    Campaign(CampaignId),
    /// `list`: the rows of the campaign list.
    List,
}

/// The text is not a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a topic: use `list` or `campaign:cmp_…`")]
pub struct UnknownTopic;

impl fmt::Display for Topic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Campaign(id) => write!(out, "campaign:{id}"),
            Self::List => out.write_str("list"),
        }
    }
}

impl FromStr for Topic {
    type Err = UnknownTopic;

    fn from_str(text: &str) -> Result<Self, UnknownTopic> {
        match text.split_once(':') {
            None if text == "list" => Ok(Self::List),
            Some(("campaign", id)) => id.parse().map(Self::Campaign).map_err(|_| UnknownTopic),
            _ => Err(UnknownTopic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_what_it_writes() {
        for topic in [Topic::List, Topic::Campaign(CampaignId(7))] {
            assert_eq!(topic.to_string().parse(), Ok(topic));
        }
        for text in ["", "list:", "campaign:", "campaign:con_0000000000007", "wall"] {
            assert_eq!(text.parse::<Topic>(), Err(UnknownTopic), "{text}");
        }
    }
}
