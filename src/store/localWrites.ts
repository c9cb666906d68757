import type * as Clock from "effect/Clock"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { OpId, Origin } from "../domain/ids.js"
import { MAX_COVERS, MAX_COVERS_FORMAT_1 } from "../domain/limits.js"
import { allows, type Namespaces } from "../domain/namespaces.js"
import type * as Stamp from "../domain/Stamp.js"
import type { Uuid } from "../domain/Uuid.js"
import {
  type Format,
  hashed,
  type Idempotency,
  type Keyed,
  type Operation,
  type VersionRef
} from "../replication/Operation.js"
import * as Payload from "../replication/Payload.js"
import type { Batch, Decision, Entry } from "./deciding/Decision.js"
import { noting } from "./deciding/noting.js"
import { reaching } from "./deciding/reaching.js"
import { mayTouch, type Touched } from "./deciding/touching.js"
import type { Transaction, View } from "./deciding/Transaction.js"
import { KeyReused, LocalWriteFailed } from "./errors.js"
import type { Judge } from "./judging/Judge.js"
import * as OpLog from "./log/OpLog.js"
import type { Steps } from "./log/Steps.js"
import type { makeAlias } from "./state/save.js"

/** What several writes came to. */
export interface Batched<A> {
  readonly written: ReadonlyArray<Entry>
  /** What the job answered; none when its idempotency key named earlier writes, and it was not run. */
  readonly answer: Option.Option<A>
}

/** An alias that is a word of this node alone gives way to one of the same stamp that the log brings. */
const NOBODY = Origin.make("")

/** Who asks for a write. */
interface Asker {
  /** The namespaces in which it reads and writes; null for all. */
  readonly reach: Namespaces | null
  /** The agent, where it says which. */
  readonly agent: string | null
}

/**
 * Decides and writes local operations, inside the committer's transaction: log row, effect and key together. A step of it is one
 * of the job's, or of reading what a key named earlier.
 */
type LocalWrites = <A, E>(
  job: (batch: Batch) => Steps<Either.Either<A, E>>,
  idempotency: Idempotency | null,
  asker: Asker
) => Steps<Either.Either<Batched<A>, E | KeyReused>>

interface Options {
  readonly log: OpLog.OpLog
  readonly judge: Judge
  readonly view: View
  readonly alias: ReturnType<typeof makeAlias>
  readonly uuid: Uuid["Type"]
  readonly clock: Clock.Clock
  readonly touched: (operation: Operation, payload: Payload.Payload) => Touched
}

/** Throws for what the caller may not have written: the job is undone. */
type KeepTo = (reach: Namespaces | null, entry: Entry) => void

const keeping = ({ touched }: Options): KeepTo => (reach, { operation, payload }) => {
  if (reach === null || mayTouch(touched(operation, payload), reach)) return
  const outside = Payload.versionOf(payload)?.namespace ?? ""
  throw new LocalWriteFailed({ detail: "it is elsewhere", outside: allows(reach, outside) ? "" : outside })
}

const OF_ACTIONS: ReadonlySet<string> = new Set(["pending", "vote", "decision"])

/** What the operations of one job have in common. */
interface OfJob {
  readonly next: () => Stamp.Stamp
  readonly keyOf: KeyOf
  readonly asker: Asker
  /** That of all its operations. */
  readonly format: Format
}

const writing = ({ judge, log, uuid }: Options, keepTo: KeepTo) =>
(
  { asker: { agent, reach }, format, keyOf, next }: OfJob,
  decision: Decision
): Entry => {
  const hlc = decision.hlc ?? next()
  const payload = Payload.inFormat(
    format,
    decision.hlc === undefined ? Payload.stampedAt(hlc, decision.payload) : decision.payload
  )
  const entity = Payload.entityOf(payload)
  const operation = hashed(OpLog.nextOperation(log, {
    format,
    opId: OpId.make(uuid.make()),
    hlc,
    kind: payload.kind,
    entity,
    body: Payload.encode(payload),
    baseHlc: decision.baseHlc,
    covers: within(format, decision.covers),
    idempotency: keyOf(entity, format, decision),
    ...agent === null || format === 1 || agent === Payload.agentOf(payload) ? {} : { agent }
  }))
  keepTo(reach, { operation, payload })
  const { why } = decision.isNewId === true ? judge.applyNew(operation, payload) : judge.apply(operation, payload)
  // Nobody is told that something was written which has no effect. What was heard of an action may wait for what it needs, and what
  // an original node has written is there all the same.
  if (why !== null && decision.madeOf === undefined && !OF_ACTIONS.has(payload.kind)) {
    throw new LocalWriteFailed({ detail: `it would have no effect: ${why}`, void: why })
  }
  log.appendOwn(operation)
  return { operation, payload }
}

export const make = (options: Options): LocalWrites => {
  const { alias, clock, judge, log } = options
  const keepTo = keeping(options)
  const write = writing(options, keepTo)
  const turn = makeTurn(options)

  return function*(job, idempotency, asker) {
    const { reach } = asker
    const earlier = idempotency === null ? [] : yield* log.byKey(idempotency.keyHash)
    if (earlier.length > 0) {
      const again = yield* repeat(earlier, idempotency)
      if (Either.isRight(again)) again.right.written.forEach((entry) => keepTo(reach, entry))
      return again
    }
    log.keepToKey()
    const written: Array<Entry> = []
    const now = turn.begin(clock.unsafeCurrentTimeMillis(), reach)
    const ofJob = { next: turn.next, keyOf: keysOf(idempotency), asker, format: now.format }
    const answer = yield* job({
      now: () => now,
      write: (decision) => {
        const entry = write(ofJob, decision)
        written.push(entry)
        return entry
      },
      alias: (id, target, hlc) => alias({ id, target, by: { hlc, origin: NOBODY } })
    })
    yield* judge.settle()
    // Undone whole, as by any defect: half of a job must never stand, least of all under an answer that says it failed.
    if (Either.isLeft(answer) && written.length > 0) throw new Error("a job that answers Left must not write before")
    return Either.map(answer, (value) => ({ written, answer: Option.some(value) }))
  }
}

/**
 * What the job sees that has its turn, and the stamps that it gives. Jobs come one after the other, and most of them see all that
 * there is: they share one object, which is as large as a write.
 */
const makeTurn = ({ log, view }: Pick<Options, "log" | "view">) => {
  let seen: Stamp.Stamp | null = null
  let wallMillis = 0
  const see = (stamp: Stamp.Stamp) => {
    if (seen === null || stamp > seen) seen = stamp
  }
  /** The stamp that was given last, and what it was counted from: nearly every job asks for it twice. */
  let given: { readonly stamp: Stamp.Stamp; readonly clock: object; readonly seen: Stamp.Stamp | null } | null = null
  const next = (): Stamp.Stamp => {
    const { clock } = log.state()
    if (given === null || given.clock !== clock || given.seen !== seen) {
      given = { stamp: log.nextStamp(wallMillis, seen), clock, seen }
    }
    return given.stamp
  }
  const whole = noting(view, see)
  const seeing = (shown: View) => ({
    ...shown,
    whole,
    format: log.format(),
    wallMillis,
    position: log.position,
    get stamp() {
      return next()
    }
  })
  const shared = seeing(whole)
  return {
    next,
    /** The next job has its turn. */
    begin: (millis: number, reach: Namespaces | null): Transaction => {
      seen = null
      given = null
      wallMillis = millis
      if (reach !== null) return seeing(reaching(whole, reach))
      shared.format = log.format()
      shared.wallMillis = millis
      return shared
    }
  }
}

/** Nothing is left out: a write that would have to is no write. */
const within = (format: Format, covers: ReadonlyArray<VersionRef>): ReadonlyArray<VersionRef> => {
  const most = format === 1 ? MAX_COVERS_FORMAT_1 : MAX_COVERS
  if (covers.length <= most) return covers
  throw new LocalWriteFailed({ detail: `it has to end ${covers.length} versions at once, and at most ${most} can be` })
}

/** The key of an operation about this thing. */
type KeyOf = (entity: string, format: Format, decision: Decision) => Keyed | null

const keysOf = (idempotency: Idempotency | null): KeyOf => {
  if (idempotency === null) return keyOfMade
  const written = new Map<string, number>()
  return (entity, format) => {
    const turn = written.get(entity) ?? 0
    written.set(entity, turn + 1)
    return { ...idempotency, turn: format === 1 ? 0 : turn }
  }
}

/** Without a key of a client. */
const keyOfMade: KeyOf = (_entity, format, { madeOf }) =>
  format === 1 || madeOf === undefined ? null : { ...madeOf, turn: 0 }

/** The writes that an idempotency key named before, or the refusal when it stood for another request. */
function* repeat(
  earlier: ReadonlyArray<Operation>,
  idempotency: Idempotency | null
): Steps<Either.Either<Batched<never>, KeyReused>> {
  if (earlier.some((operation) => operation.idempotency?.requestHash !== idempotency?.requestHash)) {
    return Either.left(new KeyReused())
  }
  const written: Array<Entry> = []
  for (const operation of earlier) {
    written.push({ operation, payload: Payload.ofLog(operation) })
    yield OpLog.bytesOf(operation)
  }
  return Either.right({ written, answer: Option.none() })
}
