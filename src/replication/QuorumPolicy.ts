import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

/**
 * How many nodes must hold a write before its caller is answered, and how long it waits for them. A write that misses
 * its quorum is kept and replicates all the same: the policy decides what an answer means, not what becomes of the
 * write. To survive the loss of any f nodes, an acknowledged write needs W = f + 1; to find it on any majority, W =
 * `majority(n)`.
 */
export interface QuorumPolicy {
  /** Nodes of the mesh, this one included; at least 1. */
  readonly n: number
  /** Nodes that must hold a write, the local commit included; 1..n. */
  readonly w: number
  /** The one deadline of a write's fan-out. */
  readonly ackTimeout: Duration.Duration
  /** A peer's clock further off than this is worth a warning; it fails no write. */
  readonly clockSkewWarn: Duration.Duration
}

/** No policy can be made of this: the mesh has at least one node, and both numbers are whole. */
export class InvalidPolicy extends Data.TaggedError("InvalidPolicy")<{
  readonly field: "n" | "w"
  readonly value: number
}> {
  override get message() {
    const expected = this.field === "n" ? "n must be a whole number >= 1" : "w must be a whole number"
    return `invalid quorum policy: ${expected}, got ${this.value}`
  }
}

export const defaultAckTimeout = Duration.seconds(2)
export const defaultClockSkewWarn = Duration.seconds(30)

/**
 * `w` is clamped to 1..n; see `clampedFrom` for whether it was. Fails when the numbers are not whole, or there is no
 * node.
 */
export const make = (options: {
  readonly n: number
  readonly w: number
  readonly ackTimeout?: Duration.Duration
  readonly clockSkewWarn?: Duration.Duration
}): Either.Either<QuorumPolicy, InvalidPolicy> => {
  const { ackTimeout = defaultAckTimeout, clockSkewWarn = defaultClockSkewWarn, n, w } = options
  if (!Number.isSafeInteger(n) || n < 1) return Either.left(new InvalidPolicy({ field: "n", value: n }))
  if (!Number.isSafeInteger(w)) return Either.left(new InvalidPolicy({ field: "w", value: w }))
  return Either.right({ n, w: clamp(w, n), ackTimeout, clockSkewWarn })
}

/** More than half: any two majorities share a node. ⌈n/2⌉ would be no majority for an even n. */
export const majority = (n: number): number => Math.floor(n / 2) + 1

/** The W that was asked for, when it had to be clamped: worth a warning to the operator. */
export const clampedFrom = ({ n, w }: { readonly n: number; readonly w: number }): Option.Option<number> =>
  clamp(w, n) === w ? Option.none() : Option.some(w)

const clamp = (w: number, n: number): number => Math.min(Math.max(w, 1), n)
