import type * as Clock from "effect/Clock"
import * as Hlc from "../domain/Hlc.js"
import { OpId } from "../domain/ids.js"
import { MAX_COVERS, MAX_COVERS_FORMAT_1 } from "../domain/limits.js"
import type * as Stamp from "../domain/Stamp.js"
import type { Uuid } from "../domain/Uuid.js"
import { kinds, type Payload } from "../replication/kinds.js"
import { hashed, type Operation, twinKey, type VersionRef } from "../replication/Operation.js"
import { encode, entityOf, ofLog, stampedAt } from "../replication/Payload.js"
import { type Name, reissued } from "../replication/reissue.js"
import type { Judge } from "./judging/Judge.js"
import * as OpLog from "./log/OpLog.js"
import { atOnce } from "./log/Steps.js"
import { givenBy } from "./state/apply.js"
import { refKey } from "./state/Slice.js"
import type { State } from "./state/State.js"

/** An operation of this node's own that was written again, and the same under the name that it has now. */
export interface Reissued {
  readonly from: Operation
  readonly to: Operation
}

/**
 * Takes an operation out that was written again under another name, and what it came to. A twin that it stood for stands for
 * itself again.
 */
export const letGo = ({ judge, log, state }: Pick<Parts, "log" | "state" | "judge">, former: Operation): void => {
  state.withdraw(former, ofLog(former))
  judge.forget(former)
  log.remove(former)
  const key = twinKey(former)
  if (key === null || former.idempotency === null) return
  for (const twin of atOnce(log.byKey(former.idempotency.keyHash))) {
    if (twin.entity === former.entity && twinKey(twin) === key) judge.apply(twin, ofLog(twin))
  }
}

/** Writes operations of this node's own again, under names that nobody has. Inside the committer's transaction. */
export interface Reissuing {
  /**
   * Those whose names others hold for other ones. What is not in the log is left alone, and so is what stands under a name
   * that nobody else can have used. The name that an operation gives up is free then for the one that others have under it.
   */
  readonly reissue: (names: ReadonlyArray<Name>) => ReadonlyArray<Reissued>
  /**
   * Those of a part of the log that no other node takes, because the clock was wrong when they were stamped: with stamps of now,
   * the oldest first.
   */
  readonly restamp: (from: OpLog.From) => {
    readonly done: ReadonlyArray<Reissued>
    /** After which position of the log to go on; null when that was all. */
    readonly next: number | null
  }
}

export const make = (parts: {
  readonly log: OpLog.OpLog
  readonly state: State
  readonly judge: Judge
  readonly uuid: Uuid["Type"]
  readonly clock: Clock.Clock
}): Reissuing => {
  const { clock, log } = parts
  const all = (found: ReadonlyArray<Operation>, stampOf: (from: Operation) => Stamp.Stamp): ReadonlyArray<Reissued> => {
    if (found.some(({ origin }) => origin === log.origin())) log.renewIncarnation()
    const given = renamed()
    const done = found.map((from) => again(parts, from, { hlc: stampOf(from), given }))
    // Who does not know that it was another name hears of the end of what was written again.
    const ended = new Set(done.flatMap(({ to }) => to.covers.map(refKey)))
    for (const { ends, payload, to } of done) {
      if (ends && !ended.has(refKey(versionOf(to, payload)))) end(parts, to, payload)
    }
    atOnce(parts.judge.settle())
    return done
  }
  return {
    reissue: (names) => {
      const doubtful = names.filter(({ origin }) => log.isDoubtful(origin))
      return all(doubtful.flatMap((name) => log.at(name) ?? []), ({ hlc }) => hlc)
    },
    restamp: (from) => {
      const wallMillis = clock.unsafeCurrentTimeMillis()
      const { found, next } = log.ownAfter(Hlc.latest(wallMillis), from)
      return { done: all(found, () => log.nextStamp(wallMillis, null)), next }
    }
  }
}

type Parts = Parameters<typeof make>[0]

/** The versions that operations gave under their former names and stamps, and the same as they are now. */
const renamed = () => {
  const now = new Map<string, VersionRef>()
  return {
    note: (from: Operation, to: Operation, payload: Payload) => {
      now.set(refKey(versionOf(from, payload)), versionOf(to, payload))
    },
    of: (ref: VersionRef): VersionRef | undefined => now.get(refKey(ref))
  }
}

/** The version of a memory or an object that an operation gives. */
const versionOf = (operation: Operation, payload: Payload): VersionRef => {
  const { entity: id, hlc, origin } = operation
  return givenBy(operation, payload)[0] ?? { id, hlc, origin }
}

interface How {
  readonly hlc: Stamp.Stamp
  readonly given: ReturnType<typeof renamed>
}

const again = ({ judge, log, state }: Parts, from: Operation, { given, hlc }: How) => {
  const before = ofLog(from)
  const ends = state.isEnded(from, before)
  letGo({ judge, log, state }, from)
  const payload = payloadAgain(before, hlc, given)
  const to = reissued(from, OpLog.nextName(log), { hlc, body: encode(payload), covers: coversAgain(from, given) })
  judge.apply(to, payload)
  log.appendOwn(to)
  given.note(from, to, before)
  return { from, to, payload, ends }
}

/**
 * It ends what it ended; and what was written again with it also under its new name, for those that do not know that it is one,
 * as far as there is room beside its own former name.
 */
const coversAgain = ({ covers, format }: Operation, given: How["given"]): Operation["covers"] => {
  const room = (format === 1 ? MAX_COVERS_FORMAT_1 : MAX_COVERS) - covers.length - 1
  return [...covers, ...covers.flatMap((ref) => given.of(ref) ?? []).slice(0, Math.max(0, room))]
}

const payloadAgain = (payload: Payload, hlc: Stamp.Stamp, given: How["given"]): Payload => {
  if (payload.kind !== "earn") return stampedAt(hlc, payload)
  const { earned } = payload
  const now = given.of({ id: earned.memory_id, hlc: earned.hlc, origin: earned.origin })
  return now === undefined ? payload : { ...payload, earned: { ...earned, hlc: now.hlc, origin: now.origin } }
}
/** Ends the version that an operation gave. */
const end = ({ clock, judge, log, uuid }: Parts, operation: Operation, payload: Payload) => {
  const ending = endingOf(operation, payload)
  if (ending === null) return
  const last = hashed(OpLog.nextOperation(log, {
    format: log.format(),
    opId: OpId.make(uuid.make()),
    hlc: log.nextStamp(clock.unsafeCurrentTimeMillis(), null),
    kind: ending.payload.kind,
    entity: entityOf(ending.payload),
    body: encode(ending.payload),
    baseHlc: operation.hlc,
    covers: ending.covers,
    idempotency: null
  }))
  judge.apply(last, ending.payload)
  log.appendOwn(last)
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
    case "subscription":
      return { payload: { kind: "unsubscribe", entity }, covers }
    default:
      return null
  }
}
