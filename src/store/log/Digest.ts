import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { DIGEST_BUCKETS } from "../../domain/limits.js"

/** What a version is on this node: the same version in another place has another digest. */
export const places = { shadow: 0, visible: 1, archived: 2, conflict: 3, object: 4 } as const
export type Place = (typeof places)[keyof typeof places]

/** Sums are kept to 48 bits, so that adding two is exact. */
export const MODULUS = 2 ** 48

/** The sum over everything, and the buckets that this transaction has changed. Immutable, to be saved and restored. */
interface DigestState {
  readonly total: number
  readonly changes: Change | null
  readonly waiting: Waiting
}

/** What buckets have changed by since they were last written. */
type Waiting = ReadonlyMap<number, number>

interface Change {
  readonly bucket: number
  readonly amount: number
  readonly before: Change | null
}

/**
 * A digest of all rows that are a function of the set of operations, kept in the transaction that changes them. Nodes with
 * equal vectors must have equal digests.
 */
export interface Digest {
  readonly add: (key: string, hash: string, place: Place) => void
  readonly remove: (key: string, hash: string, place: Place) => void
  readonly state: () => DigestState
  readonly restore: (state: DigestState) => void
  /**
   * Writes what has changed. A bucket is a row in one of several pages, and which one is chance: changes of a few wait in a row
   * of `marks`, whose page is written with each transaction anyway, until they are many.
   */
  readonly finish: () => void
}

/** What of a row is summed. */
export const Kept = Schema.Struct({
  key: Schema.String,
  hash: Schema.String,
  place: Schema.Literal(0, 1, 2, 3, 4)
})

/** Buckets whose changes wait: so many that their row fits into its page. */
const MAX_WAITING = 40

const decodeWaiting = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Schema.Tuple(Schema.Int, Schema.Int))))

export const make = (writer: Database.Database): Digest => {
  const fold = writer.prepare("UPDATE digest_sums SET sum = (sum + ?) % ? WHERE bucket = ?")
  const note = writer.prepare("UPDATE marks SET entry = ? WHERE origin = ''")
  const noted = writer.prepare("SELECT entry FROM marks WHERE origin = ''").pluck()
  const count = writer.prepare("SELECT count(*) FROM digest_sums").pluck()
  if (count.get() === 0) build(writer)
  const total = writer.prepare("SELECT sum(sum) % ? FROM digests").pluck()
  let state: DigestState = {
    total: Schema.decodeUnknownSync(Schema.Int)(total.get(MODULUS)),
    changes: null,
    waiting: new Map(decodeWaiting(noted.get()))
  }

  const change = (key: string, amount: number) => {
    state = {
      total: (state.total + amount) % MODULUS,
      changes: { bucket: bucketOf(key), amount, before: state.changes },
      waiting: state.waiting
    }
  }

  return {
    add: (key, hash, place) => change(key, weightOf(hash, place)),
    remove: (key, hash, place) => change(key, MODULUS - weightOf(hash, place)),
    state: () => state,
    restore: (saved) => {
      state = saved
    },
    finish: () => {
      if (state.changes === null) return
      const sums = summed(state.changes, state.waiting)
      const waiting: Waiting = sums.size > MAX_WAITING ? NONE : sums
      if (waiting !== sums) { for (const [bucket, amount] of sums) fold.run(amount, MODULUS, bucket) }
      if (waiting !== state.waiting) note.run(JSON.stringify(Array.from(waiting)))
      state = { total: state.total, changes: null, waiting }
    }
  }
}

const NONE: Waiting = new Map()

/** Which sum a row belongs to: FNV-1a of its key. */
export const bucketOf = (key: string): number => {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash >>> 0) % DIGEST_BUCKETS
}

/** 48 of the 256 bits that the hash of an operation has, others for each place. */
const weightOf = (hash: string, place: Place): number => Number.parseInt(hash.slice(place * 12, place * 12 + 12), 16)

/** A sum with one more version in it, wherever that stands. */
export const addTo = (sum: number, hash: string): number => (sum + weightOf(hash, places.shadow)) % MODULUS

const summed = (changes: Change | null, waiting: Waiting): Waiting => {
  const sums = new Map(waiting)
  for (let change = changes; change !== null; change = change.before) {
    sums.set(change.bucket, ((sums.get(change.bucket) ?? 0) + change.amount) % MODULUS)
  }
  return sums
}

/** Adds a row to the sums by bucket. */
export const add = (sums: Map<number, number>, { hash, key, place }: typeof Kept.Type): void => {
  const bucket = bucketOf(key)
  sums.set(bucket, ((sums.get(bucket) ?? 0) + weightOf(hash, place)) % MODULUS)
}

/** For a database whose rows are older than its digests. */
const build = (writer: Database.Database): void => {
  const decode = Schema.decodeUnknownSync(Kept)
  const sums = new Map<number, number>()
  const rows = writer.prepare(
    `SELECT id AS key, hash, visible AS place FROM memories
     UNION ALL SELECT memory_id, hash, ${places.conflict} FROM conflicts
     UNION ALL SELECT key, hash, ${places.object} FROM objects`
  )
  for (const row of rows.iterate()) {
    add(sums, decode(row))
  }
  const insert = writer.prepare("INSERT INTO digest_sums (bucket, sum) VALUES (?, ?)")
  // What waits is in these sums as well.
  const forget = writer.prepare("UPDATE marks SET entry = '[]' WHERE origin = ''")
  writer.transaction(() => {
    forget.run()
    for (let bucket = 0; bucket < DIGEST_BUCKETS; bucket++) insert.run(bucket, sums.get(bucket) ?? 0)
  })()
}
