//! Draws the elements of a picture: rectangles and texts, with their colours.

use crate::text::printable;
use std::fmt::Write;

/// Where the column of the bars begins, and its width (pixels).
pub(super) const BARS: f64 = 150.0;
pub(super) const BARS_WIDTH: f64 = 510.0;
/// The width of a character (pixels). In most monospaced fonts it is 0.6 of the font size, which is
/// 12 pixels here, and in some fonts it is a little more.
pub(super) const CHARACTER: f64 = 7.3;

/// The colours: `.b` is the time before muster, and `.c0` to `.c6` are those of [`Colour::Number`].
/// The text on a bar is black (`.k`) or white (`.w`), in the light and in the dark colour scheme.
pub(super) const STYLE: &str = "\
<style>
svg{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
text{fill:#1f2328;white-space:pre}.g{stroke:#d1d9e0}.p{fill:#fff}.m{fill:#59636e}.t{font-size:15px;font-weight:bold}
.b{fill:#b6bcc3}.c0{fill:#56b4e9}.c1{fill:#0072b2}.c2{fill:#cc79a7}.c3{fill:#f0e442}.c4{fill:#e69f00}
.c5{fill:#009e73}.c6{fill:#d55e00}.h{fill:url(#h)}.k{fill:#000}.w{fill:#fff}
.n,.s{stroke:#fff;stroke-width:4px;paint-order:stroke}.s{font-weight:bold}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#30363d}.p{fill:#0d1117}.m{fill:#9198a1}.b{fill:#59636e}.k{fill:#000}.w{fill:#fff}
.n,.s{stroke:#0d1117}}
</style>
<pattern id=\"h\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<path d=\"M0 0V6\" stroke=\"#808080\" stroke-width=\"5\"/></pattern>
";

/// A colour of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Grey, for the time before muster started.
    Before,
    /// The hatch that is drawn over a bar, for time that was spent waiting.
    Hatch,
    /// One of seven colours, by its number from 0 to 6.
    Number(usize),
}

impl Colour {
    /// The CSS classes of a bar, and of the text on the bar.
    pub(super) fn classes(self) -> (String, &'static str) {
        match self {
            Colour::Before => ("b".into(), "k"),
            Colour::Hatch => ("h".into(), "k"),
            Colour::Number(number @ (1 | 5 | 6)) => (format!("c{number}"), "w"),
            Colour::Number(number) => (format!("c{number}"), "k"),
        }
    }
}

pub(super) fn rect(out: &mut String, x: f64, y: f64, width: f64, height: f64, class: &str) {
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\"/>"
    );
}

pub(super) fn text(out: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let text = escaped(text);
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"
    );
}

/// Escapes a text for an XML element or attribute. Characters that XML does not allow, such as
/// control characters, are replaced ([`printable`]).
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().map(printable) {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
