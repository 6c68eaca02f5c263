//! All boards that `muster watch` knows.

use super::board::Board;
use super::condition::Condition;
use super::datagram::Report;
use crate::board::hostname::{Hostname, Naming};
use crate::board::mac::Mac;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Instant;

/// The most boards that are kept. A board needs less than 1 KiB.
pub const BOARDS_MAX: usize = 10_000;

/// What tells one board from another. A line that a log server forwarded without structured data has
/// no MAC address.
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
    /// The boards by their name.
    names: BTreeMap<Hostname, Key>,
    /// The boards that are not in the list, by the number of the datagram in which they were heard
    /// last. The first one was unheard for the longest time.
    turns: BTreeMap<u64, Key>,
    datagrams: u64,
}

struct Entry {
    board: Board,
    /// The board's number in [`Rack::turns`]; `None` for a board that is in the list.
    turn: Option<u64>,
    /// The hash of the last text that [`Rack::changed`] was given.
    told: u64,
    /// The condition at that time.
    condition: Option<Condition>,
}

impl Entry {
    fn new(board: Board, turn: Option<u64>) -> Entry {
        Entry {
            board,
            turn,
            told: 0,
            condition: None,
        }
    }
}

impl Rack {
    /// A rack with the boards of a list, which have not been heard yet. They are never left out.
    /// The list has [`BOARDS_MAX`] boards at most.
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

    /// Takes in what a board said at the time `now`, in a datagram from the address `from`. Returns
    /// which board it is; `None` when there is no room for one more.
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
        // This board is the one for which lines without a name made a row.
        if let Some(placeholder) = address.map(Key::Address).filter(|other| *other != key) {
            self.forget(&placeholder);
        }
        Some(key)
    }

    /// Which board a report is from.
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

    /// Keeps [`Rack::names`] right after a board was heard under a name. If lines without a MAC
    /// address made a row for the name, this board is the one, and the row is left out.
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

    /// The boards as they are shown: those that are stuck first, then those that were not heard, and
    /// by name.
    pub fn rows(&self, now: Instant) -> Vec<&Board> {
        let mut boards: Vec<&Board> = self.boards.values().map(|entry| &entry.board).collect();
        boards.sort_by_cached_key(|board| (board.condition(now), board.name.clone(), board.mac));
        boards
    }

    /// The boards whose condition is another one than at the last call of [`Rack::changed`].
    pub fn turned(&self, now: Instant) -> Vec<Key> {
        let turned = |entry: &Entry| entry.condition != Some(entry.board.condition(now));
        let boards = self.boards.iter().filter(|(_, entry)| turned(entry));
        boards.map(|(key, _)| key.clone()).collect()
    }

    /// The board, if the text that `describe` makes of it is another one than at the last call.
    pub fn changed(
        &mut self,
        key: &Key,
        now: Instant,
        describe: impl Fn(&Board) -> String,
    ) -> Option<&Board> {
        let entry = self.boards.get_mut(key)?;
        entry.condition = Some(entry.board.condition(now));
        let mut hasher = DefaultHasher::new();
        describe(&entry.board).hash(&mut hasher);
        let told = hasher.finish();
        (std::mem::replace(&mut entry.told, told) != told).then_some(&entry.board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::datagram::parse;
    use std::time::Duration;

    fn rack(listed: &[&str]) -> Rack {
        let listed: Vec<Mac> = listed.iter().map(|mac| Mac::parse(mac).unwrap()).collect();
        Rack::new(&listed, &Naming::new("worker-", 6).unwrap())
    }

    fn hear(rack: &mut Rack, line: &str) -> Option<Key> {
        let report = parse(line.as_bytes()).unwrap();
        rack.hear(report, "192.0.2.9".parse().unwrap(), Instant::now())
    }

    fn keys(rack: &Rack) -> Vec<Key> {
        rack.boards.keys().cloned().collect()
    }

    fn mac(number: u32) -> Mac {
        let [_, a, b, c] = number.to_be_bytes();
        Mac::parse(&format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")).unwrap()
    }

    fn line(number: u32) -> String {
        let mac = mac(number);
        format!("<30>1 - worker-{number} muster 1 fetch [muster@32473 mac=\"{mac}\"] x")
    }

    #[test]
    fn lines_without_a_mac_address_go_to_the_board_with_the_name() {
        let mut rack = rack(&["dc:a6:32:01:02:03"]);
        let listed = Key::Mac(Mac::parse("dc:a6:32:01:02:03").unwrap());
        let key = hear(&mut rack, "<28>Aug 12 10:00:00 worker-43dfae muster[1] a");
        assert_eq!(key, Some(listed));
        // Any other board has a row by its name until its MAC address is known.
        hear(&mut rack, "<28>Aug 12 10:00:00 worker-7 muster[1] a");
        assert_eq!(keys(&rack).len(), 2);
        assert_eq!(hear(&mut rack, &line(7)), Some(Key::Mac(mac(7))));
        assert_eq!(keys(&rack).len(), 2);
        let key = hear(&mut rack, "<28>Aug 12 10:00:00 worker-7 muster[1] a");
        assert_eq!(key, Some(Key::Mac(mac(7))));
    }

    #[test]
    fn lines_without_a_name_go_to_the_board_with_the_address() {
        let mut rack = rack(&[]);
        let sender = "192.0.2.9".parse().unwrap();
        let forwarded = "<28>Aug 12 10:00:00 muster: WARN: network: no carrier";
        assert_eq!(hear(&mut rack, forwarded), Some(Key::Address(sender)));
        let line = line(1).replace("\"]", "\" ip=\"192.0.2.9\"]");
        hear(&mut rack, &line);
        assert_eq!(keys(&rack), [Key::Mac(mac(1))]);
        assert_eq!(hear(&mut rack, forwarded), Some(Key::Mac(mac(1))));
        let board = rack.rows(Instant::now())[0];
        assert_eq!(board.trouble.as_deref(), Some("no carrier"));
    }

    #[test]
    fn a_full_rack_leaves_out_the_board_that_was_unheard_for_the_longest_time() {
        let mut rack = rack(&["52:54:00:ff:ff:ff"]);
        for number in 0..BOARDS_MAX as u32 {
            hear(&mut rack, &line(number));
        }
        assert_eq!(keys(&rack).len(), BOARDS_MAX);
        assert!(!keys(&rack).contains(&Key::Mac(mac(0))));
        hear(&mut rack, &line(1));
        hear(&mut rack, &line(BOARDS_MAX as u32));
        let keys = keys(&rack);
        assert!(keys.contains(&Key::Mac(mac(1))) && !keys.contains(&Key::Mac(mac(2))));
        assert!(keys.contains(&Key::Mac(mac(0xff_ffff))));
        assert_eq!(rack.names.len(), BOARDS_MAX);
        assert_eq!(rack.turns.len(), BOARDS_MAX - 1);
    }

    #[test]
    fn rows_begin_with_what_a_person_must_look_at() {
        let mut rack = rack(&["52:54:00:ff:ff:ff"]);
        for (number, step, state) in [
            (1, "join", "joined"),
            (2, "fetch", "running"),
            (3, "register", "failed"),
            (4, "network", "waiting"),
        ] {
            let state = format!("\" state=\"{state}\"]");
            let line = line(number).replace("\"]", &state).replace("fetch", step);
            hear(&mut rack, &line);
        }
        let rows = rack.rows(Instant::now());
        let order = rows.iter().map(|board| board.mac.unwrap());
        let expected = [mac(3), mac(0xff_ffff), mac(4), mac(2), mac(1)];
        assert_eq!(order.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_board_is_told_of_once_for_each_change() {
        let mut rack = rack(&[]);
        let key = hear(&mut rack, &line(1)).unwrap();
        let now = Instant::now();
        assert_eq!(rack.turned(now), std::slice::from_ref(&key));
        assert!(rack.changed(&key, now, |_| "one".into()).is_some());
        assert!(rack.changed(&key, now, |_| "one".into()).is_none());
        assert!(rack.changed(&key, now, |_| "two".into()).is_some());
        // A board that says nothing turns silent.
        assert_eq!(rack.turned(now), []);
        assert_eq!(rack.turned(now + Duration::from_secs(100)), [key]);
    }

    #[test]
    fn a_board_that_changes_its_name_has_one_name() {
        let mut rack = rack(&[]);
        hear(&mut rack, &line(1));
        hear(&mut rack, &line(1).replace("worker-1 ", "worker-2 "));
        let names: Vec<&str> = rack.names.keys().map(Hostname::as_str).collect();
        assert_eq!(names, ["worker-2"]);
    }
}
