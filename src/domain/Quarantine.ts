import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import * as Archive from "./Archive.js"
import { MAX_ORIGIN_CHARS } from "./limits.js"
import { decoder } from "./ShapeError.js"
import * as rules from "./validate.js"

/*
 * What somebody wrote is set aside on all nodes: kept and passed on, and without effect while the quarantine stands. So a key that
 * was stolen, or an agent that was led astray, is one command.
 */

/** Whose writes, and of which time. At least one of `origin`, `peer` and `agent` is given; all that is given must hold. */
export const Selector = Schema.Struct({
  /** One run of a node: `<node id>/<incarnation>`. */
  origin: absentable(Schema.String),
  /** A node, by its id: all its runs. */
  peer: absentable(Schema.String),
  /** The agent that asked for a write, or that a write names as its author. */
  agent: absentable(Schema.String),
  /** Stamps from here on, and up to here. Without an end it holds for what is yet to come. */
  since: absentable(Schema.String),
  until: absentable(Schema.String)
})
export type Selector = typeof Selector.Type

export const Quarantine = Schema.Struct({
  id: Schema.String,
  ...Selector.fields,
  reason: Schema.String,
  by: Schema.String,
  at: Schema.String
})
export type Quarantine = typeof Quarantine.Type

export const decode = decoder(Quarantine)

/** The one JSON text. */
export const encodeJson = ({ agent, at, by, id, origin, peer, reason, since, until }: Quarantine): string =>
  JSON.stringify({ id, origin, peer, agent, since, until, reason, by, at })

const ORIGIN = /^[A-Za-z0-9_:@./-]+\/[1-9][0-9]*$/

/** The rules for whose writes are meant. Gives it back with its stamps in canonical form. */
export const validateSelector = <A extends Selector>(selector: A): Either.Either<A, rules.Invalid> =>
  Either.gen(function*() {
    const { agent, origin, peer, since, until } = selector
    if (origin === undefined && peer === undefined && agent === undefined) {
      return yield* invalid("origin", "or peer or agent must be given")
    }
    if (origin !== undefined && (origin.length > MAX_ORIGIN_CHARS || !ORIGIN.test(origin))) {
      return yield* invalid("origin", `must be <node id>/<incarnation>, ${MAX_ORIGIN_CHARS} characters at most`)
    }
    if (peer !== undefined) yield* rules.named("peer", rules.agentId(peer))
    if (agent !== undefined) yield* rules.named("agent", rules.agentId(agent))
    return {
      ...selector,
      ...since === undefined ? {} : { since: yield* rules.stamp("since", since) },
      ...until === undefined ? {} : { until: yield* rules.stamp("until", until) }
    }
  })

export const validate = (quarantine: Quarantine): Either.Either<Quarantine, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.firstInvalid([
      rules.memoryId(quarantine.id),
      rules.named("by", rules.agentId(quarantine.by)),
      Archive.reason(quarantine.reason)
    ])
    const valid = yield* validateSelector(quarantine)
    return { ...valid, at: yield* rules.stamp("at", quarantine.at) }
  })

/** What is known of who wrote an operation. */
interface Written {
  readonly origin: string
  readonly hlc: string
  readonly agents: ReadonlyArray<string>
}

/** Whether that was written by whom the selector names, in its time. */
export const matches = (
  { agent, origin, peer, since, until }: Selector,
  written: Written
): boolean =>
  (origin === undefined || origin === written.origin) &&
  (peer === undefined || written.origin.slice(0, written.origin.lastIndexOf("/")) === peer) &&
  (agent === undefined || written.agents.includes(agent)) &&
  (since === undefined || written.hlc >= since) &&
  (until === undefined || written.hlc <= until)

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
