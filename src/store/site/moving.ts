import type Database from "better-sqlite3"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Origin } from "../../domain/ids.js"
import { Identity, SELECT_IDENTITY } from "../log/Identity.js"
import * as OpLog from "../log/OpLog.js"
import { many, one } from "../log/statements.js"
import * as Stubs from "../log/Stubs.js"
import * as binding from "./binding.js"
import * as Places from "./Places.js"
import type { Head, SiteLog, SiteUnavailable } from "./SiteLog.js"

/*
 * Brings what a file holds to the log of a site, or what one such log has to another. All of it can be broken off anywhere and done
 * again: what is there already is not brought twice.
 */

/** The memory can not be brought there. */
export class NotMoved extends Data.TaggedError("NotMoved")<{ readonly why: string }> {
  override get message() {
    return this.why
  }
}

/** What was moved, and what of it was brought by this very run. */
interface Moved {
  readonly operations: number
  readonly brought: number
}

/** Told how far it is, of how much. */
type Told = (done: number, of: number) => void

/** Items of one transaction. */
const TOGETHER = 1_000

const notAlone = () => new NotMoved({ why: "something else writes to the store: stop the daemons that use it" })

/** The file must be that of a node that does not run, or of a move that was broken off. Afterwards it is a daemon's of that site. */
export const toSite = (
  writer: Database.Database,
  site: SiteLog["Type"],
  told: Told
): Effect.Effect<Moved, NotMoved | SiteUnavailable> =>
  Effect.gen(function*() {
    const bound = Option.getOrNull(binding.read(writer))
    if (bound !== null && bound.siteId !== site.siteId) {
      return yield* new NotMoved({ why: "the file has the memory of another site" })
    }
    if (bound === null && (yield* site.heads).length > 0) {
      return yield* new NotMoved({ why: "the store has a memory already: give an empty database" })
    }
    const as = originOf(writer)
    if (OpLog.nodeOf(as) !== site.nodeId) {
      return yield* new NotMoved({ why: `the store is that of node ${site.nodeId} already: give an empty database` })
    }
    if (bound?.isMoving === false) return { operations: logOf(writer).count(), brought: 0 }
    if (bound === null) binding.write(writer, { siteId: site.siteId, isMoving: true })
    const log = logOf(writer)
    const brought = yield* sent({ writer, site, as, log }, told)
    yield* compared(site, log, as, told)
    binding.write(writer, { siteId: site.siteId, isMoving: false })
    return { operations: log.count(), brought }
  })

interface Sending {
  readonly writer: Database.Database
  readonly site: SiteLog["Type"]
  readonly as: Origin
  readonly log: Log
}

const sent = ({ as, log, site, writer }: Sending, told: Told) =>
  Effect.gen(function*() {
    const places = Places.make(writer)
    const begun = places.state().get(as) ?? 0
    let after = begun
    for (let items = log.after(after, TOGETHER); items.length > 0; items = log.after(after, TOGETHER)) {
      yield* Effect.catchTag(site.append({ writer: as, after, items, isKnown: () => true }), "SiteAhead", notAlone)
      after += items.length
      places.reach({ writer: as, place: after })
      told(after, log.count())
    }
    return after - begun
  })

/** What is in the store is what is in the file, by its hashes. */
const compared = (site: SiteLog["Type"], log: Log, as: Origin, told: Told) =>
  Effect.gen(function*() {
    let at = 0
    for (let items = log.after(at, TOGETHER); items.length > 0; items = log.after(at, TOGETHER)) {
      const there = yield* site.after({ writer: as, place: at }, TOGETHER)
      const differs = items.findIndex((item, index) => hashOf(item) !== hashOf(there[index]?.item))
      if (differs >= 0) {
        return yield* new NotMoved({ why: `the store does not have what the file has as number ${at + differs + 1}` })
      }
      at += items.length
      told(at, log.count())
    }
  })

const hashOf = (item: OpLog.Shared | undefined): string | undefined =>
  item === undefined ? undefined : "stub" in item ? item.stub.hash : item.operation.hash

const originOf = (writer: Database.Database): Origin => {
  const identity = Schema.decodeUnknownSync(Identity)(writer.prepare(SELECT_IDENTITY).get())
  return Origin.make(`${identity.node_id}/${identity.incarnation}`)
}

/** What a file holds, in one order: what is held by its name alone comes last. */
interface Log {
  readonly count: () => number
  readonly after: (place: number, limit: number) => ReadonlyArray<OpLog.Shared>
}

const Count = Schema.Struct({ operations: Schema.Int, stubs: Schema.Int })
const Lsn = Schema.Struct({ lsn: Schema.Int })

const logOf = (writer: Database.Database): Log => {
  const { operations, stubs } = one(
    writer,
    Count,
    "SELECT (SELECT count(*) FROM oplog) AS operations, (SELECT count(*) FROM withheld) AS stubs"
  )() ?? { operations: 0, stubs: 0 }
  const skip = one(writer, Lsn, "SELECT lsn FROM oplog ORDER BY lsn LIMIT 1 OFFSET ?")
  const select = many(
    writer,
    Schema.Struct({ ...OpLog.SealedRow.fields, ...Lsn.fields }),
    `${OpLog.SEALED_ROWS} WHERE lsn >= ? ORDER BY lsn LIMIT ?`
  )
  const selectStubs = many(writer, Stubs.SealedStubRow, `${Stubs.SEALED_STUBS} ORDER BY place LIMIT ? OFFSET ?`)
  /** Where the last page ended, so that the next one need not be looked for. */
  let known = { place: 0, lsn: 0 }
  return {
    count: () => operations + stubs,
    after: (place, limit) => {
      if (place >= operations) {
        return selectStubs(limit, place - operations).map((row) => ({ stub: Stubs.fromRow(row) }))
      }
      const rows = select(known.place === place ? known.lsn : skip(place)?.lsn ?? 0, limit)
      known = { place: place + rows.length, lsn: (rows.at(-1)?.lsn ?? 0) + 1 }
      return rows.map((row) => ({ operation: OpLog.fromRow(row) }))
    }
  }
}

/** All that one site's log has, to that of another, which has nothing else. Until it has no more than that. */
export const between = (
  from: SiteLog["Type"],
  to: SiteLog["Type"],
  told: Told
): Effect.Effect<Moved, NotMoved | SiteUnavailable> =>
  Effect.gen(function*() {
    if (from.nodeId !== to.nodeId) {
      return yield* new NotMoved({ why: `the store is that of node ${to.nodeId} already: give an empty database` })
    }
    let brought = 0
    for (;;) {
      const heads = yield* from.heads
      const there = new Map((yield* to.heads).map(({ place, writer }) => [writer, place]))
      const isOther = [...there].some(([writer, place]) => place > placeOf(heads, writer))
      if (isOther) return yield* new NotMoved({ why: "the store has a memory already: give an empty database" })
      const behind = heads.filter(({ place, writer }) => place > (there.get(writer) ?? 0))
      const total = heads.reduce((sum, { place }) => sum + place, 0)
      if (behind.length === 0) return { operations: total, brought }
      for (const head of behind) {
        const after = there.get(head.writer) ?? 0
        yield* copied({ from, to, told: (done) => told(brought + done, total) }, head, after)
        brought += head.place - after
      }
    }
  })

const placeOf = (heads: ReadonlyArray<Head>, of: Origin): number =>
  heads.find(({ writer }) => writer === of)?.place ?? 0

interface Copying {
  readonly from: SiteLog["Type"]
  readonly to: SiteLog["Type"]
  readonly told: (done: number) => void
}

/** What one daemon brought, after a place. */
const copied = ({ from, to, told }: Copying, { place, writer }: Head, begun: number) =>
  Effect.gen(function*() {
    for (let after = begun; after < place;) {
      const items = (yield* from.after({ writer, place: after }, TOGETHER)).map(({ item }) => item)
      if (items.length === 0) return yield* new NotMoved({ why: `the store lacks what ${writer} brought` })
      yield* Effect.catchTag(to.append({ writer, after, items, isKnown: () => true }), "SiteAhead", notAlone)
      after += items.length
      told(after - begun)
    }
  })
