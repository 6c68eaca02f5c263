//! Random inputs from a fixed seed.

/// A random number generator (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    /// Returns a number of any magnitude, most often a small one.
    pub fn any_number(&mut self) -> u64 {
        let bits = self.below(64);
        self.number() >> bits
    }

    /// Returns one of these choices.
    pub fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Returns a word of `least` to `most` of these characters.
    pub fn word(&mut self, characters: &str, least: usize, most: usize) -> String {
        let length = least + self.below(most - least + 1);
        (0..length)
            .map(|_| characters.as_bytes()[self.below(characters.len())] as char)
            .collect()
    }

    /// Returns up to 23 of these pieces in random order, with other bytes between them.
    pub fn pieces(&mut self, pieces: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.below(24) {
            self.piece(pieces, &mut bytes);
        }
        bytes
    }

    /// Appends one of these pieces, or white space, or an unusual character.
    fn piece(&mut self, pieces: &[&str], into: &mut Vec<u8>) {
        match self.below(8) {
            0 => into.push(self.number() as u8),
            1 => into.extend(
                self.of(&["é", "\u{a0}", "\u{2028}", "\u{feff}", "\0", "😀", "ſ", "٣"])
                    .bytes(),
            ),
            2 => into.extend(self.of(&[" ", "\t", "\n", "\r\n", "\r", "  "]).bytes()),
            _ => into.extend(self.of(pieces).bytes()),
        }
    }

    /// Damages a text in one to four places: deletes or repeats a few bytes, flips a bit, inserts a
    /// piece or truncates the text.
    pub fn damage(&mut self, text: &mut Vec<u8>, pieces: &[&str]) {
        for _ in 0..=self.below(4) {
            let at = self.below(text.len() + 1);
            let end = (at + self.below(9)).min(text.len());
            match self.below(6) {
                0 => drop(text.drain(at..end)),
                1 => text.truncate(end),
                2 => {
                    let again = text[at..end].to_vec();
                    text.splice(at..at, again);
                }
                3 if at < text.len() => text[at] ^= 1 << self.below(8),
                _ => {
                    let mut new = Vec::new();
                    self.piece(pieces, &mut new);
                    text.splice(at..at, new);
                }
            }
        }
    }
}
