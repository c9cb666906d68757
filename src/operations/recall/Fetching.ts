import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { NodeId, Origin } from "../../domain/ids.js"
import { MAX_VECTORS_ASKED } from "../../domain/limits.js"
import type { Model } from "../../embedding/Embedder.js"
import { digestOf, type Given } from "../../federation/wire/vectors.js"
import type { ReadFailed } from "../../store/errors.js"
import { nodeOf } from "../../store/log/OpLog.js"
import type { MemoryStore } from "../../store/MemoryStore.js"
import type { Lacking, VectorStore } from "../../store/vectors/VectorStore.js"
import type { Metrics } from "../../telemetry/Metrics.js"
import { elapsedMillis } from "./elapsedMillis.js"
import type { Giver, Givers } from "./Givers.js"
import { PAUSE, type Turn } from "./turnsOfWrites.js"

/** Rows to be embedded here, one after the other. */
export interface Rows {
  /** The next ones. */
  readonly next: (limit: number) => Effect.Effect<ReadonlyArray<Lacking>, ReadFailed>
  /** These are done with, or passed over. */
  readonly passed: (rows: ReadonlyArray<Lacking>) => void
  /** Whether there are none, and will be none of what is there now. */
  readonly isOver: Effect.Effect<boolean, ReadFailed>
  /** How many are waited for that may come from elsewhere. */
  readonly awaited: () => number
}

/**
 * What other nodes wrote: they are asked for its vectors. Those are to be made here that did not come in time, as far as no other
 * node goes first.
 */
interface Fetching extends Rows {
  /** Goes on asking, in a fiber of its own. */
  readonly run: Effect.Effect<void>
}

/** Memories of one author that are asked for at the same time: more wait in the database. */
const WINDOW = MAX_VECTORS_ASKED
/** Taken into the database together: all others have their turn after that. */
const BATCH = 32
/** Between two questions that brought nothing: doubled up to the longest, so that what is there is known before it is made here. */
const LONGEST_REST = Duration.seconds(4)
const RESTS_OF_PATIENCE = 4
/** What an author is slow with is waited for as long as some of it comes, and in all so many times as long. */
const MOST_PATIENCE = 10
const AFTER_FAILURE = Duration.seconds(1)

/** What lacks vectors of what one node wrote, in one of its incarnations. */
interface Author {
  readonly origin: Origin
  readonly nodeId: NodeId
  /** Rows up to here were looked at. */
  looked: number
  /** Something was made here, because it did not come: nothing else is waited for until something comes. */
  hasFailed: boolean
  /** When the latest of it came. */
  cameMillis: number
  readonly wanted: Map<number, Wanted>
}

interface Wanted {
  readonly rid: number
  readonly id: string
  readonly sinceMillis: number
  /** Rounds in which somebody looked for it. */
  times: number
}

interface Parts {
  readonly model: Model
  readonly vectors: VectorStore["Type"]
  readonly store: Pick<MemoryStore["Type"], "nodeId" | "origin" | "vector">
  readonly givers: Givers
  /** How long is waited for the node that goes first. */
  readonly patience: Duration.Duration
  readonly metrics: Metrics["Type"]
  readonly turn: Turn
}

export const make = (parts: Parts): Fetching => {
  const authors = new Map<Origin, Author>()
  const lookedUpTo = { rid: -1 }
  const refill = refillOf(parts, authors, lookedUpTo)
  const ask = roundOf(parts, authors)
  const longestRest = Duration.min(LONGEST_REST, Duration.times(parts.patience, 1 / RESTS_OF_PATIENCE))
  const awaited = () => Array.from(authors.values()).reduce((sum, { wanted }) => sum + wanted.size, 0)

  const run = Effect.gen(function*() {
    let rest = PAUSE
    let askAt = 0
    while (true) {
      // Only then the id is known under which vectors are kept.
      const added = parts.model.dimensions === 0 ? 0 : yield* refill
      const now = yield* elapsedMillis
      if (added > 0) {
        rest = PAUSE
        askAt = now
      }
      if (awaited() === 0 || now < askAt) {
        yield* Effect.sleep(PAUSE)
        continue
      }
      yield* parts.turn(Duration.zero)
      const { asked, got } = yield* ask
      if (got > 0) rest = PAUSE
      if (got > 0 && got === asked) continue
      askAt = now + Duration.toMillis(rest)
      rest = got > 0 ? PAUSE : Duration.min(Duration.times(rest, 2), longestRest)
      yield* Effect.sleep(PAUSE)
    }
  })

  return {
    ...dueOf(parts, authors),
    awaited,
    isOver: Effect.map(
      Effect.suspend(() => parts.vectors.greatest),
      (greatest) => greatest <= lookedUpTo.rid && awaited() === 0
    ),
    run: run.pipe(
      Effect.catchAll((error) =>
        Effect.zipRight(
          Effect.logWarning("vectors of other nodes could not be taken, and are asked for again", error),
          Effect.sleep(AFTER_FAILURE)
        )
      ),
      Effect.forever
    )
  }
}

/** Looks for what came from others since. Answers how much there is. */
const refillOf = ({ model, store, vectors }: Parts, authors: Map<Origin, Author>, lookedUpTo: { rid: number }) => {
  const authorOf = (origin: Origin): Author => {
    const found = authors.get(origin) ?? {
      ...{ origin, nodeId: nodeOf(origin), looked: 0, hasFailed: false, cameMillis: -Infinity },
      wanted: new Map()
    }
    authors.set(origin, found)
    return found
  }
  return Effect.gen(function*() {
    const greatest = yield* vectors.greatest
    const now = yield* elapsedMillis
    let added = 0
    let isAll = true
    for (const origin of store.vector().keys()) {
      if (origin === store.origin()) continue
      const author = authorOf(origin)
      const limit = WINDOW - author.wanted.size
      if (author.looked < greatest && limit > 0) {
        const rows = yield* vectors.lackingIds(model, { origin, after: author.looked, limit })
        for (const row of rows) author.wanted.set(row.rid, { ...row, sinceMillis: now, times: 0 })
        author.looked = rows.length < limit ? greatest : rows.at(-1)?.rid ?? greatest
        added += rows.length
      }
      isAll = isAll && author.looked >= greatest
    }
    if (isAll) lookedUpTo.rid = greatest
    return added
  })
}

/** Asks everybody once who may have something of what is wanted, one after the other. */
const roundOf = ({ givers, metrics, model, turn, vectors }: Parts, authors: ReadonlyMap<Origin, Author>) => {
  /** A vector is of a text, and the row may have another one meanwhile, or be gone. */
  const some = (given: ReadonlyArray<Given>, wanted: ReadonlyMap<string, Asked>) =>
    Effect.gen(function*() {
      const rows = given.flatMap((one) => {
        const asked = wanted.get(one.id)
        return asked === undefined ? [] : [{ ...asked, given: one }]
      })
      const texts = new Map(
        (yield* vectors.stillLacking(model, rows.map(({ row }) => row.rid))).map((text) => [text.rid, text])
      )
      for (const { author, row } of rows) if (!texts.has(row.rid)) author.wanted.delete(row.rid)
      const fitting = rows.filter(({ given: { digest }, row: { rid } }) => {
        const text = texts.get(rid)
        return text !== undefined && digestOf(text) === digest
      })
      const count = yield* vectors.take(model, fitting.map(({ given, row: { rid } }) => ({ rid, parts: given.parts })))
      metrics.embedding("received", count)
      const now = yield* elapsedMillis
      for (const { author, row } of fitting) {
        author.wanted.delete(row.rid)
        author.hasFailed = false
        author.cameMillis = now
      }
      return fitting.length
    })

  const askOne = (giver: Giver, wanted: ReadonlyMap<string, Asked>) =>
    Effect.gen(function*() {
      const ids = Array.from(wanted.keys())
      const { looked, memories } = yield* giver.ask({ id: model.id, dimensions: model.dimensions }, ids)
      let got = 0
      for (let at = 0; at < memories.length; at += BATCH) {
        const [took, count] = yield* Effect.timed(some(memories.slice(at, at + BATCH), wanted))
        got += count
        yield* turn(took)
      }
      return { asked: ids.slice(0, looked), got }
    })

  return Effect.gen(function*() {
    const now = yield* elapsedMillis
    const plan = planOf(authors, (author) => givers.of(author.nodeId, author.hasFailed, now))
    const sum = { asked: 0, got: 0 }
    const lookedFor = new Set<Wanted>()
    for (const { giver, wanted } of plan) {
      const { asked, got } = yield* askOne(giver, wanted)
      sum.asked += asked.length
      sum.got += got
      for (const id of asked) {
        const row = wanted.get(id)?.row
        if (row !== undefined) lookedFor.add(row)
      }
    }
    // Not before all have answered and what they gave is taken: until then it is on its way, and not made here.
    for (const row of lookedFor) row.times += 1
    return sum
  })
}

interface Asked {
  readonly author: Author
  readonly row: Wanted
}

/** Who is asked for what, by the ids that they know it by; what was asked for least first. */
const planOf = (authors: ReadonlyMap<Origin, Author>, giversOf: (author: Author) => ReadonlyArray<Giver>) => {
  const plan = new Map<string, { readonly giver: Giver; readonly all: Array<Asked> }>()
  for (const author of authors.values()) {
    if (author.wanted.size === 0) continue
    for (const giver of giversOf(author)) {
      const known = plan.get(giver.name) ?? { giver, all: new Array<Asked>() }
      for (const row of author.wanted.values()) known.all.push({ author, row })
      plan.set(giver.name, known)
    }
  }
  return Array.from(plan.values(), ({ all, giver }) => ({
    giver,
    wanted: new Map(
      all.toSorted((a, b) => a.row.times - b.row.times).slice(0, MAX_VECTORS_ASKED).map((
        asked
      ) => [asked.row.id, asked])
    )
  }))
}

/** What is to be made here, because it did not come. */
const dueOf = (
  { givers, model, patience, store, vectors }: Parts,
  authors: ReadonlyMap<Origin, Author>
): Pick<Rows, "next" | "passed"> => {
  const dueBy = (author: Author, now: number) => {
    // What it wrote before its database was lost or put back, others may have: nobody else is to make it.
    const isOwn = author.nodeId === store.nodeId
    const place = isOwn ? 1 : givers.place(author.nodeId)
    const overdueAfter = place * Duration.toMillis(patience)
    const isAnybodyThere = () => givers.of(author.nodeId, true, now).length > 0
    const isLost = (author.hasFailed || isOwn) && !isAnybodyThere()
    return Array.from(author.wanted.values()).filter(({ sinceMillis, times }) =>
      now - Math.max(sinceMillis, author.cameMillis) >= overdueAfter ||
      now - sinceMillis >= MOST_PATIENCE * overdueAfter || isLost || ((author.hasFailed || isOwn) && times > 0)
    ).map((row) => ({ author, row, isFailure: place > 0 }))
  }
  return {
    next: (limit) =>
      Effect.gen(function*() {
        const now = yield* elapsedMillis
        const due = Array.from(authors.values()).filter(({ wanted }) => wanted.size > 0).flatMap((author) =>
          dueBy(author, now)
        ).slice(0, limit)
        if (due.length === 0) return []
        const texts = yield* vectors.stillLacking(model, due.map(({ row }) => row.rid))
        const there = new Set(texts.map(({ rid }) => rid))
        for (const { author, isFailure, row } of due) {
          if (!there.has(row.rid)) author.wanted.delete(row.rid)
          else if (isFailure) author.hasFailed = true
        }
        return texts
      }),
    passed: (rows) => {
      for (const { rid } of rows) for (const { wanted } of authors.values()) wanted.delete(rid)
    }
  }
}
