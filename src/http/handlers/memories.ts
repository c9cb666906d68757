import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Memory } from "../../domain/Memory.js"
import { decoder } from "../../domain/ShapeError.js"
import * as UpdateMemory from "../../domain/UpdateMemory.js"
import * as validate from "../../domain/validate.js"
import { linksOf } from "../../operations/graph/linksOf.js"
import { getMemory } from "../../operations/memories/getMemory.js"
import { listMemories } from "../../operations/memories/listMemories.js"
import { promote as promoteMemory } from "../../operations/memories/promote.js"
import { recall as recallMemories, type Recalled, type RecallRequest } from "../../operations/memories/recall.js"
import { remember } from "../../operations/memories/remember.js"
import { remove as removeMemory } from "../../operations/memories/remove.js"
import { searchMemories } from "../../operations/memories/searchMemories.js"
import { update as updateMemory } from "../../operations/memories/update.js"
import { stats } from "../../operations/node/stats.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/memories.js"
import * as Answer from "../server/answer.js"
import * as Caller from "../server/Caller.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"

/** What is exported below serves the lean path, too, so that both answer alike. */
export const layer = HttpApiBuilder.group(Api, "memories", (handlers) =>
  handlers
    .handleRaw("create", ({ request }) => Call.writeBody(request, create))
    .handle("list", ({ urlParams }) => Answer.refusals(list(urlParams)))
    .handleRaw("get", ({ path }) => Call.respond(get(path)))
    .handleRaw("update", ({ path, request }) => Call.writeBody(request, update, path.id))
    .handleRaw("remove", ({ path, request }) => Call.write(remove(Call.of(request, path.id))))
    .handleRaw("promote", ({ path, request }) => Call.write(promote(Call.of(request, path.id))))
    .handle("search", ({ urlParams }) => Answer.refusals(search(urlParams)))
    .handle("recallQuery", ({ urlParams }) => Answer.refusals(recallQuery(urlParams)))
    .handleRaw("recall", ({ request }) => Answer.refusals(Effect.flatMap(Call.withBody(request), recall)))
    .handle("stats", () => Answer.refusals(stats)))

export const create = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(CreateMemory.decode, call)
    const { memory, ...acknowledged } = yield* remember(request, caller)
    return Reply.json(201, { ...createdFields(memory), ...Call.acksOf(acknowledged) }, {
      ...Call.writtenHeaders(memory, acknowledged),
      location: `/api/v1/memories/${encodeURIComponent(memory.id)}`
    })
  })

export const get = ({ id }: Pick<Call.Call, "id">) =>
  Effect.gen(function*() {
    const memory = yield* getMemory(yield* validate.memoryId(id))
    const links = yield* linksOf(memory.id)
    return Reply.json(200, { ...memory, memory, links }, { etag: Call.etagOf(memory) })
  })

const update = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const ifMatch = yield* Caller.ifMatch(call.headers)
    const target = yield* validate.memoryId(call.id)
    const request = yield* Call.decodeBody(UpdateMemory.decode, call)
    const { memory, ...acknowledged } = yield* updateMemory(target, request, { caller, ifMatch })
    return Reply.json(200, { ...memory, ...Call.acksOf(acknowledged) }, Call.writtenHeaders(memory, acknowledged))
  })

const remove = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const ifMatch = yield* Caller.ifMatch(call.headers)
    const removed = yield* removeMemory(yield* validate.memoryId(call.id), { caller, ifMatch })
    return Reply.json(200, { deleted: true, id: removed.id, ...Call.acksOf(removed) }, { "x-op-id": removed.opId })
  })

const promote = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const { memory, ...acknowledged } = yield* promoteMemory(yield* validate.memoryId(call.id), caller)
    return Reply.json(
      200,
      { promoted: true, ...memory, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged)
    )
  })

const list = (asked: Query<typeof contract.ListQuery>) =>
  Effect.map(listMemories(filterOf(asked)), (memories) => ({ memories, count: memories.length }))

const search = (asked: Query<typeof contract.SearchQuery>) =>
  searchMemories({ ...filterOf(asked), q: asked.q }).pipe(
    Effect.mapError((error) => error._tag === "Invalid" && error.field === "query" ? missingWords(error) : error),
    Effect.map((hits) => {
      const results = hits.map(({ memory }) => memory)
      return { results, memories: results, count: results.length, query: asked.q }
    })
  )

const recallQuery = (asked: Query<typeof contract.RecallQuery>) =>
  Effect.map(
    recallMemories({ ...filterOf(asked), context: asked.context, budgetTokens: asked.budget_tokens }),
    encodeRecalled
  )

const recall = (call: Call.Call) =>
  Effect.gen(function*() {
    const asked = yield* Call.decodeBody(decodeRecall, call)
    const request: RecallRequest = {
      context: asked.context,
      namespace: asked.namespace,
      limit: asked.limit,
      tag: asked.tags,
      since: asked.since,
      until: asked.until,
      asAgent: asked.as_agent,
      budgetTokens: asked.budget_tokens
    }
    return encodeRecalled(yield* recallMemories(request))
  })

type Query<S extends { readonly Type: unknown }> = S["Type"]

const decodeRecall = decoder(contract.Recall)

/** The parameter is called `q`, what it holds a query. */
const missingWords = ({ message }: validate.Invalid) => new validate.Invalid({ field: "q", message })

const filterOf = <A extends Filters>({ agent_id, as_agent, min_priority, tags, ...asked }: A) => ({
  ...asked,
  agentId: agent_id,
  asAgent: as_agent,
  minPriority: min_priority,
  tag: tags
})

interface Filters {
  readonly agent_id?: string | undefined
  readonly as_agent?: string | undefined
  readonly min_priority?: number | undefined
  readonly tags?: string | undefined
}

const encodeRecalled = ({ budget, count, memories, mode, tokensUsed }: Recalled) => ({
  memories,
  count,
  tokens_used: tokensUsed,
  mode,
  ...(budget === undefined ? {} : {
    budget_tokens: budget.tokens,
    meta: {
      budget_tokens_used: budget.used,
      budget_tokens_remaining: budget.remaining,
      memories_dropped: budget.dropped,
      budget_overflow: budget.overflow
    }
  })
})

/** The original's five fields of a created memory, then the rest of the memory. */
const createdFields = (memory: Memory) => {
  const { id, namespace, tier, title, ...rest } = memory
  return { id, tier, namespace, title, agent_id: memory.metadata["agent_id"] ?? null, ...rest }
}
