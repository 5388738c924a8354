//! `[control]`: the socket, and who may do what on it.
//!
//! Owns: how grants are written, and the defaults. Must never know: verbs, what a role allows.

use std::path::PathBuf;

use serde::Deserialize;

use super::control_tcp::{TcpConfig, TcpSection};
use super::findings::Findings;
use super::lines::join;
use crate::access::users::Users;
use crate::access::{Access, Grant, Grantee, Role};
use crate::secret::SecretLoader;

/// The group of people who run the service. The package creates it, and the socket belongs to it.
const OPERATORS: &str = "@reconciled-operators";

/// `[control]`, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlConfig {
    /// The Unix-domain socket that commands use.
    pub socket: PathBuf,
    /// Who may do what on it.
    pub access: Access,
    /// The same API over TCP, if it is wanted.
    pub tcp: Option<TcpConfig>,
}

/// `[control]`, as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct ControlSection {
    socket: PathBuf,
    read: Option<Vec<Name>>,
    enrol: Option<Vec<Name>>,
    operate: Option<Vec<Name>>,
    write_money: Option<Vec<Name>>,
    tcp: Option<TcpSection>,
}

/// A user or a group: `"alice"`, `"@operators"`, `"@50"`, `1000`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a name, an @group or a number")]
enum Name {
    Number(u32),
    Text(String),
}

impl Name {
    fn written(&self) -> String {
        match self {
            Name::Number(uid) => uid.to_string(),
            Name::Text(text) => text.clone(),
        }
    }

    /// Whom it means on this machine. The error says what is unknown.
    fn grantee(&self, users: &Users) -> Result<Grantee, &'static str> {
        match self {
            Name::Number(uid) => Ok(Grantee::User(*uid)),
            Name::Text(text) => match text.strip_prefix('@') {
                Some(group) => {
                    let id = group.parse().ok().or_else(|| users.group(group));
                    id.map(Grantee::Group).ok_or("group")
                }
                None => text.parse().ok().or_else(|| users.user(text)).map(Grantee::User).ok_or("user"),
            },
        }
    }
}

impl ControlSection {
    /// Looks up all names. A name that this machine does not know is a problem, except in a default.
    pub(super) fn resolve(
        self,
        users: &Users,
        loader: &SecretLoader,
        findings: &mut Findings<'_>,
    ) -> ControlConfig {
        let tcp = self.tcp.map(|tcp| tcp.resolve(loader, findings));
        let operators = || vec![Name::Text(OPERATORS.to_owned())];
        let written = [
            (Role::Read, self.read, operators()),
            (Role::Enrol, self.enrol, operators()),
            (Role::Operate, self.operate, Vec::new()),
            (Role::WriteMoney, self.write_money, Vec::new()),
        ];
        let mut grants = Vec::new();
        for (role, names, default) in written {
            let is_default = names.is_none();
            for (number, name) in names.unwrap_or(default).iter().enumerate() {
                match name.grantee(users) {
                    Ok(to) => grants.push(Grant { role, to, written: name.written() }),
                    Err(_) if is_default => {}
                    Err(what) => {
                        let key = join(&join("control", role.as_str()), &number.to_string());
                        let written = name.written();
                        let (what, remedy) = match what {
                            "group" => (
                                format!(
                                    "there is no group {:?} in /etc/group",
                                    written.trim_start_matches('@')
                                ),
                                "create it, correct the name, or write \"@\" and its number",
                            ),
                            _ => (
                                format!("there is no user {written:?} in /etc/passwd"),
                                "create it, correct the name, write its number, or \"@\" before a group",
                            ),
                        };
                        findings.add(&key, what, remedy);
                    }
                }
            }
        }
        ControlConfig { socket: self.socket, access: Access { grants }, tcp }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::super::section;
    use super::*;

    const PASSWD: &str = "root:x:0:0::/:\nalice:x:1000:1000::/:\nwww-data:x:33:33::/:\n";
    const GROUP: &str = "reconciled-operators:x:50:alice\n";

    fn read(text: &str, users: &Users) -> (Vec<(Role, Grantee, String)>, Vec<String>) {
        let lines = Lines::read(text);
        let mut table: toml::Table = toml::from_str(text).unwrap();
        let Some(toml::Value::Table(table)) = table.remove("control") else { panic!("no section") };
        let mut findings = Findings::new(&lines);
        let section: ControlSection = section::read(table, "control", &mut findings).unwrap_or_default();
        let grants = section.resolve(users, &SecretLoader::blind(), &mut findings).access.grants;
        let grants = grants.into_iter().map(|grant| (grant.role, grant.to, grant.written)).collect();
        (grants, findings.into_problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn users_groups_and_numbers_are_granted_roles() {
        let text = "[control]\nread = [\"@reconciled-operators\", \"@7\"]\nenrol = [\"www-data\"]\n\
                    operate = []\nwrite-money = [\"alice\", 1001, \"1002\"]\n";
        let (grants, problems) = read(text, &Users::parse(PASSWD, GROUP));
        assert_eq!(problems, Vec::<String>::new());
        let grant = |role, to, written: &str| (role, to, written.to_owned());
        assert_eq!(
            grants,
            [
                grant(Role::Read, Grantee::Group(50), "@reconciled-operators"),
                grant(Role::Read, Grantee::Group(7), "@7"),
                grant(Role::Enrol, Grantee::User(33), "www-data"),
                grant(Role::WriteMoney, Grantee::User(1000), "alice"),
                grant(Role::WriteMoney, Grantee::User(1001), "1001"),
                grant(Role::WriteMoney, Grantee::User(1002), "1002"),
            ]
        );
    }

    #[test]
    fn by_default_the_operators_group_reads_and_enrols_where_it_exists() {
        let (grants, problems) = read("[control]\n", &Users::parse(PASSWD, GROUP));
        let roles: Vec<_> = grants.into_iter().map(|(role, to, _)| (role, to)).collect();
        assert_eq!(roles, [(Role::Read, Grantee::Group(50)), (Role::Enrol, Grantee::Group(50))]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(read("[control]\n", &Users::default()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn an_unknown_name_is_a_problem_with_its_line_and_the_remedy() {
        let text = "[control]\nread = [\n  \"alice\",\n  \"bob\",\n]\noperate = [\"@desk\"]\nenrol = [true]\nwrite = [\"alice\"]\n";
        let (_, problems) = read(text, &Users::parse(PASSWD, GROUP));
        let all = problems.join("\n");
        assert!(all.contains("line 7: control.enrol"), "{all}");
        assert!(all.contains("line 8: control.write: is not a known key → expected"), "{all}");
        let text = "[control]\nread = [\n  \"alice\",\n  \"bob\",\n]\noperate = [\"@desk\"]\n";
        let (_, problems) = read(text, &Users::parse(PASSWD, GROUP));
        assert_eq!(problems.len(), 2, "{problems:?}");
        let (user, group) = (&problems[0], &problems[1]);
        assert!(
            user.starts_with("line 4: control.read.1: there is no user \"bob\" in /etc/passwd → "),
            "{user}"
        );
        assert!(
            group.starts_with("line 6: control.operate.0: there is no group \"desk\" in /etc/group → "),
            "{group}"
        );
    }
}
