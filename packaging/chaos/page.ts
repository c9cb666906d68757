import type { Report, RoundReport, Timeline } from "./report.js"

const WIDTH = 1_100
const LEFT = 40
const ROW = 96
const BARS = 44

/** One page that loads nothing: what was done to each node, and how it did. */
export const page = (report: Report): string =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Chaos, seed ${report.seed}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } svg { display: block; margin: .5rem 0 } text { font-size: 11px }
.bad { color: #b00020 } .ok { fill: #2e7d32 } .no { fill: #c62828 } .lag { fill: none; stroke: #1565c0; stroke-width: 1.5 }
.fault { fill: #ffb30055; stroke: #b26a00; stroke-width: .5 } .line { stroke: #bbb } .rest { stroke: #2e7d32; stroke-dasharray: 4 3 }
</style></head><body>
<h1>Chaos, seed ${report.seed}${report.bug === null ? "" : `, with the bug ${escape(report.bug)}`}</h1>
<p class="${
    report.violations === 0 ? "" : "bad"
  }">${report.violations} violations in ${report.rounds.length} rounds.</p>
${report.missing.map(({ fault, goesOn, what }) => `<p>${escape(`${fault}: ${what}; ${goesOn}`)}</p>`).join("\n")}
${faultTable(report)}
<p>In each picture a row is a node: green bars are writes that it acknowledged in a second, red ones those that it refused or
that missed their quorum, the blue line is how many operations it lacked, bands are faults. The grey line is the end of
the faults, the green one the moment at which all held the same.</p>
${report.rounds.map(roundPart).join("\n")}
</body></html>
`

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", "\"": "&quot;" })[sign] ?? sign)

const faultTable = ({ faults }: Report): string =>
  `<table>
<tr><th>fault</th><th>times</th><th>writes in flight at its begin</th><th>writes that met it</th></tr>
${
    Object.entries(faults).map(([fault, { in_flight_at_begin, times, writes_overlapped }]) =>
      `<tr><td>${fault}</td><td>${times}</td><td>${in_flight_at_begin}</td><td>${writes_overlapped}</td></tr>`
    ).join("\n")
  }
</table>`

const roundPart = (round: RoundReport): string => {
  const { ok, quorumNotMet, refused, unknown } = round.writes
  const converged = round.converged_after_ms === null ? "never" : `${Math.round(round.converged_after_ms)} ms after`
  const kind = `${round.nodes} nodes, W=${round.quorum_writes}${round.secured ? ", TLS and signatures" : ""}`
  return `<h2>Round ${round.round}: ${kind}</h2>
<p>${ok} acknowledged, ${quorumNotMet} missed their quorum, ${refused} refused, ${unknown} unknown; ${round.operations} operations,
the same on all nodes ${converged} the faults.</p>
${
    round.violations.length === 0
      ? ""
      : `<ul class="bad">${
        round.violations.map(({ rule, what }) => `<li>${escape(`${rule}: ${what}`)}</li>`).join("")
      }</ul>`
  }
${picture(round)}`
}

const picture = ({ converged_after_ms, healed_at, timeline }: RoundReport): string => {
  const { nodes, until } = timeline
  const x = (at: number) => (LEFT + Math.min(at, until) / until * (WIDTH - LEFT)).toFixed(1)
  const height = nodes.length * ROW + 20
  const vertical = (at: number, of: string) =>
    `<line class="${of}" x1="${x(at)}" x2="${x(at)}" y1="0" y2="${height - 20}"/>`
  return `<svg width="${WIDTH}" height="${height}" role="img">
${nodes.map((node, index) => row(timeline, node, index * ROW, x)).join("\n")}
${vertical(healed_at, "line")}
${converged_after_ms === null ? "" : vertical(healed_at + converged_after_ms, "rest")}
<text x="${LEFT}" y="${height - 5}">0 s</text><text x="${WIDTH - 40}" y="${height - 5}">${
    (until / 1_000).toFixed(0)
  } s</text>
</svg>`
}

const row = (timeline: Timeline, node: string, top: number, x: (at: number) => string): string => {
  const seconds = timeline.seconds.filter((each) => each.node === node)
  const most = Math.max(1, ...timeline.seconds.flatMap(({ acknowledged, refused }) => [acknowledged, refused]))
  const base = top + ROW - 8
  const scale = (count: number) => count / most * BARS
  const width = (Number(x(1_000)) - LEFT) / 2
  const bar = (second: number, count: number, half: number, kind: string) =>
    `<rect class="${kind}" x="${(Number(x(second * 1_000)) + half * width).toFixed(1)}" y="${
      (base - scale(count)).toFixed(1)
    }" width="${(width * 0.9).toFixed(1)}" height="${scale(count).toFixed(1)}"><title>${count}</title></rect>`
  const episodes = timeline.episodes.filter(({ nodes }) => nodes.includes(node))
  const bands = episodes.map(({ fault, from, to }, index) => {
    const wide = Math.max(2, Number(x(to)) - Number(x(from))).toFixed(1)
    return `<rect class="fault" x="${x(from)}" y="${top + 2}" width="${wide}" height="${ROW - 10}"/>` +
      `<text x="${x(from)}" y="${top + 12 + index % 3 * 11}">${fault}</text>`
  })
  const samples = timeline.samples.filter((each) => each.node === node)
  const largest = Math.max(1, ...timeline.samples.map(({ lag }) => lag))
  const points = samples.map(({ at, lag }) => `${x(at)},${(base - lag / largest * BARS).toFixed(1)}`).join(" ")
  return `<text x="0" y="${
    top + ROW / 2
  }">${node}</text><line class="line" x1="${LEFT}" x2="${WIDTH}" y1="${base}" y2="${base}"/>
${bands.join("")}
${
    seconds.map(({ acknowledged, refused, second }) =>
      bar(second, acknowledged, 0, "ok") + bar(second, refused, 1, "no")
    ).join("")
  }
<polyline class="lag" points="${points}"><title>at most ${largest} behind</title></polyline>`
}
