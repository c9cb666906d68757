import { ask } from "../asking.js"
import * as Controls from "../controls.js"
import { type Child, fill, h } from "../dom.js"
import { number, text } from "../json.js"
import { facts } from "../memories.js"
import * as Metrics from "../metrics.js"
import * as Readiness from "../readiness.js"
import { alert, isOver, say } from "../say.js"
import { every, type View } from "../view.js"

const EVERY_MILLIS = 2_000

/** How this node and its peers are, as they are now. */
export const mesh: View = {
  name: "mesh",
  title: "Mesh",
  letter: "n",
  show: async ({ root, signal }) => {
    const { box: live, row } = Controls.checkbox("Live: every two seconds", true)
    const state = h("p", { class: "state" })
    const checks = h("dl", { class: "facts" })
    const peers = h("div", {})
    const counts = h("div", {})
    const stats = (await ask("/stats", { signal })).body
    const about = (await ask("/capabilities", { signal })).body
    root.append(
      state,
      h("p", {}, text(about["summary"])),
      row,
      h("h2", {}, "Peers"),
      peers,
      h("h2", {}, "This node"),
      checks,
      counts,
      facts([["Memories", String(number(stats["total"]))], ["Version", text(about["version"])]])
    )
    const open = new Map<string, boolean>()
    const refresh = async () => {
      const readiness = await Readiness.ask()
      state.textContent = Readiness.sentence(readiness)
      state.className = `state ${Readiness.classOf(readiness)}`
      fill(checks, readiness === undefined ? [] : Readiness.shown(readiness))
      try {
        const samples = Metrics.parse(text((await ask("/metrics", { signal })).body["text"]))
        const found = peersOf(samples)
        fill(peers, found.length === 0 ? h("p", { class: "empty" }, "This node has no peers.") : table(found))
        fill(counts, totals(samples))
        tellChanges(open, found)
      } catch (error) {
        if (!isOver(error)) fill(peers, alert(error))
      }
    }
    await refresh()
    every(EVERY_MILLIS, signal, async () => {
      if (live.checked) await refresh()
    })
  }
}

interface Peer {
  readonly name: string
  readonly isOpen: boolean
  readonly lag: number | undefined
  readonly queue: number | undefined
  readonly skew: number | undefined
}

const peersOf = (samples: ReadonlyArray<Metrics.Sample>): ReadonlyArray<Peer> => {
  const of = (metric: string, peer: string) =>
    samples.find(({ labels, name }) => name === metric && labels["peer"] === peer)?.value
  const names = new Set(
    samples.flatMap(({ labels, name }) =>
      name === "federation_breaker_open" && labels["peer"] !== undefined ? [labels["peer"]] : []
    )
  )
  return Array.from(names).sort().map((name) => ({
    name,
    isOpen: of("federation_breaker_open", name) === 1,
    lag: of("replication_lag_operations", name),
    queue: of("federation_peer_queue_depth", name),
    skew: of("replication_clock_skew_seconds", name)
  }))
}

const COLUMNS = ["Peer", "Breaker", "Lag, operations", "Waiting", "Clock, seconds"] as const

const table = (peers: ReadonlyArray<Peer>): HTMLElement =>
  h(
    "table",
    {},
    h("caption", { class: "unseen" }, "Peers of this node"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        COLUMNS.map((name, index) => h("th", { scope: "col", class: index > 1 ? "number" : undefined }, name))
      )
    ),
    h(
      "tbody",
      {},
      peers.map(({ isOpen, lag, name, queue, skew }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          cell(
            COLUMNS[1],
            h("span", { class: isOpen ? "mark bad" : "mark good" }, isOpen ? "open: it is down" : "closed")
          ),
          cell(COLUMNS[2], shown(lag), true),
          cell(COLUMNS[3], shown(queue), true),
          cell(COLUMNS[4], skew === undefined ? "unknown" : skew.toFixed(3).replace(/^-(0\.0+)$/, "$1"), true)
        )
      )
    )
  )

const cell = (name: string, value: Child, isNumber = false): HTMLElement =>
  h("td", { "data-name": name, class: isNumber ? "number" : undefined }, h("span", {}, value))

const shown = (value: number | undefined): string => value === undefined ? "unknown" : String(value)

const totals = (samples: ReadonlyArray<Metrics.Sample>): HTMLElement => {
  const sum = (metric: string, only: (labels: Metrics.Sample["labels"]) => boolean = () => true) =>
    samples.filter(({ labels, name }) => name === metric && only(labels)).reduce((all, { value }) => all + value, 0)
  return facts([
    [
      "Quorum writes",
      `${sum("replication_quorum_ack_total", ({ result }) => result === "ok")} met, ${
        sum("replication_quorum_ack_total", ({ result }) => result === "fail")
      } missed`
    ],
    ["Dead letters", String(sum("federation_push_dlq_depth"))],
    ["Divergences", String(sum("replication_divergence_total"))]
  ])
}

/** Who listens hears of what changes, not of every look. */
const tellChanges = (open: Map<string, boolean>, peers: ReadonlyArray<Peer>): void => {
  const changed = peers.filter(({ isOpen, name }) => open.has(name) && open.get(name) !== isOpen)
  if (changed.length > 0) {
    say(changed.map(({ isOpen, name }) => `${name} ${isOpen ? "is down" : "answers again"}`).join(", "))
  }
  for (const { isOpen, name } of peers) open.set(name, isOpen)
}
