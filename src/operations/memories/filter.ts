import * as Either from "effect/Either"
import type { Tier } from "../../domain/Memory.js"
import type * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import type { Filter } from "../../store/read/MemoryReader.js"

/** Which memories a caller asks for, unchecked. What is absent restricts nothing. */
export interface AskedFilter {
  /** Exactly this namespace. */
  readonly namespace?: string | undefined
  readonly tier?: Tier | undefined
  readonly minPriority?: number | undefined
  /** RFC 3339: created at this moment or later. */
  readonly since?: string | undefined
  /** RFC 3339: created at this moment or earlier. */
  readonly until?: string | undefined
  /** One tag that the memory has. */
  readonly tag?: string | undefined
  /** The agent that first wrote it. */
  readonly agentId?: string | undefined
  /** The namespace at which the caller stands: only what an agent there may see. */
  readonly asAgent?: string | undefined
}

type Valid<A> = Either.Either<A, validate.Invalid>

/** The filter with its stamps in canonical form, or what is wrong with it. `now` decides what has expired. */
export const checkFilter = (asked: AskedFilter, now: Stamp.Stamp): Valid<Filter> =>
  Either.gen(function*() {
    const { agentId, asAgent, minPriority, namespace, since, tag, tier, until } = asked
    if (minPriority !== undefined && !Number.isSafeInteger(minPriority)) {
      return yield* invalid("min_priority", "must be a whole number")
    }
    return {
      now,
      tier,
      minPriority,
      namespace: yield* given(namespace, validate.namespace),
      since: yield* given(since, (text) => validate.stamp("since", text)),
      until: yield* given(until, (text) => validate.stamp("until", text)),
      tag: yield* given(tag, checkTag),
      agentId: yield* given(agentId, validate.agentId),
      asAgent: yield* given(asAgent, checkPosition)
    }
  })

const given = <A, B>(value: A | undefined, check: (value: A) => Valid<B>): Valid<B | undefined> =>
  value === undefined ? Either.right(undefined) : check(value)

const checkTag = (tag: string): Valid<string> => validate.named("tags", Either.map(validate.tags([tag]), () => tag))

const checkPosition = (namespace: string): Valid<string> =>
  validate.named("as_agent", validate.namespace(validate.trim(namespace)))

const invalid = (field: string, complaint: string): Either.Either<never, validate.Invalid> =>
  Either.left(new validate.Invalid({ field, message: `${field} ${complaint}` }))
