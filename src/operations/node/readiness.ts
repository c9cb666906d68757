import * as Effect from "effect/Effect"
import { Federation } from "../../federation/Federation.js"
import * as Breaker from "../../federation/link/Breaker.js"
import type { PeerFailed } from "../../federation/wire/Peer.js"
import { Checker } from "../../store/checking/Checker.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { Embedding } from "../recall/Embedding.js"

/** Whether this node can take a write now, and what stands in the way. */
export interface Readiness {
  readonly ready: boolean
  /** What this start of the node is called. */
  readonly start: string
  readonly checks: Record<string, { readonly ok: boolean; readonly detail: string }>
}

/**
 * Writes and fsyncs a row, looks at the clock, and whether the first round of catch-up is over. How many peers answer is told,
 * but decides nothing: a write that misses its quorum is still kept and replicates later. What the standing check found is
 * told as well, and whether the embedder answers.
 */
export const readiness: Effect.Effect<Readiness, never, MemoryStore | Federation | Checker | Embedding> = Effect.gen(
  function*() {
    const store = yield* MemoryStore
    const { clockSkew, links, start } = yield* Federation
    const database = yield* store.probe.pipe(
      Effect.match({
        onSuccess: () => ({ ok: true, detail: "writable" }),
        onFailure: (error) => ({ ok: false, detail: error._tag === "Overloaded" ? error.message : error.detail })
      })
    )
    const skew = clockSkew()
    const clock = skew === null ? { ok: true, detail: "sane" } : { ok: false, detail: skew.message }
    const answering = links.filter((link) => {
      const { breaker, identity } = link.status()
      return identity !== null && !Breaker.isOpen(breaker)
    }).length
    const refusing = links.filter((link) => REFUSALS.has(link.status().cause?.reason ?? "")).length
    const peers = {
      ok: answering === links.length,
      detail: `${answering} of ${links.length} answer${
        refusing === 0 ? "" : `, ${refusing} take nothing of this node: the log says why`
      }`
    }
    const contents = contentsOf(yield* Checker)
    const catchup = start.isOver()
      ? { ok: true, detail: "the first round is over" }
      : { ok: false, detail: "the first round is under way: this node may lack what others hold" }
    const embeddings = EMBEDDINGS[yield* (yield* Embedding).state]
    const ready = database.ok && clock.ok && catchup.ok
    return { ready, start: yield* store.startName, checks: { database, clock, peers, catchup, contents, embeddings } }
  }
)

/** Of peers that are there. Which they are is for the log: everybody may ask this. */
const REFUSALS: ReadonlySet<string> = new Set<PeerFailed["reason"]>(["status"])

const EMBEDDINGS = {
  absent: { ok: true, detail: "there is no embedder: memories are found by their words alone" },
  answering: { ok: true, detail: "memories are found by their words and their meaning" },
  failing: { ok: false, detail: "the embedder does not answer: memories are found by their words alone" }
}

const contentsOf = ({ faults, rounds }: Checker["Type"]) => {
  const found = faults()
  const [first] = found
  if (first !== undefined) {
    return { ok: false, detail: `${found.length} not as the log says; ${first.table} ${first.key}: ${first.what}` }
  }
  return { ok: true, detail: rounds() === 0 ? "not all looked at yet" : "as the log says" }
}
