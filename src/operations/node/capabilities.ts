import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { PermissionsMode } from "../../config/NodeConfig.js"
import type { Durability } from "../../domain/Durability.js"
import * as Stamp from "../../domain/Stamp.js"
import { Federation } from "../../federation/Federation.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { PendingReader } from "../../store/read/PendingReader.js"
import { Search } from "../../store/read/Search.js"
import type { StandardReader } from "../../store/read/StandardReader.js"
import { SubscriptionReader } from "../../store/read/SubscriptionReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { policiesInWords } from "../governance/standards.js"
import { Embedding, type Progress } from "../recall/Embedding.js"
import { type DecisionCounts, Permissions } from "../writing/Permissions.js"

/** What of a node's abilities depends on how it is set up and on what it holds: looked at for each that asks. */
export interface Capabilities {
  /** Whether the index of words answered now. */
  readonly keywordSearch: boolean
  /** Rows of a database of before that are not in that index yet, of so many; none but for a while after an upgrade. */
  readonly indexing: Option.Option<{ readonly left: number; readonly total: number }>
  /** How far this node's memories are embedded, and by what; none where they are found by their words alone. */
  readonly embedding: Option.Option<Progress>
  /** The nodes that take part in a write, and how many of them must hold it; none where this node is alone. */
  readonly quorum: Option.Option<{ readonly n: number; readonly w: number }>
  readonly permissions: {
    readonly mode: PermissionsMode
    /** The policies that are set, in words. */
    readonly policies: ReadonlyArray<string>
    readonly counts: DecisionCounts
  }
  /** What holds a write on this node, when it is committed. */
  readonly durability: Durability
  /** Subscriptions that stand. */
  readonly subscriptions: number
  /** Actions that wait for a decision. */
  readonly pendingRequests: number
}

export const capabilities: Effect.Effect<
  Capabilities,
  ReadFailed,
  Federation | MemoryStore | PendingReader | Search | StandardReader | Embedding | SubscriptionReader
> = Effect.gen(
  function*() {
    const { counts, mode } = yield* Permissions
    const { countPending } = yield* PendingReader
    const { policy } = yield* Federation
    const policies = yield* policiesInWords
    const now = yield* Clock.currentTimeMillis
    const pendingRequests = yield* countPending(now)
    const subscriptions = yield* (yield* SubscriptionReader).count
    const { durability } = yield* MemoryStore
    return {
      durability: durability(),
      keywordSearch: yield* searches(Stamp.fromMillis(now)),
      indexing: Option.filter(Option.some(yield* (yield* Search).indexing), ({ left }) => left > 0),
      embedding: yield* (yield* Embedding).progress,
      quorum: Option.map(policy, ({ n, w }) => ({ n, w })),
      permissions: { mode, policies, counts: { ...counts } },
      subscriptions,
      pendingRequests
    }
  }
).pipe(hotSpan("capabilities"))

/** Asks the index for one word. */
const searches = (now: Stamp.Stamp) =>
  Effect.flatMap(Search, ({ search }) => search({ text: "probe", limit: 1, now })).pipe(
    Effect.as(true),
    Effect.catchAll((error) => Effect.as(Effect.logWarning("the index of words does not answer", error), false))
  )
