//! Frames as clients send them, good, bad and random.

use proptest::prelude::*;

use super::*;

/// A frame as a client sends it.
fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(first & 0x0F, payload, &mut frame);
    let header = frame.len() - payload.len();
    let mask = [1, 2, 3, 250];
    frame[0] = first;
    frame[1] |= MASKED;
    unmask(&mut frame[header..], mask);
    frame.splice(header..header, mask);
    frame
}

fn decode(bytes: &[u8]) -> Result<Vec<Item>, Violation> {
    let mut decoder = Decoder::new(1000);
    decoder.feed(bytes);
    let mut items = Vec::new();
    while let Some(item) = decoder.next()? {
        items.push(item);
    }
    Ok(items)
}

#[test]
fn control_frames_come_between_the_parts_of_a_message() {
    let stream = [
        sent(TEXT, "gr".as_bytes()),
        sent(FINAL | PING, b"?"),
        sent(CONTINUATION, &[0xC3]),
        sent(FINAL | PONG, b""),
        sent(FINAL | CONTINUATION, &[0xBC, b'n']),
        sent(FINAL | CLOSE, &[3, 232, b'b', b'y', b'e']),
    ]
    .concat();
    let items = [Item::Ping(b"?".to_vec()), Item::Pong, Item::Text("grün".into()), Item::Close(Some(1000))];
    assert_eq!(decode(&stream).unwrap(), items);
    // Byte by byte it means the same, and nothing is kept at the end.
    let (mut decoder, mut found) = (Decoder::new(1000), Vec::new());
    for byte in stream {
        decoder.feed(&[byte]);
        found.extend(decoder.next().unwrap());
    }
    assert_eq!(found, items);
    assert_eq!(decoder.next(), Ok(None));
    assert_eq!((decoder.data.capacity(), decoder.message.capacity()), (0, 0));
}

#[test]
fn violations_are_named() {
    let protocol = |bytes: &[u8]| matches!(decode(bytes), Err(Violation::Protocol(_)));
    assert!(protocol(&[FINAL | TEXT, 0]), "unmasked");
    assert!(protocol(&sent(FINAL | 0x40 | TEXT, b"x")), "reserved bit");
    assert!(protocol(&sent(FINAL | 0x3, b"x")), "opcode");
    assert!(protocol(&sent(FINAL | CONTINUATION, b"x")), "nothing to continue");
    assert!(protocol(&[sent(TEXT, b"x"), sent(FINAL | TEXT, b"y")].concat()), "not ended");
    assert!(protocol(&sent(PING, b"")), "fragmented control frame");
    assert!(protocol(&sent(FINAL | PING, &[0; 126])), "long control frame");
    assert!(protocol(&sent(FINAL | CLOSE, &[3])), "half a code");
    assert!(protocol(&sent(FINAL | CLOSE, &1005_u16.to_be_bytes())), "a code that is never sent");
    assert_eq!(decode(&sent(FINAL | BINARY, b"x")), Err(Violation::Binary));
    assert_eq!(decode(&sent(FINAL | TEXT, &[0xFF])), Err(Violation::Utf8));
    assert_eq!(decode(&sent(FINAL | CLOSE, &[3, 232, 0xFF])), Err(Violation::Utf8));
}

#[test]
fn the_size_limit_holds_for_the_whole_message_and_before_its_payload() {
    assert_eq!(decode(&sent(FINAL | TEXT, &[b'x'; 1000])).unwrap().len(), 1);
    assert_eq!(decode(&sent(FINAL | TEXT, &[b'x'; 1001])[..8]), Err(Violation::TooLarge));
    let parts = [sent(TEXT, &[b'x'; 600]), sent(FINAL | CONTINUATION, &[b'x'; 401])].concat();
    assert_eq!(decode(&parts), Err(Violation::TooLarge));
    let endless = [FINAL | TEXT, MASKED | 127, 255, 255, 255, 255, 255, 255, 255, 255];
    assert_eq!(decode(&endless), Err(Violation::TooLarge));
}

#[test]
fn every_length_has_its_header() {
    for length in [0, 125, 126, 65_535, 65_536] {
        let mut frame = Vec::new();
        encode_text(&vec![b'x'; length], &mut frame);
        let header = match length {
            0..=125 => 2,
            126..=65_535 => 4,
            _ => 10,
        };
        assert_eq!(frame.len(), length + header);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_hoard(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..64)) {
        let mut decoder = Decoder::new(256);
        'connection: for piece in pieces {
            decoder.feed(&piece);
            loop {
                match decoder.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'connection,
                }
            }
            prop_assert!(decoder.data.len() <= 256 + 14);
        }
    }

    #[test]
    fn masked_frames_with_random_heads_do_not_panic(frames in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
        let stream: Vec<u8> = frames.iter().flat_map(|(first, payload)| sent(*first, payload)).collect();
        let _ = decode(&stream);
    }

    #[test]
    fn texts_survive_any_fragmentation(text in "\\PC{0,200}", cuts in prop::collection::vec(0usize..200, 0..5)) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut <= bytes.len()).chain([0, bytes.len()]).collect();
        cuts.sort_unstable();
        let last = cuts.len() - 2;
        let parts = cuts.windows(2).enumerate().flat_map(|(number, cut)| {
            let opcode = if number == 0 { TEXT } else { CONTINUATION };
            let end = if number == last { FINAL } else { 0 };
            sent(end | opcode, &bytes[cut[0]..cut[1]])
        });
        prop_assert_eq!(decode(&parts.collect::<Vec<_>>()).unwrap(), [Item::Text(text.clone())]);
    }
}
