import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { OpId, PeerUrl } from "../domain/ids.js"
import type { Operation } from "../replication/Operation.js"
import * as Sending from "./sending.js"
import { type LateExit, type Missed, missedOf, outcomesOf } from "./verdict.js"
import { Outcome, type Outgoing, type Peer, PeerFailed } from "./wire/PeerClient.js"

type Outcomes = ReadonlyArray<Outcome.Outcome>
type Sendings = ReadonlyArray<Sending.Sending>

/** Of so many of the latest writes it is kept who acked them, at some hundred bytes each. */
const KEPT = 4096

/**
 * What peers were sent, and what they are known to hold. An ack counts, whichever request brought it and whoever waited
 * for it: what is under way is waited for and not sent again, what was acked in one round of a write is acked in the next,
 * what the backfill brings is no less of an ack, and one that came when nobody waited counts for a caller that asks again.
 */
export interface Attempts {
  /** A peer answered a request, of whichever lane. */
  readonly heard: (peer: Peer, items: ReadonlyArray<Pick<Outgoing, "operation">>, outcomes: Outcomes) => void
  readonly round: (sendings: Sendings, how: Sending.How, targets: ReadonlyArray<Sending.Target>) => Round
  /** Writes on which somebody decides at this moment. */
  readonly pending: () => number
}

/** One fan-out of some writes, until it is over. */
interface Round {
  readonly send: Sending.Send
  /** What becomes known of a peer whose send has failed, until it is stopped. */
  readonly otherwise: (target: Sending.Target, acked: (outcomes: Outcomes) => void) => () => void
  /** Whether the peer is known to hold the write. */
  readonly held: (index: number, peer: Peer) => Outcome.Outcome | undefined
  /** What a send came to that ended after the decision, but for what a later round waits for. */
  readonly missed: (exit: LateExit) => ReadonlyArray<Missed>
  readonly over: () => void
}

/** One request to one peer. */
interface Attempt {
  readonly sendings: Sendings
  /** Null while it is under way. */
  exit: LateExit | null
  readonly waiting: Set<() => void>
}

type Acks = Sending.Acks

export const make = (): Attempts => {
  const known: Known = { underWay: new Map(), open: new Map(), kept: keeping(KEPT), unasked: keeping(KEPT) }
  return {
    heard: ({ url }, items, outcomes) => {
      items.forEach(({ operation: { opId } }, index) => {
        const outcome = outcomes[index]
        if (outcome === undefined || !Outcome.isHeld(outcome)) return
        const acks = known.kept.of(opId) ?? known.unasked.of(opId)
        if (acks === undefined) known.unasked.put(opId, new Map([[url, outcome]]))
        else acks.set(url, outcome)
        for (const { held, latest } of known.open.get(opId) ?? []) {
          held?.set(url, outcome)
          for (const tell of latest?.listeners ?? []) tell(url)
        }
      })
    },
    round: (sendings, how, targets) => roundOf(known, sendings, how, targets),
    pending: () => known.open.size
  }
}

interface Known {
  /** What each peer is being sent. */
  readonly underWay: Map<Sending.Target, Map<OpId, Attempt>>
  /** Writes on which somebody decides: of an operation nearly always one, and several where callers ask again for it. */
  readonly open: Map<OpId, Sendings>
  /** Who acked the latest ones. */
  readonly kept: Kept
  /** Who acked the latest of those that nobody has asked for since the start: catching up has brought them. */
  readonly unasked: Kept
}

interface Kept {
  readonly of: (opId: OpId) => Acks | undefined
  readonly put: (opId: OpId, acks: Acks) => void
}

/** At least the latest so many, and at most twice as many: to take the oldest out of a map one by one costs more. */
const keeping = (least: number): Kept => {
  let latest = new Map<OpId, Acks>()
  let earlier: typeof latest = new Map()
  return {
    of: (opId) => latest.get(opId) ?? earlier.get(opId),
    put: (opId, acks) => {
      latest.set(opId, acks)
      if (latest.size < least) return
      earlier = latest
      latest = new Map()
    }
  }
}

const roundOf = (
  known: Known,
  sendings: Sendings,
  how: Sending.How,
  targets: ReadonlyArray<Sending.Target>
): Round => {
  const operations = sendings.map(({ operation }) => operation)
  const handedOn = new Set<Operation>()
  const listeners = new Set<(url: PeerUrl) => void>()
  const latest = { handedOn, listeners }
  for (const sending of sendings) begun(known, sending, targets, latest)
  const held: Round["held"] = (index, { url }) => sendings[index]?.held?.get(url)
  return {
    send: sendingOf(known, sendings, how),
    held,
    otherwise: (target, acked) => {
      const { peer } = target
      const listener = (url: PeerUrl) => {
        if (url === peer.url) acked(sendings.map((_, index) => held(index, peer) ?? unanswered(target)))
      }
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    missed: (exit) => missedOf(operations, exit).filter(({ operation }) => !handedOn.has(operation)),
    over: () => {
      for (const sending of sendings) decided(known, sending)
    }
  }
}

/** From now on somebody decides on a write. */
const begun = (
  known: Known,
  sending: Sending.Sending,
  targets: ReadonlyArray<Sending.Target>,
  latest: Sending.Latest
): void => {
  const { latest: before, operation } = sending
  before?.handedOn.add(operation)
  sending.latest = latest
  sending.held ??= recalled(known, operation, targets)
  const others = known.open.get(operation.opId)
  known.open.set(operation.opId, others === undefined ? [sending] : [...others, sending])
}

const decided = ({ open }: Known, sending: Sending.Sending): void => {
  const { opId } = sending.operation
  const others = open.get(opId)?.filter((other) => other !== sending) ?? []
  if (others.length === 0) open.delete(opId)
  else open.set(opId, others)
}

/**
 * The acks that came before anybody asked for the write again, but for those of peers that hold it no more by their own
 * later word, or answer under another id now. What comes later is added.
 */
const recalled = ({ kept, unasked }: Known, operation: Operation, targets: ReadonlyArray<Sending.Target>): Acks => {
  const before = kept.of(operation.opId) ?? unasked.of(operation.opId)
  const acks: Acks = new Map()
  for (const { holds, peer: { url } } of before === undefined ? [] : targets) {
    const ack = before?.get(url)
    if (ack !== undefined && holds(operation, ack.by)) acks.set(url, ack)
  }
  kept.put(operation.opId, acks)
  return acks
}

/** What is fresh is sent, and what is under way already is waited for. */
const sendingOf = (known: Known, sendings: Sendings, how: Sending.How): Sending.Send => {
  const sendAll = Sending.toEach(sendings, how)
  return (target) =>
    Effect.suspend(() => {
      const attempts = sendings.map((sending) => known.underWay.get(target)?.get(sending.operation.opId))
      const fresh = sendings.filter((sending, index) =>
        attempts[index] === undefined && sending.held?.has(target.peer.url) !== true
      )
      const own = begin(known, target, fresh)
      if (fresh.length === sendings.length) return request(known, target, own, sendAll)
      const joined = Arr.dedupe(attempts.flatMap((attempt) => attempt === undefined ? [] : [attempt])).map(ended)
      const waits = fresh.length === 0
        ? joined
        : [...joined, Effect.exit(request(known, target, own, Sending.toEach(fresh, how)))]
      const answer = Effect.suspend(() =>
        answerOf(sendings.map((sending, index) =>
          sending.held?.get(target.peer.url) ?? outcomeIn(attempts[index] ?? own, sending) ?? unanswered(target)
        ))
      )
      // What is known already is told before anybody looks at what came of the others.
      return waits.length === 0
        ? answer
        : Effect.zipRight(Effect.all(waits, { concurrency: "unbounded", discard: true }), answer)
    })
}

const begin = ({ underWay }: Known, target: Sending.Target, sendings: Sendings): Attempt => {
  const attempt: Attempt = { sendings, exit: null, waiting: new Set() }
  const byOperation = underWay.get(target) ?? new Map<OpId, Attempt>()
  underWay.set(target, byOperation)
  for (const { operation } of sendings) byOperation.set(operation.opId, attempt)
  return attempt
}

const request = (
  { underWay }: Known,
  target: Sending.Target,
  attempt: Attempt,
  send: Sending.Send
): ReturnType<Sending.Send> =>
  Effect.onExit(send(target), (exit) =>
    Effect.sync(() => {
      attempt.exit = exit
      const outcomes = outcomesOf(exit)
      attempt.sendings.forEach((sending, index) => {
        underWay.get(target)?.delete(sending.operation.opId)
        const outcome = outcomes?.[index]
        if (outcome !== undefined && Outcome.isHeld(outcome)) sending.held?.set(target.peer.url, outcome)
      })
      for (const wake of attempt.waiting) wake()
    }))

const ended = (attempt: Attempt): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (attempt.exit !== null) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    attempt.waiting.add(wake)
    return Effect.sync(() => attempt.waiting.delete(wake))
  })

/** A caller that asks again for a write has another sending of the same operation. */
const outcomeIn = (attempt: Attempt | undefined, { operation }: Sending.Sending): Outcome.Outcome | undefined => {
  if (attempt === undefined || attempt.exit === null) return undefined
  const index = attempt.sendings.findIndex((sending) => sending.operation.opId === operation.opId)
  return outcomesOf(attempt.exit)?.[index]
}

const answerOf = (outcomes: Outcomes) =>
  outcomes.some(Outcome.isHeld) ? Effect.succeed(outcomes) : Effect.fail(outcomes)

const unanswered = ({ peer }: Sending.Target): Outcome.Outcome =>
  Outcome.failed(
    new PeerFailed({ peer: peer.name, reason: "network", detail: "the request ended without an answer" })
  )
