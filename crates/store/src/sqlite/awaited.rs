//! Contacts whose dial somebody waits for: a Trigger answers `dialled` when it comes soon.

use std::{collections::HashMap, sync::Mutex};

use campanile_domain::ids::ContactId;
use tokio::sync::oneshot;

/// Who waits for whom.
#[derive(Debug, Default)]
pub(crate) struct Awaited {
    waiting: Mutex<HashMap<ContactId, Vec<oneshot::Sender<()>>>>,
}

impl Awaited {
    /// Tells when the contact is dialled, from now on.
    pub(crate) fn register(&self, contact: ContactId) -> oneshot::Receiver<()> {
        let (teller, told) = oneshot::channel();
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        waiting.entry(contact).or_default().push(teller);
        told
    }

    /// An attempt of the contact is durable.
    pub(crate) fn dialled(&self, contact: ContactId) {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        for teller in waiting.remove(&contact).into_iter().flatten() {
            // Whoever waited may have gone away.
            let _ = teller.send(());
        }
    }

    /// Forgets those that wait for the contact no longer.
    pub(crate) fn forget(&self, contact: ContactId) {
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        if let Some(tellers) = waiting.get_mut(&contact) {
            tellers.retain(|teller| !teller.is_closed());
            if tellers.is_empty() {
                waiting.remove(&contact);
            }
        }
    }
}
