//! The demonstration as a picture: the replicas that demand needs, and those that each side has
//! Ready.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::html;

use crate::cli::plot::{Frame, Key, Linear, Mark, Times, band, document, steps};

/// What there was at a moment, in replicas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// When.
    pub(super) at: Timestamp,
    /// What demand needs at the threshold.
    pub(super) needed: f64,
    /// Ready replicas under Prewarm.
    pub(super) prewarm: usize,
    /// Ready replicas under KEDA alone.
    pub(super) alone: usize,
}

/// The picture as SVG; `None` before there is anything to draw.
pub(super) fn draw(moments: &[Moment]) -> Option<String> {
    let (first, last) = (moments.first()?, moments.last()?);
    let most =
        moments.iter().map(|moment| moment.needed.max(moment.prewarm.max(moment.alone) as f64));
    let x = Times::new(first.at, last.at, TimeZone::UTC);
    let y = Linear::from_zero(most.fold(0.0, f64::max));
    let frame = Frame { left: 56.0, top: 88.0, right: WIDTH - 20.0, bottom: HEIGHT - 52.0 };

    let place =
        |moment: &Moment, replicas: f64| (frame.x(x.place(moment.at)), frame.y(y.place(replicas)));
    let needed = band(moments.iter().map(|moment| {
        let (x, high) = place(moment, moment.needed);
        (x, frame.bottom, high)
    }));
    let prewarm = steps(moments.iter().map(|moment| place(moment, moment.prewarm as f64)));
    let alone = steps(moments.iter().map(|moment| place(moment, moment.alone as f64)));

    let keys = [
        Key::new(Mark::Area, "area", "needed by demand"),
        Key::new(Mark::Line, "prewarm", "Ready with Prewarm"),
        Key::new(Mark::Line, "hpa", "Ready with KEDA alone"),
    ];
    let title = "A simulated morning: replicas that are needed, and replicas that are Ready";
    let content = html! {
        text.heading x="20" y="26" { (title) }
        (frame.key(&keys, 52.0))
        (frame.axes(&x, "time (UTC)", &y, "replicas"))
        path.area d=(needed) {}
        path.hpa d=(alone) {}
        path.prewarm d=(prewarm) {}
    };
    Some(document(WIDTH, HEIGHT, title, &content))
}

/// Of the drawing, in pixels.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 360.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_drawn_against_what_is_needed() {
        let moment = |minute: i64, needed: f64, prewarm, alone| Moment {
            at: Timestamp::from_second(60 * minute).unwrap(),
            needed,
            prewarm,
            alone,
        };
        assert_eq!(draw(&[]), None);
        let svg =
            draw(&[moment(0, 0.0, 2, 0), moment(1, 1.5, 2, 0), moment(2, 2.0, 2, 1)]).unwrap();
        let drawing = roxmltree::Document::parse(&svg).unwrap();
        let path = |class: &str| {
            let found = drawing
                .descendants()
                .find(|node| node.has_tag_name("path") && node.attribute("class") == Some(class));
            found.unwrap().attribute("d").unwrap().to_owned()
        };
        // Prewarm's two replicas stand from the start; the one of KEDA alone comes at the end.
        assert_eq!(path("prewarm").matches('V').count(), 0, "{}", path("prewarm"));
        assert_eq!(path("hpa").matches('V').count(), 1, "{}", path("hpa"));
        assert!(svg.contains("needed by demand"), "{svg}");
    }
}
