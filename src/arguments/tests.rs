use super::*;

fn parsed(words: &[&str]) -> Result<Arguments, String> {
    let parser = lexopt::Parser::from_args(words);
    parse(parser).map_err(|error| error.to_string())
}

#[test]
fn help_fits_a_terminal_and_names_every_step() {
    let help = help();
    assert!(
        help.lines().all(|line| line.chars().count() <= 80),
        "{help}"
    );
    let steps: Vec<&str> = Step::all().map(Step::name).collect();
    assert!(help.contains(&steps.join(", ")), "{help}");
}

#[test]
fn a_command_is_the_first_word_and_no_step_comes_before_it() {
    for command in ["name", "check", "status", "health", "watch"] {
        let alone = parsed(&[command]).unwrap().command;
        assert!(!matches!(alone, Command::Boot(_)), "{command}");
        let error = parsed(&["identity", command]).unwrap_err();
        assert!(error.starts_with(&format!("STEP={command:?} ")), "{error}");
    }
}

#[test]
fn the_service_runs_all_steps_and_changes_the_machine() {
    let all = parsed(&["--supervised"]).unwrap();
    assert!(all.supervised && all.command == Command::Boot(Vec::new()));
    for words in [&["--dry-run"][..], &["fetch"], &["status"]] {
        let words = [&["--supervised"], words].concat();
        let error = parsed(&words).unwrap_err();
        assert!(error.contains("--supervised cannot be used"), "{words:?}");
    }
}

#[test]
fn the_status_is_printed_in_one_form() {
    for (words, form) in [
        (&["status"][..], StatusForm::Table),
        (&["status", "--json"], StatusForm::Json),
        (&["status", "--svg"], StatusForm::Svg),
    ] {
        assert_eq!(parsed(words).unwrap().command, Command::Status(form));
    }
}
