import type * as Clock from "effect/Clock"
import * as Hlc from "../domain/Hlc.js"
import type { OpId } from "../domain/ids.js"
import type { Namespaces } from "../domain/namespaces.js"
import { kinds } from "../replication/kinds.js"
import type { Operation } from "../replication/Operation.js"
import { formerNames } from "../replication/reissue.js"
import { asEnding, type Ends, isSound, type Stub } from "../replication/Stub.js"
import type { Judged, JudgedStub } from "./authorship.js"
import type { Entry } from "./deciding/Decision.js"
import { mayTouch, type Touched } from "./deciding/touching.js"
import type { Judge } from "./judging/Judge.js"
import type { Isolate } from "./log/Committer.js"
import type { OpLog } from "./log/OpLog.js"
import type { Steps } from "./log/Steps.js"
import { letGo, type Reissued, type Reissuing } from "./reissuing.js"
import type { Outcome } from "./state/Slice.js"
import type { State } from "./state/State.js"

/**
 * What became of a received operation; all but `parked`, `rejected` and `withheld` mean that this node holds it durably. `withheld`
 * is held by its name alone.
 */
export interface Receipt {
  readonly opId: OpId
  readonly result: Outcome | "duplicate" | "parked" | "rejected" | "withheld"
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
  readonly judge: Judge
  readonly clock: Clock.Clock
  readonly reissue: Reissuing["reissue"]
  /** The namespaces that an operation touches, as far as they are known by now. */
  readonly touched: (operation: Operation, payload: Entry["payload"]) => Touched
}

interface Turn extends Parts {
  readonly isolate: Isolate
  readonly wallMillis: number
  readonly collisions: Array<Collision>
  readonly limit: Namespaces | null
}

/**
 * Applies and logs operations of others, inside the committer's transaction. The first step is all of that; those after it judge
 * anew what is to be judged by them, which may be as long as the log is.
 */
export const make = (parts: Parts) =>
  function*({ incoming, limit, stubs }: Incoming, isolate: Isolate): Steps<Received> {
    const wallMillis = parts.clock.unsafeCurrentTimeMillis()
    const collisions: Array<Collision> = []
    const turn = { ...parts, isolate, wallMillis, collisions, limit }
    const receipts = [
      ...incoming.map((entry) => receiveOne(turn, entry)),
      ...stubs.map((stub) => receiveStub(turn, stub))
    ]
    yield* parts.judge.settle()
    return { receipts, collisions }
  }

/** What another daemon of this site brought in: it is taken as it is there, for that one has judged it. */
export type Followed = Entry | { readonly stub: Stub }

/** Applies and logs that, inside the committer's transaction. What is held already changes nothing. */
export const makeFollowing = (parts: Pick<Parts, "judge" | "log" | "state">) =>
  function*(items: ReadonlyArray<Followed>): Steps<void> {
    const { judge, log } = parts
    log.following(() => {
      for (const item of items) {
        if ("stub" in item) followStub(parts, item.stub)
        else followOne(parts, item)
      }
    })
    yield* judge.settle()
  }

const followOne = (parts: Pick<Parts, "judge" | "log" | "state">, entry: Entry): void => {
  const { log } = parts
  const { hash, origin, oseq } = entry.operation
  const known = log.holds(origin, oseq) ? log.hashAt(origin, oseq) : undefined
  if (known === hash && log.stubAt(entry.operation) === null) return log.keepSeal(entry.operation)
  // Of two under one name the one that came first stays, here as there; who wrote them writes one of them again.
  if ((known !== undefined && known !== hash) || log.isReissued(entry.operation)) return
  accept(parts, entry)
}

const followStub = (parts: Pick<Parts, "judge" | "log" | "state">, stub: Stub): void => {
  const { log } = parts
  const known = log.holds(stub.origin, stub.oseq) ? log.hashAt(stub.origin, stub.oseq) : undefined
  const held = known === undefined ? null : log.stubAt(stub)
  if (known !== undefined && (held === null || stub.ends === null || held.ends !== null)) return
  if (log.isReissued(stub)) return
  if (stub.ends !== null) endBy(parts, stub, stub.ends)
  log.appendStub(stub)
}

/** Whether more may have to be judged by it than what it touches itself. */
export const isLong = (items: ReadonlyArray<Followed>): boolean =>
  items.some((item) => !("stub" in item) && mayJudgeAnew(item.operation))

const mayJudgeAnew = ({ kind }: Entry["operation"]): boolean =>
  kinds[kind].part === "quarantine" || kinds[kind].part === "namespace_meta"

interface Received {
  readonly receipts: ReadonlyArray<Receipt>
  readonly collisions: ReadonlyArray<Collision>
}

/** What a peer brings. */
export interface Incoming {
  readonly incoming: ReadonlyArray<Judged>
  readonly stubs: ReadonlyArray<JudgedStub>
  /** The namespaces that the peer may touch; null for all. */
  readonly limit: Namespaces | null
}

/** Known already, refused with the reason, or applied and logged. */
const receiveOne = (parts: Turn, entry: Judged): Receipt => {
  const { isolate, limit, log, touched, wallMillis } = parts
  const { hash, hlc, opId, origin, oseq } = entry.operation
  const known = log.holds(origin, oseq) ? log.hashAt(origin, oseq) : undefined
  // What is held by its name alone gives way to the operation itself.
  const stub = known === undefined ? null : log.stubAt(entry.operation)
  const refused = (why: string): Receipt => ({ opId, result: "rejected", why })
  if (known === hash && stub === null) {
    if (entry.objection === null) log.keepSeal(entry.operation)
    return { opId, result: "duplicate" }
  }
  if (entry.objection !== null) return refused(entry.objection)
  if (log.isReissued(entry.operation)) return refused("withdrawn: its node has written it again under another name")
  if (Hlc.isFuture(hlc, wallMillis)) {
    return refused(`clock_future: stamped more than ${Hlc.MAX_AHEAD_MILLIS / 1000} s ahead`)
  }
  const isOwn = log.isDoubtful(origin) && stub === null
  if (!isOwn && known !== undefined && known !== hash) {
    return refused(`origin_reused: another operation is known as ${origin} ${oseq}, its hash is ${known}`)
  }
  if (!isOwn && known === undefined && origin === log.origin()) {
    return refused(`origin_reused: ${origin} is this node, and it did not write ${oseq}`)
  }
  const full = log.lacksRoom(origin, oseq)
  if (full !== null) return { opId, result: "rejected", why: `full: ${full}` }
  if (limit !== null && !mayTouch(touched(entry.operation, entry.payload), limit)) {
    return refused(
      "not_allowed: it touches a namespace that the peer that brings it may not touch, or none that is known here"
    )
  }
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

/** The name of an operation that this node may not see: what it ends here it ends all the same. */
const receiveStub = ({ isolate, judge, log, state, wallMillis }: Turn, { objection, stub }: JudgedStub): Receipt => {
  const { ends, hash, hlc, opId, origin, oseq } = stub
  const refused = (why: string): Receipt => ({ opId, result: "rejected", why })
  const known = log.holds(origin, oseq) ? log.hashAt(origin, oseq) : undefined
  const held = known === undefined ? null : log.stubAt(stub)
  if (known === hash && held === null) return { opId, result: "duplicate" }
  if (known === hash && (ends === null || held?.ends !== null)) return { opId, result: "withheld" }
  if (known !== undefined && known !== hash) {
    return refused(`origin_reused: another operation is known as ${origin} ${oseq}`)
  }
  if (objection !== null) return refused(objection)
  if (!isSound(stub)) return refused("malformed: the detail does not belong to what it ends")
  if (log.isReissued(stub)) return refused("withdrawn: its node has written it again under another name")
  if (Hlc.isFuture(hlc, wallMillis)) {
    return refused(`clock_future: stamped more than ${Hlc.MAX_AHEAD_MILLIS / 1000} s ahead`)
  }
  const isOwn = log.isDoubtful(origin)
  if (!isOwn && origin === log.origin()) {
    return refused(`origin_reused: ${origin} is this node, and it did not write ${oseq}`)
  }
  const full = log.lacksRoom(origin, oseq)
  if (full !== null) return refused(`full: ${full}`)
  return isolate<Receipt>(() => {
    if (isOwn && origin === log.origin()) log.renewIncarnation()
    if (ends !== null) endBy({ judge, log, state }, stub, ends)
    log.appendStub(stub)
    return { opId, result: "withheld" }
  }, (cause) => refused(`not_applicable: ${String(cause)}`))
}

/** As a delete of what it ends, and without what it took the place of. */
const endBy = ({ judge, log, state }: Pick<Parts, "judge" | "log" | "state">, stub: Stub, ends: Ends): void => {
  for (const name of formerNames(ends)) {
    const former = log.at(name)
    if (former?.opId === stub.opId) letGo({ judge, log, state }, former)
    else if (log.stubAt(name)?.opId === stub.opId) log.remove(name)
  }
  const ending = asEnding(stub)
  if (ending !== null) state.apply(ending.operation, ending.payload)
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
const accept = (
  { judge, log, state }: Pick<Parts, "judge" | "log" | "state">,
  { operation, payload }: Entry
): Outcome => {
  for (const name of formerNames(operation)) {
    const former = log.at(name)
    if (former?.opId === operation.opId) letGo({ judge, log, state }, former)
    else if (log.stubAt(name)?.opId === operation.opId) log.remove(name)
  }
  const { outcome } = judge.apply(operation, payload)
  log.append(operation)
  return outcome
}
