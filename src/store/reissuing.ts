import type * as Clock from "effect/Clock"
import * as Hlc from "../domain/Hlc.js"
import { OpId } from "../domain/ids.js"
import type { Uuid } from "../domain/Uuid.js"
import { kinds, type Payload } from "../replication/kinds.js"
import { type Operation, seal, type VersionRef } from "../replication/Operation.js"
import { encode, entityOf, ofLog } from "../replication/Payload.js"
import { type Name, reissued } from "../replication/reissue.js"
import * as OpLog from "./log/OpLog.js"
import { givenBy } from "./state/apply.js"
import type { State } from "./state/State.js"

/** An operation of this node's own whose name others hold for another one, and the same under the name that it has now. */
export interface Reissued {
  readonly from: Operation
  readonly to: Operation
}

/**
 * Writes operations of this node's own again, under names that nobody has. Inside the committer's transaction. What is not
 * in the log is left alone, and so is what stands under a name that nobody else can have used. The name that an operation
 * gives up is free then for the one that others have under it.
 */
export type Reissue = (names: ReadonlyArray<Name>) => ReadonlyArray<Reissued>

export const make = (parts: {
  readonly log: OpLog.OpLog
  readonly state: State
  readonly uuid: Uuid["Type"]
  readonly clock: Clock.Clock
}): Reissue =>
(names) => {
  const { log } = parts
  const found = names.filter(({ origin }) => log.isDoubtful(origin)).flatMap((name) => log.at(name) ?? [])
  if (found.some(({ origin }) => origin === log.origin())) log.renewIncarnation()
  const done = found.map((operation) => again(parts, operation))
  // Whoever has not heard of the end of what was written again hears of it now.
  for (const { ends, payload, to } of done) if (ends) end(parts, to, payload)
  return done
}

type Parts = Parameters<typeof make>[0]

const again = ({ log, state }: Parts, from: Operation) => {
  const payload = ofLog(from)
  const ends = state.isEnded(from, payload)
  state.withdraw(from, payload)
  log.remove(from)
  const to = reissued(from, OpLog.nextName(log))
  state.apply(to, payload)
  log.append(to)
  return { from, to, payload, ends }
}

/** Ends the version that an operation gave. */
const end = ({ clock, log, state, uuid }: Parts, operation: Operation, payload: Payload) => {
  const ending = endingOf(operation, payload)
  if (ending === null) return
  const last = seal(OpLog.nextOperation(log, {
    format: log.format(),
    opId: OpId.make(uuid.make()),
    hlc: Hlc.toStamp(Hlc.tick(log.state().clock, clock.unsafeCurrentTimeMillis())),
    kind: ending.payload.kind,
    entity: entityOf(ending.payload),
    body: encode(ending.payload),
    baseHlc: operation.hlc,
    covers: ending.covers,
    idempotency: null
  }))
  state.apply(last, ending.payload)
  log.append(last)
}

const endingOf = (
  operation: Operation,
  payload: Payload
): { readonly payload: Payload; readonly covers: ReadonlyArray<VersionRef> } | null => {
  const { entity, hlc, origin } = operation
  const [memory] = givenBy(operation, payload)
  if (memory !== undefined) return { payload: { kind: "delete", entity: memory.id }, covers: [memory] }
  const covers = [{ id: entity, hlc, origin }]
  switch (kinds[payload.kind].part) {
    case "link":
      return { payload: { kind: "unlink", entity }, covers }
    case "namespace_meta":
      return { payload: { kind: "namespace_meta_clear", entity }, covers }
    default:
      return null
  }
}
