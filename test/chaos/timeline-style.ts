/** How the timeline looks: on a light screen, on a dark one, and on paper. */

/** By what a fault concerns: for light and for dark. Told apart also by those who see few colours, and on grey paper. */
export const COLORS = {
  gateway: ["#c2410c", "#fb923c"],
  server: ["#9f1239", "#fb7185"],
  link: ["#1d4ed8", "#7aa2ff"],
  config: ["#6d28d9", "#c4a7ff"],
} as const;

const fills = Object.keys(COLORS).map((name) => `.${name} { fill: var(--${name}); background: var(--${name}); }`).join("\n");
const variables = (index: 0 | 1) => Object.entries(COLORS).map(([name, of]) => `--${name}: ${of[index]};`).join(" ");

const LIGHT = `--paper: #ffffff; --ink: #1c1917; --soft: #57534e; --grid: #e7e5e4; --good: #15803d; --bad: #b91c1c; --lag: #b45309; --memory: #0f766e; ${variables(0)}`;
const DARK = `--paper: #171614; --ink: #f0eeec; --soft: #a8a29e; --grid: #33302d; --good: #4ade80; --bad: #f87171; --lag: #fbbf24; --memory: #2dd4bf; ${variables(1)}`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root { ${DARK} } }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; }
p { margin: .3rem 0; } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.legend span { margin-right: 1rem; color: var(--soft); } .legend i { display: inline-block; width: .8rem; height: .8rem; margin-right: .3rem; border-radius: 2px; }
svg { width: 100%; height: auto; margin-top: 1rem; font: 12px system-ui, sans-serif; }
svg text { fill: var(--soft); } text.title { font-weight: 600; fill: var(--ink); } text.label { text-anchor: end; }
text.time, text.mark { text-anchor: middle; font-size: 11px; } text.most { font-size: 11px; }
.grid, .tick { stroke: var(--grid); stroke-width: 1; } .mark { stroke: var(--good); stroke-width: 1; stroke-dasharray: 4 3; } text.mark { stroke: none; fill: var(--good); text-anchor: end; } text.mark.equal { text-anchor: start; }
${fills}
.band { rx: 2px; } .weak { fill-opacity: .55; }
polyline { fill: none; stroke-width: 1.5; } .lag { stroke: var(--lag); } .memory { stroke: var(--memory); }
.tables { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; } table { border-collapse: collapse; font-size: .9rem; margin: 1rem 0; }
caption { text-align: left; font-weight: 600; } th { text-align: left; font-weight: 400; } th, td { padding: .1rem .8rem .1rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
td { text-align: right; font-variant-numeric: tabular-nums; } td.text { text-align: left; } pre { overflow-x: auto; font-size: .8rem; } summary { cursor: pointer; color: var(--soft); }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  :root { ${LIGHT} } body { margin: 0; max-width: none; font-size: 11px; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details { display: none; } table { break-inside: avoid; }
}
`;
