import { type Signs, tablesOf } from "./codes.js"

/** Rows whose vectors seem nearest, and how near: a number that orders, and says nothing else. */
interface Near {
  readonly rid: number
  readonly nearness: number
}

/** The signs of all vectors of a node, in memory: all of them are looked at for each question. */
export interface SignIndex {
  /** Parts of one row are added one by one. A row is never added again. */
  readonly add: (rid: number, namespace: string, signs: Signs) => void
  /** What is kept of rows that are gone is left out from now on. */
  readonly remove: (rids: ReadonlySet<number>) => void
  /** At most `most` rows of those that are allowed, the nearest first. */
  readonly nearest: (question: Float32Array, most: number, allowed: Allowed) => ReadonlyArray<Near>
  readonly rows: () => number
  readonly parts: () => number
}

/** Which rows may be found. Both hold. */
export interface Allowed {
  /** Any when undefined. */
  readonly namespaces?: ReadonlySet<string> | undefined
  readonly rids?: ReadonlySet<number> | undefined
}

const FIRST_ROOM = 1024

export const make = (dimensions: number): SignIndex => {
  const width = Math.ceil(dimensions / 8)
  const names = new Map<string, number>()
  let signs = new Uint8Array(FIRST_ROOM * width)
  let rids = new Float64Array(FIRST_ROOM)
  let places = new Uint32Array(FIRST_ROOM)
  let size = 0
  let rows = 0

  const grow = () => {
    const room = rids.length * 2
    signs = grown(signs, new Uint8Array(room * width))
    rids = grown(rids, new Float64Array(room))
    places = grown(places, new Uint32Array(room))
  }

  const placeOf = (namespace: string): number => {
    const known = names.get(namespace)
    if (known !== undefined) return known
    names.set(namespace, names.size)
    return names.size - 1
  }

  return {
    rows: () => rows,
    parts: () => size,
    add: (rid, namespace, vector) => {
      if (size === rids.length) grow()
      if (size === 0 || rids[size - 1] !== rid) rows += 1
      signs.set(vector, size * width)
      rids[size] = rid
      places[size] = placeOf(namespace)
      size += 1
    },
    remove: (gone) => {
      let to = 0
      const removed = new Set<number>()
      for (let at = 0; at < size; at += 1) {
        const rid = rids[at] ?? 0
        if (gone.has(rid)) {
          removed.add(rid)
          continue
        }
        signs.copyWithin(to * width, at * width, (at + 1) * width)
        rids[to] = rid
        places[to] = places[at] ?? 0
        to += 1
      }
      size = to
      rows -= removed.size
    },
    nearest: (question, most, { namespaces, rids: only }) => {
      const open = namespaces === undefined ? undefined : new Set(
        Array.from(namespaces).flatMap((name) => names.get(name) ?? [])
      )
      const isAllowed = open === undefined && only === undefined ?
        undefined :
        (at: number) =>
          (open === undefined || open.has(places[at] ?? 0)) && (only === undefined || only.has(rids[at] ?? 0))
      const looked = isAllowed === undefined ? undefined : allowedOf(size, isAllowed)
      return nearestOf({ signs, rids, width, size, looked }, question, most)
    }
  }
}

/** What there is to look at: everything, or what stands at these places. */
interface Field {
  readonly signs: Uint8Array
  readonly rids: Float64Array
  readonly width: number
  readonly size: number
  readonly looked: Uint32Array | undefined
}

/** The first signs of all, and the others of those that look promising by them; of each row the best part. */
const nearestOf = (
  { looked, rids, signs, size, width }: Field,
  question: Float32Array,
  most: number
): ReadonlyArray<Near> => {
  const tables = tablesOf(question)
  const sums = sumsOf({ signs, tables, width, to: Math.ceil(width * FIRST_LOOK), at: looked, size })
  const promising = greatest(sums, Math.max(LEAST_PROMISING, most * PROMISING_PER_RESULT))
    .map((place) => looked?.[place] ?? place)
  const whole = sumsOf({ signs, tables, width, to: width, at: Uint32Array.from(promising), size: promising.length })
  const best = new Map<number, number>()
  for (const [place, at] of promising.entries()) {
    const rid = rids[at] ?? 0
    const nearness = whole[place] ?? 0
    if (nearness > (best.get(rid) ?? -Infinity)) best.set(rid, nearness)
  }
  return Array.from(best, ([rid, nearness]) => ({ rid, nearness }))
    .sort((a, b) => b.nearness - a.nearness || a.rid - b.rid)
    .slice(0, most)
}

const allowedOf = (size: number, isAllowed: (at: number) => boolean): Uint32Array => {
  const allowed = new Uint32Array(size)
  let count = 0
  for (let at = 0; at < size; at += 1) {
    if (!isAllowed(at)) continue
    allowed[count] = at
    count += 1
  }
  return allowed.subarray(0, count)
}

/** What the first bytes of the signs of each vector add up to: of all, or of those that stand at these places. */
const sumsOf = ({ at, signs, size, tables, to, width }: {
  readonly signs: Uint8Array
  readonly tables: Float32Array
  readonly width: number
  readonly to: number
  readonly at: Uint32Array | undefined
  readonly size: number
}): Float32Array => {
  const sums = new Float32Array(at?.length ?? size)
  for (let place = 0; place < sums.length; place += 1) {
    const start = (at?.[place] ?? place) * width
    let sum = 0
    for (let byte = 0; byte < to; byte += 1) sum += tables[(byte << 8) + (signs[start + byte] ?? 0)] ?? 0
    sums[place] = sum
  }
  return sums
}

/** Where the greatest numbers stand, about so many of them: sorted into bins, and the best bins taken. */
const greatest = (values: Float32Array, most: number): ReadonlyArray<number> => {
  let least = Infinity
  let top = -Infinity
  for (const value of values) {
    if (value > top) top = value
    if (value < least) least = value
  }
  const scale = top > least ? (BINS - 1) / (top - least) : 0
  const bins = new Uint32Array(BINS)
  const binOf = (value: number) => Math.min(BINS - 1, Math.floor((value - least) * scale))
  for (const value of values) bins[binOf(value)] = (bins[binOf(value)] ?? 0) + 1
  let bin = BINS
  for (let found = 0; bin > 0 && found < most;) {
    bin -= 1
    found += bins[bin] ?? 0
  }
  const places: Array<number> = []
  values.forEach((value, at) => {
    if (binOf(value) >= bin) places.push(at)
  })
  return places
}

const BINS = 4096

/** The share of the signs that is looked at in all vectors: the first ones are those in which texts differ most. */
const FIRST_LOOK = 0.375
/** The others are looked at in so many vectors for each row that is asked for. */
const PROMISING_PER_RESULT = 8
const LEAST_PROMISING = 400

const grown = <A extends { set: (from: A) => void }>(from: A, to: A): A => {
  to.set(from)
  return to
}
