//! What a dialler dials with: carriers, numbers, bots.

use campanile_domain::{
    bot::{Bot, BotKind},
    carrier::{Carrier, CarrierSettings, Direction, Number},
    ids::{BotId, CarrierId, NumberId},
    phone::PhoneNumber,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{error::StoreError, store::Store};

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// A new, enabled carrier.
    pub async fn create_carrier(
        &self,
        settings: CarrierSettings,
        now: Timestamp,
    ) -> Result<Carrier> {
        self.inner.create_carrier(settings, now).await
    }

    /// Changed settings; the dialler sees them at once.
    pub async fn update_carrier(
        &self,
        id: CarrierId,
        enabled: bool,
        settings: CarrierSettings,
    ) -> Result<Carrier> {
        self.inner.update_carrier(id, enabled, settings).await
    }

    /// All.
    pub async fn carriers(&self) -> Result<Vec<Carrier>> {
        self.inner.carriers().await
    }

    /// Takes a disabled carrier away; `Conflict` (`in_use`) while numbers or attempts
    /// belong to it.
    pub async fn delete_carrier(&self, id: CarrierId) -> Result<()> {
        self.inner.delete_carrier(id).await
    }

    /// Takes a number away; `Conflict` (`in_use`) while a campaign names it.
    pub async fn delete_number(&self, id: NumberId) -> Result<()> {
        self.inner.delete_number(id).await
    }

    /// Takes a bot away; `Conflict` (`in_use`) while a campaign names it.
    pub async fn delete_bot(&self, id: BotId) -> Result<()> {
        self.inner.delete_bot(id).await
    }

    /// Everything of a number but its digits. `Invalid` when the carrier does not exist.
    pub async fn update_number(&self, number: Number) -> Result<Number> {
        self.inner.update_number(number).await
    }

    /// `Invalid` when the carrier does not exist, `Conflict` when the number exists.
    pub async fn create_number(
        &self,
        e164: PhoneNumber,
        carrier: CarrierId,
        label: Option<String>,
        direction: Direction,
        now: Timestamp,
    ) -> Result<Number> {
        self.inner.create_number(e164, carrier, label, direction, now).await
    }

    /// All.
    pub async fn numbers(&self) -> Result<Vec<Number>> {
        self.inner.numbers().await
    }

    /// A new, enabled bot; settings are checked by kind.
    pub async fn create_bot(
        &self,
        name: String,
        kind: BotKind,
        settings: Value,
        now: Timestamp,
    ) -> Result<Bot> {
        self.inner.create_bot(name, kind, settings, now).await
    }

    /// Changed bot.
    pub async fn update_bot(
        &self,
        id: BotId,
        enabled: bool,
        name: String,
        settings: Value,
    ) -> Result<Bot> {
        self.inner.update_bot(id, enabled, name, settings).await
    }

    /// All.
    pub async fn bots(&self) -> Result<Vec<Bot>> {
        self.inner.bots().await
    }
}
