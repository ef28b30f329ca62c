//! The organisation's do-not-call list (EX-4).

use campanile_domain::phone::PhoneNumber;

use crate::{error::StoreError, rows::DoNotCall, sqlite::do_not_call, store::Store};

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// Lists numbers that no campaign may dial; returns how many were not listed before. One
    /// that was keeps the later end.
    pub async fn list_do_not_call(&self, entries: Vec<DoNotCall>) -> Result<u64> {
        self.inner.write(move |batch| do_not_call::add(batch, &entries)).await
    }

    /// Takes a number off the list; `NotFound` when it is not there.
    pub async fn unlist_do_not_call(&self, number: PhoneNumber) -> Result<()> {
        match self.inner.write(move |batch| do_not_call::remove(batch, number)).await? {
            true => Ok(()),
            false => Err(StoreError::NotFound("number on the do-not-call list")),
        }
    }

    /// What the list says of a number, expired or not.
    pub async fn do_not_call(&self, number: PhoneNumber) -> Result<Option<DoNotCall>> {
        self.inner.read(move |db| do_not_call::entry(db, number)).await
    }

    /// Entries in order of number, behind `after`.
    pub async fn do_not_calls(
        &self,
        after: Option<PhoneNumber>,
        limit: u32,
    ) -> Result<Vec<DoNotCall>> {
        self.inner.read(move |db| do_not_call::page(db, after, limit)).await
    }
}
