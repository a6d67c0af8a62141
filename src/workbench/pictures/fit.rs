//! How many cells a picture takes. Its size in points, the room and the size of a cell come in.

use ratatui::layout::Rect;

/// Most columns and rows of one picture.
const MOST: (u16, u16) = (72, 32);
/// Fewest columns and rows in which a picture is worth showing.
const FEWEST: (u16, u16) = (4, 2);
/// Columns between two pictures.
const GAP: u16 = 1;

/// Columns and rows of a picture of `points` (width, height) in `room`, with its own proportions.
#[must_use]
pub fn cells(points: (u32, u32), room: (u16, u16), cell: (u16, u16)) -> (u16, u16) {
    let room = (room.0.min(MOST.0).max(1), room.1.min(MOST.1).max(1));
    let of = |cells: u16, pixels: u16| f64::from(cells) * f64::from(pixels);
    let (width, height) = (f64::from(points.0.max(1)), f64::from(points.1.max(1)));
    let scale = (of(room.0, cell.0) / width).min(of(room.1, cell.1) / height);
    let count = |side: f64, pixels: u16, most: u16| {
        ((side * scale / f64::from(pixels)).round() as u16).clamp(1, most)
    };
    (count(width, cell.0, room.0), count(height, cell.1, room.1))
}

/// The places of several pictures in a row at the top left of `area`, as many as fit.
#[must_use]
pub fn row(all: &[(u32, u32)], area: Rect, cell: (u16, u16)) -> Vec<Rect> {
    let mut out: Vec<Rect> = Vec::new();
    if area.height < FEWEST.1 || all.is_empty() {
        return out;
    }
    // Each has an equal share of the width, if that shows something; what one leaves goes to the next.
    let fit = usize::from((area.width + GAP) / (FEWEST.0 * 2 + GAP)).clamp(1, all.len());
    let mut x = area.x;
    for (i, points) in all.iter().take(fit).enumerate() {
        let left = area.right().saturating_sub(x);
        let rest = (fit - i) as u16;
        let share = left.saturating_sub(GAP * (rest - 1)) / rest;
        if share < FEWEST.0 {
            break;
        }
        let (columns, rows) = cells(*points, (share, area.height), cell);
        out.push(Rect::new(x, area.y, columns, rows));
        x += columns + GAP;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_picture_keeps_its_proportions() {
        assert_eq!(cells((640, 480), (40, 30), (10, 20)), (40, 15));
        assert_eq!(cells((480, 640), (40, 15), (10, 20)), (23, 15));
        assert_eq!(cells((32, 32), (200, 200), (10, 20)), (64, 32));
        assert_eq!(cells((100_000, 1), (20, 10), (10, 20)), (20, 1));
    }

    #[test]
    fn several_stand_in_a_row_as_far_as_they_fit() {
        let square = (100, 100);
        let all = row(&[square; 3], Rect::new(2, 3, 62, 10), (10, 20));
        assert_eq!(all, [Rect::new(2, 3, 20, 10), Rect::new(23, 3, 20, 10), Rect::new(44, 3, 20, 10)]);
        assert_eq!(row(&[square; 9], Rect::new(0, 0, 20, 10), (10, 20)).len(), 2);
        assert!(row(&[square], Rect::new(0, 0, 20, 1), (10, 20)).is_empty());
        assert!(row(&[square], Rect::new(0, 0, 3, 9), (10, 20)).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_room(
            all in prop::collection::vec((1u32..5000, 1u32..5000), 0..6),
            width in 0u16..300, height in 0u16..120,
            cell in (1u16..64, 1u16..128),
        ) {
            let area = Rect::new(5, 7, width, height);
            let mut end = area.x;
            for place in row(&all, area, cell) {
                prop_assert!(place.width > 0 && place.height > 0);
                prop_assert!(place.x >= end && place.right() <= area.right() && place.bottom() <= area.bottom());
                end = place.right();
            }
        }
    }
}
