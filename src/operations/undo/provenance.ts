import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { DEFAULT_PROVENANCE, MAX_CURSOR_CHARS, MAX_PROVENANCE } from "../../domain/limits.js"
import * as Quarantine from "../../domain/Quarantine.js"
import * as validate from "../../domain/validate.js"
import { agentOf, type Payload, versionOf, writersOf } from "../../replication/Payload.js"
import { ProvenanceReader, type Written } from "../../store/read/ProvenanceReader.js"
import type { ReadFailed } from "../errors.js"

export interface ProvenanceRequest extends Partial<Wanted> {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

interface Wanted {
  readonly origin: string | undefined
  readonly peer: string | undefined
  readonly agent: string | undefined
  readonly since: string | undefined
  readonly until: string | undefined
}

/** An operation, what is to be said of it, and the quarantines that set it aside. */
export interface Listed extends Written {
  /** Who asked for it, or else whom it names as its author. */
  readonly agent: string | null
  readonly namespace: string | null
  /** Of a memory that stands at this version. */
  readonly title: string | null
  readonly quarantinedBy: ReadonlyArray<string>
}

export interface Provenance {
  readonly operations: ReadonlyArray<Listed>
  /** Where the next page begins, on this node; null where this is the last. */
  readonly cursor: string | null
}

/** What an origin, a node or an agent wrote, in the order in which it came here. */
export const provenance = (
  { agent, cursor, limit = DEFAULT_PROVENANCE, origin, peer, since, until }: ProvenanceRequest
): Effect.Effect<Provenance, validate.Invalid | ReadFailed, ProvenanceReader> =>
  Effect.gen(function*() {
    const selector = yield* Quarantine.validateSelector({
      ...origin === undefined ? {} : { origin },
      ...peer === undefined ? {} : { peer },
      ...agent === undefined ? {} : { agent },
      ...since === undefined ? {} : { since },
      ...until === undefined ? {} : { until }
    })
    const after = cursor === undefined ? 0 : yield* placeOf(cursor)
    const reader = yield* ProvenanceReader
    const standing = yield* reader.quarantines
    const { found, next } = yield* reader.written(selector, {
      after,
      limit: Math.min(Math.max(1, limit), MAX_PROVENANCE)
    })
    const by = (written: Written) =>
      standing.filter(({ quarantine }) => isSetAside(quarantine, written)).map(({ quarantine }) => quarantine.id)
    return {
      operations: found.map((written) => ({ ...written, ...about(written), quarantinedBy: by(written) })),
      cursor: next === null ? null : cursorOf(next)
    }
  })

const about = ({ operation, payload, stands }: Written) => {
  const memory = versionOf(payload)
  return {
    agent: operation.agent ?? agentOf(payload),
    namespace: memory?.namespace ?? namespaceOf(payload),
    title: stands === null ? null : memory?.title ?? null
  }
}

/** Of what is about no memory. */
const namespaceOf = (payload: Payload): string | null => {
  switch (payload.kind) {
    case "pending":
      return payload.action.namespace
    case "namespace_meta":
      return payload.meta.namespace
    case "namespace_meta_clear":
      return payload.entity
    default:
      return null
  }
}

const isSetAside = (selector: Quarantine.Selector, { operation, payload }: Written): boolean =>
  payload.kind !== "quarantine" && payload.kind !== "release" &&
  Quarantine.matches(selector, {
    origin: operation.origin,
    hlc: operation.hlc,
    agents: writersOf(operation, payload)
  })

/** A place in the log of this node, which is of no use elsewhere. */
const cursorOf = (place: number): string => Buffer.from(`log ${place}`).toString("base64url")

const placeOf = (cursor: string): Either.Either<number, validate.Invalid> => {
  const text = cursor.length > MAX_CURSOR_CHARS ? "" : Buffer.from(cursor, "base64url").toString()
  const [, place] = /^log ([0-9]{1,15})$/.exec(text) ?? []
  return place === undefined
    ? Either.left(new validate.Invalid({ field: "cursor", message: "cursor must be one that this node gave" }))
    : Either.right(Number(place))
}
