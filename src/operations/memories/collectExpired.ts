import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { reasons } from "../../domain/Archive.js"
import { graceMillis } from "../../domain/Lifetimes.js"
import * as Stamp from "../../domain/Stamp.js"
import type { Tier } from "../../domain/Tier.js"
import { isExpired } from "../../store/deciding/slot.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import { type Deadlines, SweepReader } from "../../store/read/SweepReader.js"
import { keepingStandards, type Kept } from "../archive/keepingStandards.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { ending } from "./ending.js"
import { Retention } from "./Retention.js"

/** What a collection needs, and what it can fail with. */
type Collected = Write.Verb<Write.Counted, ReadFailed, SweepReader>

/**
 * Archives all memories that have expired on this node, shadows too, on every node; deletes them where nothing is to be kept.
 * One that was recalled on another node a moment ago may still live there, and goes there as well.
 */
export const collectExpired = (caller = Write.anonymous): Collected =>
  collect({ name: "collectExpired", counts: "deleted", caller, request: [] }, { graceful: false })

const collect = (head: Write.Head, options: { readonly graceful: boolean }): Collected =>
  keepingStandards("gc", (kept) => sweep(head, { ...options, kept }))

const sweep = (
  head: Write.Head,
  { graceful, kept }: { readonly graceful: boolean; readonly kept: Kept }
): Collected =>
  Write.inChunks({
    ...head,
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const reader = yield* SweepReader
        const retention = yield* Retention
        const end = ending(retention, reasons.expired, { kept, applies: (held, now) => isExpired(now, held) })
        return { reader, end, lifetimes: yield* Lifetimes, nowMillis: yield* Clock.currentTimeMillis }
      }),
    items: ({ at }, { lifetimes, nowMillis, reader }) => {
      const atMillis = Math.min(nowMillis, Stamp.toMillis(at))
      return reader.expired(
        Stamp.fromMillis(atMillis),
        deadlines(
          atMillis,
          graceful
            ? (tier) => graceMillis(lifetimes, tier)
            : () => 0
        )
      )
    },
    write: (batch, found, { end }) => end(batch, found)
  })

/** The same, but leaves alone for a while what another node may have been asked for. */
export const collectQuietly: Collected = collect(
  { name: "collectQuietly", counts: "nothing", caller: Write.anonymous, request: [] },
  { graceful: true }
)

const deadlines = (nowMillis: number, graceOf: (tier: Tier) => number): Deadlines => {
  const before = (tier: Tier) => Stamp.fromMillis(nowMillis - graceOf(tier))
  return { short: before("short"), mid: before("mid"), long: before("long") }
}
