import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { MAX_APPROVALS, MAX_METADATA_DEPTH } from "./limits.js"
import * as Memory from "./Memory.js"
import { decoder } from "./ShapeError.js"
import * as Stamp from "./Stamp.js"
import * as rules from "./validate.js"

/** What may wait for approval. */
export const ACTIONS = ["store", "delete", "promote"] as const
type Action = (typeof ACTIONS)[number]
/** An action that nobody decided in this time has expired. */
export const EXPIRES_AFTER = Duration.hours(24)

/** Who may decide: anybody, one agent, or so many registered agents together. */
export const Approver = Schema.Union(
  Schema.Literal("human"),
  Schema.Struct({ agent: Schema.String }),
  Schema.Struct({ consensus: Schema.Int.pipe(Schema.between(1, MAX_APPROVALS)) })
).annotations({ description: "\"human\", {\"agent\": id} or {\"consensus\": n}" })
export type Approver = typeof Approver.Type

/** One agent's approval. */
const Approval = Schema.Struct({ agent_id: Schema.String, approved_at: Schema.String })
type Approval = typeof Approval.Type

/**
 * A decision that does not count, because another one came before it: two sides of a partition did not know of each other. `done`
 * is what its node did by it: `stored` has been taken back, everything else stands.
 */
const Overruled = Schema.Struct({
  approved: Schema.Boolean,
  decided_by: Schema.String,
  decided_at: Schema.String,
  done: Schema.NullOr(Schema.Literal("stored", "merged", "archived", "deleted", "promoted")),
  memory_id: Schema.NullOr(Schema.String)
})
export type Overruled = typeof Overruled.Type

/**
 * A write that waits for approval, in the shape it has on the wire. `payload` is the whole memory of a store, `{id, title}`
 * of a delete, `{id}` of a promotion. `approver` is ours: the rule that held when the action was queued.
 */
export const PendingAction = Schema.Struct({
  id: Schema.String,
  action_type: Schema.String,
  memory_id: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null }),
  namespace: Schema.String,
  payload: Schema.Unknown,
  requested_by: Schema.String,
  requested_at: Schema.String,
  status: Schema.optionalWith(Schema.String, { default: () => "pending" }),
  decided_by: absentable(Schema.String),
  decided_at: absentable(Schema.String),
  approvals: Schema.optionalWith(Schema.Array(Approval), { default: () => [], nullable: true }),
  approver: absentable(Approver),
  overruled: absentable(Schema.Array(Overruled))
})
export type PendingAction = typeof PendingAction.Type

/** An action that keeps the rules: what it is for is one of the closed set. */
export interface Valid extends PendingAction {
  readonly action_type: Action
}

/** A vote of one agent for an action that needs several. */
export const Vote = Schema.Struct({ id: Schema.String, ...Approval.fields })
export type Vote = typeof Vote.Type

/**
 * The end of a pending action. `memory` is what an approved store comes to, under an id that belongs to the action, so that
 * however many nodes execute it there is one memory. A decision of an original node has neither it nor `decided_at`.
 */
export const Decision = Schema.Struct({
  id: Schema.String,
  approved: Schema.Boolean,
  decider: Schema.String,
  decided_at: Schema.optionalWith(Schema.String, { default: () => "" }),
  memory: absentable(Memory.Within)
})
export type Decision = typeof Decision.Type

export const decode = decoder(PendingAction)
export const decodeVote = decoder(Vote)
export const decodeDecision = decoder(Decision)

/** The one JSON text of an action as it was queued: what becomes of it are operations of their own. */
export const encodeJson = (action: PendingAction): string =>
  JSON.stringify({
    id: action.id,
    action_type: action.action_type,
    memory_id: action.memory_id,
    namespace: action.namespace,
    payload: action.payload,
    requested_by: action.requested_by,
    requested_at: action.requested_at,
    approver: action.approver
  })

export const encodeVoteJson = (vote: Vote): string =>
  JSON.stringify({ id: vote.id, agent_id: vote.agent_id, approved_at: vote.approved_at })

export const encodeDecisionJson = ({ approved, decided_at, decider, id, memory }: Decision): string =>
  `${JSON.stringify({ id, approved, decider, decided_at }).slice(0, -1)}${
    memory === undefined ? "" : `,"memory":${Memory.encodeJson(memory)}`
  }}`

/** Of the JSON text of a payload: a memory with the longest content and metadata fits. */
const MAX_PAYLOAD = { bytes: 262_144, depth: MAX_METADATA_DEPTH + 1 }

/** The rules for an action that comes from elsewhere. Gives it back with its stamp in canonical form. */
export const validate = (action: PendingAction): Either.Either<Valid, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.firstInvalid([
      rules.memoryId(action.id),
      action.memory_id === null ? Either.void : rules.memoryId(action.memory_id),
      rules.namespace(action.namespace),
      rules.agentId(action.requested_by),
      action.decided_by === undefined ? Either.void : rules.named("decided_by", rules.agentId(action.decided_by)),
      rules.json("payload", action.payload ?? null, MAX_PAYLOAD)
    ])
    const actionType = ACTIONS.find((known) => known === action.action_type)
    if (actionType === undefined) return yield* invalid("action_type", `must be one of ${ACTIONS.join(", ")}`)
    if (typeof action.approver === "object" && "agent" in action.approver) yield* rules.agentId(action.approver.agent)
    return { ...action, action_type: actionType, requested_at: yield* rules.stamp("requested_at", action.requested_at) }
  })

export const validateVote = (vote: Vote): Either.Either<Vote, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.firstInvalid([rules.memoryId(vote.id), rules.agentId(vote.agent_id)])
    return { ...vote, approved_at: yield* rules.stamp("approved_at", vote.approved_at) }
  })

export const validateDecision = (decision: Decision): Either.Either<Decision, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.firstInvalid([rules.memoryId(decision.id), rules.agentId(decision.decider)])
    if (!decision.approved && decision.memory !== undefined) yield* invalid("memory", "stands only with an approval")
    const memory = decision.memory === undefined ? undefined : yield* rules.validateMemory(decision.memory)
    return {
      ...decision,
      decided_at: yield* rules.stamp("decided_at", decision.decided_at),
      ...(memory === undefined ? {} : { memory })
    }
  })

/** Whether an undecided action has expired. */
export const isExpired = (action: Pick<PendingAction, "requested_at">, nowMillis: number): boolean =>
  Stamp.toMillis(rules.canonicalStamp(action.requested_at)) + Duration.toMillis(EXPIRES_AFTER) <= nowMillis

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
