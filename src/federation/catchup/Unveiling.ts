import * as Effect from "effect/Effect"
import * as OperationSet from "../../replication/OperationSet.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { Withholding } from "../../store/read/Withholding.js"
import type { AuditLog } from "../../telemetry/AuditLog.js"
import type { Federation, PeerLink } from "../Federation.js"
import * as CatchupPage from "./CatchupPage.js"

/** Names that are asked for at once: an answer has room for what this node lacks beside them. */
const ASKED_AT_ONCE = 64
const MAX_PAGES = 10_000

type Failed =
  | Effect.Effect.Error<ReturnType<PeerLink["client"]["since"]>>
  | Effect.Effect.Error<ReturnType<typeof CatchupPage.apply>>
  | Effect.Effect.Error<ReturnType<Withholding["Type"]["stubsAfter"]>>

/**
 * Asks a peer for what this node holds by its name alone: another one may tell more than the one that gave the name, and the same
 * one later, when more is known of it there, or this node may see more. Each name is asked for once of each peer, and all once more
 * when what the peer tells has changed, or what both may see stands otherwise there.
 */
export const make = (link: PeerLink): Effect.Effect<void, Failed, MemoryStore | Federation | AuditLog> => {
  let asked = { of: "", place: 0 }
  return Effect.gen(function*() {
    const store = yield* MemoryStore
    const { identity } = link.status()
    if (identity?.kind !== "quorate" || store.withheld() === 0) return
    const { stubsAfter } = yield* Withholding
    const { limited, run } = identity.hello
    const of = JSON.stringify([identity.peerId, run, limited?.told === true ? null : limited?.namespaces])
    if (link.takeApart() || asked.of !== of) asked = { of, place: 0 }
    for (let page = 0; page < MAX_PAGES; page++) {
      const some = yield* stubsAfter(asked.place, ASKED_AT_ONCE)
      const last = some.at(-1)
      if (last === undefined) return
      const names = OperationSet.of(some.map(({ stub }) => stub))
      const found = yield* link.client.since(OperationSet.difference(store.vector(), names))
      yield* CatchupPage.apply(found, identity.peerId)
      asked = { of, place: last.place }
    }
  })
}
