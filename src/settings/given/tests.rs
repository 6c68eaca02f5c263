use super::*;

fn taken(name: &str, source: Source) -> Result<Given> {
    let mut given = Given::default();
    given.take(name, "value".into(), source).map(|()| given)
}

#[test]
fn a_later_value_replaces_an_earlier_one_and_an_empty_one_counts_as_not_given() {
    let mut given = taken("MUSTER_NTP", Source::Environment).unwrap();
    given
        .take("MUSTER_NTP", "a".into(), Source::Kernel)
        .unwrap();
    let value = given.get("MUSTER_NTP").unwrap();
    assert_eq!((value.text.as_str(), value.source), ("a", Source::Kernel));
    given.take("MUSTER_NTP", "".into(), Source::Flag).unwrap();
    let value = given.get("MUSTER_NTP").unwrap();
    assert_eq!(
        (value.text.as_str(), value.source),
        ("pool.ntp.org", Source::Default)
    );
}

#[test]
fn tokens_are_refused_where_others_can_read_them() {
    for name in SECRET_VARIABLES {
        for source in [Source::Kernel, Source::Flag] {
            let error = taken(name, source).err().unwrap().to_string();
            assert!(
                error.contains("refused") && !error.contains("value"),
                "{error}"
            );
        }
        let elsewhere = taken(name, Source::Environment);
        assert_eq!(elsewhere.is_ok(), name != "K3S_VPN_AUTH", "{name}");
    }
}

#[test]
fn unknown_names() {
    assert!(taken("MUSTER_NPT", Source::Environment).is_err());
    assert!(taken("K3S_NODE_NAME", Source::Environment).is_err());
    let given = taken("K3S_DATA_DIR", Source::Environment).unwrap();
    assert_eq!(given.k3s_variables()[0].name, "K3S_DATA_DIR");
    let given = taken("HOME", Source::Environment).unwrap();
    assert!(given.k3s_variables().is_empty());
}

#[test]
fn what_the_install_script_keeps_for_k3s_is_passed_on() {
    for (name, passed_on) in [
        ("K3S_DEBUG", "K3S_DEBUG"),
        ("CONTAINERD_HTTPS_PROXY", "CONTAINERD_HTTPS_PROXY"),
        ("HTTP_PROXY", "HTTP_PROXY"),
        ("https_proxy", "HTTPS_PROXY"),
        ("no_proxy", "NO_PROXY"),
    ] {
        for source in [Source::Environment, Source::File("conf".into(), 1)] {
            let variables = taken(name, source).unwrap().k3s_variables();
            let [variable] = variables.as_slice() else {
                panic!("{name}: {variables:?}");
            };
            assert_eq!((variable.name.as_str(), variable.shown), (passed_on, false));
        }
    }
}

#[test]
fn each_variable_of_the_install_script_has_its_answer() {
    for name in installer::names() {
        let given = taken(name, Source::Environment);
        match installer::answer(name).unwrap() {
            Answer::Setting => assert!(given.unwrap().given(name).is_some()),
            Answer::Refused(why) => {
                let error = given.err().unwrap().to_string();
                assert_eq!(error, format!("{name} (environment): {why}"));
            }
            Answer::Ignored(why) => {
                let warning = format!("{name} (environment) has no effect: {why}");
                assert_eq!(given.unwrap().warnings, [warning]);
            }
        }
    }
    let error = taken("INSTALL_K3S_MIRROR", Source::Environment);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("no such variable"), "{error}");
}
