use super::*;

fn bar(from: f64, to: f64, texts: &[&str]) -> Bar {
    Bar {
        from,
        to,
        colour: Colour::Number(5),
        texts: texts.iter().map(ToString::to_string).collect(),
        is_hatched: false,
    }
}

fn drawn(rows: Vec<Row>, to: f64) -> String {
    Picture {
        title: "title".into(),
        axis: Axis { from: 0.0, to },
        rows,
        ..Picture::default()
    }
    .draw()
}

/// The texts between the tags.
fn texts(svg: &str) -> Vec<&str> {
    let parts = svg.split('<').filter_map(|part| part.split_once('>'));
    let texts = parts.map(|(_, text)| text).filter(|text| text.trim() != "");
    texts.collect()
}

#[test]
fn no_text_can_add_markup() {
    let evil = "<script>alert(1)</script>\"'&]]>\u{0}\u{1b}[2J\u{202e}\u{fffe}";
    let row = Row {
        label: evil.into(),
        bars: vec![bar(0.0, 10.0, &[evil])],
        after: evil.into(),
        below: evil.into(),
        hint: evil.into(),
        is_marked: true,
    };
    let evil_picture = Picture {
        title: evil.into(),
        notes: vec![evil.into()],
        legend: vec![(Colour::Before, evil.into())],
        axis: Axis {
            from: 0.0,
            to: 10.0,
        },
        rows: vec![row],
        end: vec![evil.into()],
    };
    let svg = evil_picture.draw();
    let tag = |name: &str| svg.matches(&format!("<{name}")).count();
    assert_eq!((tag("script"), tag("svg"), tag("style")), (0, 1, 1));
    assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    assert!(!svg.contains(['\u{202e}', '\u{fffe}']));
    let escaped = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;]]&gt;??[2J??";
    assert_eq!(
        texts(&svg).iter().filter(|text| **text == escaped).count(),
        9
    );
}

#[test]
fn bars_are_to_scale_and_have_the_longest_text_that_has_room() {
    let row = Row {
        bars: vec![
            bar(0.0, 5.0, &["downloading", "6"]),
            bar(5.0, 5.3, &["downloading", "6"]),
            bar(9.99, 40.0, &["downloading", "6"]),
        ],
        ..Row::default()
    };
    let svg = drawn(vec![row], 10.0);
    let bars = svg.lines().filter(|line| line.contains("class=\"c5\""));
    let places = bars.map(|line| {
        let of = |name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        (of("x"), of("width"))
    });
    let half = BARS_WIDTH / 2.0;
    let last = BARS + BARS_WIDTH - LEAST;
    let expected = [(BARS, half), (BARS + half, 15.3), (last, LEAST)];
    assert_eq!(places.collect::<Vec<_>>(), expected);
    let texts = texts(&svg);
    assert!(
        texts.contains(&"downloading") && texts.contains(&"6"),
        "{texts:?}"
    );
}
