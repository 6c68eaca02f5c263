use super::*;

fn read(text: &str) -> Vec<String> {
    let mut macs = addresses("list", text).unwrap();
    macs.dedup();
    macs.iter().map(Mac::to_string).collect()
}

#[test]
fn lists_have_comments_and_several_addresses_on_a_line() {
    let text = "# rack 1\nb8:27:eb:00:00:01 dc-a6-32-01-02-03 # two\n\nB827EB000002\n";
    let macs = [
        "b8:27:eb:00:00:01",
        "dc:a6:32:01:02:03",
        "b8:27:eb:00:00:02",
    ];
    assert_eq!(read(text), macs);
}

#[test]
fn a_bad_address_is_named_with_its_file_and_line() {
    for (text, expected) in [
        ("\nb8:27\n", "MAC=\"b8:27\" (macs.txt line 2): not a MAC"),
        ("b827eb000001\nff:ff:ff:ff:ff:ff", "(macs.txt line 2): a mu"),
        ("? (192.0.2.7) at b8:27", "MAC=\"b8:27\" (macs.txt line 1)"),
        ("dc:a6:32:01:02:03 b8:27:eb:00:00:0O", "MAC=\"b8:27:eb:00:"),
        ("dc:a6:32:01:02:03,b827.eb00.000", "MAC=\"b827.eb00.000\" ("),
        ("dc:a6:32:01:02:03 dc-a6-32-01-02", "MAC=\"dc-a6-32-01-02\""),
        ("dc:a6:32:01:02:03 b8-27-eb-00-00-0O", "MAC=\"b8-27-eb-00-"),
        ("dc:a6:32:01:02:03 b827eb0000OO", "MAC=\"b827eb0000OO\" (ma"),
        ("dc:a6:32:01:02:03 b827.eb00.000O", "MAC=\"b827.eb00.000O\""),
        ("112233445566", "(macs.txt line 1): a multicast"),
        ("202401051200 202401051201", "MAC=\"202401051200\" (macs"),
        (
            "dc:a6:32:01:02:03;00:00:00:00:00:00",
            "1): the all-zero MAC",
        ),
        (
            "mac,name\nslot1,pi",
            "MAC=\"slot1\" (macs.txt line 2): not a M",
        ),
        (
            "dc:a6:32:01:02:03\nmac,name",
            "MAC=\"mac\" (macs.txt line 2)",
        ),
        (
            "name,rack",
            "MAC=\"name\" (macs.txt line 1): not a MAC addr",
        ),
        ("192.0.2.7 dev eth0 lladdr 10.0.0.1", "MAC=\"10.0.0.1\" (m"),
    ] {
        let error = addresses("macs.txt", text).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.is::<Usage>());
    }
}

#[test]
fn lists_say_what_a_board_is_in_words_or_in_columns() {
    let board = ["dc:a6:32:01:02:03"];
    for text in [
        "\u{feff}dc:a6:32:01:02:03\r\n",
        "\u{feff}mac,name\r\ndc:a6:32:01:02:03,worker-43dfae\r\n",
        "# boards\nName;Rack;MAC-Address\nworker-43dfae;2;DC-A6-32-01-02-03\n",
        "\"name\",\"MAC address\",\"ip\"\n\"pi\",\"dca632010203\",\"192.0.2.7\"\n",
        "dc:a6:32:01:02:03 the third board in rack 2, bought on 2024-01-05\n",
        "dc:a6:32:01:02:03\t192.0.2.7\tfd00::2:7\t10000000dca63201\t0123456789\n",
        "slot 3: dc:a6:32:01:02:03\n",
        "dc:a6:32:01:02:03 dev board, rack 2\n",
        "dc:a6:32:01:02:03 ether board\n",
        "dc:a6:32:01:02:03,202401051200,112233445566,000000000000,worker-0decaf\n",
        "202401051200;DCA632010203\n",
    ] {
        assert_eq!(read(text), board, "{text}");
    }
}

#[test]
fn twelve_digits_are_an_address_where_no_other_word_can_be_one() {
    let text = "202401051200\nslot 3, 202401051201\n";
    assert_eq!(read(text), ["20:24:01:05:12:00", "20:24:01:05:12:01"]);
}

/// What the programs of Debian 12 and Alpine 3.23 print.
#[test]
fn tables_of_other_programs_are_read() {
    let board = ["dc:a6:32:01:02:03"];
    for text in [
        "192.0.2.7 dev eth0 lladdr dc:a6:32:01:02:03 REACHABLE \n\
         fe80::dea6:32ff:fe01:203 dev eth0 lladdr dc:a6:32:01:02:03 router STALE \n\
         192.0.2.8 dev eth0  FAILED \n192.0.2.9 dev eth0 INCOMPLETE \n\
         ff02::1 dev eth0 lladdr 33:33:00:00:00:01 NOARP\n",
        "Address                  HWtype  HWaddress           Flags Mask            Iface\n\
         192.0.2.7                ether   dc:a6:32:01:02:03   C                     eth0\n\
         192.0.2.8                        (incomplete)                              eth0\n\
         worker-43dfae            ether   dc:a6:32:01:02:03   C                     eth0\n",
        "? (192.0.2.7) at dc:a6:32:01:02:03 [ether] on eth0\n\
         ? (192.0.2.8) at <incomplete> on eth0\n",
        "worker-43dfae (192.0.2.7) at dc:a6:32:1:2:3 on en0 ifscope [ethernet]\n\
         ? (192.0.2.8) at (incomplete) on en0 ifscope [ethernet]\n",
        "IP address       HW type     Flags       HW address            Mask     Device\n\
         192.0.2.7        0x1         0x2         dc:a6:32:01:02:03     *        eth0\n\
         192.0.2.8        0x1         0x0         00:00:00:00:00:00     *        eth0\n",
        "1790000000 dc:a6:32:01:02:03 192.0.2.7 worker-43dfae 01:dc:a6:32:01:02:03\n\
         duid 00:01:00:01:2c:5f:1e:0a:dc:a6:32:01:02:03\n\
         1790000000 855703043 fd00::7 worker-43dfae 00:01:00:01:2c:5f:1e:0a:dc:a6:32:01\n",
    ] {
        assert_eq!(read(text), board, "{text}");
    }
}
