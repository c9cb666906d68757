import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { checkCount } from "../../domain/checks.js"
import { DEFAULT_PENDING, MAX_OFFSET, MAX_PENDING } from "../../domain/limits.js"
import type * as PendingAction from "../../domain/PendingAction.js"
import * as validate from "../../domain/validate.js"
import type { Governed } from "../../store/deciding/governed.js"
import * as Bounded from "../../store/read/Bounded.js"
import { PendingReader, type Status, STATUSES, statusOf } from "../../store/read/PendingReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"

export interface ListPending {
  /** `pending`, `approved`, `rejected` or `expired`; all of them unless given. */
  readonly status?: string | undefined
  /** 0 to 1000, 100 unless given. */
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/** Actions that wait for approval or did, the newest first, each with its votes and how it stands now. */
export const listPending = (
  asked: ListPending
): Effect.Effect<ReadonlyArray<PendingAction.PendingAction>, validate.Invalid | ReadFailed, PendingReader> =>
  Effect.map(pendingPage(asked), ({ rows }) => rows)

/** The same, and whether there are more that were left out because these are large. */
export const pendingPage = (
  asked: ListPending
): Effect.Effect<Bounded.Bounded<PendingAction.PendingAction>, validate.Invalid | ReadFailed, PendingReader> =>
  Effect.gen(function*() {
    const reader = yield* PendingReader
    const limit = yield* checkCount("limit", asked.limit ?? DEFAULT_PENDING, MAX_PENDING)
    const offset = yield* checkCount("offset", asked.offset ?? 0, MAX_OFFSET)
    const status = asked.status === undefined ? undefined : yield* checkStatus(asked.status)
    const nowMillis = yield* Clock.currentTimeMillis
    if (limit === 0) return Bounded.NOTHING
    const found = yield* reader.list({ status, nowMillis, limit, offset })
    return Bounded.map(found, (governed) => asOf(governed, nowMillis))
  }).pipe(hotSpan("listPending"))

/** The action in the shape it has on the wire, with all that became of it. */
export const asOf = (
  governed: Governed & { readonly overruled?: ReadonlyArray<PendingAction.Overruled> },
  nowMillis: number
): PendingAction.PendingAction => {
  const { action, decision, overruled = [], votes } = governed
  return {
    ...action,
    status: statusOf(governed, nowMillis),
    approvals: votes.map(({ agent_id, approved_at }) => ({ agent_id, approved_at })),
    ...(decision === null ? {} : { decided_by: decision.decider, decided_at: decision.decided_at }),
    ...(overruled.length === 0 ? {} : { overruled })
  }
}

const checkStatus = (text: string): Either.Either<Status, validate.Invalid> => {
  const known = STATUSES.find((status) => status === text)
  return known === undefined
    ? Either.left(new validate.Invalid({ field: "status", message: `status must be one of ${STATUSES.join(", ")}` }))
    : Either.right(known)
}
