"""The look of a report: one style sheet for light screens, dark screens and paper."""

CSS = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1f2933; --muted: #5c6773; --grid: #d8dee4;
  --blue: #0072b2; --orange: #d55e00; --note: #fff4e0; --noteline: #e69f00; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161b; --card: #1a2027; --ink: #e4e8ec; --muted: #9aa7b4; --grid: #37414b;
  --blue: #56b4e9; --orange: #f08a3c; --note: #2e2614; --noteline: #e69f00; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 32px 20px 48px; }
header p { margin: 0; color: var(--muted); }
h1 { margin: 0 0 2px; font-size: 30px; line-height: 1.2; letter-spacing: -.01em; }
h2 { margin: 0 0 4px; font-size: 18px; }
h3 { margin: 18px 0 6px; font-size: 14px; }
section { margin-top: 18px; padding: 20px 22px; background: var(--card);
  border: 1px solid var(--grid); border-radius: 10px; }
section > p { margin: 0 0 12px; color: var(--muted); max-width: 76ch; }
.note { background: var(--note); border-color: var(--noteline); }
.note ul { margin: 0; padding-left: 18px; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: 1.5fr 1fr 1fr 1fr; gap: 12px; margin-top: 20px; }
.tile { padding: 14px 16px; background: var(--card);
  border: 1px solid var(--grid); border-radius: 10px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; overflow-wrap: anywhere; }
.tile span { font-size: 13px; color: var(--muted); }
.tile.main { border-left: 5px solid var(--blue); }
.tile.main b { color: var(--blue); }
.tile.big b { font-size: 36px; line-height: 1.1; }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: 8px 14px; align-items: center; }
.bars .name { text-align: right; max-width: 250px; overflow-wrap: anywhere; }
.track { position: relative; height: 26px; background:
  repeating-linear-gradient(90deg, var(--grid) 0 1px, transparent 1px 10%);
  border-right: 1px solid var(--grid); }
.fill { position: absolute; inset: 3px auto 3px 0; background: var(--muted);
  border-radius: 0 3px 3px 0; opacity: .55; }
.this .fill { background: var(--blue); opacity: 1; }
.value { position: absolute; top: 2px; margin-left: 8px; padding: 0 4px; font-weight: 600;
  background: var(--card); }
.value.inside { transform: translateX(-100%); margin-left: -8px; background: none; }
.this .value.inside { color: #ffffff; }
.whisker { position: absolute; top: 8px; height: 10px;
  border: solid var(--ink); border-width: 0 2px;
  background: linear-gradient(var(--ink), var(--ink)) center / 100% 2px no-repeat; }
.figure svg, .figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--muted); border-bottom: 1px solid var(--ink); }
th, td { padding: 4px 12px 4px 0; vertical-align: top; overflow-wrap: anywhere; }
th { overflow-wrap: normal; }
td { border-bottom: 1px solid var(--grid); }
.number { text-align: right; white-space: nowrap; }
.rate { display: flex; white-space: nowrap; align-items: center; gap: 8px; min-width: 140px; }
.rate i { height: 9px; border-radius: 2px; background: var(--blue);
  width: calc((100% - 58px) * var(--share)); }
.rate.low i { background: var(--orange); }
.fields { columns: 2; column-gap: 32px; margin: 0; font-size: 14px; }
.fields div { display: flex; gap: 12px; justify-content: space-between; break-inside: avoid;
  padding: 3px 0; border-bottom: 1px solid var(--grid); }
.fields dt { color: var(--muted); }
.fields dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
  overflow-wrap: anywhere; }
.gallery { display: grid; grid-template-columns: repeat(6, 1fr); gap: 14px 12px; }
.gallery figure { margin: 0; min-width: 0; break-inside: avoid; }
.gallery img, .gallery .empty { display: block; width: 100%; aspect-ratio: 1; object-fit: contain;
  background: var(--page); border: 1px solid var(--grid); border-radius: 6px; }
.gallery .pixels { image-rendering: pixelated; }
.gallery .empty { display: grid; place-items: center; color: var(--muted); font-size: 12px; }
.gallery figcaption { margin-top: 5px; font-size: 13px; line-height: 1.35;
  overflow-wrap: anywhere; }
.gallery small { display: block; color: var(--muted); font-size: 11px;
  white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.wrong { color: var(--orange); font-weight: 600; } .right { color: var(--blue); font-weight: 600; }
footer { margin-top: 20px; color: var(--muted); font-size: 13px; }
@media (max-width: 700px) { .tiles { grid-template-columns: 1fr 1fr; }
  .bars { grid-template-columns: 1fr; gap: 2px; } .track { margin-bottom: 8px; }
  .bars .name { text-align: left; max-width: none; }
  .fields { columns: 1; } .gallery { grid-template-columns: repeat(3, 1fr); } }
@media print { :root { --page: #ffffff; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  body, table, .fields { font-size: 11px; } main { padding: 0; max-width: none; }
  .tile b { font-size: 17px; } .tile.big b { font-size: 26px; } .tile span { font-size: 10px; }
  section { break-inside: avoid; padding: 12px 14px; } section.long { break-inside: auto; }
  h2, h3, section > p { break-after: avoid; } tr, .figure, section > p { break-inside: avoid; }
  .figure svg { max-height: 16cm; } .wide { overflow: visible; } }
"""
