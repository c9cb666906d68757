import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { DIGEST_BUCKETS } from "../../domain/limits.js"
import * as VersionVector from "../../replication/VersionVector.js"
import * as Digest from "../log/Digest.js"
import { readVector } from "../log/OpLog.js"
import { many } from "../log/statements.js"
import { type Fault, inTurn, through, type Walk } from "./Walk.js"

/*
 * What is kept beside the rows so that nobody has to count them: the digests by bucket, and the version vector. Both are made
 * anew here, from rows of one moment: the walk is one transaction from its beginning to its end.
 */

/** Short rows, or those of an index; a long memory is read to its end for its hash. */
const most = { rows: 200, bytes: 1024 * 1024 }

/** The walk through all that is counted, and at its end the comparison with what was kept. */
export const walk = (db: Database.Database): Walk => {
  const sums = new Map<number, number>()
  const counts = new Map<string, number>()
  return inTurn([
    ...summed(db, sums),
    counted(db, counts, "oplog"),
    counted(db, counts, "withheld"),
    () => ({ rows: 0, faults: [...ofDigests(db, sums), ...ofVector(db, counts)], next: null })
  ])
}

const Summed = Schema.Struct({ ...Digest.Kept.fields, bytes: Schema.Int })

const summed = (db: Database.Database, sums: Map<number, number>): ReadonlyArray<Walk> => {
  const every = {
    schema: Summed,
    keyOf: (place: ReadonlyArray<string | number>) => place.join(" "),
    most,
    bytesOf: ({ bytes }: typeof Summed.Type) => bytes,
    wrong: (row: typeof Summed.Type) => {
      Digest.add(sums, row)
      return null
    }
  }
  return [
    through(db, {
      ...every,
      table: "memories",
      columns: "rid, id AS key, hash, visible AS place, length(content) AS bytes",
      order: { rid: 0 }
    }),
    through(db, {
      ...every,
      table: "conflicts",
      columns: `*, memory_id AS key, ${Digest.places.conflict} AS place, 0 AS bytes`,
      order: { memory_id: "", hlc: "", origin: "" }
    }),
    through(db, {
      ...every,
      table: "objects",
      columns: `type, key, hlc, origin, hash, ${Digest.places.object} AS place, 0 AS bytes`,
      order: { type: "", key: "", hlc: "", origin: "" }
    })
  ]
}

const counted = (db: Database.Database, counts: Map<string, number>, table: "oplog" | "withheld"): Walk =>
  through(db, {
    table,
    columns: "origin, oseq",
    schema: Schema.Struct({ origin: Schema.String }),
    order: { origin: "", oseq: 0 },
    keyOf: (place) => place.join(" "),
    most,
    bytesOf: () => 0,
    wrong: ({ origin }) => {
      counts.set(origin, (counts.get(origin) ?? 0) + 1)
      return null
    }
  })

const Bucket = Schema.Struct({ bucket: Schema.Int, sum: Schema.Int })

const ofDigests = (db: Database.Database, sums: ReadonlyMap<number, number>): ReadonlyArray<Fault> => {
  const kept = new Map(many(db, Bucket, "SELECT bucket, sum FROM digests")().map(({ bucket, sum }) => [bucket, sum]))
  return Array.from({ length: DIGEST_BUCKETS }, (_, bucket) => bucket)
    .filter((bucket) => kept.get(bucket) !== (sums.get(bucket) ?? 0))
    .map((bucket) => ({
      table: "digests",
      key: String(bucket),
      what: "it is not the sum over the rows of this bucket"
    }))
}

/** Only numbers are compared: that a name is in the log twice no database can have. */
const ofVector = (db: Database.Database, counts: ReadonlyMap<string, number>): ReadonlyArray<Fault> => {
  const vector = readVector(db)
  const origins = new Set<string>([...vector.keys(), ...counts.keys()])
  const held = new Map<string, number>(
    Array.from(vector.keys(), (origin) => [origin, VersionVector.count(vector, origin)])
  )
  return Array.from(origins).flatMap((origin): ReadonlyArray<Fault> => {
    const [says, has] = [held.get(origin) ?? 0, counts.get(origin) ?? 0]
    return says === has
      ? []
      : [{ table: "version_vector", key: origin, what: `it says that ${says} operations are held, the log has ${has}` }]
  })
}
