import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as PendingAction from "../../domain/PendingAction.js"
import * as validate from "../../domain/validate.js"
import * as Payload from "../../replication/Payload.js"
import * as governed from "../../store/deciding/governed.js"
import * as standards from "../../store/deciding/standards.js"
import type { Batch, Entry, Transaction } from "../../store/MemoryStore.js"
import { PendingReader, type Trace } from "../../store/read/PendingReader.js"
import { Denied, NotFound, NotPending, type ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"

/** The action was approved, and done. */
export interface Approved extends Write.Acknowledged {
  readonly _tag: "Approved"
  readonly id: string
  readonly decidedBy: string
  /** The memory that was stored, deleted or promoted; null when there was none left to delete or promote. */
  readonly memoryId: string | null
}

/** The vote counts; more are needed. */
export interface Voted extends Write.Acknowledged {
  readonly _tag: "Voted"
  readonly id: string
  readonly votes: number
  readonly quorum: number
}

/** The action was rejected: nothing comes of it. */
export interface Rejected extends Write.Acknowledged {
  readonly id: string
  readonly decidedBy: string
}

/**
 * Approves a pending action, or votes for it where that takes several agents. Vote, decision and what the decision does are
 * one transaction. Somebody who approved it before is answered the same again, once the quorum holds what was written then:
 * so a 503 can be retried, also without an idempotency key.
 */
export const approve = (
  id: string,
  caller = Write.anonymous
): Write.Verb<Approved | Voted, validate.Invalid | NotFound | Denied | ReadFailed, PendingReader> =>
  settled(
    "approve",
    id,
    caller,
    approveOnce,
    ({ acknowledged, answer, trace }): Either.Either<Approved | Voted, Denied> => {
      const { action, decision, votes } = trace
      if (decision?.approved === false) return denied("already decided")
      if (decision !== null) {
        const memoryId = decision.memory?.id ?? trace.decided[1]?.entity ?? null
        return Either.right({ ...acknowledged, _tag: "Approved", id, decidedBy: decision.decider, memoryId })
      }
      const quorum = Option.getOrElse(answer, () => quorumOf(action.approver ?? "human"))
      return Either.right({ ...acknowledged, _tag: "Voted", id, votes: votes.length, quorum })
    }
  )

/** Rejects a pending action; anybody may. The same again is answered the same, as with `approve`. */
export const reject = (
  id: string,
  caller = Write.anonymous
): Write.Verb<Rejected, validate.Invalid | NotFound | NotPending | ReadFailed, PendingReader> =>
  settled(
    "reject",
    id,
    caller,
    rejectOnce,
    ({ acknowledged, trace: { decision } }) =>
      decision === null || decision.approved
        ? Either.left(new NotPending())
        : Either.right({ ...acknowledged, id, decidedBy: decision.decider })
  )

/** What one agent does to a pending action, in the transaction. It writes nothing where that was done before. */
type Step<A, E> = (batch: Batch, found: governed.Governed | null, agentId: string) => Either.Either<A, E>

/** How things stand once the quorum holds it. */
interface Standing<A> {
  readonly acknowledged: Write.Acknowledged
  readonly answer: Option.Option<A>
  readonly trace: Trace
}

/** Does the step, waits for the quorum of what it wrote, now or earlier, and of the decision, and tells how things stand. */
const settled = <A, E, B, F>(
  name: string,
  id: string,
  caller: Write.Caller,
  step: Step<A, E>,
  tell: (standing: Standing<A>) => Either.Either<B, F>
): Write.Verb<B, E | F | validate.Invalid | NotFound | ReadFailed, PendingReader> =>
  Write.together({
    name,
    counts: "nothing",
    caller,
    request: [id, Option.getOrNull(caller.agentId)],
    governed: "ungoverned",
    prepare: (self) => Effect.zipRight(validate.memoryId(id), Write.askingOf(self, undefined)),
    decide: (batch, { agentId }) => step(batch, governed.find(batch.now(), id), agentId),
    settle: ({ answer, written }, { agentId }) =>
      Effect.gen(function*() {
        const reader = yield* PendingReader
        const trace = yield* Effect.flatMap(reader.trace(id), Effect.mapError(() => new NotFound()))
        // Somebody else may have decided meanwhile. The answer tells of that decision, so the quorum must hold it as well.
        const told = new Map(
          [...written, ...writtenBefore(trace, agentId)].map((entry) => [entry.operation.opId, entry])
        )
        const acknowledged = yield* Write.acknowledge(Array.from(told.values()))
        // Of all that one call writes the decision is what it is known by.
        const opId = trace.decided[0]?.opId ?? acknowledged.opId
        return yield* tell({ acknowledged: { ...acknowledged, opId }, answer, trace })
      })
  })

/** Answers how many approvals it takes. */
const approveOnce: Step<number, NotFound | Denied> = (batch, found, agentId) =>
  Either.gen(function*() {
    if (found === null) return yield* Either.left(new NotFound())
    const { action, decision } = found
    const now = batch.now()
    const approver = approverOf(now, action)
    const quorum = quorumOf(approver)
    if (decision !== null) {
      const isSame = decision.approved && (decision.decider === agentId || found.votes.some(isOf(agentId)))
      return isSame ? quorum : yield* denied("already decided")
    }
    if (PendingAction.isExpired(action, now.wallMillis)) return yield* denied("expired")
    if (typeof approver === "object" && "agent" in approver && approver.agent !== agentId) {
      return yield* denied("this caller is not the approver")
    }
    if (typeof approver === "object" && "consensus" in approver) yield* vote(batch, found, { agentId, quorum })
    else governed.decide(batch, action, { approved: true, decider: agentId })
    return quorum
  })

const quorumOf = (approver: PendingAction.Approver): number =>
  typeof approver === "object" && "consensus" in approver ? approver.consensus : 1

const vote = (
  batch: Batch,
  { action, votes }: governed.Governed,
  { agentId, quorum }: { readonly agentId: string; readonly quorum: number }
): Either.Either<void, Denied> => {
  const now = batch.now()
  if (!Write.isRegistered(now, agentId)) return denied("only registered agents may vote")
  const hasVoted = votes.some(isOf(agentId))
  if (!hasVoted) {
    const approval = { id: action.id, agent_id: agentId, approved_at: now.stamp }
    batch.write({ payload: { kind: "vote", vote: approval }, baseHlc: null, covers: [] })
  }
  if (votes.length + (hasVoted ? 0 : 1) >= quorum) {
    governed.decide(batch, action, { approved: true, decider: agentId })
  }
  return Either.void
}

const rejectOnce: Step<void, NotPending> = (batch, found, agentId) => {
  if (found === null) return Either.left(new NotPending())
  const { action, decision } = found
  if (decision !== null) {
    return !decision.approved && decision.decider === agentId ? Either.void : Either.left(new NotPending())
  }
  if (PendingAction.isExpired(action, batch.now().wallMillis)) return Either.left(new NotPending())
  governed.decide(batch, action, { approved: false, decider: agentId })
  return Either.void
}

/** The rule that held when the action was queued; an original node does not say, so there it is the one that holds now. */
const approverOf = (now: Transaction, action: PendingAction.PendingAction): PendingAction.Approver =>
  action.approver ?? standards.rulesOf(now, action.namespace)?.policy.approver ?? "human"

const isOf = (agentId: string) => (approval: Pick<PendingAction.Vote, "agent_id">): boolean =>
  approval.agent_id.toLowerCase() === agentId.toLowerCase()

/** The decision, whoever made it, and what this agent did earlier. */
const writtenBefore = ({ decided, voted }: Trace, agentId: string): ReadonlyArray<Entry> => {
  const own = voted.filter((each) => isOf(agentId)({ agent_id: each.agentId })).map(({ operation }) => operation)
  return [...decided, ...own].map((operation) => ({ operation, payload: Payload.ofLog(operation) }))
}

const denied = (why: string): Either.Either<never, Denied> =>
  Either.left(new Denied({ detail: `approve rejected: ${why}` }))
