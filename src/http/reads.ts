import * as Effect from "effect/Effect"
import type { IncomingHttpHeaders } from "node:http"
import { decoder } from "../domain/ShapeError.js"
import { Invalid } from "../domain/validate.js"
import { listMemories } from "../operations/listMemories.js"
import { namespaces as listNamespaces } from "../operations/namespaces.js"
import { recall as recallMemories, type Recalled, type RecallRequest } from "../operations/recall.js"
import { searchMemories } from "../operations/searchMemories.js"
import type * as Api from "./Api.js"
import { Recall } from "./Api.js"
import { decodeWith } from "./endpoints.js"

/* The reads of the contract, from its names to those of the operations and back. */

export const list = (asked: Query<typeof Api.ListQuery>) =>
  Effect.map(listMemories(filterOf(asked)), (memories) => ({ memories, count: memories.length }))

export const search = (asked: Query<typeof Api.SearchQuery>) =>
  searchMemories({ ...filterOf(asked), q: asked.q }).pipe(
    Effect.mapError((error) => error._tag === "Invalid" && error.field === "query" ? missingWords(error) : error),
    Effect.map((hits) => {
      const results = hits.map(({ memory }) => memory)
      return { results, memories: results, count: results.length, query: asked.q }
    })
  )

export const recall = (asked: Query<typeof Api.RecallQuery>) =>
  Effect.map(
    recallMemories({ ...filterOf(asked), context: asked.context, budgetTokens: asked.budget_tokens }),
    encodeRecalled
  )

export const recallBody = (headers: IncomingHttpHeaders, body: Buffer) =>
  Effect.gen(function*() {
    const asked = yield* decodeWith(decodeRecall, headers, body)
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

export const namespaces = Effect.map(listNamespaces, (all) => ({ namespaces: all }))

export { stats } from "../operations/stats.js"

type Query<S extends { readonly Type: unknown }> = S["Type"]

const decodeRecall = decoder(Recall)

/** The parameter is called `q`, what it holds a query. */
const missingWords = ({ message }: Invalid) => new Invalid({ field: "q", message })

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
