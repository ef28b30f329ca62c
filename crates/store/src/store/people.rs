//! Who may do what: users, keys, sessions.

use campanile_domain::ids::{KeyId, UserId};
use jiff::Timestamp;

use crate::{
    error::StoreError,
    rows::{Key, NewKey, Role, Scope, Session, SignIn, User, UserChange},
    store::Store,
};

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// The first administrator; `Conflict` (`setup_done`) when anybody has an account:
    /// looked at in the same transaction.
    pub async fn create_first_user(
        &self,
        email: String,
        password_hash: String,
        now: Timestamp,
    ) -> Result<User> {
        self.inner.create_first_user(email, password_hash, now).await
    }

    /// `Conflict` when the address is taken.
    pub async fn create_user(
        &self,
        email: String,
        role: Role,
        password_hash: String,
        now: Timestamp,
    ) -> Result<User> {
        self.inner.create_user(email, role, password_hash, now).await
    }

    /// All.
    pub async fn users(&self) -> Result<Vec<User>> {
        self.inner.users().await
    }

    /// For signing in.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>> {
        self.inner.user_by_email(email).await
    }

    /// One user.
    pub async fn user(&self, id: UserId) -> Result<User> {
        self.inner.user(id).await
    }

    /// Another role or password, or no access any more: his sign-ins end. `Conflict`
    /// (`last_admin`) when nobody could administer after it.
    pub async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        now: Timestamp,
    ) -> Result<User> {
        self.inner.change_user(id, change, now).await
    }

    /// Takes a user and his sign-ins away; `Conflict` as for a change.
    pub async fn delete_user(&self, id: UserId) -> Result<()> {
        self.inner.delete_user(id).await
    }

    /// The sign-ins of a user that have not ended, newest first, at most 500.
    pub async fn sign_ins(&self, id: UserId, now: Timestamp) -> Result<Vec<SignIn>> {
        self.inner.sign_ins(id, now).await
    }

    /// Ends one sign-in of a user, or all; how many there were.
    pub async fn end_sign_ins(&self, id: UserId, sign_in: Option<String>) -> Result<usize> {
        self.inner.end_sign_ins(id, sign_in).await
    }

    /// A new key; only its hash is kept.
    pub async fn create_key(
        &self,
        name: String,
        prefix: String,
        hash: [u8; 32],
        scope: Scope,
        now: Timestamp,
    ) -> Result<Key> {
        self.inner.create_key(name, prefix, hash, scope, now).await
    }

    /// A new key with everything that can be said of one; only its hash is kept.
    pub async fn add_key(&self, new: NewKey, now: Timestamp) -> Result<Key> {
        self.inner.add_key(new, now).await
    }

    /// All.
    pub async fn keys(&self) -> Result<Vec<Key>> {
        self.inner.keys().await
    }

    /// For authentication.
    pub async fn key_by_prefix(&self, prefix: &str) -> Result<Option<Key>> {
        self.inner.key_by_prefix(prefix).await
    }

    /// Last use, at most once a minute.
    pub async fn touch_key(&self, id: KeyId, now: Timestamp) -> Result<()> {
        self.inner.touch_key(id, now).await
    }

    /// Ends it.
    pub async fn delete_key(&self, id: KeyId) -> Result<()> {
        self.inner.delete_key(id).await
    }

    /// Creates or replaces.
    pub async fn save_session(&self, session: Session) -> Result<()> {
        self.inner.save_session(session).await
    }

    /// If it is still valid.
    pub async fn session(&self, id_hash: [u8; 32], now: Timestamp) -> Result<Option<Session>> {
        self.inner.session(id_hash, now).await
    }

    /// Signs out.
    pub async fn delete_session(&self, id_hash: [u8; 32]) -> Result<()> {
        self.inner.delete_session(id_hash).await
    }
}
