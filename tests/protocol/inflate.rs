//! DEFLATE (RFC 1951) as its definition reads, slow and small: what the tests of compression look into our output
//! with. It shares no code with the crate, and it tells how far back a stream refers.

/// What a compressed message holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Inflated {
    pub bytes: Vec<u8>,
    /// The longest way back of any reference: the window that the sender used.
    pub farthest: usize,
    /// How far references reach behind the start of this message, into those before it.
    pub into_history: usize,
}

/// Inflates the payload of a message by the algorithm of RFC 7692, 7.2.2. `history` are the messages before it.
/// `Err`: it is not valid, or does not end where a block ends.
pub fn inflate(payload: &[u8], history: &[u8]) -> Result<Inflated, &'static str> {
    let input = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut bits = Bits { input: &input, at: 0 };
    let mut out = history.to_vec();
    let (mut farthest, mut into_history) = (0, 0);
    while bits.at < input.len() * 8 {
        let is_final = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.align();
                let (len, check) = (bits.take(16)?, bits.take(16)?);
                if len != !check & 0xffff {
                    return Err("stored block whose lengths differ");
                }
                for _ in 0..len {
                    out.push(bits.take(8)? as u8);
                }
            }
            kind @ (1 | 2) => {
                let (literals, distances) = if kind == 1 { fixed() } else { dynamic(&mut bits)? };
                loop {
                    let symbol = literals.next(&mut bits)?;
                    if symbol < 256 {
                        out.push(symbol as u8);
                        continue;
                    }
                    if symbol == 256 {
                        break;
                    }
                    let (base, extra) = *LENGTHS.get(symbol - 257).ok_or("reserved length")?;
                    let len = base + bits.take(extra)?;
                    let (base, extra) = *DISTANCES.get(distances.next(&mut bits)?).ok_or("reserved distance")?;
                    let distance = base + bits.take(extra)?;
                    farthest = farthest.max(distance);
                    let from = out.len().checked_sub(distance).ok_or("reference to before the first byte")?;
                    into_history = into_history.max(history.len().saturating_sub(from));
                    for i in 0..len {
                        out.push(out[from + i]);
                    }
                }
            }
            _ => return Err("reserved block type"),
        }
        if is_final {
            bits.align();
        }
    }
    Ok(Inflated { bytes: out.split_off(history.len()), farthest, into_history })
}

struct Bits<'a> {
    input: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, &'static str> {
        let mut value = 0;
        for i in 0..count {
            let byte = self.input.get(self.at / 8).ok_or("it ends inside a block")?;
            value |= (usize::from(*byte) >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// Codes in the order of their lengths, and within a length of their symbols (RFC 1951, 3.2.2).
struct Huffman {
    /// How many codes there are of each length.
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Huffman {
    fn new(lens: &[usize]) -> Huffman {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (len, count) in counts.iter_mut().enumerate().skip(1) {
            let before = symbols.len();
            symbols.extend((0..lens.len()).filter(|symbol| lens[*symbol] == len));
            *count = symbols.len() - before;
        }
        Huffman { counts, symbols }
    }

    fn next(&self, bits: &mut Bits<'_>) -> Result<usize, &'static str> {
        let (mut code, mut first, mut before) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[before + code - first]);
            }
            before += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err("no such code")
    }
}

fn fixed() -> (Huffman, Huffman) {
    let lens = [[8; 144].as_slice(), &[9; 112], &[7; 24], &[8; 8]].concat();
    (Huffman::new(&lens), Huffman::new(&[5; 32]))
}

fn dynamic(bits: &mut Bits<'_>) -> Result<(Huffman, Huffman), &'static str> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances, codes) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    let mut lens = [0; 19];
    for &at in &ORDER[..codes] {
        lens[at] = bits.take(3)?;
    }
    let code = Huffman::new(&lens);
    let mut lens = Vec::new();
    while lens.len() < literals + distances {
        let (len, times) = match code.next(bits)? {
            16 => (*lens.last().ok_or("nothing to repeat")?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len, 1),
        };
        lens.extend(std::iter::repeat_n(len, times));
    }
    Ok((Huffman::new(&lens[..literals]), Huffman::new(&lens[literals..literals + distances])))
}

/// Base and extra bits (RFC 1951, 3.2.5).
#[rustfmt::skip]
const LENGTHS: [(usize, usize); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1), (17, 1), (19, 2),
    (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4), (131, 5),
    (163, 5), (195, 5), (227, 5), (258, 0),
];
#[rustfmt::skip]
const DISTANCES: [(usize, usize); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4), (65, 5),
    (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8), (1025, 9), (1537, 9), (2049, 10),
    (3073, 10), (4097, 11), (6145, 11), (8193, 12), (12289, 12), (16385, 13), (24577, 13),
];

/// This inflator reads what others wrote: the examples of RFC 7692, 7.2.3, and dynamic blocks of zlib.
#[test]
fn the_inflator_of_the_tests_is_right() {
    let bytes = |payload: &[u8]| inflate(payload, b"").map(|inflated| inflated.bytes);
    for payload in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(bytes(payload).as_deref(), Ok(&b"Hello"[..]), "{payload:x?}");
    }
    let shared = inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], b"Hello").unwrap();
    assert_eq!((&shared.bytes[..], shared.farthest, shared.into_history), (&b"Hello"[..], 5, 4));
    assert!(bytes(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07]).is_err());
    assert!(bytes(&[0x06]).is_err());

    let text = (0..400usize).map(|i| b'a' + ((i * i * 7 + i / 3) % 11) as u8).collect::<Vec<_>>();
    let by_zlib = "eccab11100300802c059f15051f6efdd2255be7ea89788f49a7028731814599e81aaf1c3cb7000";
    let by_zlib = (0..by_zlib.len() / 2).map(|i| u8::from_str_radix(&by_zlib[2 * i..2 * i + 2], 16).unwrap());
    assert_eq!(bytes(&by_zlib.collect::<Vec<_>>()), Ok(text));
}
