//! Bots: what speaks once a call is answered.

use campanile_domain::bot::BotKind;

/// Whether this version has a bot of that kind that can speak. A campaign whose bot
/// cannot is refused at Start; a call placed with one would end as `bot_error`.
pub fn speaks(kind: BotKind) -> bool {
    match kind {
        BotKind::Script => true,
        BotKind::MediaStream | BotKind::Realtime | BotKind::Sip => false,
    }
}
