//! A page with a map of a binary's bytes, which needs no other file and runs no script.
//!
//! The areas are laid out by the squarified algorithm (Bruls, Huizing, van Wijk: "Squarified treemaps").

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::output::SizeData;
use crate::summary::{bytes_text, printable};

/// The map's width and height, in the units of its drawing.
const SIZE: (f64, f64) = (1600.0, 1000.0);
/// The height of a group's title.
const TITLE: f64 = 18.0;
/// Functions that are drawn one by one; the rest is drawn together.
const MAX_FUNCTIONS: usize = 3_000;
/// What is smaller than this on both sides has no label.
const MIN_LABEL: (f64, f64) = (48.0, 14.0);

/// A named area.
struct Area {
    name: String,
    size: u64,
    inner: Vec<Area>,
}

#[derive(Clone, Copy)]
struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// The page.
pub(super) fn page(data: &SizeData) -> String {
    let title = escaped(&format!("{}: {}", data.reference, bytes_text(data.size)));
    let mut svg = String::new();
    draw(&areas(data), Rectangle { x: 0.0, y: 0.0, width: SIZE.0, height: SIZE.1 }, 0, &mut svg);
    let (width, height) = SIZE;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>\n\
         body {{ margin: 1rem; font: 14px system-ui, sans-serif }}\n\
         svg {{ width: 100%; height: auto }}\n\
         rect {{ stroke: #fff; stroke-width: 1 }}\n\
         text {{ font: 11px system-ui, sans-serif; pointer-events: none }}\n\
         </style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <svg viewBox=\"0 0 {width} {height}\" role=\"img\">\n{svg}</svg>\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Code by crate and function, then all other sections by part.
fn areas(data: &SizeData) -> Vec<Area> {
    let mut crates: BTreeMap<&str, Area> = BTreeMap::new();
    let mut code = 0;
    for (position, function) in data.functions.iter().enumerate() {
        let krate = function.krate.as_deref().unwrap_or("?");
        let area = crates.entry(krate).or_insert_with(|| Area { name: krate.to_owned(), size: 0, inner: Vec::new() });
        area.size += function.size;
        code += function.size;
        if position < MAX_FUNCTIONS {
            let name = function.name.clone().unwrap_or_else(|| format!("function {}", function.index));
            area.inner.push(Area { name, size: function.size, inner: Vec::new() });
        } else if let Some(rest) = area.inner.iter_mut().find(|area| area.name == "smaller functions") {
            rest.size += function.size;
        } else {
            area.inner.push(Area { name: "smaller functions".to_owned(), size: function.size, inner: Vec::new() });
        }
    }
    let mut areas = vec![Area { name: "code".to_owned(), size: code, inner: crates.into_values().collect() }];
    for part in &data.parts {
        let name = part.name.as_deref().unwrap_or(part.kind);
        let sections = part.sections.iter().filter(|section| section.custom || section.name != "code");
        let inner: Vec<_> = sections
            .map(|section| Area { name: section.name.clone(), size: section.size, inner: Vec::new() })
            .collect();
        areas.push(Area { name: name.to_owned(), size: inner.iter().map(|area| area.size).sum(), inner });
    }
    areas
}

fn draw(areas: &[Area], place: Rectangle, depth: usize, svg: &mut String) {
    let mut areas: Vec<&Area> = areas.iter().filter(|area| area.size > 0).collect();
    areas.sort_by_key(|area| std::cmp::Reverse(area.size));
    let total: f64 = areas.iter().map(|area| area.size as f64).sum();
    if total <= 0.0 || place.width < 2.0 || place.height < 2.0 {
        return;
    }
    let scale = place.width * place.height / total;
    let sizes: Vec<f64> = areas.iter().map(|area| area.size as f64 * scale).collect();
    for (area, place) in areas.iter().zip(squarified(&sizes, place)) {
        rectangle(area, place, depth, svg);
        if !area.inner.is_empty() {
            let inner = Rectangle {
                x: place.x + 2.0,
                y: place.y + TITLE,
                width: place.width - 4.0,
                height: place.height - TITLE - 2.0,
            };
            // Three levels: sections, crates, functions.
            draw(&area.inner, inner, depth + 1, svg);
        }
    }
}

fn rectangle(area: &Area, place: Rectangle, depth: usize, svg: &mut String) {
    let Rectangle { x, y, width, height } = place;
    // One colour for each name, whichever build it is in.
    let hue = area.name.bytes().fold(17_u32, |hue, byte| (hue * 31 + u32::from(byte)) % 360);
    let light = 88 - 8 * depth.min(4);
    let label = escaped(&format!("{} ({})", area.name, bytes_text(area.size)));
    let _ = write!(
        svg,
        "<g><title>{label}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"hsl({hue} 45% {light}%)\"/>"
    );
    if width > MIN_LABEL.0 && height > MIN_LABEL.1 {
        // About six units a letter.
        let letters = (width / 6.0) as usize;
        let short: String = area.name.chars().take(letters).collect();
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 3.0, y + 12.0, escaped(&short));
    }
    svg.push_str("</g>\n");
}

/// Lays out areas, the largest first, in rows along the shorter side; a row grows as long as its worst shape improves.
fn squarified(sizes: &[f64], mut free: Rectangle) -> Vec<Rectangle> {
    let mut places = Vec::with_capacity(sizes.len());
    let mut rest = sizes;
    while !rest.is_empty() {
        let side = free.width.min(free.height);
        let mut length = 1;
        let mut sum = rest[0];
        let mut worst = worst_shape(&rest[..1], sum, side);
        while let Some(next) = rest.get(length) {
            let grown = worst_shape(&rest[..=length], sum + next, side);
            if grown > worst {
                break;
            }
            (worst, sum) = (grown, sum + next);
            length += 1;
        }
        let (row, behind) = rest.split_at(length);
        free = lay_row(row, sum, free, &mut places);
        rest = behind;
    }
    places
}

/// The ratio of the sides of the least square-like area in a row, which are the first or the last.
fn worst_shape(row: &[f64], sum: f64, side: f64) -> f64 {
    let (largest, smallest) = (row.first().copied().unwrap_or(1.0), row.last().copied().unwrap_or(1.0));
    let (side, sum) = (side * side, sum * sum);
    (side * largest / sum).max(sum / (side * smallest))
}

/// Places a row and returns what is left free.
fn lay_row(row: &[f64], sum: f64, free: Rectangle, places: &mut Vec<Rectangle>) -> Rectangle {
    let is_wide = free.width >= free.height;
    let side = if is_wide { free.height } else { free.width };
    let depth = if side > 0.0 { sum / side } else { 0.0 };
    let mut along = 0.0;
    for size in row {
        let length = if depth > 0.0 { size / depth } else { 0.0 };
        places.push(if is_wide {
            Rectangle { x: free.x, y: free.y + along, width: depth, height: length }
        } else {
            Rectangle { x: free.x + along, y: free.y, width: length, height: depth }
        });
        along += length;
    }
    if is_wide {
        Rectangle { x: free.x + depth, width: (free.width - depth).max(0.0), ..free }
    } else {
        Rectangle { y: free.y + depth, height: (free.height - depth).max(0.0), ..free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_fill_the_place_and_stay_in_it() {
        let place = Rectangle { x: 0.0, y: 0.0, width: 60.0, height: 40.0 };
        let sizes = [600.0, 600.0, 400.0, 300.0, 200.0, 200.0, 100.0];
        let places = squarified(&sizes, place);
        assert_eq!(places.len(), sizes.len());
        for (place, size) in places.iter().zip(sizes) {
            assert!((place.width * place.height - size).abs() < 0.001);
            assert!(
                place.x >= 0.0 && place.y >= 0.0 && place.x + place.width < 60.001 && place.y + place.height < 40.001
            );
            assert!(place.width / place.height < 4.0 && place.height / place.width < 4.0);
        }
    }

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escaped("<script>\"&\u{7}"), "&lt;script&gt;&quot;&amp;\u{fffd}");
    }
}
