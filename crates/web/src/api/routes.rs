//! Every route of `/api/v1`, in one table.
//!
//! A line here is all that a new route needs: method, address, who may ask, what it
//! does, its handler, and the types that go in and out (`#[derive(JsonSchema)]`). The
//! description and its page follow by themselves.

use campanile_domain::{carrier::CarrierSettings, carrier::Number, settings::Settings};
use campanile_store::rows::Activity;

use super::{
    bots, callbacks, campaigns, carriers, contacts, do_not_call, docs, keys, live, numbers,
    openapi,
    page::PageQuery,
    programs,
    route::{Repeat, Route, delete, get, open, patch, post},
    users,
};
use crate::{
    auth::Act::{Administer, Edit, Export, Look, People, Run, Trigger},
    live::campaign_events,
};

/// The table. The description keeps its order.
#[rustfmt::skip]
pub(crate) fn table() -> Vec<Route> {
    vec![
        get("/campaigns", Look, "List campaigns, newest first", campaigns::list)
            .query::<campaigns::ListQuery>().lists::<campaigns::View>(),
        post("/campaigns", Edit, "Make a draft", campaigns::create)
            .takes::<Settings>().makes::<campaigns::View>(),
        get("/campaigns/{id}", Look, "Show a campaign", campaigns::one).gives::<campaigns::View>(),
        patch("/campaigns/{id}", Edit, "Change settings of a draft or paused campaign", campaigns::update)
            .takes::<Settings>().gives::<campaigns::View>(),
        delete("/campaigns/{id}", Edit, "Delete a draft that never ran", campaigns::delete),
        post("/campaigns/{id}/start", Run, "Start the run", campaigns::start).gives::<campaigns::View>(),
        post("/campaigns/{id}/pause", Run, "Pause: no new call", campaigns::pause).gives::<campaigns::View>(),
        post("/campaigns/{id}/resume", Run, "Resume", campaigns::resume).gives::<campaigns::View>(),
        post("/campaigns/{id}/stop", Run, "Stop the run for good", campaigns::stop).gives::<campaigns::View>(),
        post("/campaigns/{id}/restart", Run, "Prepare another run of a finished campaign", campaigns::restart)
            .gives::<campaigns::View>(),
        post("/campaigns/{id}/cancel-restart", Run, "Take a prepared run back", campaigns::cancel_restart)
            .gives::<campaigns::View>(),
        get("/campaigns/{id}/live", Look, "Show what a campaign is doing now", live::one).gives::<live::Live>(),
        get("/campaigns/{id}/events", Look, "Follow the live state as server-sent events", campaign_events)
            .gives_text("text/event-stream"),
        get("/campaigns/{id}/stats", Look, "Show the figures of a run", live::stats)
            .query::<live::RunQuery>().gives::<live::Stats>(),
        get("/campaigns/{id}/activity", Look, "List the activity log, newest first", campaigns::activity)
            .query::<PageQuery>().lists::<Activity>(),
        get("/campaigns/{id}/setup", Look, "List the setup of each revision, newest first", campaigns::setup)
            .query::<PageQuery>().lists::<campaigns::Revision>(),

        get("/campaigns/{id}/callbacks", Look, "List the callbacks of a run", callbacks::list)
            .query::<callbacks::ListQuery>().lists::<callbacks::View>(),
        get("/campaigns/{id}/contacts", Look, "List contacts with their trails", contacts::list)
            .query::<contacts::ListQuery>().lists::<contacts::View>(),
        post("/campaigns/{id}/contacts", Run, "Send a contact file", contacts::import)
            .takes_file().query::<contacts::FileQuery>().gives::<contacts::Imported>(),
        post("/campaigns/{id}/contacts/preview", Run, "Show how a contact file would be read", contacts::preview)
            .takes_file().repeated(Repeat::Ignored)
            .query::<contacts::FileQuery>().gives::<contacts::Previewed>(),
        get("/campaigns/{id}/contacts/{contact_id}", Look, "Show a contact with its attempts", contacts::one)
            .gives::<contacts::Detail>(),
        get("/campaigns/{id}/attempts.csv", Export, "Download the attempt report", contacts::attempts)
            .query::<contacts::AttemptsQuery>().gives_text("text/csv"),
        get("/uploads/{id}", Look, "Show how far a contact file has come", contacts::upload)
            .gives::<contacts::Upload>(),
        get("/uploads/{id}/rejected.csv", Export, "Download the refused rows of a contact file", contacts::rejected)
            .query::<contacts::RawQuery>().gives_text("text/csv"),

        post("/campaigns/trigger", Trigger, "Dial one contact", programs::trigger)
            .takes::<programs::Trigger>().gives::<programs::Triggered>(),
        post("/contacts/exclude", Trigger, "Exclude contacts from a campaign", programs::exclude)
            .takes::<programs::Exclude>().gives::<programs::Excluded>(),

        get("/dnc", Export, "List the numbers that nobody may call", do_not_call::list)
            .query::<PageQuery>().lists::<do_not_call::View>(),
        post("/dnc", Trigger, "Put a number on the do-not-call list", do_not_call::create)
            .takes::<do_not_call::New>().makes::<do_not_call::View>(),
        get("/dnc/{number}", Look, "Show what the do-not-call list says of a number", do_not_call::one)
            .gives::<do_not_call::View>(),
        delete("/dnc/{number}", Edit, "Take a number off the do-not-call list", do_not_call::delete),

        get("/carriers", Look, "List carriers", carriers::list).query::<PageQuery>().lists::<carriers::View>(),
        post("/carriers", Administer, "Add a carrier", carriers::create)
            .takes::<CarrierSettings>().makes::<carriers::View>(),
        get("/carriers/{id}", Look, "Show a carrier", carriers::one).gives::<carriers::View>(),
        patch("/carriers/{id}", Administer, "Change a carrier", carriers::update)
            .takes::<carriers::Patch>().gives::<carriers::View>(),
        delete("/carriers/{id}", Administer, "Delete a disabled carrier that was never used", carriers::delete),

        get("/numbers", Look, "List numbers", numbers::list).query::<PageQuery>().lists::<Number>(),
        post("/numbers", Administer, "Add a number", numbers::create).takes::<numbers::New>().makes::<Number>(),
        get("/numbers/{id}", Look, "Show a number", numbers::one).gives::<Number>(),
        patch("/numbers/{id}", Administer, "Change a number", numbers::update)
            .takes::<numbers::Patch>().gives::<Number>(),
        delete("/numbers/{id}", Administer, "Delete a number that no campaign uses", numbers::delete),

        get("/bots", Look, "List bots", bots::list).query::<PageQuery>().lists::<bots::View>(),
        post("/bots", Edit, "Add a bot", bots::create).takes::<bots::New>().makes::<bots::View>(),
        get("/bots/{id}", Look, "Show a bot", bots::one).gives::<bots::View>(),
        patch("/bots/{id}", Edit, "Change a bot", bots::update).takes::<bots::Patch>().gives::<bots::View>(),
        delete("/bots/{id}", Edit, "Delete a bot that no campaign uses", bots::delete),

        get("/keys", Administer, "List API keys", keys::list).query::<PageQuery>().lists::<keys::View>(),
        post("/keys", Administer, "Make an API key, shown in this answer alone", keys::create)
            .takes::<keys::New>().makes::<keys::View>().repeated(Repeat::Ignored),
        delete("/keys/{id}", Administer, "End an API key", keys::delete),

        get("/users", People, "List users", users::list).query::<PageQuery>().lists::<users::View>(),
        post("/users", People, "Add a user", users::create)
            .takes::<users::New>().makes::<users::View>().repeated(Repeat::Ignored),
        get("/users/{id}", People, "Show a user", users::one).gives::<users::View>(),
        patch("/users/{id}", People, "Change role, password or access of a user", users::update)
            .takes::<users::Patch>().gives::<users::View>().repeated(Repeat::Ignored),
        delete("/users/{id}", People, "Delete a user", users::delete),
        get("/users/{id}/sign-ins", People, "List where a user is signed in", users::sign_ins)
            .query::<PageQuery>().lists::<users::SignInView>(),
        delete("/users/{id}/sign-ins", People, "Sign a user out everywhere", users::end_sign_ins),
        delete("/users/{id}/sign-ins/{sign_in}", People, "Sign a user out in one place", users::end_sign_in),

        open("/openapi.json", "Describe this API", openapi::document).gives::<serde_json::Value>(),
        open("/docs", "Show this description as a page", docs::page)
            .query::<docs::Search>().gives_text("text/html"),
    ]
}
