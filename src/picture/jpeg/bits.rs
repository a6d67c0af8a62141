//! The bits of a scan's data. Behind its end, or before a mark, come zeros: libjpeg goes on in the same way.

pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    hold: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, hold: 0, count: 0 }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                // A mark, or the end: nothing is taken from there on.
                (Some(0xff) | None, _) => 0,
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.hold |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next bits, 1 to 16 of them, which stay.
    #[inline]
    pub(super) fn peek(&mut self, count: u32) -> u32 {
        if self.count < count {
            self.fill();
        }
        (self.hold >> (64 - count)) as u32
    }

    #[inline]
    pub(super) fn skip(&mut self, count: u32) {
        self.hold <<= count;
        self.count = self.count.saturating_sub(count);
    }

    /// The next bits, up to 16, as a number.
    #[inline]
    pub(super) fn take(&mut self, count: u32) -> i32 {
        if count == 0 {
            return 0;
        }
        let bits = self.peek(count);
        self.skip(count);
        bits as i32
    }

    /// The next bits as a number whose first bit is its sign.
    #[inline]
    pub(super) fn signed(&mut self, count: u32) -> i32 {
        let value = self.take(count);
        if count > 0 && value < 1 << (count - 1) { value - (1 << count) + 1 } else { value }
    }

    /// Goes behind the next restart mark, if one is the next mark.
    pub(super) fn restart(&mut self) {
        (self.hold, self.count) = (0, 0);
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mark = rest.windows(2).position(|two| two[0] == 0xff && !matches!(two[1], 0 | 0xff));
        if let Some(skip) = mark.filter(|skip| matches!(rest[skip + 1], 0xd0..=0xd7)) {
            self.at += skip + 2;
        }
    }

    /// Where the data that was read ends, at the latest.
    pub(super) const fn place(&self) -> usize {
        self.at
    }
}
