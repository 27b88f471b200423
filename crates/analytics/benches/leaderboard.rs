//! The leaderboard at a million players: the top, a rank, and a match that changes ranks. Points are drawn from a fixed
//! seed, with many ties.

#![expect(missing_docs, reason = "criterion's macros make a public function")]

use std::hint::black_box;

use battlearena_analytics::{Board, PlayerChange};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;

const PLAYERS: i64 = 1_000_000;

/// A linear congruential generator (Knuth, MMIX): the same players in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % bound
    }
}

fn change(points: i64, at: i64) -> PlayerChange {
    PlayerChange {
        points,
        last_seen: Timestamp::from_second(at).unwrap_or_default(),
        ..PlayerChange::default()
    }
}

fn leaderboard(criterion: &mut Criterion) {
    const NOW: i64 = 1_800_000_000;
    let mut numbers = Numbers(7);
    let mut board = Board::new();
    for player_id in 1..=PLAYERS {
        let (points, seen) = (numbers.below(100_000), NOW - numbers.below(86_400));
        board.apply(player_id, &change(points, seen));
    }
    let mut group = criterion.benchmark_group("leaderboard, 1,000,000 players");
    group.bench_function("top 10", |bencher| bencher.iter(|| black_box(board.top_ids(10))));
    group.bench_function("top 100", |bencher| bencher.iter(|| black_box(board.top_ids(100))));
    group.bench_function("rank", |bencher| {
        bencher.iter_batched(
            || 1 + numbers.below(PLAYERS),
            |player_id| black_box(board.rank(player_id)),
            BatchSize::SmallInput,
        );
    });
    let mut numbers = Numbers(11);
    group.bench_function("earn points", |bencher| {
        bencher.iter_batched(
            || (1 + numbers.below(PLAYERS), numbers.below(150)),
            |(player_id, points)| board.apply(player_id, &change(points, NOW)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, leaderboard);
criterion_main!(benches);
