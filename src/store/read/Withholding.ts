import Database from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Namespaces } from "../../domain/namespaces.js"
import type { Operation } from "../../replication/Operation.js"
import { ofLog } from "../../replication/Payload.js"
import * as Stub from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { hadOtherNames, make as makeTouching, shown } from "../deciding/touching.js"
import { ReadFailed } from "../errors.js"
import { addTo } from "../log/Digest.js"
import { readVector } from "../log/OpLog.js"
import { Sqlite } from "../log/Sqlite.js"
import { many } from "../log/statements.js"
import { fromRow, SEALED_STUBS, SealedStubRow } from "../log/Stubs.js"
import { conditionOf } from "./namespaceSql.js"

/** A stub with its place among those that this node holds. */
interface Placed {
  readonly place: number
  readonly stub: Stub.Stub
}

interface Range {
  readonly origin: string
  readonly from: number
  readonly to: number
}

interface Reads {
  /** Of each operation what somebody gets who is limited to these namespaces: null where that is all of it. */
  readonly sift: (
    operations: ReadonlyArray<Operation>,
    namespaces: Namespaces
  ) => Effect.Effect<ReadonlyArray<Stub.Stub | null>, ReadFailed>
  /** What this node holds by its name alone, of a range of one origin, at most `limit`. */
  readonly stubs: (range: Range, limit: number) => Effect.Effect<ReadonlyArray<Stub.Stub>, ReadFailed>
  /** The same in the order in which they came, beyond a place. */
  readonly stubsAfter: (place: number, limit: number) => Effect.Effect<ReadonlyArray<Placed>, ReadFailed>
  /**
   * The sum over all versions in these namespaces, whoever won, for nodes with equal vectors that hold different things beside
   * them; none while more rows are there than may be summed at once.
   */
  readonly digest: (
    namespaces: Namespaces,
    at: VersionVector.VersionVector
  ) => Effect.Effect<Option.Option<number>, ReadFailed>
}

/** Where nobody is limited. */
const none: Reads = {
  sift: (operations) => Effect.succeed(operations.map(() => null)),
  stubs: () => Effect.succeed([]),
  stubsAfter: () => Effect.succeed([]),
  digest: () => Effect.succeedNone
}

/** What others may see of what this node holds, when they may not see all of it. */
export class Withholding extends Context.Reference<Withholding>()("quorate/store/Withholding", {
  defaultValue: () => none
}) {}

/** Rows that are summed in one go: some tenths of a second. */
const MAX_SUMMED = 200_000
/** A sum is made anew no more often than this, however often it is asked for. */
const SUM_EVERY_MILLIS = 2_000
/** Of different namespaces that are kept. */
const MAX_KEPT = 64

const make: Effect.Effect<Reads, never, Sqlite | Scope.Scope> = Effect.gen(function*() {
  const { file } = yield* Sqlite
  const clock = yield* Effect.clock
  let opened: ReturnType<typeof readsOf> | null = null
  let db: Database.Database | null = null
  yield* Effect.addFinalizer(() => Effect.sync(() => db?.close()))
  const reads = () => {
    if (opened === null) {
      db = new Database(file, { readonly: true, fileMustExist: true })
      opened = readsOf(db)
    }
    return opened
  }
  const attempt = <A>(read: (from: ReturnType<typeof readsOf>) => A) =>
    Effect.try({ try: () => read(reads()), catch: (cause) => new ReadFailed({ cause }) })
  const sums = keeping(() => clock.unsafeCurrentTimeMillis())

  return {
    sift: (operations, namespaces) =>
      attempt(({ touched }) =>
        operations.map((operation) => {
          const seen = shown(touched(operation, ofLog(operation)), namespaces)
          if (seen === "whole") return null
          return Stub.of(operation, { tellsEnds: seen === "ends" || hadOtherNames(operation) })
        })
      ),
    stubs: ({ from, origin, to }, limit) => attempt(({ ofRange }) => ofRange(origin, from, to, limit).map(fromRow)),
    stubsAfter: (place, limit) =>
      attempt(({ after }) => after(place, limit).map((row) => ({ place: row.place, stub: fromRow(row) }))),
    digest: (namespaces, at) => attempt(({ sum }) => sums(namespaces, at, () => sum(namespaces)))
  }
})

export const layer: Layer.Layer<Withholding, never, Sqlite> = Layer.scoped(Withholding, make)

interface Sum {
  readonly vector: VersionVector.VersionVector
  readonly digest: Option.Option<number>
}

const keeping = (nowMillis: () => number) => {
  const kept = new Map<string, Sum & { readonly atMillis: number }>()
  return (namespaces: Namespaces, at: VersionVector.VersionVector, sum: () => Sum): Option.Option<number> => {
    const key = JSON.stringify(namespaces)
    const known = kept.get(key)
    const isFresh = known !== undefined &&
      (VersionVector.equals(known.vector, at) || Math.abs(nowMillis() - known.atMillis) < SUM_EVERY_MILLIS)
    const now = isFresh ? known : { ...sum(), atMillis: nowMillis() }
    kept.delete(key)
    kept.set(key, now)
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_KEPT) break
      kept.delete(oldest)
    }
    return VersionVector.equals(now.vector, at) ? now.digest : Option.none()
  }
}

const readsOf = (db: Database.Database) => ({
  touched: makeTouching(db),
  ofRange: many(
    db,
    SealedStubRow,
    `${SEALED_STUBS} WHERE origin = ? AND oseq BETWEEN ? AND ? ORDER BY oseq LIMIT ?`
  ),
  after: many(db, SealedStubRow, `${SEALED_STUBS} WHERE place > ? ORDER BY place LIMIT ?`),
  sum: (namespaces: Namespaces): Sum =>
    // Of one moment, both.
    db.transaction(() => ({ vector: readVector(db), digest: summed(db, namespaces) }))()
})

const decodeHash = Schema.decodeUnknownSync(Schema.String)

const summed = (db: Database.Database, namespaces: Namespaces): Option.Option<number> => {
  const within = (column: string) => conditionOf(namespaces, column)
  const rows = db.prepare(
    `SELECT hash FROM memories WHERE ${within("namespace")}
     UNION ALL SELECT c.hash FROM conflicts c CROSS JOIN oplog g ON g.origin = c.origin AND g.oseq = c.oseq
       WHERE ${within("coalesce(json_extract(g.body, '$.namespace'), json_extract(g.body, '$.memory.namespace'))")}
     UNION ALL SELECT hash FROM objects WHERE type = 'namespace_meta' AND ${within("key")}
     UNION ALL SELECT hash FROM objects WHERE type = 'pending' AND ${within("json_extract(body, '$.namespace')")}
     LIMIT ?`
  ).pluck()
  let sum = 0
  let count = 0
  for (const hash of rows.iterate(MAX_SUMMED + 1)) {
    sum = addTo(sum, decodeHash(hash))
    count += 1
  }
  return count > MAX_SUMMED ? Option.none() : Option.some(sum)
}
