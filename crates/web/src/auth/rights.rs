//! One table of who may do what; every service function asks it.

use campanile_domain::outcome::words;
use campanile_store::rows::{Actor, Key, Role, Scope, User};
use serde::{Deserialize, Serialize};

use crate::service::ServiceError;

words! {
    /// What a request wants to do, as far as ranks care.
    Act {
        /// See campaigns, contacts, carriers, bots and their figures.
        Look = "look" / 0,
        /// Add one contact by Trigger, or exclude one.
        Trigger = "trigger" / 1,
        /// Start, pause, resume and stop campaigns, and add contacts to them.
        Run = "run" / 2,
        /// Take contacts and attempts out as files.
        Export = "export" / 3,
        /// Create, change and delete campaigns and bots.
        Edit = "edit" / 4,
        /// Own carriers, numbers, users and keys.
        Administer = "administer" / 5,
    }
}

/// The caller of a service function, with his rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// As it is kept with what he does.
    pub actor: Actor,
    rank: Rank,
}

/// Whether a person asks or a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// A person with a role.
    User(Role),
    /// An API key with a scope.
    Key(Scope),
}

impl Who {
    /// A person.
    pub fn user(user: &User) -> Self {
        let actor = Actor { id: user.id.to_string(), name: user.email.clone() };
        Self { actor, rank: Rank::User(user.role) }
    }

    /// A key.
    pub fn key(key: &Key) -> Self {
        let actor = Actor { id: key.id.to_string(), name: key.name.clone() };
        Self { actor, rank: Rank::Key(key.scope) }
    }

    /// His rank.
    pub fn rank(&self) -> Rank {
        self.rank
    }

    /// Whether he may do `act`; pages use it to leave buttons out.
    pub fn may(&self, act: Act) -> bool {
        can(self.rank, act)
    }

    /// `Forbidden` unless he may.
    pub fn require(&self, act: Act) -> Result<(), ServiceError> {
        if self.may(act) { Ok(()) } else { Err(ServiceError::Forbidden(act)) }
    }
}

impl Act {
    /// The least role and scope that may do it.
    pub fn least(self) -> (Role, Scope) {
        let role = Role::ALL.iter().copied().find(|role| can(Rank::User(*role), self));
        let scope = Scope::ALL.iter().copied().find(|scope| can(Rank::Key(*scope), self));
        (role.unwrap_or(Role::Admin), scope.unwrap_or(Scope::Admin))
    }
}

/// The table (CO-5).
pub fn can(rank: Rank, act: Act) -> bool {
    match act {
        Act::Look => true,
        Act::Trigger => at_least(rank, Role::Operator, Scope::Trigger),
        Act::Run | Act::Export => at_least(rank, Role::Operator, Scope::Operator),
        Act::Edit => at_least(rank, Role::Supervisor, Scope::Admin),
        Act::Administer => at_least(rank, Role::Admin, Scope::Admin),
    }
}

fn at_least(rank: Rank, role: Role, scope: Scope) -> bool {
    match rank {
        Rank::User(has) => has >= role,
        Rank::Key(has) => has >= scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_against_every_act() {
        let ranks = Role::ALL
            .iter()
            .map(|role| (role.word(), "role", Rank::User(*role)))
            .chain(Scope::ALL.iter().map(|scope| (scope.word(), "scope", Rank::Key(*scope))));
        let mut table = String::new();
        for (word, kind, rank) in ranks {
            let may: Vec<_> =
                Act::ALL.iter().filter(|act| can(rank, **act)).map(|act| act.word()).collect();
            table += &format!("{kind:5} {word:10} {}\n", may.join(" "));
        }
        insta::assert_snapshot!(table, @r"
        role  viewer     look
        role  operator   look trigger run export
        role  supervisor look trigger run export edit
        role  admin      look trigger run export edit administer
        scope read       look
        scope trigger    look trigger
        scope operator   look trigger run export
        scope admin      look trigger run export edit administer
        ");
    }
}
