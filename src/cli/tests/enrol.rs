//! Files of objects, from the command line.

use super::*;

#[tokio::test]
async fn a_file_that_brings_no_object_never_ends_well() {
    let house = House::new();
    for (text, part) in [
        ("id,amount,currency\n", "there is a header but no object after it"),
        ("sep=;\r\nid;amount;currency\r\n;;\r\n;;\r\n", "there is a header but no object after it"),
        ("id,amuont,currency\nS01,1,EUR\n", "did you mean amount?"),
        ("i\0d\0\n\0S\x000\x001\0", "iconv -f UTF-16LE -t UTF-8"),
        ("PK\u{3}\u{4}", ".xlsx"),
    ] {
        let file = house.write("objects.csv", text);
        house.run(&["enrol", &file]).await.expect(Exit::Data, &[], &[part]);
    }
    let file = house.write("objects.csv", "account,kind,id\rshop,charge,S01\rshop,charge,S02\r");
    let empty = house.write("empty.csv", "\r\n");
    house.run(&["enrol", &file, &empty]).await.expect(Exit::Ok, &["2 new, 0 enriched"], &[]);
    let header_only = house.write("none.csv", "id\n");
    house.run(&["enrol", &header_only, &file]).await.expect(
        Exit::Data,
        &["2 same"],
        &["none.csv: there is a header"],
    );
}

#[tokio::test]
async fn what_list_prints_can_be_enrolled_again() {
    let house = House::new();
    let words = ["enrol", "--id", "S01-1-1-C1", "--amount", "14", "--currency", "EUR", "--reference", "=A-1"];
    house.run(&words).await.expect(Exit::Ok, &[], &[]);
    for (shape, outcome) in [("--json", "1 same"), ("--csv", "1 enriched"), ("--csv", "1 same")] {
        let listed = house.run(&["list", shape]).await.expect(Exit::Ok, &["S01-1-1-C1"], &[]);
        let file = house.write("listed", &listed.out);
        house.run(&["enrol", &file]).await.expect(Exit::Ok, &[outcome], &[]);
    }
}
