//! One table of who may do what; every service function asks it.

use campanile_domain::{outcome::words, phone::PhoneNumber};
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
        /// Own carriers, numbers and keys.
        Administer = "administer" / 5,
        /// Add, change and delete users of one's own rank and below, and end their
        /// sign-ins.
        People = "people" / 6,
        /// See the numbers of contacts whole.
        SeeNumbers = "see_numbers" / 7,
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

    /// The highest role that he may give, take and act on: his own.
    pub fn role(&self) -> Role {
        match self.rank {
            Rank::User(role) => role,
            Rank::Key(Scope::Read | Scope::Trigger) => Role::Viewer,
            Rank::Key(Scope::Operator) => Role::Operator,
            Rank::Key(Scope::Admin) => Role::Admin,
        }
    }

    /// A contact's number as he may see it: who may not see numbers sees the beginning
    /// and the last two digits.
    pub fn number(&self, number: PhoneNumber) -> String {
        let whole = number.to_string();
        if self.may(Act::SeeNumbers) { whole } else { masked(&whole) }
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

/// At most the first five and the last two characters stand.
fn masked(number: &str) -> String {
    let length = number.chars().count();
    let is_shown = |index: usize| length > 7 && (index < 5 || index + 2 >= length);
    let mask = |(index, char)| if is_shown(index) { char } else { '•' };
    number.chars().enumerate().map(mask).collect()
}

/// The table (CO-5).
pub fn can(rank: Rank, act: Act) -> bool {
    match act {
        Act::Look => true,
        Act::Trigger => at_least(rank, Role::Operator, Scope::Trigger),
        Act::Run | Act::Export | Act::SeeNumbers => at_least(rank, Role::Operator, Scope::Operator),
        Act::Edit | Act::People => at_least(rank, Role::Supervisor, Scope::Admin),
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
        role  operator   look trigger run export see_numbers
        role  supervisor look trigger run export edit people see_numbers
        role  admin      look trigger run export edit administer people see_numbers
        scope read       look
        scope trigger    look trigger
        scope operator   look trigger run export see_numbers
        scope admin      look trigger run export edit administer people see_numbers
        ");
    }
}
