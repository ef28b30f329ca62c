//! Provisionals that must be acknowledged (RFC 3262), on the calling side.

use super::{Caller, Phase};
use crate::{
    message::{Message, Name},
    time::Time,
    ua::{
        asking::Purpose,
        call::{Came, Common, Shared},
        legs::Early,
    },
};

/// Provisionals of more forks than this are not acknowledged.
const EARLY_MAX: usize = 8;

impl Caller {
    /// Acknowledges a provisional that asks for it; whether it is to be taken at all: not one
    /// that comes again, nor one that overtook another (RFC 3262 4).
    pub(super) fn takes_provisional(
        &mut self,
        common: &mut Common,
        shared: &mut Shared,
        now: Time,
        code: u16,
        came: Came<'_>,
    ) -> bool {
        let Some(rseq) = reliable(came.message, code) else { return true };
        if matches!(self.phase, Phase::Gone | Phase::Over) || came.tag_of_to().is_empty() {
            return true;
        }
        let tag = came.tag_of_to().to_owned();
        let known = common.early.iter().position(|early| early.dialog.remote_tag == tag);
        let index = match known {
            Some(index) => {
                let early = &mut common.early[index];
                if early.rseq.checked_add(1) != Some(rseq) {
                    return false;
                }
                early.rseq = rseq;
                early.dialog.moved(came.message);
                index
            }
            None if common.early.len() == EARLY_MAX => return false,
            None => {
                let dialog = self.dialog_of(common, came);
                common.early.push(Early { dialog, rseq, sdp: None });
                common.early.len() - 1
            }
        };
        let mut answer = None;
        if common.early[index].sdp.is_none()
            && let Some(sdp) = came.sdp()
        {
            // Its answer to our offer; or its offer, which PRACK answers (RFC 3262 5).
            if self.invite.late_offer {
                answer = common.answer_to(&sdp).ok();
            }
            if !self.invite.late_offer || answer.is_some() {
                common.early[index].sdp = Some(sdp);
            }
        }
        let rack = format!("{rseq} {} INVITE", self.cseq);
        common.ask(shared, now, &tag, Purpose::Prack { rack, sdp: answer });
        true
    }
}

/// The RSeq of a provisional that is to be acknowledged.
fn reliable(message: &Message<'_>, code: u16) -> Option<u32> {
    if code == 100 || !message.lists(Name::Require, "100rel") {
        return None;
    }
    message.rseq()
}
