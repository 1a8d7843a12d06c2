//! What a program may learn and do in the session of a person.

use crate::names::keys::ClientId;
use crate::people::permission::Permission;

/// The scopes of OpenID Connect that are known here, and `account`.
pub const STANDARD_SCOPES: [&str; 6] = [OPENID, PROFILE, EMAIL, PHONE, OFFLINE_ACCESS, ACCOUNT];
/// The program learns who the person is.
pub const OPENID: &str = "openid";
/// The program learns the name and the language of the person.
pub const PROFILE: &str = "profile";
/// The program learns the email of the person.
pub const EMAIL: &str = "email";
/// The program learns the telephone number of the person.
pub const PHONE: &str = "phone";
/// Each program gets refresh tokens, so this scope changes nothing.
pub const OFFLINE_ACCESS: &str = "offline_access";
/// The program may change the person's own account, as the person may. Never for somebody else's program.
pub const ACCOUNT: &str = "account";

/// Scopes (RFC 6749 section 3.3): those of [`STANDARD_SCOPES`], and keys of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads scopes that are separated by spaces. Each of them counts once.
    pub fn parse(text: &str) -> Self {
        let mut scopes = Vec::new();
        for scope in text.split(' ').filter(|scope| !scope.is_empty()) {
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        Self(scopes)
    }

    /// Whether this scope is among them.
    pub fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Those that are keys of permissions.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|scope| !STANDARD_SCOPES.contains(scope))
    }

    /// Whether each of them is among `others`.
    pub fn are_within(&self, others: &Self) -> bool {
        self.0.iter().all(|scope| others.has(scope))
    }

    /// All of them, in the order in which they were asked for.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Scopes {
    fn from(scopes: Vec<String>) -> Self {
        Self(scopes)
    }
}

/// A program that got a session of a person, and what it may do with it.
#[derive(Debug, Clone)]
pub struct Delegation {
    /// The program.
    pub client: ClientId,
    /// What it asked for, and was allowed.
    pub scopes: Scopes,
    is_foreign: bool,
    /// Whether the program may do all that the person may.
    has_all: bool,
}

impl Delegation {
    /// A program of the installation's own that names no permission gets all that the person has. Somebody
    /// else's gets those that it names.
    pub fn new(client: ClientId, is_foreign: bool, scopes: Scopes) -> Self {
        let has_all = !is_foreign && scopes.permissions().next().is_none();
        Self { client, scopes, is_foreign, has_all }
    }

    /// The same program with fewer scopes. `None` if one of them was not allowed.
    pub fn narrowed(self, scopes: Scopes) -> Option<Self> {
        let is_allowed = |scope: &String| {
            self.scopes.has(scope) || self.has_all && !STANDARD_SCOPES.contains(&scope.as_str())
        };
        if !scopes.0.iter().all(is_allowed) {
            return None;
        }
        let has_all = self.has_all && scopes.permissions().next().is_none();
        Some(Self { scopes, has_all, ..self })
    }

    /// What the program may do of what the person may.
    pub fn permissions(&self, held: &[String]) -> Vec<String> {
        let is_for_people = |key: &str| key.parse().is_ok_and(Permission::is_for_people);
        held.iter()
            .filter(|key| self.has_all || self.scopes.has(key))
            .filter(|key| !self.is_foreign || !is_for_people(key))
            .cloned()
            .collect()
    }

    /// The `scope` of the access token (RFC 9068 section 2.2.3): what the program may learn and do.
    pub fn scope_of_token(&self, held: &[String]) -> String {
        let mut words = self.permissions(held);
        words.extend(self.scopes.0.iter().filter(|scope| STANDARD_SCOPES.contains(&scope.as_str())).cloned());
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_never_gets_more_than_it_asked_for_and_the_person_has() {
        let held = ["orders.read", "stock.read", "team.manage"].map(str::to_owned);
        let permissions = |is_foreign, scopes| {
            let client = ClientId::parse("shop-books").unwrap();
            Delegation::new(client, is_foreign, Scopes::parse(scopes)).permissions(&held).join(" ")
        };
        assert_eq!(permissions(false, "openid"), "orders.read stock.read team.manage");
        assert_eq!(permissions(false, "openid stock.read settings.write"), "stock.read");
        assert_eq!(permissions(false, "team.manage"), "team.manage");
        assert_eq!(permissions(true, "openid email"), "");
        assert_eq!(permissions(true, "openid stock.read team.manage orders.place"), "stock.read");
    }

    #[test]
    fn fewer_scopes_never_give_more_permissions() {
        let held = ["orders.read", "stock.read"].map(str::to_owned);
        let narrowed = |from: &str, to: &str| {
            let client = ClientId::parse("shop-books").unwrap();
            let narrowed = Delegation::new(client, false, Scopes::parse(from)).narrowed(Scopes::parse(to));
            narrowed.map(|narrowed| narrowed.permissions(&held).join(" "))
        };
        assert_eq!(narrowed("openid", "openid").as_deref(), Some("orders.read stock.read"));
        assert_eq!(narrowed("openid", "stock.read").as_deref(), Some("stock.read"));
        assert_eq!(narrowed("openid stock.read", "openid").as_deref(), Some(""));
        assert_eq!(narrowed("openid stock.read", "openid stock.read").as_deref(), Some("stock.read"));
        for more in ["openid email", "orders.read", "account"] {
            assert_eq!(narrowed("openid stock.read", more), None, "{more}");
        }
        assert_eq!(narrowed("openid", "account"), None);
    }

    #[test]
    fn scopes_count_once() {
        let scopes = Scopes::parse(" openid  email openid ");
        assert_eq!(scopes.as_slice(), ["openid", "email"]);
        assert!(scopes.are_within(&Scopes::parse("email phone openid")));
        assert!(!scopes.are_within(&Scopes::parse("openid")));
    }
}
