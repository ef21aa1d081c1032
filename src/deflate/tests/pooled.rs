//! What connections borrow.

use super::*;
use crate::deflate::Pools;

#[test]
fn borrowers_do_not_see_each_other() {
    let mut pools = Pools::new(6, 5);
    let mut first = pools.take_inflator(15);
    assert_eq!(inflated(&mut first, &compressed(b"Hello", 6)).unwrap(), b"Hello");
    let refers_back = [0xf2, 0x00, 0x11, 0x00, 0x00];
    pools.return_inflator(first);
    assert_eq!(inflated(&mut pools.take_inflator(15), &refers_back), Err(Violation::DeflateInvalid));

    let mut alone = Vec::new();
    pools.take_deflator(15).deflate(&json(500), Flush::Message, &mut alone);
    for _ in 0..2 {
        let (mut deflator, mut out) = (pools.take_deflator(15), Vec::new());
        deflator.deflate(&json(500), Flush::Message, &mut out);
        assert_eq!(out, alone);
        pools.return_deflator(deflator);
    }
}

/// Returned after an error, in the middle of a message, or with a byte ahead: as new for the next one.
#[test]
fn inflators_come_back_in_any_state() {
    let (message, payload) = (compressed(&json(500), 6), json(500));
    let spoil: [fn(&mut Inflator, &[u8]); 3] = [
        |inflator, _| assert!(inflator.inflate(&[0xff; 4], &mut Vec::new(), ROOM).is_err()),
        |inflator, message| assert!(inflator.inflate(&message[..50], &mut Vec::new(), ROOM).is_ok()),
        |inflator, message| assert!(inflator.inflate(message, &mut Vec::new(), 3).unwrap() < message.len()),
    ];
    for spoil in spoil {
        let mut pools = Pools::new(6, 8);
        let mut inflator = pools.take_inflator(9);
        spoil(&mut inflator, &message);
        pools.return_inflator(inflator);
        let mut inflator = pools.take_inflator(15);
        assert_eq!(inflated(&mut inflator, &message).unwrap(), payload);

        // And for one that goes on where its own messages stopped.
        let parked = pools.park_inflator(inflator);
        let mut other = pools.take_inflator(9);
        spoil(&mut other, &message);
        pools.return_inflator(other);
        assert_eq!(inflated(&mut pools.resume_inflator(parked), &message).unwrap(), payload);
    }
}

/// A parked inflator goes on where it stopped, though another connection used its engine; and holds no more than what
/// it must remember.
#[test]
fn parking_keeps_the_window() {
    let mut pools = Pools::new(6, 8);
    for bits in 8..=15 {
        let mut ends: Vec<_> = (0..2).map(|_| (Deflator::new(6, 8, bits), None)).collect();
        for round in 0..30 {
            for (connection, (deflator, parked)) in ends.iter_mut().enumerate() {
                let text = json(2000);
                let payload = &text[connection * 100..][..round * 50];
                let mut message = Vec::new();
                deflator.deflate(payload, Flush::Message, &mut message);
                let mut inflator = match parked.take() {
                    Some(history) => pools.resume_inflator(history),
                    None => pools.take_inflator(bits),
                };
                assert_eq!(inflated(&mut inflator, &message).unwrap(), payload, "{bits} bits, message {round}");
                let history = pools.park_inflator(inflator);
                assert!(history.capacity() <= 1 << bits);
                *parked = Some(history);
            }
        }
    }
}

/// An inflator that served a small window serves a large one next, and remembers all of that.
#[test]
fn the_window_is_that_of_the_borrower() {
    let (mut pools, text) = (Pools::new(6, 8), noise(3000, 3));
    let inflator = pools.take_inflator(8);
    pools.return_inflator(inflator);
    let (mut deflator, mut parked) = (Deflator::new(6, 8, 15), None);
    for message in [&text[..], &text[..500]] {
        let mut sent = Vec::new();
        deflator.deflate(message, Flush::Message, &mut sent);
        let mut inflator = match parked.take() {
            Some(history) => pools.resume_inflator(history),
            None => pools.take_inflator(15),
        };
        assert_eq!(inflated(&mut inflator, &sent).unwrap(), message);
        parked = Some(pools.park_inflator(inflator));
    }
}

/// However many come back, few are kept; and those that were used last.
#[test]
fn a_bounded_number_is_kept() {
    let mut pools = Pools::new(6, 1);
    for bits in [9, 10, 11, 12, 13, 14, 15] {
        let deflator = pools.take_deflator(bits);
        pools.return_deflator(deflator);
    }
    assert_eq!(pools.deflators.iter().map(|deflator| deflator.window_bits()).collect::<Vec<_>>(), [12, 13, 14, 15]);
    let many: Vec<_> = (0..10).map(|_| pools.take_inflator(15)).collect();
    many.into_iter().for_each(|inflator| pools.return_inflator(inflator));
    assert_eq!(pools.inflators.len(), 4);
}
