/** A stream of chance that depends on its seed alone. */
export interface Prng {
  /** Uniform in [0, 1). */
  readonly next: () => number
  /** A whole number, both ends included. */
  readonly int: (from: number, to: number) => number
  readonly between: (from: number, to: number) => number
  readonly chance: (probability: number) => boolean
  readonly pick: <A>(items: ReadonlyArray<A>) => A
  /** A positive number with this mean: the time until something that happens at random. */
  readonly exponential: (mean: number) => number
  readonly uuid: () => string
  /** A stream of its own: what is drawn from it disturbs no other. */
  readonly fork: (label: string) => Prng
}

export const make = (seed: number | string): Prng => {
  const next = sfc32(seedsOf(String(seed)))
  const int = (from: number, to: number) => from + Math.floor(next() * (to - from + 1))
  return {
    next,
    int,
    between: (from, to) => from + next() * (to - from),
    chance: (probability) => next() < probability,
    pick: (items) => {
      const picked = items[int(0, items.length - 1)]
      if (picked === undefined) throw new RangeError("nothing to pick from")
      return picked
    },
    exponential: (mean) => -mean * Math.log(1 - next()),
    uuid: () => {
      const hex = Array.from({ length: 4 }, () => Math.floor(next() * 0x1_0000_0000).toString(16).padStart(8, "0"))
        .join("")
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
    },
    fork: (label) => make(`${seed}/${label}/${int(0, 0x7fff_ffff)}`)
  }
}

type State = readonly [number, number, number, number]

/** FNV-1a under four offsets. */
const seedsOf = (text: string): State => {
  const hash = (offset: number) => {
    let value = offset
    for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193)
    return value >>> 0
  }
  return [hash(0x811c_9dc5), hash(0x1234_5678), hash(0x9e37_79b9), 1]
}

const sfc32 = ([first, second, third, fourth]: State) => {
  let a = first
  let b = second
  let c = third
  let counter = fourth
  const next = () => {
    const sum = (a + b + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum | 0
    return (sum >>> 0) / 0x1_0000_0000
  }
  for (let index = 0; index < 15; index++) next()
  return next
}
