//! A verb on its way from its caller to the writer and back.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{error::StoreError, sqlite::batch::Batch};

type Result<T> = std::result::Result<T, StoreError>;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Short verbs of people and of the dialler's rare moments: at once.
    People,
    /// The verbs that each call needs: they gather for some milliseconds.
    Calls,
    /// Pieces of a file: one at a time, after the calls.
    Bulk,
}

/// A verb on its way: applied in a savepoint, concluded when the counters are
/// written, answered after the commit.
pub(super) trait Job: Send {
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()>;
    fn conclude(&mut self, batch: &Batch<'_>) -> Result<()>;
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

struct Verb<T, U, F, G> {
    apply: Option<F>,
    applied: Option<T>,
    conclude: Option<G>,
    concluded: Option<U>,
    reply: oneshot::Sender<Result<U>>,
}

impl<T, U, F, G> Job for Verb<T, U, F, G>
where
    T: Send,
    U: Send,
    F: FnOnce(&mut Batch<'_>) -> Result<T> + Send,
    G: FnOnce(T, &Batch<'_>) -> Result<U> + Send,
{
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        let apply = self.apply.take().expect("a verb is applied once");
        self.applied = Some(apply(batch)?);
        Ok(())
    }

    fn conclude(&mut self, batch: &Batch<'_>) -> Result<()> {
        let conclude = self.conclude.take().expect("a verb is concluded once");
        let applied = self.applied.take().expect("a verb is applied before");
        self.concluded = Some(conclude(applied, batch)?);
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let answer = match failure {
            Some(failure) => Err(failure),
            None => Ok(self.concluded.expect("a verb is concluded before the commit")),
        };
        // A caller that went away does not want its answer.
        let _ = self.reply.send(answer);
    }
}

pub(super) struct Message {
    pub(super) lane: Lane,
    pub(super) job: Box<dyn Job>,
    /// A place in the queue, given back when the job is answered.
    _place: OwnedSemaphorePermit,
}

impl Message {
    /// A verb for the queue, and where its answer comes.
    pub(super) fn of<T, U>(
        lane: Lane,
        apply: impl FnOnce(&mut Batch<'_>) -> Result<T> + Send + 'static,
        conclude: impl FnOnce(T, &Batch<'_>) -> Result<U> + Send + 'static,
        place: OwnedSemaphorePermit,
    ) -> (Self, oneshot::Receiver<Result<U>>)
    where
        T: Send + 'static,
        U: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Verb {
            apply: Some(apply),
            applied: None,
            conclude: Some(conclude),
            concluded: None,
            reply,
        });
        (Self { lane, job, _place: place }, answer)
    }
}
