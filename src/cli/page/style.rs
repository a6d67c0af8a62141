//! The page's style sheet, for light and dark displays. The page includes it.

pub const CSS: &str = "
:root { --paper: #fbf8f3; --ink: #2b2520; --dim: #7a6f64; --line: #e2d9cc; --card: #ffffff;
  --best: #b5651d; --mean: #8a7a68; --held: #2f7f95; --good: #3f7d3a; --bad: #b3402e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1c1917; --ink: #e7e0d6; --dim: #a2978a; --line: #3a342e; --card: #262220;
    --best: #e29840; --mean: #a3937f; --held: #6fb9d0; --good: #9bbf74; --bad: #e5786d; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, 'Noto Sans', 'Noto Sans CJK JP', 'Hiragino Sans', 'Yu Gothic', sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; }
.lead { font-size: 1.12rem; max-width: 46rem; margin: .2rem 0 1.2rem; }
.status { font-size: .85rem; font-weight: 600; vertical-align: middle; padding: .15rem .6rem;
  border-radius: 1rem; border: 1px solid var(--line); color: var(--dim); }
.status.finished { color: var(--good); } .status.stopped, .status.paused { color: var(--best); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .7rem; margin: 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .55rem .8rem; }
dt { color: var(--dim); font-size: .82rem; } dd { margin: 0; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; font-size: .85rem; }
th:first-child, td:first-child, td.name, th.name { text-align: left; }
tr.found td { font-weight: 650; }
td.part { color: var(--dim); padding-left: 2rem; }
.failed { color: var(--bad); text-align: left; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--dim); font-size: 12px; }
svg .axis { stroke: var(--line); } svg .border { stroke: var(--dim); } svg .level { stroke: var(--dim); stroke-dasharray: 2 4; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.best { stroke: var(--best); } .line.mean { stroke: var(--mean); } .line.held { stroke: var(--held); }
.band { fill: var(--mean); opacity: .16; }
.name-best { fill: var(--best) !important; } .name-mean { fill: var(--mean) !important; } .name-held { fill: var(--held) !important; }
table.heat { width: auto; border-collapse: separate; border-spacing: 3px; }
table.heat td { border: 0; border-radius: .3rem; min-width: 5.2rem; text-align: center; padding: .3rem .5rem; }
table.heat th { border: 0; } table.heat td.group { min-width: 3.4rem; text-align: right; color: var(--dim); }
.route { font-variant-numeric: tabular-nums; }
.note { color: var(--dim); font-size: .9rem; max-width: 46rem; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin: .6rem 0; padding: .2rem .9rem; }
summary { cursor: pointer; padding: .4rem 0; font-weight: 600; }
article { border-top: 1px solid var(--line); padding: .8rem 0; }
article h3 { font-size: .95rem; margin: 0 0 .5rem; font-weight: 600; line-break: strict; }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 .6rem; }
.pictures img { max-width: 18rem; max-height: 14rem; min-width: 6rem; object-fit: contain; border-radius: .4rem; }
.pictures img.small { image-rendering: pixelated; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .8rem; }
.answer { border-left: 3px solid var(--line); padding-left: .7rem; }
.answer.right { border-color: var(--good); } .answer.wrong { border-color: var(--bad); }
.answer p { margin: .2rem 0; white-space: pre-wrap; overflow-wrap: anywhere; line-break: strict; }
.who { color: var(--dim); font-size: .82rem; }
pre { overflow-x: auto; font-size: .86rem; line-height: 1.45; }
footer { color: var(--dim); font-size: .85rem; margin-top: 3rem; }
@media (max-width: 40rem) { .pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 .6rem; }
.pictures img { max-width: 18rem; max-height: 14rem; min-width: 6rem; object-fit: contain; border-radius: .4rem; }
.pictures img.small { image-rendering: pixelated; }
.pair { grid-template-columns: 1fr; } }
@media print { details { break-inside: avoid; } }
";
