//! Bots: what speaks once a call is answered.

use campanile_domain::{
    bot::{Bot, BotKind},
    ids::BotId,
};
use serde_json::{Map, Value};

use crate::{
    app::App,
    auth::{Act, Who},
    service::{Result, ServiceError},
};

/// All, in the order they were made.
pub async fn list(app: &App, who: &Who) -> Result<Vec<Bot>> {
    who.require(Act::Look)?;
    let mut bots = app.store.bots().await?;
    bots.sort_by_key(|bot| bot.id);
    Ok(bots)
}

/// One.
pub async fn get(app: &App, who: &Who, id: BotId) -> Result<Bot> {
    who.require(Act::Look)?;
    find(app, id).await?.ok_or(ServiceError::NotFound("bot"))
}

/// A new, enabled bot; `{}` are valid settings of a script.
pub async fn create(
    app: &App,
    who: &Who,
    name: String,
    kind: BotKind,
    settings: Map<String, Value>,
) -> Result<Bot> {
    who.require(Act::Edit)?;
    let name = checked(name)?;
    Ok(app.store.create_bot(name, kind, Value::Object(settings), app.now()).await?)
}

/// Changed fields of a bot; what is `None` stays.
pub async fn update(
    app: &App,
    who: &Who,
    id: BotId,
    enabled: Option<bool>,
    name: Option<String>,
    settings: Option<Map<String, Value>>,
) -> Result<Bot> {
    who.require(Act::Edit)?;
    let bot = find(app, id).await?.ok_or(ServiceError::NotFound("bot"))?;
    let name = checked(name.unwrap_or(bot.name))?;
    let settings = settings.map_or(bot.settings, Value::Object);
    Ok(app.store.update_bot(id, enabled.unwrap_or(bot.enabled), name, settings).await?)
}

/// Takes a bot away that no campaign uses.
pub async fn delete(app: &App, who: &Who, id: BotId) -> Result<()> {
    who.require(Act::Edit)?;
    Ok(app.store.delete_bot(id).await?)
}

/// One, if it is there; whoever asks has been asked for his rank.
pub(crate) async fn find(app: &App, id: BotId) -> Result<Option<Bot>> {
    Ok(app.store.bots().await?.into_iter().find(|bot| bot.id == id))
}

fn checked(name: String) -> Result<String> {
    let name = name.trim().to_owned();
    if name.is_empty() {
        return Err(ServiceError::field("/name", "required", "give the bot a name"));
    }
    if name.chars().count() > 200 {
        return Err(ServiceError::field("/name", "too_long", "use at most 200 characters"));
    }
    Ok(name)
}
