//! People with their memberships: the team of a business, or everybody on the platform.

use chrono::{DateTime, Utc};
use const_format::concatcp;
use serde::Serialize;
use tenancy::{DbError, SharedTx, TenantId};
use values::{Email, Page, PageRequest, SearchText};

use crate::names::ids::UserId;
use crate::names::keys::{AppSlug, RoleKey, Username};
use crate::people::membership::{self, Membership, MembershipStatus};
use crate::people::user::UserStatus;

/// A user with memberships.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The id of the user.
    pub id: UserId,
    /// The email with which the user signs in. `None` for a user who signs in with a username alone.
    pub email: Option<Email>,
    /// The usernames that the viewer may see, in the order of their businesses: at most one for each
    /// business.
    pub usernames: Vec<Username>,
    /// The name, if known. A deleted user has none.
    pub full_name: Option<String>,
    /// Whether the user may sign in at all.
    pub status: UserStatus,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// The memberships that the viewer may see.
    pub memberships: Vec<Membership>,
}

impl Person {
    /// The names of the person, which a password must not be made of.
    pub fn names(&self) -> Vec<String> {
        let logins = self.email.iter().map(ToString::to_string);
        let usernames = self.usernames.iter().map(ToString::to_string);
        self.full_name.clone().into_iter().chain(logins).chain(usernames).collect()
    }
}

/// Which people to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The business of which they are members.
    pub tenant: Option<TenantId>,
    /// The app of which they are members.
    pub app: Option<AppSlug>,
    /// A role that they have.
    pub role: Option<RoleKey>,
    /// The status of the membership.
    pub membership: Option<MembershipStatus>,
    /// The status of the account.
    pub status: Option<UserStatus>,
    /// Words of the name, the email or the username.
    pub search: Option<SearchText>,
}

struct Row {
    id: UserId,
    email: Option<Email>,
    usernames: Vec<Username>,
    full_name: Option<String>,
    status: UserStatus,
    created_at: DateTime<Utc>,
}

tenancy::from_row!(Row { id, email, usernames, full_name, status, created_at });

// $2 is the business that looks; without one, the platform looks.
const SELECT: &str = "
    SELECT u.id, u.full_name, u.status, u.created_at,
           (SELECT l.value FROM shared.user_logins l WHERE l.user_id = u.id AND l.kind = 'email') AS email,
           ARRAY(SELECT l.value FROM shared.user_logins l
                  WHERE l.user_id = u.id AND l.kind = 'username' AND ($2::uuid IS NULL OR l.tenant_id = $2)
                  ORDER BY l.tenant_id) AS usernames
      FROM shared.users u ";

// The users with a membership that matches the filter.
const MEMBERS: &str = "
    SELECT m.user_id FROM shared.memberships m
     WHERE ($2::uuid IS NULL OR m.tenant_id = $2) AND ($4::text IS NULL OR m.app = $4)
       AND ($5::text IS NULL OR m.status = $5)
       AND ($6::text IS NULL OR EXISTS (
            SELECT FROM shared.membership_roles r WHERE r.membership_id = m.id AND r.role = $6))";

/// A page of people, in the order in which their accounts were made. With a business in the filter, only its
/// own memberships and usernames are shown.
///
/// # Errors
/// [`DbError`].
pub async fn list(
    tx: &SharedTx,
    filter: &Filter,
    page: &PageRequest<UserId>,
) -> Result<Page<Person>, DbError> {
    const ON_PLATFORM: &str = concatcp!(
        SELECT,
        "WHERE u.id > $1
           AND ($3::text IS NULL OR u.status = $3)
           AND (num_nonnulls($2::uuid, $4::text, $5::text, $6::text) = 0 OR u.id IN (",
        MEMBERS,
        "))
           AND ($7::text IS NULL OR u.id IN (
                SELECT f.id FROM shared.users f WHERE f.search_text LIKE $7 AND f.search_text LIKE ALL ($8)
                 UNION ALL
                SELECT l.user_id FROM shared.user_logins l WHERE l.value LIKE $7 AND l.value LIKE ALL ($8)))
         ORDER BY u.id LIMIT $9"
    );
    // A business has few members, so the search looks at each of them.
    const IN_BUSINESS: &str = concatcp!(
        SELECT,
        "JOIN (",
        MEMBERS,
        " GROUP BY m.user_id) member ON member.user_id = u.id
         WHERE u.id > $1
           AND ($3::text IS NULL OR u.status = $3)
           AND ($7::text IS NULL OR (
                SELECT concat_ws(' ', u.search_text, string_agg(l.value, ' '))
                       LIKE ALL ($8::text[] || $7::text)
                  FROM shared.user_logins l
                 WHERE l.user_id = u.id AND (l.kind = 'email' OR l.tenant_id = $2)))
         ORDER BY u.id LIMIT $9"
    );
    let words = filter.search.as_ref().map(SearchText::words);
    let (longest, others) = match words.as_ref().map(|words| words.patterns()) {
        Some((longest, others)) => (Some(longest), others),
        None => (None, [].as_slice()),
    };
    let sql = if filter.tenant.is_some() { IN_BUSINESS } else { ON_PLATFORM };
    let rows = tx
        .rows(
            sql,
            &[
                &page.above(),
                &filter.tenant,
                &filter.status,
                &filter.app,
                &filter.membership,
                &filter.role,
                &longest,
                &others,
                &page.limit.and_one(),
            ],
        )
        .await?;
    let page = page.page(rows, |row: &Row| row.id);
    Ok(Page { data: with_memberships(tx, page.data, filter.tenant).await?, next: page.next })
}

/// One person. With a business, only a member of it, with the memberships and the username there.
///
/// # Errors
/// [`DbError`]; an unknown person is `None`.
pub async fn find(tx: &SharedTx, id: UserId, tenant: Option<TenantId>) -> Result<Option<Person>, DbError> {
    const FIND: &str = concatcp!(
        SELECT,
        "WHERE u.id = $1
           AND ($2::uuid IS NULL
                OR EXISTS (SELECT FROM shared.memberships m WHERE m.user_id = u.id AND m.tenant_id = $2))"
    );
    let row = tx.row_opt(FIND, &[&id, &tenant]).await?;
    Ok(with_memberships(tx, row.into_iter().collect(), tenant).await?.pop())
}

async fn with_memberships(
    tx: &SharedTx,
    rows: Vec<Row>,
    tenant: Option<TenantId>,
) -> Result<Vec<Person>, DbError> {
    let ids: Vec<UserId> = rows.iter().map(|row| row.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = membership::of_users(tx, &ids, tenant).await?;
    let person = |row: Row| {
        let rest = all.split_off(all.partition_point(|membership| membership.user_id <= row.id));
        let memberships = std::mem::replace(&mut all, rest);
        let Row { id, email, usernames, full_name, status, created_at } = row;
        Person { id, email, usernames, full_name, status, created_at, memberships }
    };
    Ok(rows.into_iter().map(person).collect())
}
