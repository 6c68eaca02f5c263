//! The order of the modules in `docs/design.md` is that of the imports, and the files of the source are short.

use std::fs;
use std::path::Path;

/// The modules in the page's order: each imports only modules that come after it.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../docs/design.md");
    let (_, block) = page.split_once("## Modules\n```text\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let words = block.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).collect()
}

/// The top modules that a file imports, in code and not in comments.
fn imported(text: &str) -> Vec<String> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let parts = code.flat_map(|line| {
        let imports = line
            .match_indices("crate::")
            .chain(line.match_indices("muster::"));
        imports.map(|(at, word)| &line[at + word.len()..])
    });
    let name = |text: &str| -> String {
        let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        text.chars().take_while(is_part).collect()
    };
    parts.map(name).collect()
}

/// Calls `visit` with the top module and the text of each file of the source.
fn visit(folder: &Path, module: Option<&str>, each: &mut dyn FnMut(&str, &str)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let module = module.unwrap_or(stem);
        if path.is_dir() {
            visit(&path, Some(module), each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(module, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn imports_point_the_way_that_the_page_shows() {
    let order = documented();
    let place = |name: &str| {
        let place = order.iter().position(|module| *module == name);
        place.unwrap_or_else(|| panic!("docs/design.md does not name the module {name}"))
    };
    let mut imports = 0;
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    visit(&top, None, &mut |module, text| {
        // `lib` lists the modules, and imports none.
        for import in imported(text).iter().filter(|import| *import != module) {
            imports += 1;
            assert!(
                place(module) < place(import),
                "{module} imports {import}, which docs/design.md lists before it"
            );
        }
    });
    assert!(imports > 100, "{imports}");
}

#[test]
fn no_step_imports_another() {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps");
    visit(&steps, None, &mut |step, text| {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let imports = line.contains("crate::steps") || line.contains("super::");
            let tests = line.trim() == "use super::*;";
            assert!(!imports || tests, "{step}: {line}");
        }
    });
}

#[test]
fn files_are_short() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lengths = Vec::new();
    visit(&top, None, &mut |module, text| {
        let lines = text.lines().count();
        assert!(lines <= 300, "a file of {module} has {lines} lines");
        lengths.push(lines);
    });
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(
        median <= 130,
        "half of the files have {median} lines or more"
    );
}
