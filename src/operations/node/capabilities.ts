import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PermissionsMode } from "../../config/NodeConfig.js"
import { PendingReader } from "../../store/read/PendingReader.js"
import type { StandardReader } from "../../store/read/StandardReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { policiesInWords } from "../governance/standards.js"
import { type DecisionCounts, Permissions } from "../writing/Permissions.js"

/** What of a node's abilities depends on how it is set up and on what it holds. */
export interface Capabilities {
  readonly permissions: {
    readonly mode: PermissionsMode
    /** The policies that are set, in words. */
    readonly policies: ReadonlyArray<string>
    readonly counts: DecisionCounts
  }
  /** Actions that wait for a decision. */
  readonly pendingRequests: number
}

export const capabilities: Effect.Effect<Capabilities, ReadFailed, PendingReader | StandardReader> = Effect.gen(
  function*() {
    const { counts, mode } = yield* Permissions
    const reader = yield* PendingReader
    const policies = yield* policiesInWords
    const pendingRequests = yield* reader.countPending(yield* Clock.currentTimeMillis)
    return { permissions: { mode, policies, counts: { ...counts } }, pendingRequests }
  }
).pipe(hotSpan("capabilities"))
