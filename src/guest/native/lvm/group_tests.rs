//! Metadata that says what cannot be.

use super::*;

/// A group with one member of 10 extents of 4 MiB, and one volume.
fn group(segments: &str) -> Group {
    let text = format!(
        "vg {{ id = \"v-g\" seqno = 3 extent_size = 8192\n\
         physical_volumes {{ pv0 {{ id = \"p-0\" pe_start = 2048 pe_count = 10 }}\n\
         pv1 {{ id = \"p-1\" pe_start = 4096 pe_count = 10 }} }}\n\
         logical_volumes {{ root {{ id = \"l\" status = [\"READ\", \"VISIBLE\"]\n{segments} }} }} }}"
    );
    Group::read(text.as_bytes()).unwrap()
}

fn segment(number: u32, start: u64, count: u64, rest: &str) -> String {
    format!("segment{number} {{ start_extent = {start} extent_count = {count} {rest} }}\n")
}

fn striped(stripes: &str, count: u32, size: u64) -> String {
    format!(
        "type = \"striped\" stripe_count = {count} stripe_size = {size} stripes = [ {stripes} ]"
    )
}

fn layout(segments: &str) -> Result<Vec<Segment>, String> {
    let [volume] = <[Volume; 1]>::try_from(group(segments).volumes).unwrap();
    volume.layout
}

#[test]
fn a_group_is_read() {
    const MIB: u64 = 1 << 20;
    let linear = segment(1, 0, 2, &striped("\"pv0\", 3", 1, 0));
    let wide = segment(2, 2, 4, &striped("\"pv1\", 0, \"pv0\", 5", 2, 128));
    let zeros = segment(3, 6, 1, "type = \"zero\"");
    // Not in their order.
    let group = group(&format!("{wide}{zeros}{linear}"));
    assert_eq!((group.name.as_str(), group.id.as_str()), ("vg", "vg"));
    assert_eq!((group.number, group.members[1].id.as_str()), (3, "p1"));
    let segments = group.volumes[0].layout.as_ref().unwrap();
    let stripe = |member, offset| Stripe { member, offset };
    let expected = [
        Segment {
            len: 8 * MIB,
            chunk: 8 * MIB,
            stripes: vec![stripe(0, 13 * MIB)],
        },
        Segment {
            len: 16 * MIB,
            chunk: 64 << 10,
            stripes: vec![stripe(1, 2 * MIB), stripe(0, 21 * MIB)],
        },
        Segment {
            len: 4 * MIB,
            chunk: 4 * MIB,
            stripes: Vec::new(),
        },
    ];
    assert_eq!(segments, &expected);
}

#[test]
fn layouts_that_cannot_be_are_refused() {
    let good = striped("\"pv0\", 3", 1, 0);
    for (segments, why) in [
        (String::new(), "no parts"),
        (segment(1, 1, 1, &good), "follow"),
        (segment(1, 0, 0, &good), "follow"),
        (segment(1, 0, 2, &good) + &segment(2, 1, 1, &good), "follow"),
        (segment(1, 0, u64::MAX >> 1, &good), "larger"),
        (segment(1, 0, 8, &good), "beyond the end"),
        (
            segment(1, 0, 1, &striped("\"pv0\", -1", 1, 0)),
            "beyond the end",
        ),
        (
            segment(1, 0, 1, &striped("\"pv0\", 9223372036854775807", 1, 0)),
            "beyond the end",
        ),
        (
            segment(1, 0, 1, &striped("\"pv2\", 0", 1, 0)),
            "another logical",
        ),
        (
            segment(1, 0, 1, &striped("0, \"pv0\"", 1, 0)),
            "impossible place",
        ),
        (
            segment(1, 0, 1, &striped("\"pv0\"", 1, 0)),
            "number of members",
        ),
        (segment(1, 0, 1, &striped("", 0, 0)), "number of members"),
        (
            segment(1, 0, 1, &striped("\"pv0\", 0", 2, 0)),
            "number of members",
        ),
        (
            segment(1, 0, 3, &striped("\"pv0\", 0, \"pv1\", 0", 2, 8)),
            "number of members",
        ),
        (
            segment(1, 0, 2, &striped("\"pv0\", 0, \"pv1\", 0", 2, 0)),
            "impossible size",
        ),
        (
            segment(1, 0, 2, &striped("\"pv0\", 0, \"pv1\", 0", 2, 3)),
            "impossible size",
        ),
        (
            segment(1, 0, 1, "type = \"thin\" thin_pool = \"p\""),
            "'thin'",
        ),
        (segment(1, 0, 1, "stripe_count = 1"), "no type"),
        ("segment1 { type = \"striped\" }".to_owned(), "no place"),
    ] {
        let said = layout(&segments).unwrap_err();
        assert!(said.contains(why), "{segments}: {said}");
    }
}

#[test]
fn what_is_no_group_is_refused() {
    for text in [
        "",
        "version = 1",
        "vg { }",
        "vg { id = \"a\" seqno = 1 extent_size = 8192 }",
        "vg { id = \"a\" seqno = 1 extent_size = 9223372036854775807 physical_volumes { } }",
        "vg { id = \"a\" extent_size = 1 physical_volumes { } }",
        "vg { id = \"a\" seqno = 1 extent_size = 1 physical_volumes { p { id = \"b\" } } }",
    ] {
        assert_eq!(Group::read(text.as_bytes()), None, "{text}");
    }
}
