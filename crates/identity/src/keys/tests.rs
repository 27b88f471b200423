//! The ring against a real folder: first start, permissions, rotation with its overlap, reload.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use ed25519_dalek::pkcs8::EncodePrivateKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::token::Refusal;

const OVERLAP: Duration = Duration::from_secs(120);
const REFUSE: FolderRules = FolderRules::Strict { setting: "ARENA_GATEWAY_SIGNING_KEYS" };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Puts a key into a folder, changed at `second`.
fn put(folder: &Path, seed: u8, second: i64) {
    let path = folder.join(format!("{seed}.pem"));
    std::fs::write(&path, testing::key(seed).to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(at(second).into()).unwrap();
}

fn signs(ring: &KeyRing, second: i64) -> String {
    ring.with_signing_key(at(second), |id, _| id.to_owned())
}

#[test]
fn the_first_start_makes_a_key_that_only_its_owner_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("gateway/keys");
    let ring = KeyRing::open(&keys, OVERLAP, FolderRules::Lenient, Timestamp::now()).unwrap();
    let files: Vec<_> = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&keys)), (0o600, 0o700));
    let id = ring.public_keys().document().keys[0].kid.clone().unwrap();
    assert_eq!(files[0].file_name().unwrap().to_str().unwrap(), format!("{id}.pem"));
    // The next start finds it, in production too.
    let again = KeyRing::open(&keys, OVERLAP, REFUSE, Timestamp::now()).unwrap();
    assert_eq!(again.public_keys().document(), ring.public_keys().document());
    let pem = std::fs::read_to_string(&files[0]).unwrap();
    let shown = format!("{again:?}");
    assert!(shown.contains(&id) && !shown.contains(pem.lines().nth(1).unwrap()), "{shown}");
}

#[test]
fn production_refuses_a_missing_key_and_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    for missing in [folder.path().to_owned(), folder.path().join("nowhere")] {
        let error = KeyRing::open(&missing, OVERLAP, REFUSE, at(0)).unwrap_err();
        assert!(error.to_string().starts_with("ARENA_GATEWAY_SIGNING_KEYS must name"), "{error}");
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}

#[test]
fn a_file_that_is_no_key_or_is_exposed_is_refused_and_not_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pem");
    let open = || KeyRing::open(folder.path(), OVERLAP, REFUSE, at(0)).unwrap_err();
    let pem = testing::key(1).to_pkcs8_pem(LineEnding::LF).unwrap();
    let body = pem.lines().nth(1).unwrap();
    for text in [
        "",
        "nonsense",
        &pem[..pem.len() / 2],
        &pem.replacen(body, &format!("AAAA{}", &body[4..]), 1),
        &"A".repeat(100_000),
    ] {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let error = open();
        assert!(matches!(error, KeyRingError::File(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains(body));
    }
    put(folder.path(), 1, 0);
    std::fs::remove_file(&path).unwrap();
    for mode in [0o644, 0o604, 0o660, 0o666] {
        let good = folder.path().join("1.pem");
        std::fs::set_permissions(&good, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(open(), KeyRingError::File(KeyFileError::File(_))), "{mode:o}");
    }
}

/// RFC 8410, 10.3: the form that other tools write, without the public half.
#[test]
fn a_key_of_another_tool_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rfc.pem");
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    std::fs::write(&path, pem).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let ring = KeyRing::open(folder.path(), OVERLAP, REFUSE, at(0)).unwrap();
    let key = &ring.public_keys().document().keys[0];
    assert_eq!(key.x.as_deref(), Some("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic_or_gives_a_key(text in "\\PC{0,120}", body in "[A-Za-z0-9+/]{64}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pem");
        let framed = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        for text in [text, framed] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            prop_assert!(KeyRing::open(folder.path(), OVERLAP, REFUSE, at(0)).is_err());
        }
    }
}

#[test]
fn a_new_key_signs_after_the_overlap_and_the_old_one_goes_on_verifying() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), 1, 1000);
    let ring = KeyRing::open(folder.path(), OVERLAP, REFUSE, at(1001)).unwrap();
    // The only one signs, however young.
    assert_eq!(signs(&ring, 1001), testing::key_id(1));
    // It came long ago by its file, but nobody could know of it before this reload.
    put(folder.path(), 2, 1002);
    ring.reload(at(5000)).unwrap();
    assert_eq!(ring.public_keys().document(), testing::document(&[1, 2]));
    assert_eq!(signs(&ring, 5119), testing::key_id(1));
    assert_eq!(signs(&ring, 5120), testing::key_id(2));
    // A reload in between does not start its time again.
    ring.reload(at(5100)).unwrap();
    assert_eq!(signs(&ring, 5120), testing::key_id(2));
    // A clock that was set back does not put an unknown key to use.
    assert_eq!(signs(&ring, 4000), testing::key_id(1));
    std::fs::remove_file(folder.path().join("1.pem")).unwrap();
    ring.reload(at(6000)).unwrap();
    assert_eq!(ring.public_keys().document(), testing::document(&[2]));
}

#[test]
fn at_the_start_files_have_their_own_age() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), 1, 1000);
    put(folder.path(), 2, 2000);
    put(folder.path(), 3, 9_000_000_000);
    let ring = KeyRing::open(folder.path(), OVERLAP, REFUSE, at(2119)).unwrap();
    assert_eq!(signs(&ring, 2119), testing::key_id(1));
    assert_eq!(signs(&ring, 2120), testing::key_id(2));
    // A file from the future counts from now on.
    assert_eq!(signs(&ring, 2119 + 120), testing::key_id(3));
}

#[test]
fn a_failed_reload_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), 1, 0);
    let ring = KeyRing::open(folder.path(), OVERLAP, REFUSE, at(1000)).unwrap();
    std::fs::remove_file(folder.path().join("1.pem")).unwrap();
    assert!(matches!(ring.reload(at(1002)), Err(KeyRingError::Gone { .. })));
    assert_eq!(signs(&ring, 1003), testing::key_id(1));
    assert_eq!(ring.public_keys().document(), testing::document(&[1]));
}

#[test]
fn a_bad_file_is_named_and_keeps_no_other_key_from_coming_or_going() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    put(folder.path(), 1, 0);
    put(folder.path(), 2, 0);
    let ring = KeyRing::open(folder.path(), OVERLAP, REFUSE, at(1000)).unwrap();
    std::fs::write(path("1.pem"), "nonsense").unwrap();
    std::fs::write(path("0.pem"), "nonsense").unwrap();
    std::fs::remove_file(path("2.pem")).unwrap();
    put(folder.path(), 3, 0);
    put(folder.path(), 4, 0);
    std::fs::set_permissions(path("4.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bad: Vec<_> = ring.reload(at(2000)).unwrap().iter().map(ToString::to_string).collect();
    bad.sort_unstable();
    let named = |place: usize, name: &str| bad[place].contains(&path(name).display().to_string());
    assert!(bad.len() == 3 && named(0, "0.pem") && named(1, "1.pem") && named(2, "4.pem"), "{bad:?}");
    // What was in a file that is broken now stays: a key is withdrawn by removing its file.
    assert_eq!(ring.public_keys().document(), testing::document(&[1, 3]));
    std::fs::remove_file(path("1.pem")).unwrap();
    ring.reload(at(2001)).unwrap();
    assert_eq!(ring.public_keys().document(), testing::document(&[3]));
}

#[test]
fn development_takes_a_key_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), 1, 0);
    std::fs::set_permissions(folder.path().join("1.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = |rules| KeyRing::open(folder.path(), OVERLAP, rules, at(1000));
    assert!(open(FolderRules::Lenient).unwrap().reload(at(1001)).unwrap().is_empty());
    assert!(open(REFUSE).is_err());
}

#[test]
fn keys_that_nobody_confirms_are_trusted_for_a_while_only() {
    let keys = PublicKeys::empty();
    keys.learn(&testing::document(&[1])).unwrap();
    assert!(keys.current(Timestamp::MAX).is_ok());
    keys.trust_until(at(2000));
    assert!(keys.current(at(1999)).is_ok());
    assert_eq!(keys.current(at(2000)).err(), Some(Refusal::StaleKeys));
    keys.trust_until(at(3000));
    assert!(keys.current(at(2000)).is_ok());
}

#[test]
fn learning_keeps_what_it_knows_when_there_is_nothing_better() {
    let keys = PublicKeys::empty();
    assert!(!keys.are_known() && keys.current(at(0)).is_err());
    assert_eq!(keys.learn(&Jwks::default()), Err(NoUsableKey));
    keys.learn(&testing::document(&[1])).unwrap();
    assert_eq!(keys.learn(&Jwks::default()), Err(NoUsableKey));
    assert_eq!(keys.document(), testing::document(&[1]));
    let generation = || keys.current(at(0)).unwrap().generation();
    let first = generation();
    keys.learn(&testing::document(&[1, 2])).unwrap();
    assert_eq!(generation(), first);
    keys.learn(&testing::document(&[2])).unwrap();
    assert_ne!(generation(), first);
}
