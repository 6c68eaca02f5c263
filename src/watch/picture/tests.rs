use super::*;
use crate::host::Mode;
use crate::watch::datagram::parse;

/// A board that has sent these datagrams: the seconds after power-on, the step, and more
/// parameters.
fn board(story: &[(u64, &str, &str)], start: Instant) -> Board {
    let mut board = Board::default();
    for (second, step, params) in story {
        let line = format!(
            "<30>1 - worker-43dfae muster 1 {step} [muster@32473 mac=\"dc:a6:32:01:02:03\" \
             ip=\"192.0.2.7\" uptime=\"{second}.000\" attempt=\"1\" {params}] no carrier"
        );
        let now = start + Duration::from_secs(*second);
        board.hear(parse(line.as_bytes()).unwrap(), now);
    }
    board
}

fn seconds(row: &Row) -> Vec<(Colour, f64, f64)> {
    let bars = row.bars.iter();
    bars.map(|bar| (bar.colour, bar.from, bar.to)).collect()
}

#[test]
fn a_row_has_the_steps_to_scale_and_the_last_one_until_now() {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let story = [
        (10, "identity", "state=\"done\""),
        (10, "network", "state=\"running\""),
        (12, "network", "state=\"done\""),
        (12, "fetch", "state=\"running\""),
    ];
    let mut steps = vec![
        (Colour::Before, 0.0, 10.0),
        (Colour::Number(0), 10.0, 10.0),
        (Colour::Number(1), 10.0, 12.0),
        (Colour::Number(5), 12.0, 20.0),
    ];
    let running = board(&story, start);
    let shown = row(&running, at(20));
    assert_eq!(seconds(&shown), steps);
    assert_eq!(
        (shown.label.as_str(), shown.after.as_str()),
        ("worker-43dfae", "fetch: running")
    );
    // When a board sends nothing any more, it is not known what the board does.
    steps[3].2 = 12.0;
    let silent = row(&running, at(100));
    assert_eq!((seconds(&silent), silent.is_marked), (steps, true));
    let waits = [(9, "network", "state=\"waiting\"")];
    let waiting = row(&board(&waits, start), at(40));
    let hatched: Vec<bool> = waiting.bars.iter().map(|bar| bar.is_hatched).collect();
    assert_eq!(hatched, [false, true]);
    let joined = board(&[(41, "join", "state=\"joined\"")], start);
    let joined = row(&joined, at(900));
    assert_eq!(
        (joined.bars[1].to, joined.after.as_str()),
        (41.0, "joined after 0:41")
    );
}

#[test]
fn the_file_is_written_when_the_picture_changes_and_once_a_second_at_most() {
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    let unheard = Board::default();
    let joined = board(&[(41, "join", "state=\"joined\"")], start);
    let mut file = File::new("/rack.svg", start);
    let mut update = |board: &Board, millis| {
        host.remove("/rack.svg").unwrap();
        file.update(&host, &[board], at(millis)).unwrap();
        host.metadata("/rack.svg").is_some()
    };
    assert!(update(&unheard, 0));
    assert!(!update(&joined, 900));
    assert!(update(&joined, 1000));
    assert!(!update(&joined, 2000) && !update(&joined, 90_000));
    let many: Vec<&Board> = std::iter::repeat_n(&joined, BOARDS_MAX + 7).collect();
    let svg = draw(&many, start);
    assert!(svg.contains(">number of boards for which the picture has no room: 7<"));
    assert_eq!(svg.matches("<g>").count(), BOARDS_MAX);
}
