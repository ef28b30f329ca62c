//! Passwords: Argon2id, off the async threads, a few at a time.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::PasswordHash,
};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// Shortest password that is taken, characters.
pub const LENGTH_MIN: usize = 10;
/// Longest password that is taken, bytes: hashing time grows with it.
pub const LENGTH_MAX: usize = 1_024;

/// Each verification holds 19 MiB; this many may run at once.
const AT_ONCE: usize = 2;
/// A sign-in waits this long for its turn, then is asked to come back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Verified in place of an unknown user's, so that the time of an answer does not
/// tell who has an account.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash_now("nobody has this password").expect("a short text can be hashed"));

/// The password could not be hashed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct NotHashed;

/// Too many sign-ins at once.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("too many sign-ins at once")]
pub(crate) struct Crowded;

/// The Argon2id PHC string of a password (m = 19 MiB, t = 2, p = 1). Takes tens of
/// milliseconds: not for async threads.
pub fn hash_password(password: &str) -> Result<String, NotHashed> {
    hash_now(password)
}

/// Hashes and verifies, [`AT_ONCE`] at a time.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Passwords {
    /// Whether `password` is the one that `hash` was made of. Takes as long when
    /// there is no hash.
    pub(crate) async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, Crowded> {
        self.in_turn(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.clone());
            let right = PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2id().verify_password(password.as_bytes(), &hash).is_ok());
            known && right
        })
        .await
    }

    /// [`hash_password`] for async threads.
    pub(crate) async fn hash(
        &self,
        password: String,
    ) -> Result<Result<String, NotHashed>, Crowded> {
        self.in_turn(move || hash_now(&password)).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Crowded> {
        let turn = timeout(PATIENCE, self.turns.clone().acquire_owned())
            .await
            .map_err(|_| Crowded)?
            .expect("the semaphore is never closed");
        // The turn goes with the work: a caller who gives up does not free it early.
        spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(|_| Crowded)
    }
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(19 * 1_024, 2, 1, None).expect("OWASP's parameters are in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash_now(password: &str) -> Result<String, NotHashed> {
    let hash: PasswordHash =
        argon2id().hash_password(password.as_bytes()).map_err(|_| NotHashed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_taken() {
        let passwords = Passwords::default();
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("nobody has this password".into(), None).await.unwrap());
        assert!(!passwords.verify("x".into(), Some("not a hash".into())).await.unwrap());
    }
}
