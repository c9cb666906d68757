import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { checkCount } from "../../domain/checks.js"
import { EVERYWHERE } from "../../domain/Governance.js"
import { DEFAULT_SESSION_MEMORIES, MAX_SESSION_MEMORIES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import { Uuid } from "../../domain/Uuid.js"
import * as validate from "../../domain/validate.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import type { StandardReader } from "../../store/read/StandardReader.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { type FoundStandard, standardsChain } from "../governance/standards.js"
import { listMemories } from "../memories/listMemories.js"
import { anonymous, type Caller } from "../writing/Written.js"

export interface SessionRequest {
  /** Exactly this namespace; all of them unless given. */
  readonly namespace?: string | undefined
  /** 10 unless given; more than 50 is taken as 50. */
  readonly limit?: number | undefined
  /** Who begins, unless the caller's header says. */
  readonly agentId?: string | undefined
}

export interface Session {
  readonly id: string
  readonly agentId: Option.Option<string>
  /** By priority, then by the latest change, both descending; the standards are not among them. */
  readonly memories: ReadonlyArray<Memory>
  /** What applies to the namespace, the farthest first; without a namespace what applies to all of them. */
  readonly standards: ReadonlyArray<FoundStandard>
}

/** What an agent should know when it begins. The node keeps nothing of the session, and nothing counts as used by it. */
export const startSession = (
  request: SessionRequest = {},
  caller: Pick<Caller, "agentId"> = anonymous
): Effect.Effect<Session, validate.Invalid | ReadFailed, MemoryReader | StandardReader | Uuid> =>
  Effect.gen(function*() {
    const uuid = yield* Uuid
    const limit = yield* checkCount(
      "limit",
      Math.min(request.limit ?? DEFAULT_SESSION_MEMORIES, MAX_SESSION_MEMORIES),
      MAX_SESSION_MEMORIES
    )
    if (request.agentId !== undefined) yield* validate.agentId(request.agentId)
    const { standards } = yield* standardsChain(request.namespace ?? EVERYWHERE)
    const told = new Set(standards.map(({ memory }) => memory.id))
    const listed = yield* listMemories({ namespace: request.namespace, limit: limit + told.size })
    const memories = listed.filter(({ id }) => !told.has(id)).slice(0, limit)
    const agentId = Option.orElse(Option.fromNullable(request.agentId), () => caller.agentId)
    return { id: uuid.make(), agentId, memories, standards }
  }).pipe(hotSpan("startSession"))
