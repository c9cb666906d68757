import * as prng from "../../test/simulation/prng.js"
import type { Fault } from "./Chronicle.js"
import { ROBBING } from "./faults.js"
import type { Plan } from "./Round.js"

export interface Wanted {
  readonly seed: number
  readonly sizes: ReadonlyArray<number>
  readonly secured: ReadonlyArray<boolean>
  readonly faults: ReadonlyArray<Fault>
  readonly seconds: number
}

/** A fault each so many seconds. */
const SECONDS_PER_FAULT = 2.5

/** Rounds without end, from one seed: every kind of fault, mesh and wire comes once before any comes again. */
export function* plans({ faults, seconds, secured, seed, sizes }: Wanted): Generator<Plan, never> {
  const chance = prng.make(`${seed}/chaos`)
  const kinds = sizes.flatMap((size) => secured.map((isSecured) => ({ size, isSecured })))
  const next = dealt(chance.fork("faults"), faults)
  const nextKind = dealt(chance.fork("kinds"), kinds)
  for (let number = 1;; number++) {
    const kind = nextKind(() => true)
    if (kind === null) throw new Error("no kind of mesh is wanted")
    const { isSecured, size } = kind
    const quorumWrites = size > 3 ? chance.int(2, 3) : 2
    // A write that is on W disks outlasts W - 1.
    let robbed = 0
    const taken: Array<Fault> = []
    for (let count = Math.max(1, Math.round(seconds / SECONDS_PER_FAULT)); count > 0; count--) {
      const fault = next((each) => !ROBBING.has(each) || robbed < quorumWrites - 1)
      if (fault === null) break
      if (ROBBING.has(fault)) robbed++
      taken.push(fault)
    }
    yield { number, size, quorumWrites, isSecured, seconds, faults: taken, chance: chance.fork(`round ${number}`) }
  }
}

/** Deals the items in a new order each time that all were dealt, those first that can be had now; null when none can. */
const dealt = <A>(chance: prng.Prng, items: ReadonlyArray<A>) => {
  const hand: Array<A> = []
  return (fits: (item: A) => boolean): A | null => {
    if (!items.some(fits)) return null
    if (!hand.some(fits)) hand.push(...shuffled(chance, items))
    return hand.splice(hand.findIndex(fits), 1)[0] ?? null
  }
}

const shuffled = <A>(chance: prng.Prng, items: ReadonlyArray<A>): ReadonlyArray<A> =>
  items.map((item) => ({ item, at: chance.next() })).sort((a, b) => a.at - b.at).map(({ item }) => item)
