//! What it costs to know who is calling: a token for the first time, and one that was seen before.

#![expect(missing_docs, reason = "criterion's macros make a public function")]
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use battlearena_identity::keys::{FolderRules, KeyRing};
use battlearena_identity::token::VerifierOptions;
use battlearena_identity::{Player, Revocations, Secret, SessionId, Signer, Verifier};
use battlearena_proto::PlayerId;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;

const TOKENS: i64 = 10_000;

fn verify(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let now = Timestamp::now();
    let ring = KeyRing::open(folder.path(), Duration::ZERO, FolderRules::Lenient, now).expect("a key");
    let (keys, signer) = (ring.public_keys().clone(), Signer::new(Arc::new(ring), Duration::from_secs(300)));
    let player = |id| Player {
        id: PlayerId(id),
        session: SessionId(id),
        name: "somebody_or_other".into(),
        tier: battlearena_proto::Tier::Free,
    };
    let tokens: Vec<Secret> =
        (1..=TOKENS).map(|id| signer.for_player(&player(id), now).expect("a token").text).collect();
    let headers: Vec<String> = tokens.iter().map(|token| format!("Bearer {}", token.expose())).collect();
    let revocations = Revocations::new();
    for session in 1..=TOKENS {
        revocations.revoke_session(SessionId(-session), now + Duration::from_secs(300));
    }

    let mut group = criterion.benchmark_group("token");
    group.bench_function("sign", |bencher| bencher.iter(|| signer.for_player(&player(1), now)));
    // With room for one token, each that comes by is new.
    let options = |most_cached_tokens| VerifierOptions { most_cached_tokens, ..VerifierOptions::default() };
    for (name, most) in [("verify, never seen", 1), ("verify, seen before (10,000 in turn)", 100_000)] {
        let verifier = Verifier::new(keys.clone(), revocations.clone(), options(most));
        for header in &headers {
            verifier.authenticate(Some(header), now).expect("a good token");
        }
        let mut turn = headers.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(verifier.authenticate(turn.next().map(String::as_str), now)));
        });
    }
    let verifier = Verifier::new(keys, revocations, options(100));
    // Changed in the low digits of its second half, so that no shortcut notices.
    let place = headers[0].len() - 36;
    let other = if headers[0].as_bytes()[place] == b'A' { "B" } else { "A" };
    let mut forged = headers[0].clone();
    forged.replace_range(place..=place, other);
    group.bench_function("refuse a forged one", |bencher| {
        bencher.iter(|| black_box(verifier.authenticate(Some(&forged), now)));
    });
    group.bench_function("nothing shown", |bencher| {
        bencher.iter(|| black_box(verifier.authenticate(None, now)));
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
