import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { reasons } from "../../domain/Archive.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Federation } from "../../federation/Federation.js"
import type { Idempotency } from "../../replication/Operation.js"
import { isExpired } from "../../store/deciding/slot.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import { type Deadlines, SweepReader } from "../../store/read/SweepReader.js"
import { graceMillis } from "../../store/state/Touch.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { idempotencyOf } from "../writing/caller.js"
import { counted } from "../writing/counted.js"
import { inChunks, type InChunksWritten } from "../writing/inChunks.js"
import type { Caller, WriteError } from "../writing/Written.js"
import { ending } from "./forget.js"
import { Retention } from "./Retention.js"

/** What a collection needs, and what it can fail with. */
export type Collected = Effect.Effect<InChunksWritten, WriteError | ReadFailed, MemoryStore | SweepReader | Federation>

/**
 * Archives all memories that have expired on this node, shadows too, on every node; deletes them where nothing is to be kept.
 * One that was recalled on another node a moment ago may still live there, and goes there as well.
 */
export const collectExpired = (caller: Caller): Collected =>
  collect({ idempotency: idempotencyOf(caller, ["collectExpired"]), graceful: false }).pipe(
    counted("deleted"),
    hotSpan("collectExpired")
  )

/** The same, but leaves alone for a while what another node may have been asked for. */
export const collectQuietly: Collected = collect({ idempotency: null, graceful: true }).pipe(hotSpan("collectQuietly"))

function collect(
  options: { readonly idempotency: Idempotency | null; readonly graceful: boolean }
): Collected {
  return Effect.gen(function*() {
    const reader = yield* SweepReader
    const retention = yield* Retention
    const nowMillis = yield* Clock.currentTimeMillis
    return yield* inChunks({
      idempotency: options.idempotency,
      items: (before) => {
        const atMillis = Math.min(nowMillis, Stamp.toMillis(before))
        return reader.expired(Stamp.fromMillis(atMillis), deadlines(atMillis, options.graceful))
      },
      write: ending(retention, reasons.expired, (held, now) => isExpired(now, held))
    })
  })
}

const deadlines = (nowMillis: number, graceful: boolean): Deadlines => {
  const before = (millis: number) => Stamp.fromMillis(nowMillis - (graceful ? millis : 0))
  return { short: before(graceMillis.short), mid: before(graceMillis.mid), long: before(graceMillis.long) }
}
