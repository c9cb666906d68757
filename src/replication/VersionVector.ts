import * as Schema from "effect/Schema"
import { Origin } from "../domain/ids.js"
import { MAX_ORIGIN_CHARS } from "../domain/limits.js"

/**
 * Which operations a node holds: per origin the contiguous prefix `1..upto`, and the closed ranges beyond a gap.
 * Always canonical: no entry holds nothing, ranges ascend, and no two of them (nor the prefix and the first) touch.
 * So two vectors that hold the same operations are equal entry by entry.
 */
export type VersionVector = ReadonlyMap<Origin, Entry>

/** Closed on both sides: `[from, to]` holds both ends. */
export type Range = readonly [from: number, to: number]

export interface Entry {
  /** 0 when the origin's first operation is still missing. */
  readonly upto: number
  readonly beyond: ReadonlyArray<Range>
}

/** A closed range of one origin's operations. */
export interface OriginRange {
  readonly origin: Origin
  readonly from: number
  readonly to: number
}

const maxOrigins = 4096
export const maxRangesPerOrigin = 1024

/** Whether a text from elsewhere is an origin: the id of a node, a slash, the number of its incarnation. */
export const isOrigin = (text: string): boolean => text.length <= MAX_ORIGIN_CHARS && ORIGIN.test(text)

const ORIGIN = /^[A-Za-z0-9_:@./-]+\/[1-9][0-9]*$/

export const empty: VersionVector = new Map()

const nothing: Entry = { upto: 0, beyond: [] }

export const entry = (vv: VersionVector, origin: Origin): Entry => vv.get(origin) ?? nothing

/** The last sequence below which nothing of this origin is missing; 0 when even the first is. */
export const upto = (vv: VersionVector, origin: Origin): number => vv.get(origin)?.upto ?? 0

/** How many operations of an origin are held. */
export const count = (vv: VersionVector, origin: Origin): number =>
  entry(vv, origin).beyond.reduce((sum, [from, to]) => sum + to - from + 1, upto(vv, origin))

export const contains = (vv: VersionVector, origin: Origin, oseq: number): boolean => {
  const held = vv.get(origin)
  if (held === undefined || oseq < 1) return false
  return oseq <= held.upto || isWithin(held.beyond[firstUpTo(held.beyond, oseq)], oseq)
}

const isWithin = (range: Range | undefined, oseq: number): boolean => range !== undefined && range[0] <= oseq

/** Where the first range is that ends at a sequence or after it. */
const firstUpTo = (ranges: ReadonlyArray<Range>, oseq: number): number => {
  let low = 0
  let high = ranges.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ranges[middle]?.[1] ?? oseq) < oseq) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether an operation joins a range that is held, so that no gap more is made by it. */
export const touches = ({ beyond, upto }: Entry, oseq: number): boolean => {
  const range = beyond[firstUpTo(beyond, oseq - 1)]
  return oseq === upto + 1 || range?.[1] === oseq - 1 || range?.[0] === oseq + 1
}

/**
 * Adds one operation; the same vector when it is held already. A sequence that is no safe positive integer is a bug of
 * the caller (everything from outside is decoded before), and throws rather than corrupt the vector.
 */
export const add = (vv: VersionVector, origin: Origin, oseq: number): VersionVector => {
  if (!Number.isSafeInteger(oseq) || oseq < 1) throw new RangeError(`no operation has the sequence ${oseq}`)
  return contains(vv, origin, oseq) ? vv : put(vv, origin, withOne(entry(vv, origin), oseq))
}

/** One more, which is not held: only what is beside it is looked at. */
const withOne = ({ beyond, upto }: Entry, oseq: number): Entry => {
  const at = firstUpTo(beyond, oseq - 1)
  const before = beyond[at]?.[1] === oseq - 1 ? beyond[at] : undefined
  const next = before === undefined ? at : at + 1
  const after = beyond[next]?.[0] === oseq + 1 ? beyond[next] : undefined
  const rest = after === undefined ? next : next + 1
  const last = after?.[1] ?? oseq
  // Nothing of the ranges lies before the first one.
  if (oseq === upto + 1) return { upto: last, beyond: rest === 0 ? beyond : beyond.slice(rest) }
  return { upto, beyond: beyond.toSpliced(at, rest - at, [before?.[0] ?? oseq, last]) }
}

/** Takes one operation out; the same vector when it is not held. */
export const remove = (vv: VersionVector, origin: Origin, oseq: number): VersionVector => {
  if (!contains(vv, origin, oseq)) return vv
  const left = subtract(entry(vv, origin), { upto: 0, beyond: [[oseq, oseq]] })
  if (left.length > 0) return put(vv, origin, union(nothing, { upto: 0, beyond: left }))
  const rest = new Map(vv)
  rest.delete(origin)
  return rest
}

/** Holds what either holds. */
export const merge = (a: VersionVector, b: VersionVector): VersionVector => {
  const news = new Map<Origin, Entry>()
  for (const [origin, theirs] of b) {
    const ours = entry(a, origin)
    if (!covers(ours, theirs)) news.set(origin, union(ours, theirs))
  }
  return withAll(a, news)
}

export const equals = (a: VersionVector, b: VersionVector): boolean => {
  if (a.size !== b.size) return false
  for (const [origin, ours] of a) {
    const theirs = b.get(origin)
    if (theirs === undefined || !sameEntry(ours, theirs)) return false
  }
  return true
}

/** `a` holds everything that `b` holds. */
export const dominates = (a: VersionVector, b: VersionVector): boolean => {
  for (const [origin, theirs] of b) {
    if (!covers(entry(a, origin), theirs)) return false
  }
  return true
}

/** What `mine` holds and `theirs` lacks: by origin, then ascending; the ranges of one origin neither meet nor touch. */
export const missing = (mine: VersionVector, theirs: VersionVector): ReadonlyArray<OriginRange> => {
  const lacking: Array<OriginRange> = []
  for (const [origin, ours] of mine) {
    for (const [from, to] of subtract(ours, entry(theirs, origin))) lacking.push({ origin, from, to })
  }
  return lacking.sort((a, b) => a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : a.from - b.from)
}

/** Whether `a` holds operations of the origin that `b` lacks, also beyond a gap. */
export const holdsMoreOf = (origin: Origin, a: VersionVector, b: VersionVector): boolean =>
  !covers(entry(b, origin), entry(a, origin))

/** A vector from entries in any form: overlapping, touching or empty ranges are brought into the canonical form. */
export const fromEntries = (entries: Iterable<readonly [origin: Origin, entry: Entry]>): VersionVector => {
  const vv = new Map<Origin, Entry>()
  for (const [origin, given] of entries) {
    const held = union(entry(vv, origin), given)
    if (held.upto > 0 || held.beyond.length > 0) vv.set(origin, held)
  }
  return vv
}

const Sequence = Schema.Int.pipe(Schema.between(1, Number.MAX_SAFE_INTEGER))
const Upto = Schema.Int.pipe(Schema.between(0, Number.MAX_SAFE_INTEGER))

/** One origin's entry: its `upto` alone, or with gaps `[upto, [from, to], …]`. */
const EntryJson = Schema.Union(
  Upto,
  Schema.Tuple([Upto], Schema.Tuple(Sequence, Sequence)).pipe(
    Schema.filter(([upto, ...ranges]) =>
      ascending(upto, ranges) || "ranges must ascend, must not overlap, and begin above upto + 1"
    )
  )
)
type EntryJson = typeof EntryJson.Type

const RecordJson = Schema.Record({ key: Schema.String, value: EntryJson })

/** The JSON form: `{ "<origin>": upto }`, and `[upto, [from, to], …]` for an origin with gaps. */
type Json = typeof RecordJson.Encoded

const BoundedJson = RecordJson.pipe(
  Schema.filter((record) => {
    const origins = Object.keys(record)
    if (origins.length > maxOrigins) return `at most ${maxOrigins} origins`
    return origins.every(isOrigin) || "an origin is <node id>/<number>"
  }),
  Schema.filter((record) =>
    Object.values(record).every((value) => typeof value === "number" || value.length <= 1 + maxRangesPerOrigin)
    || `at most ${maxRangesPerOrigin} ranges beyond a gap of one origin`
  )
)

const Self: Schema.Schema<VersionVector> = Schema.ReadonlyMapFromSelf({
  key: Schema.typeSchema(Origin),
  value: Schema.Struct({ upto: Upto, beyond: Schema.Array(Schema.Tuple(Sequence, Sequence)) })
})

/** This node's own record of its vector, without the bounds on what others may send. */
export const Stored: Schema.Schema<VersionVector, Json> = Schema.transform(RecordJson, Self, {
  strict: true,
  decode: (record) => fromJson(record),
  encode: (vv) => toJson(vv)
})

/** As in every message between nodes. Decoding refuses what is beyond the bounds; encoding keeps within them. */
export const Wire: Schema.Schema<VersionVector, Json> = Schema.transform(BoundedJson, Self, {
  strict: true,
  decode: (record) => fromJson(record),
  encode: (vv) => toWire(vv)
})

/** A vector of a message where nothing is missing before what is held, as nearly always. */
export type Gapless = Readonly<Record<Origin, number>>

/** Whether it is one, found without the schema; what is not may be right all the same. */
export const isGapless = (value: unknown): value is Gapless => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const entries = Object.entries(value)
  return entries.length <= maxOrigins &&
    entries.every(([origin, upto]) => Number.isSafeInteger(upto) && upto > 0 && isOrigin(origin))
}

export const ofGapless = (record: Gapless): VersionVector => {
  const vv = new Map<Origin, Entry>()
  for (const [origin, upto] of Object.entries(record)) vv.set(Origin.make(origin), { upto, beyond: nothing.beyond })
  return vv
}

/** The whole vector, for this node's own record. */
export const toJson = (vv: VersionVector): Record<string, EntryJson> =>
  Object.fromEntries(Array.from(vv, ([origin, held]) => [origin, entryToJson(held, held.beyond.length)]))

/**
 * The vector within the bounds of a message. What has no room is left out: to claim less than one holds is safe, it is
 * sent again and found to be a duplicate.
 */
export const toWire = (vv: VersionVector): Record<string, EntryJson> =>
  Object.fromEntries(
    Array.from(vv).slice(0, maxOrigins).map(([origin, held]) => [origin, entryToJson(held, maxRangesPerOrigin)])
  )

const entryToJson = ({ beyond, upto }: Entry, maxRanges: number): EntryJson =>
  beyond.length === 0 ? upto : [upto, ...beyond.slice(0, maxRanges)]

const fromJson = (record: Readonly<Record<string, EntryJson>>): VersionVector =>
  fromEntries(Object.entries(record).map(([origin, value]) => [Origin.make(origin), entryFromJson(value)] as const))

const entryFromJson = (value: EntryJson): Entry => {
  if (typeof value === "number") return { upto: value, beyond: [] }
  const [upto, ...beyond] = value
  return { upto, beyond }
}

/** Touching ranges are let through: they mean what their union means. */
const ascending = (upto: number, ranges: ReadonlyArray<Range>): boolean => {
  let last = upto + 1
  for (const [from, to] of ranges) {
    if (from <= last || to < from) return false
    last = to
  }
  return true
}

const put = (vv: VersionVector, origin: Origin, held: Entry): VersionVector =>
  vv.size <= FEW ? new Map(vv).set(origin, held) : withAll(vv, new Map([[origin, held]]))

/** So many entries are copied at once; a map that has more is not copied for a change of a few. */
const FEW = 64

/** A vector with other entries of some origins. It costs as much as there are of those, however many others there are. */
const withAll = (vv: VersionVector, news: ReadonlyMap<Origin, Entry>): VersionVector => {
  if (news.size === 0) return vv
  if (vv.size <= FEW) return new Map([...vv, ...news])
  const { base, changed } = vv instanceof Layered ? vv : { base: vv, changed: [] }
  const over = new Map([...changed, ...news])
  const layered = new Layered(base, over)
  return over.size <= FEW ? layered : new Map(layered)
}

/** A map over another one, of which a few entries are changed or new. It never changes itself. */
class Layered extends Map<Origin, Entry> {
  readonly base: VersionVector
  readonly changed: ReadonlyMap<Origin, Entry>
  private readonly count: number

  constructor(base: VersionVector, changed: ReadonlyMap<Origin, Entry>) {
    super()
    this.base = base
    this.changed = changed
    this.count = Array.from(changed.keys()).reduce((sum, origin) => base.has(origin) ? sum : sum + 1, base.size)
  }

  override get size(): number {
    return this.count
  }

  override get(origin: Origin): Entry | undefined {
    return this.changed.get(origin) ?? this.base.get(origin)
  }

  override has(origin: Origin): boolean {
    return this.changed.has(origin) || this.base.has(origin)
  }

  override *entries(): Generator<[Origin, Entry], undefined> {
    for (const [origin, held] of this.base) yield [origin, this.changed.get(origin) ?? held]
    for (const [origin, held] of this.changed) if (!this.base.has(origin)) yield [origin, held]
    return undefined
  }

  override *keys(): Generator<Origin, undefined> {
    for (const [origin] of this.entries()) yield origin
    return undefined
  }

  override *values(): Generator<Entry, undefined> {
    for (const [, held] of this.entries()) yield held
    return undefined
  }

  override forEach(tell: (held: Entry, origin: Origin, map: Map<Origin, Entry>) => void): void {
    for (const [origin, held] of this.entries()) tell(held, origin, this)
  }

  override [Symbol.iterator]() {
    return this.entries()
  }
}

/** The whole entry as ranges, the prefix first. */
const rangesOf = ({ beyond, upto }: Entry): ReadonlyArray<Range> => upto > 0 ? [[1, upto], ...beyond] : beyond

const union = (a: Entry, b: Entry): Entry => {
  const ranges = [...rangesOf(a), ...rangesOf(b)].sort((x, y) => x[0] - y[0])
  const joined: Array<[from: number, to: number]> = []
  for (const [from, to] of ranges) {
    const last = joined.at(-1)
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to)
    else joined.push([from, to])
  }
  const [first, ...beyond] = joined
  return first !== undefined && first[0] === 1 ? { upto: first[1], beyond } : { upto: 0, beyond: joined }
}

/** The parts of `a` that are not in `b`. Both are canonical, so that one walk over both is enough. */
const subtract = (a: Entry, b: Entry): ReadonlyArray<Range> => {
  const rest: Array<Range> = []
  const holes = rangesOf(b)
  let at = 0
  for (const [from, to] of rangesOf(a)) {
    let next = from
    for (let hole = holes[at]; hole !== undefined && hole[0] <= to; hole = holes[at]) {
      if (hole[0] > next) rest.push([next, hole[0] - 1])
      next = Math.max(next, hole[1] + 1)
      if (hole[1] > to) break
      at++
    }
    if (next <= to) rest.push([next, to])
  }
  return rest
}

const covers = (a: Entry, b: Entry): boolean =>
  (b.upto <= a.upto && b.beyond.length === 0) || subtract(b, a).length === 0

const sameEntry = (a: Entry, b: Entry): boolean =>
  a.upto === b.upto && a.beyond.length === b.beyond.length
  && a.beyond.every(([from, to], i) => b.beyond[i]?.[0] === from && b.beyond[i]?.[1] === to)
