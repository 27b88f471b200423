//! Who runs PostgreSQL: ourselves, or, as PostgreSQL refuses to run as root, an unprivileged user in root's place.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::ClusterError;

/// The unprivileged user who runs PostgreSQL for root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// In this order.
const NAMES: &[&str] = &["postgres", "nobody"];

impl Account {
    /// `None` when we are not root and PostgreSQL runs as ourselves.
    pub(super) fn for_postgres() -> Result<Option<Self>, ClusterError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let found = NAMES.iter().find_map(|name| Self::parse(&users, name));
        found.map(Some).ok_or(ClusterError::NoAccount)
    }

    fn parse(users: &str, name: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            // A uid of 0, or macOS's -2 as an unsigned number, would be root or nobody in particular.
            (found && uid != 0).then(|| Self { name: name.to_owned(), uid, gid })
        })
    }

    /// Has the command run as this user.
    pub(super) fn apply(&self, command: &mut Command) {
        // `uid` also drops root's supplementary groups.
        command.gid(self.gid).uid(self.uid);
    }

    /// Whether this user may enter the folder and write to it. Asks the system, which also knows access control lists.
    pub(super) fn can_use(&self, folder: &Path) -> bool {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"cd "$1" && test -w ."#, "sh"]).arg(folder);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.apply(&mut command);
        command.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n\
                         postgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";

    #[test]
    fn an_account_is_found_by_its_name() {
        let postgres = Account::parse(USERS, "postgres").unwrap();
        assert_eq!((postgres.uid, postgres.gid), (101, 104));
        assert_eq!(Account::parse(USERS, "nobody").unwrap().uid, 65534);
    }

    #[test]
    fn root_and_strangers_are_not_accounts() {
        assert_eq!(Account::parse(USERS, "root"), None);
        assert_eq!(Account::parse(USERS, "postgre"), None);
    }
}
