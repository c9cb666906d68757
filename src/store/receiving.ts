import type * as Clock from "effect/Clock"
import * as Hlc from "../domain/Hlc.js"
import type { OpId } from "../domain/ids.js"
import type { Operation } from "../replication/Operation.js"
import { formerNames } from "../replication/reissue.js"
import type { Judged } from "./authorship.js"
import type { Entry } from "./deciding/Decision.js"
import type { Isolate } from "./log/Committer.js"
import type { OpLog } from "./log/OpLog.js"
import { letGo, type Reissued, type Reissuing } from "./reissuing.js"
import type { Outcome } from "./state/Slice.js"
import type { State } from "./state/State.js"

/** What became of a received operation; all but `parked` and `rejected` mean that this node holds it durably. */
export interface Receipt {
  readonly opId: OpId
  readonly result: Outcome | "duplicate" | "parked" | "rejected"
  readonly why?: string
}

/** Another operation came in under a name of this node's own: what that made of this node's. */
export interface Collision {
  readonly theirs: Operation
  /** Null where this node did not hold the name yet. */
  readonly ours: Reissued | null
}

interface Parts {
  readonly log: OpLog
  readonly state: State
  readonly clock: Clock.Clock
  readonly reissue: Reissuing["reissue"]
}

/** Applies and logs operations of others, inside the committer's transaction. */
export const make = (parts: Parts) => (incoming: ReadonlyArray<Judged>, isolate: Isolate) => {
  const wallMillis = parts.clock.unsafeCurrentTimeMillis()
  const collisions: Array<Collision> = []
  const receipts = incoming.map((entry) => receiveOne({ ...parts, isolate, wallMillis, collisions }, entry))
  return { receipts, collisions }
}

/** Known already, refused with the reason, or applied and logged. */
const receiveOne = (
  parts: Parts & {
    readonly isolate: Isolate
    readonly wallMillis: number
    readonly collisions: Array<Collision>
  },
  entry: Judged
): Receipt => {
  const { isolate, log, wallMillis } = parts
  const { hash, hlc, opId, origin, oseq } = entry.operation
  const known = log.holds(origin, oseq) ? log.hashAt(origin, oseq) : undefined
  const refused = (why: string): Receipt => ({ opId, result: "rejected", why })
  if (known === hash) {
    if (entry.objection === null) log.keepSeal(entry.operation)
    return { opId, result: "duplicate" }
  }
  if (entry.objection !== null) return refused(entry.objection)
  if (log.isReissued(entry.operation)) return refused("withdrawn: its node has written it again under another name")
  if (Hlc.isFuture(hlc, wallMillis)) {
    return refused(`clock_future: stamped more than ${Hlc.MAX_AHEAD_MILLIS / 1000} s ahead`)
  }
  const isOwn = log.isDoubtful(origin)
  if (!isOwn && known !== undefined) {
    return refused(`origin_reused: another operation is known as ${origin} ${oseq}, its hash is ${known}`)
  }
  if (!isOwn && origin === log.origin()) {
    return refused(`origin_reused: ${origin} is this node, and it did not write ${oseq}`)
  }
  const full = log.lacksRoom(origin, oseq)
  if (full !== null) return { opId, result: "rejected", why: `full: ${full}` }
  return isolate<Receipt>(
    () => {
      const collision = isOwn ? give(parts, entry.operation, known !== undefined) : null
      const result = accept(parts, entry)
      if (collision !== null) parts.collisions.push(collision)
      return { opId, result }
    },
    (cause) => refused(`not_applicable: ${String(cause)}`)
  )
}

/** This node's own name is another operation's from now on; null where that was none of this node's present one. */
const give = ({ log, reissue }: Parts, theirs: Operation, isHeld: boolean): Collision | null => {
  if (isHeld) {
    const [ours = null] = reissue([theirs])
    return { theirs, ours }
  }
  if (theirs.origin !== log.origin()) return null
  log.renewIncarnation()
  return { theirs, ours: null }
}

/** An operation that takes the place of one that is held under its former name comes after that has gone. */
const accept = ({ log, state }: Parts, { operation, payload }: Entry): Outcome => {
  for (const name of formerNames(operation)) {
    const former = log.at(name)
    if (former === null || former.opId !== operation.opId) continue
    letGo({ log, state }, former)
  }
  const outcome = state.apply(operation, payload)
  log.append(operation)
  return outcome
}
