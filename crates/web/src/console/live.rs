//! Live fragments: what the stream sends to pages that are open.

use campanile_store::rows::Role;

use super::{campaign, campaigns};
use crate::{
    app::App,
    live::Topic,
    service::{self, ServiceError},
};

/// The fragment of a topic as `role` sees it; `None` when there is nothing to watch
/// any more. The hub renders it once for everyone who watches.
pub(crate) async fn fragment(
    app: &App,
    topic: Topic,
    role: Role,
) -> service::Result<Option<String>> {
    match topic {
        Topic::Campaign(id) => match campaign::load_view(app, role, id).await {
            Ok(view) => Ok(Some(view.frame().into_string())),
            Err(ServiceError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        },
        Topic::List => Ok(Some(campaigns::frame(app, role).await?.into_string())),
    }
}
