import * as prng from "./prng.js"

/**
 * A disk that is no more, and what its node goes on with: `older`, a copy of the database from before its last start; `same
 * run`, an online backup since then, which fits the lock file that stays; `folder`, a copy with its lock file; `emptied`,
 * nothing at all; `cloned`, the folder of another node.
 */
export type LostDisk = typeof LOST_DISKS[number]
const LOST_DISKS = ["older", "same run", "folder", "emptied", "cloned"] as const

/** Everything that makes one simulation differ from another. All of it follows from the seed. */
export interface Options {
  readonly seed: number
  readonly nodes: number
  /** W as configured; null leaves it to the node: a majority. */
  readonly quorumWrites: number | null
  readonly ackMillis: number
  readonly catchupSeconds: number
  /** Every node has a key, and the others know it. By the seed alone, so that nothing else differs by it. */
  readonly sealed: boolean
  /** Spans are made: nothing else is to differ by it. */
  readonly traced: boolean
  /** One of the peers is configured under two addresses. */
  readonly aliased: boolean
  readonly scheduler: { readonly disorder: number; readonly yieldAfter: number }
  readonly network: {
    readonly delayMillis: number
    /** Of the slowest pairs. */
    readonly slowMillis: number
    readonly loss: number
    readonly lostAnswers: number
    readonly duplicates: number
  }
  readonly disk: { readonly full: number; readonly error: number; readonly crash: number }
  /** It begins with a time in which nothing goes wrong. */
  readonly calm: boolean
  readonly safetySeconds: number
  /** How many faults that last are begun. */
  readonly episodes: number
  /** What becomes of the disk of one node, beside what a crash leaves of it. */
  readonly lostDisk: LostDisk | null
  /** Two nodes come back under each other's address. */
  readonly swaps: boolean
  /** One peer is slow but right: a round trip to it takes this share of the deadline of a write. 0: none is. */
  readonly slowShare: number
  /** A clock is hours ahead for a while, and right again. */
  readonly fastClock: boolean
  /** A clock is nearly as far ahead as the others take, all the time. */
  readonly leadingClock: boolean
  /** Clients' mean pause between calls. */
  readonly thinkMillis: number
  readonly workloads: ReadonlyArray<string>
}

export const fromSeed = (seed: number, workloads: ReadonlyArray<string>): Options => {
  const chance = prng.make(seed)
  const rarely = (value: number) => chance.chance(0.3) ? value : 0
  const nodes = chance.pick([3, 3, 3, 3, 4, 5])
  const quorumWrites = chance.chance(0.8) ? null : chance.int(1, nodes)
  const taken = chance.chance(0.004) ? ["piles"] : some(chance, workloads)
  const needsFormat2 = taken.some((name) => NEEDS_FORMAT_2.includes(name))
  return {
    seed,
    nodes,
    quorumWrites,
    ackMillis: chance.pick([400, 600, 1_000, 2_000]),
    catchupSeconds: chance.pick([2, 3, 5, 8]),
    sealed: seed % 2 === 0,
    traced: chance.chance(0.04),
    aliased: chance.chance(0.08) && !needsFormat2,
    scheduler: {
      disorder: chance.pick([0, 0.2, 1]),
      yieldAfter: chance.pick([2048, 2048, 200, 30])
    },
    network: {
      delayMillis: chance.pick([1, 5, 20]),
      slowMillis: chance.pick([5, 60, 250]),
      loss: chance.pick([0, 0.02, 0.1]),
      lostAnswers: chance.pick([0, 0.02, 0.1]),
      duplicates: chance.pick([0, 0.05, 0.2])
    },
    disk: { full: rarely(0.03), error: rarely(0.006), crash: chance.pick([0, 0.002, 0.006]) },
    calm: chance.chance(0.12),
    safetySeconds: chance.int(3, 9),
    episodes: chance.int(1, 4),
    // One disk may be lost only where a write is on two.
    lostDisk: chance.chance(0.1) ? lost(chance.pick(LOST_DISKS), needsFormat2) : null,
    swaps: chance.chance(0.06) && !needsFormat2,
    thinkMillis: chance.pick([600, 1_200, 2_400]),
    workloads: taken,
    slowShare: chance.chance(0.05) ? chance.pick([0.45, 0.8]) : 0,
    fastClock: chance.chance(0.1),
    leadingClock: chance.chance(0.08)
  }
}

/**
 * What hangs on the second format of operations, which a node does not write before it has met a peer at every address: not at
 * one that is new, and never at the second one of a peer.
 */
const NEEDS_FORMAT_2 = ["elsewhere", "expiring", "recalls"]

/** Nor at a node whose disk was lost with all that it knew of its peers. */
const lost = (kind: LostDisk, needsFormat2: boolean): LostDisk | null =>
  needsFormat2 && (kind === "emptied" || kind === "cloned") ? null : kind

/** One to three of them. */
const some = (chance: prng.Prng, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const count = chance.pick([1, 1, 2, 2, 3])
  return Array.from(new Set(Array.from({ length: count }, () => chance.pick(names))))
}

/** What is asked for in place of what a seed says. Whoever asks knows the names. */
export const isFocus = (value: unknown): value is Partial<Options> => typeof value === "object" && value !== null
