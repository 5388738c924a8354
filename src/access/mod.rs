//! Who may do what on the operators' socket: the roles, whom the configuration grants them to, and who calls.
//!
//! Owns: that decision. Must never know: any verb, sockets, how the configuration is written.
//!
//! Root and the service's own user may operate without a grant. Nobody may move money without one.

use std::collections::BTreeSet;
use std::fmt;

pub mod allowance;
pub mod sessions;
pub mod users;

/// Root's user id.
const ROOT: u32 = 0;
/// The user id that the kernel shows for a user who does not exist in the daemon's user namespace.
const HIDDEN_USER: u32 = 65_534;

/// A permission. Each includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Learn that the daemon is there. Everyone who can open the socket has it.
    Connect,
    /// Read the figures for monitoring.
    Metrics,
    /// View what is there.
    Read,
    /// Have objects watched.
    Enrol,
    /// Run the service: poll, forget, accept, redeliver, report, reload, maintain the store.
    Operate,
    /// Send operations that move money.
    WriteMoney,
}

impl Role {
    /// The roles that the configuration grants, the weakest first.
    pub const GRANTED: [Role; 4] = [Role::Read, Role::Enrol, Role::Operate, Role::WriteMoney];

    /// The role as it appears in the configuration, in tables and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Connect => "connect",
            Role::Metrics => "metrics",
            Role::Read => "read",
            Role::Enrol => "enrol",
            Role::Operate => "operate",
            Role::WriteMoney => "write-money",
        }
    }
}

/// The user or group that a grant names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A user, by id.
    User(u32),
    /// All members of a group, by id.
    Group(u32),
}

/// A role that is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which.
    pub role: Role,
    /// To whom.
    pub to: Grantee,
    /// The grantee as the configuration writes it: `alice`, `@operators`, `1000`.
    pub written: String,
}

/// Who may do what, as one configuration says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// In the order of the configuration.
    pub grants: Vec<Grant>,
}

impl Access {
    /// The strongest role of a caller.
    pub fn role_of(&self, caller: &Caller) -> Role {
        let granted = self.granted(caller);
        caller.at_most.map_or(granted, |most| granted.min(most))
    }

    /// The strongest role of a caller, whatever a session is limited to.
    fn granted(&self, caller: &Caller) -> Role {
        if let Some(role) = caller.token {
            return role;
        }
        let granted = self.grants.iter().filter(|grant| caller.is(&grant.to)).map(|grant| grant.role).max();
        let without_grant = match caller.is_privileged() {
            true => Role::Operate,
            false => Role::Connect,
        };
        granted.unwrap_or(without_grant).max(without_grant)
    }

    /// Whether a caller may do what needs this role. The error says what is missing, and what to do about it.
    ///
    /// # Errors
    /// When the caller may not.
    pub fn check(&self, caller: &Caller, needed: Role, doing: &str) -> Result<(), Refusal> {
        if self.role_of(caller) >= needed {
            return Ok(());
        }
        let role = needed.as_str();
        let line = |uid: u32, name: &Option<String>| {
            let granted = self.grants.iter().filter(|grant| grant.role == needed);
            let mut names: Vec<String> = granted.map(|grant| format!("{:?}", grant.written)).collect();
            names.push(name.as_ref().map_or_else(|| uid.to_string(), |name| format!("{name:?}")));
            format!(
                "to allow it, write {role} = [{}] under [control] in the daemon's configuration, then: reconciled reload",
                names.join(", ")
            )
        };
        let remedy = match (caller.uid, &caller.name) {
            _ if caller.token.is_some() => format!("use a token of the role {role}, or the socket"),
            _ if caller.at_most.is_some_and(|most| most < needed) => {
                format!("if you have the role {role}, get another link with `reconciled dashboard`")
            }
            (None, _) => "the kernel did not say who calls; use another connection".to_owned(),
            (Some(HIDDEN_USER), _) => format!(
                "the kernel shows hidden users as uid {HIDDEN_USER}: if the daemon's unit has PrivateUsers=yes, install \
                 the unit of this release"
            ),
            (Some(uid), name) => line(uid, name),
        };
        Err(Refusal { what: format!("{doing} needs the role {role}, which {caller} does not have"), remedy })
    }

    /// Whether anybody may move money.
    pub fn may_move_money(&self) -> bool {
        self.grants.iter().any(|grant| grant.role == Role::WriteMoney)
    }

    /// Who has a role, by a grant of it or of a stronger one, in words.
    pub fn holders(&self, role: Role) -> Vec<String> {
        let privileged = ["root", "the service's own user"].map(str::to_owned);
        let mut holders: Vec<String> = privileged.into_iter().filter(|_| role <= Role::Operate).collect();
        for grant in self.grants.iter().filter(|grant| grant.role >= role) {
            if !holders.contains(&grant.written) {
                holders.push(grant.written.clone());
            }
        }
        holders
    }

    /// Whether every grantee belongs to this group, so that a socket which only the group can open is enough.
    pub fn is_within(&self, group: u32, users: &users::Users) -> bool {
        self.grants.iter().all(|grant| match grant.to {
            Grantee::Group(granted) => granted == group,
            Grantee::User(ROOT) => true,
            Grantee::User(uid) => users.groups_of(uid).contains(&group),
        })
    }
}

/// Why a caller may not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is missing.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// Who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// The user id, as the kernel reports it.
    pub uid: Option<u32>,
    /// The user's name, if the user database has one.
    pub name: Option<String>,
    /// The process, as the kernel reports it.
    pub pid: Option<i32>,
    /// The groups: that of the process, and those of the user database.
    pub groups: BTreeSet<u32>,
    /// The user is the one that the service runs as.
    pub is_own: bool,
    /// The role of the token that the caller showed, over TCP: nothing else counts there.
    pub token: Option<Role>,
    /// The most that a session of the dashboard may do; none for a caller who uses no session.
    pub at_most: Option<Role>,
}

impl Caller {
    /// A user with this id, and what the user database knows about it.
    pub fn known(uid: u32, gid: Option<u32>, pid: Option<i32>, users: &users::Users) -> Caller {
        let groups = users.groups_of(uid).into_iter().chain(gid).collect();
        Caller {
            uid: Some(uid),
            name: users.name_of(uid).map(str::to_owned),
            pid,
            groups,
            ..Caller::default()
        }
    }

    /// The holder of a token of this role. The name is one that no user can have.
    pub fn of_token(role: Role) -> Caller {
        Caller { token: Some(role), name: Some(format!("token:{}", role.as_str())), ..Caller::default() }
    }

    /// A person who has the link of an alert, which lets acknowledge that alert and nothing else.
    pub fn of_link() -> Caller {
        Caller { name: Some("link".to_owned()), ..Caller::of_token(Role::Operate) }
    }

    /// The user that runs this process.
    pub fn own(users: &users::Users) -> Caller {
        match users::own_uid() {
            Some(uid) => {
                let pid = i32::try_from(std::process::id()).ok();
                Caller { is_own: true, ..Caller::known(uid, None, pid, users) }
            }
            None => Caller { is_own: true, ..Caller::default() },
        }
    }

    /// Root, or the service's own user.
    pub fn is_privileged(&self) -> bool {
        self.uid == Some(ROOT) || self.is_own
    }

    /// The name under which actions are recorded in histories (docs/src/reference/operations.md section 6.5).
    pub fn actor(&self) -> String {
        match (self.token, self.uid) {
            (Some(role), _) => self.name.clone().unwrap_or_else(|| format!("token:{}", role.as_str())),
            (None, Some(uid)) => format!("uid:{uid}"),
            (None, None) => "uid:unknown".to_owned(),
        }
    }

    fn is(&self, grantee: &Grantee) -> bool {
        match grantee {
            Grantee::User(uid) => self.uid == Some(*uid),
            Grantee::Group(gid) => self.groups.contains(gid),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(role) = self.token {
            return write!(formatter, "the token for {}", role.as_str());
        }
        match (&self.name, self.uid) {
            (Some(name), Some(uid)) => write!(formatter, "{name} (uid {uid})"),
            (None, Some(uid)) => write!(formatter, "uid {uid}"),
            (_, None) => formatter.write_str("an unknown user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(uid: u32, groups: &[u32]) -> Caller {
        Caller { uid: Some(uid), groups: groups.iter().copied().collect(), ..Caller::default() }
    }

    fn access(grants: &[(Role, Grantee)]) -> Access {
        let grant =
            |(role, to): &(Role, Grantee)| Grant { role: *role, to: to.clone(), written: "x".to_owned() };
        Access { grants: grants.iter().map(grant).collect() }
    }

    #[test]
    fn nobody_moves_money_by_default_and_only_root_and_the_own_user_operate() {
        let access = Access::default();
        let own = Caller { is_own: true, ..caller(998, &[998]) };
        assert_eq!(access.role_of(&caller(0, &[0])), Role::Operate);
        assert_eq!(access.role_of(&own), Role::Operate);
        assert_eq!(access.role_of(&caller(1000, &[0, 998])), Role::Connect, "root's group is not root");
        assert_eq!(access.role_of(&Caller::default()), Role::Connect);
        for caller in [caller(0, &[0]), own] {
            assert!(access.check(&caller, Role::WriteMoney, "call").is_err());
        }
    }

    #[test]
    fn each_role_includes_the_weaker_ones() {
        let all = [Role::Connect, Role::Metrics, Role::Read, Role::Enrol, Role::Operate, Role::WriteMoney];
        for granted in Role::GRANTED {
            let access = access(&[(granted, Grantee::User(1000)), (granted, Grantee::Group(50))]);
            for needed in all {
                let is_allowed = needed <= granted;
                for (caller, is_granted) in
                    [(caller(1000, &[1]), true), (caller(7, &[1, 50]), true), (caller(50, &[1000]), false)]
                {
                    let checked = access.check(&caller, needed, "x").is_ok();
                    assert_eq!(
                        checked,
                        is_granted && is_allowed || needed == Role::Connect,
                        "{caller} {needed:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_weak_grant_takes_nothing_from_root_and_the_strongest_counts() {
        let access = access(&[
            (Role::Read, Grantee::User(0)),
            (Role::Read, Grantee::User(7)),
            (Role::WriteMoney, Grantee::Group(9)),
        ]);
        assert_eq!(access.role_of(&caller(0, &[0])), Role::Operate);
        assert_eq!(access.role_of(&caller(7, &[9])), Role::WriteMoney);
    }

    #[test]
    fn a_token_has_its_role_whatever_else_is_granted() {
        let access = access(&[(Role::WriteMoney, Grantee::User(0))]);
        let caller = Caller { uid: Some(0), is_own: true, ..Caller::of_token(Role::Metrics) };
        assert_eq!(access.role_of(&caller), Role::Metrics);
        let refusal = access.check(&caller, Role::Read, "list").unwrap_err();
        assert_eq!(refusal.what, "list needs the role read, which the token for metrics does not have");
        assert_eq!(caller.actor(), "token:metrics");
    }

    #[test]
    fn a_session_has_the_role_of_its_user_up_to_its_limit() {
        let access = access(&[(Role::WriteMoney, Grantee::User(7)), (Role::Read, Grantee::User(8))]);
        let session = |uid, most| Caller { at_most: Some(most), ..caller(uid, &[]) };
        assert_eq!(access.role_of(&session(7, Role::Operate)), Role::Operate);
        assert_eq!(access.role_of(&session(7, Role::Read)), Role::Read);
        assert_eq!(access.role_of(&session(8, Role::Operate)), Role::Read);
        assert_eq!(access.role_of(&session(9, Role::Operate)), Role::Connect, "a grant that was taken back");
        let refusal = access.check(&session(7, Role::Read), Role::Operate, "poll").unwrap_err();
        assert!(
            refusal.remedy.contains("role operate, get another link with `reconciled dashboard`"),
            "{}",
            refusal.remedy
        );
    }

    #[test]
    fn a_refusal_says_which_role_is_missing_and_which_line_grants_it() {
        let alice = Caller { name: Some("alice".to_owned()), ..caller(1000, &[]) };
        let refusal = Access::default().check(&alice, Role::WriteMoney, "call").unwrap_err();
        assert_eq!(refusal.what, "call needs the role write-money, which alice (uid 1000) does not have");
        assert!(
            refusal.remedy.contains("write write-money = [\"alice\"] under [control]"),
            "{}",
            refusal.remedy
        );
        let grant = Grant { role: Role::Enrol, to: Grantee::Group(5), written: "@desk".to_owned() };
        let more = Access { grants: vec![grant] }.check(&alice, Role::Enrol, "enrol").unwrap_err();
        assert!(more.remedy.contains("write enrol = [\"@desk\", \"alice\"] under"), "{}", more.remedy);
        let nameless = Access::default().check(&caller(1001, &[]), Role::Read, "list").unwrap_err();
        assert!(nameless.remedy.contains("read = [1001]"), "{}", nameless.remedy);
        let hidden = Access::default().check(&caller(65_534, &[]), Role::Read, "list").unwrap_err();
        assert!(hidden.remedy.contains("PrivateUsers"), "{}", hidden.remedy);
    }

    #[test]
    fn holders_are_listed_with_those_of_stronger_roles() {
        let grant = |role, written: &str| Grant { role, to: Grantee::User(1), written: written.to_owned() };
        let access = Access {
            grants: vec![
                grant(Role::Read, "@desk"),
                grant(Role::Enrol, "www-data"),
                grant(Role::WriteMoney, "alice"),
            ],
        };
        let (root, own) = ("root", "the service's own user");
        assert_eq!(access.holders(Role::Read), [root, own, "@desk", "www-data", "alice"]);
        assert_eq!(access.holders(Role::Operate), [root, own, "alice"]);
        assert_eq!(access.holders(Role::WriteMoney), ["alice"]);
    }

    #[test]
    fn a_socket_for_one_group_is_enough_only_if_all_grantees_belong_to_it() {
        let users = users::Users::parse("alice:x:1000:1000::/:\nbob:x:1001:1001::/:\n", "ops:x:50:alice\n");
        let is_within = |grants: &[(Role, Grantee)]| access(grants).is_within(50, &users);
        assert!(is_within(&[]));
        assert!(is_within(&[(Role::Read, Grantee::Group(50)), (Role::WriteMoney, Grantee::User(1000))]));
        assert!(is_within(&[(Role::WriteMoney, Grantee::User(0))]));
        assert!(!is_within(&[(Role::Read, Grantee::Group(50)), (Role::Enrol, Grantee::User(1001))]));
        assert!(!is_within(&[(Role::Read, Grantee::Group(51))]));
    }
}
