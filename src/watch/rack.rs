//! Holds all boards that `muster watch` knows.

use super::board::Board;
use super::condition::Condition;
use super::datagram::Report;
use crate::board::hostname::{Hostname, Naming};
use crate::board::mac::Mac;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Instant;

/// The most boards that are kept. A board needs about 1 KiB of memory.
pub const BOARDS_MAX: usize = 10_000;

/// What identifies a board: the MAC address. A line that a log server forwarded without structured
/// data has no MAC address, so its board may be known only by the name or the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Mac(Mac),
    Name(Hostname),
    /// The address that a datagram came from, or that the log server named.
    Address(IpAddr),
}

/// The boards, [`BOARDS_MAX`] at most.
#[derive(Default)]
pub struct Rack {
    boards: BTreeMap<Key, Entry>,
    /// Maps the name of a board to the key of the board, for all boards whose names are known.
    names: BTreeMap<Hostname, Key>,
    /// Maps the number of a board's last datagram to the key of the board, for all boards that
    /// `--macs` does not list. The first entry is the board that has sent nothing for the longest
    /// time.
    turns: BTreeMap<u64, Key>,
    datagrams: u64,
}

struct Entry {
    board: Board,
    /// The number of the board's last datagram, under which the board is in [`Rack::turns`]; `None`
    /// for a board that `--macs` lists, which is never in `turns`.
    turn: Option<u64>,
    /// The hash of the text that described the board at the last call of [`Rack::changed`].
    told: u64,
    /// The hash of the board's trouble at the last call of [`Rack::changed`] that returned it.
    trouble: u64,
    /// The condition of the board at the last call of [`Rack::changed`].
    condition: Option<Condition>,
}

impl Entry {
    fn new(board: Board, turn: Option<u64>) -> Entry {
        Entry {
            board,
            turn,
            told: 0,
            trouble: hash(&None::<String>),
            condition: None,
        }
    }
}

impl Rack {
    /// A rack with the boards whose MAC addresses are in `listed`, the operator's list (`--macs`).
    /// These boards have sent nothing yet, and are never removed. The list has [`BOARDS_MAX`]
    /// boards at most.
    pub fn new(listed: &[Mac], naming: &Naming) -> Rack {
        let mut rack = Rack::default();
        for mac in listed {
            let (key, name) = (Key::Mac(*mac), naming.of(*mac));
            let board = Board::new(*mac, name.clone());
            rack.names.insert(name, key.clone());
            rack.boards.insert(key, Entry::new(board, None));
        }
        rack
    }

    /// Updates the board that sent a report, or adds this board. The report arrived at the time
    /// `now`, in a datagram from the address `from`. If the rack already has [`BOARDS_MAX`] boards,
    /// a new board replaces the board that has sent nothing for the longest time. A board that
    /// `--macs` lists is never replaced. Returns the key of the board; `None` when the rack is full
    /// and `--macs` lists all its boards.
    pub fn hear(&mut self, mut report: Report, from: IpAddr, now: Instant) -> Option<Key> {
        let key = self.key(&report, from);
        if let Key::Address(address) = key {
            report.address = Some(address);
        }
        self.datagrams += 1;
        if !self.boards.contains_key(&key) {
            if self.boards.len() >= BOARDS_MAX {
                let (_, oldest) = self.turns.pop_first()?;
                self.forget(&oldest);
            }
            let entry = Entry::new(Board::default(), Some(self.datagrams));
            self.boards.insert(key.clone(), entry);
        }
        let entry = self.boards.get_mut(&key)?;
        if let Some(turn) = &mut entry.turn {
            self.turns.remove(turn);
            *turn = self.datagrams;
            self.turns.insert(*turn, key.clone());
        }
        let before = entry.board.name.clone();
        entry.board.hear(report, now);
        let (after, address) = (entry.board.name.clone(), entry.board.address);
        self.rename(&key, before, after);
        // Earlier lines without a name may have made a row for the address of this board. That row
        // is removed.
        if let Some(placeholder) = address.map(Key::Address).filter(|other| *other != key) {
            self.forget(&placeholder);
        }
        Some(key)
    }

    /// The key of the board that a report is from.
    fn key(&self, report: &Report, from: IpAddr) -> Key {
        if let Some(mac) = report.mac {
            return Key::Mac(mac);
        }
        if let Some(name) = &report.name {
            let known = self.names.get(name).cloned();
            return known.unwrap_or_else(|| Key::Name(name.clone()));
        }
        let address = report.address.unwrap_or(from);
        let known = |entry: &(&Key, &Entry)| entry.1.board.address == Some(address);
        let known = self.boards.iter().find(known);
        known.map_or(Key::Address(address), |(key, _)| key.clone())
    }

    /// Updates [`Rack::names`] after a report of the board `key`. `before` and `after` are the name
    /// of the board before and after the report. Earlier lines without a MAC address may have made
    /// a row for the name `after`. That row is removed, because it shows the same board.
    fn rename(&mut self, key: &Key, before: Option<Hostname>, after: Option<Hostname>) {
        if before != after
            && let Some(name) = before
            && self.names.get(&name) == Some(key)
        {
            self.names.remove(&name);
        }
        let Some(name) = after else { return };
        let earlier = self.names.insert(name.clone(), key.clone());
        let placeholder = Key::Name(name);
        if earlier.as_ref() == Some(&placeholder) && *key != placeholder {
            self.forget(&placeholder);
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(entry) = self.boards.remove(key) else {
            return;
        };
        if let Some(turn) = entry.turn {
            self.turns.remove(&turn);
        }
        if let Some(name) = entry.board.name
            && self.names.get(&name) == Some(key)
        {
            self.names.remove(&name);
        }
    }

    /// The boards in the order in which they are shown: sorted by their condition, stuck boards
    /// first, and then by name.
    pub fn rows(&self, now: Instant) -> Vec<&Board> {
        let mut boards: Vec<&Board> = self.boards.values().map(|entry| &entry.board).collect();
        boards.sort_by_cached_key(|board| (board.condition(now), board.name.clone(), board.mac));
        boards
    }

    /// The keys of the boards whose condition has changed since [`Rack::changed`] was last called
    /// for them, and of the boards for which it was never called.
    pub fn turned(&self, now: Instant) -> Vec<Key> {
        let turned = |entry: &Entry| entry.condition != Some(entry.board.condition(now));
        let boards = self.boards.iter().filter(|(_, entry)| turned(entry));
        boards.map(|(key, _)| key.clone()).collect()
    }

    /// Returns the board `key`, if `describe` returns another text for it than at the last call for
    /// this board, and whether its trouble is another one too.
    pub fn changed(
        &mut self,
        key: &Key,
        now: Instant,
        describe: impl Fn(&Board) -> String,
    ) -> Option<(&Board, bool)> {
        let entry = self.boards.get_mut(key)?;
        entry.condition = Some(entry.board.condition(now));
        let told = hash(&describe(&entry.board));
        if std::mem::replace(&mut entry.told, told) == told {
            return None;
        }
        let trouble = hash(&entry.board.trouble);
        let is_other = std::mem::replace(&mut entry.trouble, trouble) != trouble;
        Some((&entry.board, is_other))
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
