//! The verbs of users, sign-ins and kept answers, and of what is taken away.

use campanile_domain::{
    carrier::Number,
    ids::{BotId, CarrierId, NumberId, UserId},
};
use jiff::Timestamp;

use crate::{
    error::StoreError,
    rows::{Key, NewKey, SignIn, User, UserChange},
    sqlite::{Sqlite, accounts, people, removal, replies},
    store::replies::{Asked, Kept, Reply},
};

type Result<T> = std::result::Result<T, StoreError>;

impl Sqlite {
    pub(crate) async fn begin_reply(&self, asked: Asked, now: Timestamp) -> Result<Kept> {
        self.write(move |batch| replies::begin(batch, &asked, now)).await
    }

    pub(crate) async fn keep_reply(&self, asked: Asked, reply: Reply) -> Result<()> {
        self.write(move |batch| replies::keep(batch, &asked, &reply)).await
    }

    pub(crate) async fn forget_reply(&self, asked: Asked) -> Result<()> {
        self.write(move |batch| replies::forget(batch, &asked)).await
    }

    pub(crate) async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        now: Timestamp,
    ) -> Result<User> {
        self.write(move |batch| accounts::change_user(batch, id, change, now)).await
    }

    pub(crate) async fn delete_user(&self, id: UserId) -> Result<()> {
        self.write(move |batch| accounts::delete_user(batch, id)).await
    }

    pub(crate) async fn sign_ins(&self, id: UserId, now: Timestamp) -> Result<Vec<SignIn>> {
        self.read(move |db| accounts::sign_ins(db, id, now)).await
    }

    pub(crate) async fn end_sign_ins(&self, id: UserId, sign_in: Option<String>) -> Result<usize> {
        self.write(move |batch| {
            people::user(batch.db, id)?;
            accounts::end_sign_ins(batch, id, sign_in.as_deref())
        })
        .await
    }

    pub(crate) async fn add_key(&self, new: NewKey, now: Timestamp) -> Result<Key> {
        self.write(move |batch| people::create_key(batch, new, now)).await
    }

    pub(crate) async fn update_number(&self, number: Number) -> Result<Number> {
        self.write(move |batch| removal::update_number(batch, number)).await
    }

    pub(crate) async fn delete_carrier(&self, id: CarrierId) -> Result<()> {
        // Reads a whole table at worst: not in the writer's time. A carrier must be disabled
        // to go, so none is dialled through after this look.
        if self.read(move |db| removal::has_dialled(db, id)).await? {
            return Err(removal::in_use(
                "calls went through it, and their reports name it; it can only be disabled",
            ));
        }
        self.write(move |batch| removal::delete_carrier(batch, id)).await
    }

    pub(crate) async fn delete_number(&self, id: NumberId) -> Result<()> {
        self.write(move |batch| removal::delete_number(batch, id)).await
    }

    pub(crate) async fn delete_bot(&self, id: BotId) -> Result<()> {
        self.write(move |batch| removal::delete_bot(batch, id)).await
    }
}
