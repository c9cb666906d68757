import * as Either from "effect/Either"
import { type Event, EVENTS, type Wanted } from "../../domain/Change.js"
import { isPattern, MAX_PATTERN_CHARS } from "../../domain/namespaces.js"
import * as validate from "../../domain/validate.js"

interface Filters {
  readonly namespace?: string | undefined
  readonly agent?: string | undefined
  /** Names with commas between them; `*` is all. */
  readonly event?: string | undefined
}

/** What somebody wants to hear of, by the rules for namespaces, agents and names of events. */
export const wantedOf = ({ agent, event, namespace }: Filters): Either.Either<Wanted, validate.Invalid> =>
  Either.gen(function*() {
    if (namespace !== undefined && !isPattern(namespace)) {
      return yield* invalid("namespace", `must be 1 to ${MAX_PATTERN_CHARS} printable characters without a blank`)
    }
    if (agent !== undefined) yield* validate.named("agent", validate.agentId(agent))
    return { namespace, agentId: agent, events: yield* eventsOf("event", event ?? "*") }
  })

/** The events of a list; none where it is all of them. */
export const eventsOf = (
  field: string,
  given: string
): Either.Either<ReadonlySet<Event> | undefined, validate.Invalid> => {
  const names = given.split(",").map((name) => name.trim())
  if (names.includes("*")) return Either.right(undefined)
  const events = names.flatMap((name) => EVENTS.find((event) => event === name) ?? [])
  return events.length === names.length
    ? Either.right(new Set(events))
    : invalid(field, `must be * or some of ${EVENTS.join(", ")}, with commas between them`)
}

const invalid = (field: string, complaint: string): Either.Either<never, validate.Invalid> =>
  Either.left(new validate.Invalid({ field, message: `${field} ${complaint}` }))
