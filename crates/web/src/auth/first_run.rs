//! The first administrator: while nobody can sign in, one random token opens
//! `/setup`, once.

use std::sync::Mutex;

use rand::distr::{Alphanumeric, SampleString};
use subtle::ConstantTimeEq;

/// The setup token, while it lives.
pub(crate) struct FirstRun(Mutex<Option<String>>);

impl FirstRun {
    pub(crate) fn new(nobody_yet: bool) -> Self {
        let token = nobody_yet.then(|| Alphanumeric.sample_string(&mut rand::rng(), 32));
        Self(Mutex::new(token))
    }

    pub(crate) fn token(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Whether `shown` is the token.
    pub(crate) fn is(&self, shown: &str) -> bool {
        self.lock().as_deref().is_some_and(|token| token.as_bytes().ct_eq(shown.as_bytes()).into())
    }

    /// Takes the token if `shown` is it: of two who hold the link, one succeeds.
    pub(crate) fn take(&self, shown: &str) -> Option<String> {
        let mut token = self.lock();
        if token.as_deref().is_some_and(|token| token.as_bytes().ct_eq(shown.as_bytes()).into()) {
            token.take()
        } else {
            None
        }
    }

    /// Gives a taken token back: the administrator could not be created.
    pub(crate) fn give_back(&self, token: String) {
        *self.lock() = Some(token);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_works_once() {
        let first_run = FirstRun::new(true);
        let token = first_run.token().unwrap();
        assert_eq!(token.len(), 32);
        assert!(!first_run.is("guess") && first_run.take("guess").is_none());
        assert!(first_run.is(&token));
        assert_eq!(first_run.take(&token), Some(token.clone()));
        assert!(first_run.take(&token).is_none() && first_run.token().is_none());
        first_run.give_back(token.clone());
        assert!(first_run.is(&token));
    }

    #[test]
    fn there_is_no_token_once_somebody_can_sign_in() {
        assert_eq!(FirstRun::new(false).token(), None);
    }
}
