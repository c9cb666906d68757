import { allows, type Namespaces } from "../../domain/namespaces.js"
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
  /** Patterns of namespaces; any when undefined. */
  readonly within?: Namespaces | undefined
}

const isOpen = (name: string, { namespaces, within = ["*"] }: Allowed): boolean =>
  namespaces?.has(name) !== false && allows(within, name)

const FIRST_ROOM = 1024

export const make = (dimensions: number): SignIndex => {
  const width = Math.ceil(dimensions / BITS)
  const names = new Map<string, number>()
  let signs = new Uint32Array(FIRST_ROOM * width)
  let rids = new Float64Array(FIRST_ROOM)
  let places = new Uint32Array(FIRST_ROOM)
  let size = 0
  let rows = 0

  const grow = () => {
    const room = rids.length * 2
    signs = grown(signs, new Uint32Array(room * width))
    rids = grown(rids, new Float64Array(room))
    places = grown(places, new Uint32Array(room))
  }

  const placeOf = (namespace: string): number => {
    const known = names.get(namespace)
    if (known !== undefined) return known
    names.set(namespace, names.size)
    return names.size - 1
  }

  /** Where there is something to look at; undefined for everywhere. */
  const lookedAt = ({ namespaces, rids: only, within }: Allowed): Uint32Array | undefined => {
    if ((namespaces ?? only ?? within) === undefined) return undefined
    const open = new Uint8Array(names.size)
    for (const [name, place] of names) open[place] = isOpen(name, { namespaces, within }) ? 1 : 0
    const looked = new Uint32Array(size)
    let count = 0
    for (let at = 0; at < size; at += 1) {
      if (open[places[at] ?? 0] === 0 || (only !== undefined && !only.has(rids[at] ?? 0))) continue
      looked[count] = at
      count += 1
    }
    return looked.subarray(0, count)
  }

  return {
    rows: () => rows,
    parts: () => size,
    add: (rid, namespace, vector) => {
      if (size === rids.length) grow()
      if (size === 0 || rids[size - 1] !== rid) rows += 1
      for (let word = 0; word < width; word += 1) signs[size * width + word] = wordOf(vector, word)
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
    nearest: (question, most, allowed) =>
      nearestOf({ signs, rids, width, size, looked: lookedAt(allowed) }, question, most)
  }
}

/** The signs of so many numbers are kept in one. */
const BITS = 32

const wordOf = (signs: Signs, word: number): number => {
  const from = word * BYTES
  return (signs[from] ?? 0) | (signs[from + 1] ?? 0) << 8 | (signs[from + 2] ?? 0) << 16 | (signs[from + 3] ?? 0) << 24
}

/** What there is to look at: everything, or what stands at these places. */
interface Field {
  readonly signs: Uint32Array
  readonly rids: Float64Array
  readonly width: number
  readonly size: number
  readonly looked: Uint32Array | undefined
}

/** The first signs of all, and the others of those that look promising by them; of each row the best part. */
const nearestOf = (field: Field, question: Float32Array, most: number): ReadonlyArray<Near> => {
  const { rids, signs, width } = field
  const tables = tablesOf(question)
  const promising = promisingOf(field, tables, Math.max(LEAST_PROMISING, most * PROMISING_PER_RESULT))
  const rows = new Float64Array(promising.length)
  const nearness = new Float64Array(promising.length)
  let count = 0
  for (let place = 0; place < promising.length; place += 1) {
    const at = promising[place] ?? 0
    const rid = rids[at] ?? 0
    const sum = sumOf(signs, at * width, width, tables)
    // The parts of a row stand side by side.
    if (count > 0 && rows[count - 1] === rid) {
      if (sum > (nearness[count - 1] ?? 0)) nearness[count - 1] = sum
      continue
    }
    rows[count] = rid
    nearness[count] = sum
    count += 1
  }
  return bestOf(rows.subarray(0, count), nearness.subarray(0, count), most)
}

/** The nearest of these rows, in their order: few of many, so only those that may be among them become objects. */
const bestOf = (rows: Float64Array, nearness: Float64Array, most: number): ReadonlyArray<Near> => {
  const least = nearness.length > most ? nearness.slice().sort()[nearness.length - most] ?? -Infinity : -Infinity
  const best: Array<Near> = []
  for (let at = 0; at < rows.length; at += 1) {
    const near = nearness[at] ?? -Infinity
    if (near >= least) best.push({ rid: rows[at] ?? 0, nearness: near })
  }
  return best.sort((a, b) => b.nearness - a.nearness || a.rid - b.rid).slice(0, most)
}

/** About `most` places, and more where many are equal: the greatest sums over the first signs, found by counting them. */
const promisingOf = ({ looked, signs, size, width }: Field, tables: Float32Array, most: number): Array<number> => {
  const words = Math.ceil(width * FIRST_LOOK)
  const levels = levelsOf(tables.subarray(0, words * BYTES * 256))
  const sums = new Uint16Array(looked?.length ?? size)
  const counts = new Uint32Array(LEVELS + words * BYTES)
  for (let place = 0; place < sums.length; place += 1) {
    const sum = sumOf(signs, (looked === undefined ? place : looked[place] ?? 0) * width, words, levels)
    sums[place] = sum
    counts[sum] = (counts[sum] ?? 0) + 1
  }
  let least = counts.length
  for (let found = 0; least > 0 && found < most;) {
    least -= 1
    found += counts[least] ?? 0
  }
  const promising: Array<number> = []
  for (let place = 0; place < sums.length; place += 1) {
    if ((sums[place] ?? 0) >= least) promising.push(looked === undefined ? place : looked[place] ?? 0)
  }
  return promising
}

/** What the tables have for the four bytes of each word, from the first on. */
const sumOf = (signs: Uint32Array, from: number, words: number, tables: Float32Array): number => {
  let sum = 0
  for (let word = 0; word < words; word += 1) {
    const bytes = signs[from + word] ?? 0
    const table = word * BYTES * 256
    sum += (tables[table + (bytes & 255)] ?? 0) + (tables[table + 256 + (bytes >>> 8 & 255)] ?? 0) +
      (tables[table + 512 + (bytes >>> 16 & 255)] ?? 0) + (tables[table + 768 + (bytes >>> 24)] ?? 0)
  }
  return sum
}

/** The same tables in whole numbers from 0 on: a sum over all of them is less than `LEVELS`, and one for each table. */
const levelsOf = (tables: Float32Array): Float32Array => {
  const leasts = new Float64Array(tables.length / 256)
  let span = 0
  for (let table = 0; table < leasts.length; table += 1) {
    let least = Infinity
    let most = -Infinity
    for (let at = table * 256; at < (table + 1) * 256; at += 1) {
      const value = tables[at] ?? 0
      if (value < least) least = value
      if (value > most) most = value
    }
    leasts[table] = least
    span += most - least
  }
  const scale = span > 0 ? (LEVELS - 1) / span : 0
  const levels = new Float32Array(tables.length)
  for (let at = 0; at < levels.length; at += 1) {
    levels[at] = Math.round(((tables[at] ?? 0) - (leasts[at >> 8] ?? 0)) * scale)
  }
  return levels
}

const BYTES = BITS / 8
const LEVELS = 4096

/** The share of the signs that is looked at in all vectors: the first ones are those in which texts differ most. */
const FIRST_LOOK = 0.375
/** The others are looked at in so many vectors for each row that is asked for. */
const PROMISING_PER_RESULT = 8
const LEAST_PROMISING = 400

const grown = <A extends { set: (from: A) => void }>(from: A, to: A): A => {
  to.set(from)
  return to
}
