use fatfs::{Date, Time as Clock};

use super::*;

#[test]
fn dates_are_counted_from_1970() {
    let date = |year, month, day| moment(Date { year, month, day }, None).seconds;
    assert_eq!(date(1980, 1, 1), 315_532_800);
    assert_eq!(date(2000, 2, 29), 951_782_400);
    assert_eq!(date(2024, 3, 1), 1_709_251_200);
    assert_eq!(date(2107, 12, 31), 4_354_732_800);
    // What was never set.
    assert_eq!(date(1980, 0, 0), date(1980, 1, 1));
    let clock = Clock {
        hour: 23,
        min: 59,
        sec: 58,
        millis: 500,
    };
    let day = Date {
        year: 2001,
        month: 2,
        day: 3,
    };
    let then = moment(day, Some(clock));
    assert_eq!((then.seconds, then.nanoseconds), (981_244_798, 500_000_000));
}
