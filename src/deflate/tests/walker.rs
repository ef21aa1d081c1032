//! A small strict reader of deflate data (RFC 1951), written only from the RFC: the judge of what the codec does.

/// What deflate data says.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The earlier output that was given, then what the data stands for.
    pub(super) output: Vec<u8>,
    pub(super) max_distance: usize,
    /// The type of each block: 0 stored, 1 fixed, 2 dynamic.
    pub(super) kinds: Vec<u8>,
    /// Behind the header of each stored block: the bytes used, and the output so far. A message cut exactly there is a
    /// whole one, as the four bytes make an empty block of it.
    pub(super) stored: Vec<(usize, usize)>,
    /// Length of `output` behind the last symbol that ends within the bytes marked as the message's own.
    own_output: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Short,
    Invalid,
}

/// Reads a compressed message as its receiver must (RFC 7692, 7.2.2): `message` and the four bytes 00 00 ff ff are whole
/// blocks that end where the bytes end, and the four bytes stand for no output. `earlier` is what may be referred to.
pub(super) fn walk_message(message: &[u8], earlier: &[u8]) -> Result<Walk, Bad> {
    let data = [message, &[0x00, 0x00, 0xff, 0xff]].concat();
    let mut walk = Walk { output: earlier.to_vec(), own_output: earlier.len(), ..Walk::default() };
    let mut bits = Bits { data: &data, at: 0, own: message.len() * 8 };
    while bits.at < data.len() * 8 {
        let last = bits.take(1)? == 1;
        let kind = bits.take(2)? as u8;
        walk.kinds.push(kind);
        match kind {
            0 => stored(&mut bits, &mut walk)?,
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| [8, 9, 7, 8][[144, 256, 280, 288].partition_point(|&end| end <= symbol)])
                    .collect();
                symbols(&mut bits, &mut walk, &Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = tables(&mut bits)?;
                symbols(&mut bits, &mut walk, &literals, &distances)?;
            }
            _ => return Err(Bad::Invalid),
        }
        if last {
            bits.align();
        }
    }
    if walk.output.len() == walk.own_output { Ok(walk) } else { Err(Bad::Short) }
}

struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    own: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, Bad> {
        let mut value = 0;
        for shift in 0..count {
            let byte = self.data.get(self.at / 8).ok_or(Bad::Short)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << shift;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// A canonical Huffman code: how many codes of each length, and the symbols in order.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Code {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for length in 1..16 {
            let of_length = lengths.iter().enumerate().filter(|&(_, &each)| each == length).map(|(symbol, _)| symbol);
            symbols.extend(of_length);
            counts[length as usize] = symbols.len() - counts[..length as usize].iter().sum::<usize>();
        }
        Code { counts, symbols }
    }

    /// Neither more codes than there can be, nor fewer; but a code of one bit may stand alone, or there may be none.
    fn check(self, may_be_incomplete: bool) -> Result<Code, Bad> {
        let mut left = 1_isize;
        for count in &self.counts[1..] {
            left = left * 2 - *count as isize;
            if left < 0 {
                return Err(Bad::Invalid);
            }
        }
        let lonely = self.symbols.is_empty() || (may_be_incomplete && self.counts[1] == 1 && self.symbols.len() == 1);
        if left == 0 || lonely { Ok(self) } else { Err(Bad::Invalid) }
    }

    fn next(&self, bits: &mut Bits) -> Result<usize, Bad> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Bad::Invalid)
    }
}

fn stored(bits: &mut Bits, walk: &mut Walk) -> Result<(), Bad> {
    bits.align();
    walk.stored.push((bits.at / 8, walk.output.len()));
    let (len, complement) = (bits.take(16)?, bits.take(16)?);
    if len != complement ^ 0xffff {
        return Err(Bad::Invalid);
    }
    for _ in 0..len {
        let byte = bits.take(8)? as u8;
        put(bits, walk, byte);
    }
    Ok(())
}

fn tables(bits: &mut Bits) -> Result<(Code, Code), Bad> {
    let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    if literals > 286 || distances > 30 {
        return Err(Bad::Invalid);
    }
    let mut lengths = [0; 19];
    for &symbol in &[16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15][..count] {
        lengths[symbol] = bits.take(3)? as u8;
    }
    let code = Code::new(&lengths).check(false)?;
    let mut lengths: Vec<u8> = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.next(bits)? {
            16 => (*lengths.last().ok_or(Bad::Invalid)?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            18 => (0, bits.take(7)? + 11),
            length => (length as u8, 1),
        };
        lengths.resize(lengths.len() + times, length);
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(Bad::Invalid);
    }
    let distances = Code::new(&lengths[literals..]).check(true)?;
    Ok((Code::new(&lengths[..literals]).check(true)?, distances))
}

fn symbols(bits: &mut Bits, walk: &mut Walk, literals: &Code, distances: &Code) -> Result<(), Bad> {
    loop {
        let length = match literals.next(bits)? {
            256 => return Ok(()),
            byte @ 0..256 => {
                put(bits, walk, byte as u8);
                continue;
            }
            symbol @ 257..265 => symbol - 254,
            285 => 258,
            symbol @ 265..285 => {
                let extra = (symbol - 261) / 4;
                ((4 + (symbol - 261) % 4) << extra) + 3 + bits.take(extra)?
            }
            _ => return Err(Bad::Invalid),
        };
        let distance = match distances.next(bits)? {
            symbol @ 0..4 => symbol + 1,
            symbol => {
                let extra = (symbol - 2) / 2;
                ((2 + symbol % 2) << extra) + 1 + bits.take(extra)?
            }
        };
        let from = walk.output.len().checked_sub(distance).ok_or(Bad::Invalid)?;
        walk.max_distance = walk.max_distance.max(distance);
        for at in from..from + length {
            put(bits, walk, walk.output[at]);
        }
    }
}

fn put(bits: &Bits, walk: &mut Walk, byte: u8) {
    walk.output.push(byte);
    if bits.at <= bits.own {
        walk.own_output = walk.output.len();
    }
}
