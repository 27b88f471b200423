//! Argon2id (RFC 9106) into PHC strings and back. One hasher a thread: it keeps its memory, which is far cheaper than
//! to have 19 MiB mapped for each password.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::Password;

/// Bytes of salt and of hash (RFC 9106, 3.1: 16 and 32).
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// What a hash costs. The default is OWASP's: 19 MiB, two passes, one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes; they are computed one after the other.
    pub lanes: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 19_456, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// Whether a stored hash of this cost may be computed by who makes its own at `usual`.
    fn is_within(self, usual: Self) -> bool {
        let work = |cost: Self| u64::from(cost.memory_kib) * u64::from(cost.passes);
        self.memory_kib <= usual.memory_kib.saturating_mul(MOST_TIMES_DEARER)
            && work(self) <= work(usual).saturating_mul(MOST_TIMES_DEARER.into())
    }
}

/// A hash could not be computed or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    #[error("argon2 refused")]
    Argon2(#[source] argon2::Error),
    #[error("the password hash is not in the PHC format")]
    Format(#[source] argon2::password_hash::phc::Error),
    #[error("the password hash lacks its salt or output, or is not of Argon2id")]
    Incomplete,
    #[error("the password hash asks for {memory_kib} KiB of memory and {passes} passes over it")]
    TooCostly { memory_kib: u32, passes: u32 },
}

/// How much dearer than our own a stored hash may be, in memory and in work: a row must neither take all memory nor hold
/// a thread for long.
const MOST_TIMES_DEARER: u32 = 16;

pub(super) struct Hasher {
    cost: Cost,
    memory: Vec<Block>,
}

impl Hasher {
    pub(super) fn new(cost: Cost) -> Self {
        Self { cost, memory: Vec::new() }
    }

    /// A new PHC string.
    pub(super) fn hash(&mut self, password: &Password) -> Result<String, HashError> {
        let params = params(self.cost)?;
        let salt: [u8; SALT_BYTES] = rand::random();
        let output = self.compute(password, &params, Version::V0x13, &salt, HASH_BYTES)?;
        let output = Output::new(&output).map_err(HashError::Format)?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|_| HashError::Incomplete)?,
            salt: Some(Salt::new(&salt).map_err(HashError::Format)?),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether a password is the one whose PHC string was stored, and whether that was made at another cost than ours.
    pub(super) fn verify(&mut self, password: &Password, phc: &str) -> Result<(bool, bool), HashError> {
        let stored = PasswordHash::new(phc).map_err(HashError::Format)?;
        let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
            return Err(HashError::Incomplete);
        };
        if stored.algorithm != Algorithm::Argon2id.ident() {
            return Err(HashError::Incomplete);
        }
        let version =
            stored.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(HashError::Argon2)?;
        let params = Params::try_from(&stored).map_err(|_| HashError::Incomplete)?;
        let cost = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
        if !cost.is_within(self.cost) {
            return Err(HashError::TooCostly { memory_kib: cost.memory_kib, passes: cost.passes });
        }
        let output = self.compute(password, &params, version, salt, expected.len())?;
        let is_right = output.ct_eq(expected.as_bytes()).into();
        Ok((is_right, cost != self.cost || version != Version::V0x13))
    }

    /// What comes out of a guess may be what is stored: it is wiped when it is dropped.
    fn compute(
        &mut self,
        password: &Password,
        params: &Params,
        version: Version,
        salt: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, HashError> {
        let blocks = params.block_count();
        if self.memory.len() < blocks {
            self.memory.resize(blocks, Block::new());
        }
        let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
        let mut output = Zeroizing::new(vec![0; length]);
        argon2
            .hash_password_into_with_memory(password.bytes(), salt, &mut output, &mut self.memory[..blocks])
            .map_err(HashError::Argon2)?;
        Ok(output)
    }
}

fn params(cost: Cost) -> Result<Params, HashError> {
    Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(HASH_BYTES)).map_err(HashError::Argon2)
}

/// Whether Argon2 takes a cost.
pub(super) fn check(cost: Cost) -> Result<(), HashError> {
    params(cost).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secret::Secret;

    const CHEAP: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::presented(Secret::from(text.to_owned())).unwrap()
    }

    #[test]
    fn a_hash_fits_its_password_alone_and_names_its_cost() {
        let mut hasher = Hasher::new(Cost::default());
        let phc = hasher.hash(&password("horse stapler")).unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(hasher.verify(&password("horse stapler"), &phc).unwrap(), (true, false));
        assert_eq!(hasher.verify(&password("horse staple"), &phc).unwrap(), (false, false));
        assert_ne!(hasher.hash(&password("horse stapler")).unwrap(), phc);
    }

    #[test]
    fn a_hash_of_another_cost_is_checked_and_due_for_renewal() {
        let old = Hasher::new(CHEAP).hash(&password("horse stapler")).unwrap();
        let mut hasher = Hasher::new(Cost { memory_kib: 128, ..CHEAP });
        assert_eq!(hasher.verify(&password("horse stapler"), &old).unwrap(), (true, true));
        assert_eq!(hasher.verify(&password("wrong"), &old).unwrap(), (false, true));
    }

    #[test]
    fn foreign_hashes_are_understood_or_refused() {
        let mut hasher = Hasher::new(CHEAP);
        // Made by the reference implementation: `echo -n password | argon2 somesalt -id -t 2 -m 6 -p 1 -l 24 -e`, which
        // is the shape that other libraries store.
        let made_elsewhere = argon2_reference();
        assert_eq!(hasher.verify(&password("password"), &made_elsewhere).unwrap(), (true, true));
        for bad in [
            "",
            "plain",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=64,t=1,p=1",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=4000000,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=64,t=17,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=1024,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
            "$argon2id$v=19$m=8,t=4294967295,p=1$c29tZXNhbHRzb21lc2FsdA$c29tZXNhbHRzb21lc2FsdA",
        ] {
            assert!(hasher.verify(&password("password"), bad).is_err(), "{bad}");
        }
    }

    /// What the library's own, allocating interface makes of other parameters.
    fn argon2_reference() -> String {
        use argon2::PasswordHasher as _;
        let argon2 =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(96, 2, 2, Some(24)).unwrap());
        argon2.hash_password_with_salt(b"password", b"somesalt").unwrap().to_string()
    }

    proptest! {
        #[test]
        fn no_stored_text_makes_it_panic_or_lets_anybody_in(
            text in "\\PC{0,80}",
            (memory, passes, lanes) in (0u32..200, 0u32..3, 0u32..3),
        ) {
            let mut hasher = Hasher::new(CHEAP);
            let odd = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${text}$c29tZXNhbHRzb21lc2FsdA");
            for phc in [text, odd] {
                prop_assert!(!hasher.verify(&password("password"), &phc).is_ok_and(|(right, _)| right));
            }
        }
    }
}
