import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { encodeJson, isWhole, type Memory } from "../../domain/Memory.js"
import * as Message from "../../domain/Message.js"
import * as SignedMemory from "../../domain/SignedMemory.js"
import * as validate from "../../domain/validate.js"
import { attest } from "../../operations/agents/attest.js"
import { linksOf } from "../../operations/graph/linksOf.js"
import { getMemory } from "../../operations/memories/getMemory.js"
import { getPlainly, type Plain, plainNow, type PlainReader } from "../../operations/memories/getPlainly.js"
import { listTexts } from "../../operations/memories/listMemories.js"
import { potentialContradictions } from "../../operations/memories/potentialContradictions.js"
import { promote as promoteMemory } from "../../operations/memories/promote.js"
import { remember, remembering } from "../../operations/memories/remember.js"
import { remove as removeMemory, removing } from "../../operations/memories/remove.js"
import { searchPage } from "../../operations/memories/searchMemories.js"
import { touch } from "../../operations/memories/touch.js"
import { update as updateMemory, updating } from "../../operations/memories/update.js"
import { stats } from "../../operations/node/stats.js"
import { firstSentence } from "../../operations/recall/firstSentence.js"
import { recall as recallMemories, type Recalled, type RecallRequest } from "../../operations/recall/recall.js"
import { each } from "../../operations/writing/each.js"
import { withMemory } from "../../operations/writing/Write.js"
import type { Removed, Written } from "../../operations/writing/Written.js"
import { type Answer, answer, formOf, text } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Remarks from "../calls/Remarks.js"
import { screening } from "../calls/screening.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/memories.js"
import * as Notices from "./notices.js"

/** What is exported below serves the lean path, too, so that both answer alike. */
export const layer = HttpApiBuilder.group(Api, "memories", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.create, create))
    .handleRaw(...Call.read(contract.list, list))
    .handleRaw(...Call.read(contract.get, get))
    .handleRaw(...Call.write(contract.update, update))
    .handleRaw(...Call.write(contract.remove, remove))
    .handleRaw(...Call.write(contract.promote, promote))
    .handleRaw(...Call.read(contract.search, search))
    .handleRaw(...Call.read(contract.recallQuery, recallQuery))
    .handleRaw(...Call.read(contract.recall, recall))
    .handleRaw(...Call.read(contract.stats, () => Effect.map(stats, (found) => answer(contract.stats, found)))))

const creationOf = Call.decodeBody(contract.create, SignedMemory.decode)

export const create = ({ headers, incoming }: Call.Call<typeof contract.create>) =>
  Effect.gen(function*() {
    const { caller, request } = yield* (yield* reading)(headers, incoming)
    const attested = yield* attest(request, caller)
    const written = yield* remember(request, caller, attested)
    const [alike] = yield* potentialContradictions([written.memory])
    return created(request, written, alike)
  })

/** Those that came at once: one fiber, one transaction and one fan-out for all of them. */
export const createEach = (
  calls: ReadonlyArray<Call.Call<typeof contract.create>>,
  told: Call.Told<typeof contract.create>
) =>
  Effect.gen(function*() {
    const read = yield* reading
    const ready: Array<Creation> = []
    for (const [at, { headers, incoming }] of calls.entries()) {
      const asked = read(headers, incoming)
      if (Either.isLeft(asked)) {
        told(at, Exit.fail(asked.left))
        continue
      }
      const { caller, request } = asked.right
      const attested = request.signature === undefined
        ? UNATTESTED
        : yield* Effect.exit(attest(request, caller))
      if (Exit.isSuccess(attested)) {
        ready.push({ at, request, write: { ...remembering(request, caller, attested.value), answer: withText } })
      } else told(at, Exit.failCause(attested.cause))
    }
    const alike: Array<ReadonlyArray<string>> = []
    yield* each(ready.map(({ write }) => write), {
      meanwhile: (written) => {
        const stored = written.flatMap(({ entry: { payload }, index }) =>
          payload.kind === "store" ? [{ index, memory: payload.memory }] : []
        )
        return Effect.map(potentialContradictions(stored.map(({ memory }) => memory)), (found) => {
          for (const [position, { index }] of stored.entries()) alike[index] = found[position] ?? []
        })
      },
      told: (index, exit) => {
        const one = ready[index]
        if (one !== undefined) {
          told(
            one.at,
            Exit.map(exit, ({ text, written }) => created(one.request, written, alike[index], text))
          )
        }
      }
    })
  })

interface Creation {
  /** Its place among all. */
  readonly at: number
  readonly request: unknown
  readonly write: Omit<ReturnType<typeof remembering>, "answer"> & { readonly answer: typeof withText }
}

/** What was written with the text that it has in the log, which need not be made once more. */
const withText = (done: Parameters<typeof withMemory>[0]) => ({
  written: withMemory(done),
  text: done.payload.kind === "store" ? done.operation.body : null
})

const UNATTESTED = Exit.succeed(Option.none())

/** Reads what a request asks to be stored, by whom. */
const reading = Effect.map(
  screening,
  (look) => (headers: Call.Call<typeof contract.create>["headers"], incoming: Call.Incoming) =>
    Either.gen(function*() {
      const caller = yield* Caller.fromHeaders(headers)
      const request = yield* creationOf(incoming)
      yield* look(incoming, [{ value: request, at: "" }])
      if (request.signature === undefined && request.created_at !== undefined) Remarks.note(incoming.remarks, UNSIGNED)
      return { caller, request }
    })
)

const created = (
  request: unknown,
  written: Written,
  alike: ReadonlyArray<string> = [],
  text: string | null = null
) => {
  const { memory } = written
  const headers = {
    ...Call.writtenHeaders(memory, written),
    location: `/api/v1/memories/${encodeURIComponent(memory.id)}`
  }
  const more = {
    ...(alike.length === 0 ? {} : { potential_contradictions: alike }),
    ...Notices.ofCreated(request, memory),
    ...Call.acksOf(written)
  }
  return isWhole(memory)
    ? createdPlainly(memory, text ?? encodeJson(memory), more, headers)
    : answer(contract.create, { ...createdFields(memory), ...more }, headers)
}

/** The same text, put together: an object of so many fields is a copy of them all, and costs more than its text. */
const createdPlainly = (
  memory: Memory,
  whole: string,
  more: object,
  headers: Readonly<Record<string, string>>
): Answer<typeof contract.create> => {
  const { id, metadata: { agent_id: owner }, namespace, tier, title } = memory
  const first = JSON.stringify({ id, tier, namespace, title }).slice(0, -1)
  const agentId = Predicate.isString(owner) ? JSON.stringify(owner) : "null"
  const rest = whole.slice(first.length, -1)
  const { contentType, status } = formOf(contract.create)
  const body = `${first},"agent_id":${agentId}${rest},${JSON.stringify(more).slice(1)}`
  return { endpoint: contract.create, status, headers, contentType, body }
}

const UNSIGNED = "the field created_at is known here with a signature alone, and was ignored"

export const get = ({ path }: Call.Call<typeof contract.get>) =>
  Effect.flatMap(
    getPlainly(path.id),
    (plain) => plain === null ? getWhole(path.id) : Effect.succeed(foundPlainly(plain))
  )

/** The same at once, where it is a memory that is sent as it stands; null where it is not. */
export const getNow = (services: Context.Context<PlainReader>, id: string): Answer<typeof contract.get> | null => {
  const plain = plainNow(services, id)
  return plain === null ? null : foundPlainly(plain)
}

const foundPlainly = ({ text, updatedAt }: Plain): Answer<typeof contract.get> => {
  const { contentType, status } = formOf(contract.get)
  const body = `${text.slice(0, -1)},"memory":${text},"links":[]}`
  return {
    endpoint: contract.get,
    status,
    headers: { etag: Call.etagOf({ updated_at: updatedAt }) },
    contentType,
    body
  }
}

/** A message counts as read by it. */
const getWhole = (id: string) =>
  Effect.gen(function*() {
    const memory = yield* getMemory(yield* validate.memoryId(id))
    if (Message.is(memory)) yield* touch([memory.id])
    const links = yield* linksOf(memory.id)
    return answer(contract.get, { ...memory, memory, links }, { etag: Call.etagOf(memory) })
  })

const changeOf = Call.bodyOf(contract.update)

/** Reads what a request asks to be changed, by whom. */
const readingChange = Effect.map(
  screening,
  (look) => ({ headers, incoming, path }: Call.Call<typeof contract.update>) =>
    Either.gen(function*() {
      const caller = yield* Caller.fromHeaders(headers)
      const ifMatch = yield* Caller.ifMatch(headers)
      const id = yield* validate.memoryId(path.id)
      const change = yield* changeOf(incoming)
      yield* look(incoming, [{ value: change, at: "" }])
      return { id, change, options: { caller, ifMatch } }
    })
)

export const update = (call: Call.Call<typeof contract.update>) =>
  Effect.gen(function*() {
    const { change, id, options } = yield* (yield* readingChange)(call)
    return updated(yield* updateMemory(id, change, options))
  })

/** Those that came at once. */
export const updateEach = (
  calls: ReadonlyArray<Call.Call<typeof contract.update>>,
  told: Call.Told<typeof contract.update>
) =>
  Effect.flatMap(readingChange, (read) => {
    const ready = readEach(calls, read, told)
    return each(ready.map(({ asked: { change, id, options } }) => updating(id, change, options)), {
      meanwhile: () => Effect.void,
      told: (index, exit) => {
        const one = ready[index]
        if (one !== undefined) told(one.at, Exit.map(exit, updated))
      }
    })
  })

/** What is asked for by those that can be read, each with its place among all. The others are refused. */
const readEach = <C, A, E>(
  calls: ReadonlyArray<C>,
  read: (call: C) => Either.Either<A, E>,
  told: (index: number, exit: Exit.Exit<never, E>) => void
): ReadonlyArray<{ readonly at: number; readonly asked: A }> =>
  calls.flatMap((call, at) => {
    const asked = read(call)
    if (Either.isRight(asked)) return [{ at, asked: asked.right }]
    told(at, Exit.fail(asked.left))
    return []
  })

const updated = ({ memory, ...acknowledged }: Written) =>
  answer(
    contract.update,
    { ...memory, ...Call.acksOf(acknowledged) },
    Call.writtenHeaders(memory, acknowledged)
  )

const removalOf = ({ headers, path }: Call.Call<typeof contract.remove>) =>
  Either.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const ifMatch = yield* Caller.ifMatch(headers)
    return { id: yield* validate.memoryId(path.id), caller, ifMatch }
  })

export const remove = (call: Call.Call<typeof contract.remove>) =>
  Effect.flatMap(removalOf(call), ({ id, ...options }) => Effect.map(removeMemory(id, options), removed))

/** Those that came at once. */
export const removeEach = (
  calls: ReadonlyArray<Call.Call<typeof contract.remove>>,
  told: Call.Told<typeof contract.remove>
) => {
  const ready = readEach(calls, removalOf, told)
  return each(ready.map(({ asked: { id, ...options } }) => removing(id, options)), {
    meanwhile: () => Effect.void,
    told: (index, exit) => {
      const one = ready[index]
      if (one !== undefined) told(one.at, Exit.map(exit, removed))
    }
  })
}

const removed = ({ id, ...acknowledged }: Removed) =>
  answer(contract.remove, { deleted: true, id, ...Call.acksOf(acknowledged) }, { "x-op-id": acknowledged.opId })

const promote = ({ headers, path }: Call.Call<typeof contract.promote>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { memory, ...acknowledged } = yield* promoteMemory(yield* validate.memoryId(path.id), caller)
    return answer(
      contract.promote,
      { promoted: true, ...memory, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged)
    )
  })

export const list = ({ urlParams }: Call.Call<typeof contract.list>) =>
  Effect.map(
    listTexts(filterOf(urlParams)),
    ({ rows, truncated }) =>
      text(
        contract.list,
        `{"memories":[${rows.join(",")}],"count":${rows.length}${truncated ? ",\"truncated\":true" : ""}}`
      )
  )

const search = ({ incoming, urlParams }: Call.Call<typeof contract.search>) =>
  searchPage({ ...filterOf(urlParams), q: urlParams.q }).pipe(
    Effect.mapError((error) => error._tag === "Invalid" && error.field === "query" ? missingWords(error) : error),
    Effect.map(({ rows, truncated }) => {
      const found = rows.map(({ matched, memory }) => ({ ...memory, matched }))
      return answer(contract.search, {
        ...(Call.isPython(incoming) ? { memories: found } : { results: found }),
        count: found.length,
        query: urlParams.q,
        ...(truncated ? { truncated } : {})
      })
    })
  )

const recallQuery = ({ urlParams }: Call.Call<typeof contract.recallQuery>) =>
  Effect.map(
    recallMemories({
      ...filterOf(urlParams),
      context: urlParams.context,
      abstainBelow: urlParams.abstain_below,
      budgetTokens: urlParams.budget_tokens
    }),
    (recalled) => answer(contract.recallQuery, encodeRecalled(recalled, urlParams))
  )

const recallOf = Call.bodyOf(contract.recall)

export const recall = ({ incoming }: Call.Call<typeof contract.recall>) =>
  Effect.gen(function*() {
    const asked = yield* recallOf(incoming)
    const request: RecallRequest = {
      context: asked.context,
      namespace: asked.namespace,
      limit: asked.limit,
      tag: asked.tags,
      since: asked.since,
      until: asked.until,
      asAgent: asked.as_agent,
      abstainBelow: asked.abstain_below,
      budgetTokens: asked.budget_tokens
    }
    return answer(contract.recall, encodeRecalled(yield* recallMemories(request), asked))
  })

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

interface Shape {
  readonly compact?: boolean | undefined
  readonly explain?: boolean | undefined
}

const encodeRecalled = (
  { budget, count, degraded, evidence, memories, mode, parts, tokensCountedBy, tokensUsed }: Recalled,
  { compact = false, explain = false }: Shape
) => ({
  memories: memories.map((memory, at) => {
    const explained = explain ? parts[at] : undefined
    const { content, id, score, title } = memory
    const shown = compact ? { id, title, snippet: firstSentence(content), score } : memory
    return { ...shown, ...(explained === undefined ? {} : { explain: rounded(explained) }) }
  }),
  count,
  tokens_used: tokensUsed,
  tokens_counted_by: tokensCountedBy,
  mode,
  ...(degraded.length === 0 ? {} : { degraded }),
  evidence: {
    strength: thousandths(evidence.strength),
    top_score: thousandths(evidence.topScore),
    gap_to_second: thousandths(evidence.gapToSecond),
    coverage: thousandths(evidence.coverage)
  },
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

const thousandths = (value: number): number => Math.round(value * 1000) / 1000

const rounded = ({ context, distance, keyword, semantic, time, use, worth }: Recalled["parts"][number]) => ({
  keyword: thousandths(keyword),
  semantic: thousandths(semantic),
  time: thousandths(time),
  context: thousandths(context),
  worth: thousandths(worth),
  use: thousandths(use),
  distance: thousandths(distance)
})

/** The original's five fields of a created memory, then the rest of the memory. */
const createdFields = (memory: Memory) => {
  const { id, metadata: { agent_id: owner }, namespace, tier, title } = memory
  const first = { id, tier, namespace, title, agent_id: Predicate.isString(owner) ? owner : null }
  // They keep their place where the memory says them once more.
  return { ...first, ...memory }
}
