//! People who sign in.

use campanile_domain::{field::FieldError, ids::UserId};
use campanile_store::{
    StoreError,
    rows::{Role, SignIn, User, UserChange},
};

use crate::{
    app::App,
    auth::{Act, Who, passwords},
    service::{Result, ServiceError},
};

/// All, in the order they were made.
pub async fn list(app: &App, who: &Who) -> Result<Vec<User>> {
    who.require(Act::People)?;
    let mut users = app.store.users().await?;
    users.sort_by_key(|user| user.id);
    Ok(users)
}

/// One.
pub async fn get(app: &App, who: &Who, id: UserId) -> Result<User> {
    who.require(Act::People)?;
    Ok(app.store.user(id).await?)
}

/// A new user of one's own rank or below.
pub async fn create(
    app: &App,
    who: &Who,
    email: &str,
    role: Role,
    password: String,
) -> Result<User> {
    who.require(Act::People)?;
    not_above(who, role)?;
    let email = checked(email, &password)?;
    let hash = hashed(app, password).await?;
    Ok(app.store.create_user(email, role, hash, app.now()).await?)
}

/// Another role, password or access for a user of one's own rank or below; what is
/// `None` stays. Nobody takes his own rank or access away.
pub async fn change(
    app: &App,
    who: &Who,
    id: UserId,
    role: Option<Role>,
    enabled: Option<bool>,
    password: Option<String>,
) -> Result<User> {
    let user = get(app, who, id).await?;
    not_above(who, user.role)?;
    if let Some(role) = role {
        not_above(who, role)?;
    }
    let is_less = role.is_some_and(|role| role != user.role) || enabled == Some(false);
    if is_less {
        not_himself(who, id)?;
    }
    let password_hash = match password {
        None => None,
        Some(password) => {
            checked(&user.email, &password)?;
            Some(hashed(app, password).await?)
        }
    };
    let change = UserChange { role, password_hash, enabled };
    Ok(app.store.change_user(id, change, app.now()).await?)
}

/// Takes another user of one's own rank or below away.
pub async fn delete(app: &App, who: &Who, id: UserId) -> Result<()> {
    let user = get(app, who, id).await?;
    not_above(who, user.role)?;
    not_himself(who, id)?;
    Ok(app.store.delete_user(id).await?)
}

/// Where a user of one's own rank or below is signed in.
pub async fn sign_ins(app: &App, who: &Who, id: UserId) -> Result<Vec<SignIn>> {
    let user = get(app, who, id).await?;
    not_above(who, user.role)?;
    Ok(app.store.sign_ins(id, app.now()).await?)
}

/// Ends one sign-in of a user of one's own rank or below, or all.
pub async fn end_sign_ins(app: &App, who: &Who, id: UserId, sign_in: Option<String>) -> Result<()> {
    let user = get(app, who, id).await?;
    not_above(who, user.role)?;
    let is_one = sign_in.is_some();
    match app.store.end_sign_ins(id, sign_in).await? {
        0 if is_one => Err(ServiceError::NotFound("sign-in")),
        _ => Ok(()),
    }
}

fn not_above(who: &Who, role: Role) -> Result<()> {
    if role <= who.role() { Ok(()) } else { Err(ServiceError::Forbidden(Act::People)) }
}

fn not_himself(who: &Who, id: UserId) -> Result<()> {
    if who.actor.id != id.to_string() {
        return Ok(());
    }
    Err(ServiceError::Conflict {
        code: "yourself",
        message: "nobody removes himself or changes his own role; ask somebody of your rank".into(),
    })
}

async fn hashed(app: &App, password: String) -> Result<String> {
    app.passwords
        .hash(password)
        .await
        .map_err(|_| ServiceError::TooMany { retry_after_seconds: 5 })?
        .map_err(|error| ServiceError::Internal(Box::new(error)))
}

/// Whether `token` opens the first-run page.
pub async fn is_first_run_token(app: &App, token: &str) -> Result<bool> {
    Ok(app.first_run.is(token) && app.store.users().await?.is_empty())
}

/// The first administrator, by the one-time token that the binary printed. The
/// token dies with its use, and with a user that was made elsewhere; faults of the
/// input leave it alive.
pub async fn create_first_admin(
    app: &App,
    token: &str,
    email: &str,
    password: &str,
) -> Result<User> {
    let wrong_token = || ServiceError::Conflict {
        code: "setup_done",
        message:
            "this setup link is not valid any more; sign in, or restart the server for a new one"
                .into(),
    };
    // Asked before the password is hashed, which is costly; the store asks again.
    if !is_first_run_token(app, token).await? {
        return Err(wrong_token());
    }
    let email = checked(email, password)?;
    let hash = hashed(app, password.to_owned()).await?;
    let token = app.first_run.take(token).ok_or_else(wrong_token)?;
    match app.store.create_first_user(email, hash, app.now()).await {
        Ok(user) => Ok(user),
        Err(StoreError::Conflict { .. }) => Err(wrong_token()),
        Err(error) => {
            app.first_run.give_back(token);
            Err(error.into())
        }
    }
}

/// The address in lower case, if it and the password can be taken; the rules of
/// `campanile user create` too.
pub fn checked(email: &str, password: &str) -> Result<String> {
    let email = email.trim().to_lowercase();
    let mut errors = Vec::new();
    if !is_email(&email) {
        errors.push(FieldError::new(
            "/email",
            "invalid",
            "use an e-mail address, such as you@example.com",
        ));
    }
    if password.chars().count() < passwords::LENGTH_MIN {
        errors.push(FieldError::new(
            "/password",
            "too_short",
            format!("use at least {} characters", passwords::LENGTH_MIN),
        ));
    } else if password.len() > passwords::LENGTH_MAX {
        errors.push(FieldError::new(
            "/password",
            "too_long",
            format!("use at most {} bytes", passwords::LENGTH_MAX),
        ));
    }
    if errors.is_empty() { Ok(email) } else { Err(ServiceError::Invalid(errors)) }
}

/// One `@` between something and something: whether mail arrives, only mail tells.
fn is_email(text: &str) -> bool {
    let sides = text.split_once('@');
    text.len() <= 254
        && !text.chars().any(|char| char.is_whitespace() || char.is_control())
        && sides.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_ten_characters_are_asked_for() {
        assert_eq!(checked(" Me@Example.com ", "0123456789").unwrap(), "me@example.com");
        let errors = checked("me", "012345678").unwrap_err();
        let pointers: Vec<_> = errors.fields().iter().map(|field| &field.pointer).collect();
        assert_eq!(pointers, ["/email", "/password"]);
        assert!(checked("a@b@c", "0123456789").is_err());
        assert!(checked("a b@c", "0123456789").is_err());
    }
}
