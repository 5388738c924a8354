//! The users and groups of this machine.
//!
//! Owns: how `/etc/passwd` and `/etc/group` are read. Must never know: what a user may do.
//!
//! A directory service (LDAP, systemd-homed) is not asked: its users and groups are named by number.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;

/// The user database, as it was when it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// User and primary group by name.
    users: BTreeMap<String, (u32, u32)>,
    /// Group and members by name.
    groups: BTreeMap<String, (u32, Vec<String>)>,
}

impl Users {
    /// Reads this machine's database: two small local files. A file that cannot be read names nobody.
    pub fn of_machine() -> Users {
        let text = |path| std::fs::read(path).unwrap_or_default();
        let (passwd, group) = (text("/etc/passwd"), text("/etc/group"));
        Users::parse(&String::from_utf8_lossy(&passwd), &String::from_utf8_lossy(&group))
    }

    /// Reads the texts of the two files. Lines of another form are skipped. As in the C library, the first of several
    /// entries of one name counts.
    pub fn parse(passwd: &str, group: &str) -> Users {
        let mut found = Users::default();
        for line in passwd.lines() {
            if let [name, _, uid, gid, ..] = line.split(':').collect::<Vec<_>>()[..]
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                found.users.entry(name.to_owned()).or_insert((uid, gid));
            }
        }
        for line in group.lines() {
            if let [name, _, gid, members] = line.split(':').collect::<Vec<_>>()[..]
                && let Ok(gid) = gid.parse()
            {
                let members = members.split(',').map(|member| member.trim().to_owned());
                found.groups.entry(name.to_owned()).or_insert_with(|| (gid, members.collect()));
            }
        }
        found
    }

    /// The id of a user.
    pub fn user(&self, name: &str) -> Option<u32> {
        self.users.get(name).map(|(uid, _)| *uid)
    }

    /// The id of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).map(|(gid, _)| *gid)
    }

    /// The name of a user.
    pub fn name_of(&self, uid: u32) -> Option<&str> {
        self.users.iter().find(|(_, (known, _))| *known == uid).map(|(name, _)| name.as_str())
    }

    /// The groups of a user: the primary one, and all that list the user as a member.
    pub fn groups_of(&self, uid: u32) -> BTreeSet<u32> {
        let names: Vec<&String> =
            self.users.iter().filter(|(_, (known, _))| *known == uid).map(|(name, _)| name).collect();
        let primary = names.iter().filter_map(|name| self.users.get(*name)).map(|(_, gid)| *gid);
        let listed =
            self.groups.values().filter(|(_, members)| names.iter().any(|name| members.contains(name)));
        primary.chain(listed.map(|(gid, _)| *gid)).collect()
    }
}

/// The user that this process runs as: the owner of its entry under `/proc`.
pub fn own_uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_read_and_odd_lines_are_skipped() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n# note\nalice:x:1000:100:Alice:/home/alice:/bin/sh\n\
                      alice:x:7:7::/:\nbad:x:minus:1::/:\n+::::::\n";
        let group = "root:x:0:\nops:x:50:bob,alice\nstaff:x:51:alice,\nodd:x:52\nops:x:99:\n";
        let users = Users::parse(passwd, group);
        assert_eq!((users.user("alice"), users.user("bad"), users.user("bob")), (Some(1000), None, None));
        assert_eq!((users.group("ops"), users.group("odd")), (Some(50), None));
        assert_eq!((users.name_of(1000), users.name_of(7)), (Some("alice"), None));
        assert_eq!(users.groups_of(1000), BTreeSet::from([50, 51, 100]));
        assert_eq!(users.groups_of(0), BTreeSet::from([0]));
        assert_eq!(users.groups_of(8), BTreeSet::new());
    }

    #[test]
    fn the_own_user_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(own_uid(), Some(std::fs::metadata(folder.path()).unwrap().uid()));
    }
}
