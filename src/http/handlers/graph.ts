import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CreateLink from "../../domain/CreateLink.js"
import * as Entity from "../../domain/Entity.js"
import { MAX_WALKED } from "../../domain/limits.js"
import type { Link } from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import { decoder } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { entityByAlias } from "../../operations/graph/entityByAlias.js"
import { kgInvalidate as invalidateLink } from "../../operations/graph/kgInvalidate.js"
import { kgQuery as walk } from "../../operations/graph/kgQuery.js"
import { kgTimeline } from "../../operations/graph/kgTimeline.js"
import { link as createLink } from "../../operations/graph/link.js"
import { linksOf } from "../../operations/graph/linksOf.js"
import { registerEntity } from "../../operations/graph/registerEntity.js"
import { unlink as removeLinks } from "../../operations/graph/unlink.js"
import { checkDuplicate } from "../../operations/memories/checkDuplicate.js"
import { taxonomy } from "../../operations/node/taxonomy.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/graph.js"
import * as Answer from "../server/answer.js"
import * as Caller from "../server/Caller.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"

export const layer = HttpApiBuilder.group(Api, "graph", (handlers) =>
  handlers
    .handleRaw("link", ({ request }) => Call.writeBody(request, link))
    .handleRaw("unlink", ({ request }) => Call.writeBody(request, unlink))
    .handle("links", ({ path, urlParams }) => Answer.refusals(links(path.id, urlParams)))
    .handleRaw("kgQuery", ({ request }) => Answer.refusals(Effect.flatMap(Call.withBody(request), kgQuery)))
    .handle("kgTimeline", ({ urlParams }) => Answer.refusals(timeline(urlParams)))
    .handleRaw("kgInvalidate", ({ request }) => Call.writeBody(request, kgInvalidate))
    .handle("taxonomy", ({ urlParams }) => Answer.refusals(taxonomy(urlParams)))
    .handleRaw("registerEntity", ({ request }) => Call.writeBody(request, register))
    .handle("entityByAlias", ({ urlParams }) => Answer.refusals(byAlias(urlParams)))
    .handleRaw("checkDuplicate", ({ request }) => Answer.refusals(Effect.flatMap(Call.withBody(request), duplicate))))

const link = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(CreateLink.decode, call)
    const { link, ...acknowledged } = yield* createLink(request, caller)
    return Reply.json(
      201,
      { linked: true, attest_level: "unsigned", ...link, ...Call.acksOf(acknowledged) },
      { "x-op-id": acknowledged.opId }
    )
  })

const decodeUnlink = decoder(contract.Unlink)

const unlink = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const { removed, ...acknowledged } = yield* removeLinks(yield* Call.decodeBody(decodeUnlink, call), caller)
    // Nothing was removed: there is no operation to name.
    const headers = removed === 0 ? {} : { "x-op-id": acknowledged.opId }
    return Reply.json(200, { deleted: removed > 0, ...Call.acksOf(acknowledged) }, headers)
  })

const links = (id: string, page: typeof contract.LinksQuery.Type) =>
  Effect.gen(function*() {
    const links = yield* linksOf(yield* validate.memoryId(id), page)
    return { links, count: links.length }
  })

const decodeQuery = decoder(contract.KgQuery)

const kgQuery = (call: Call.Call) =>
  Effect.gen(function*() {
    const asked = yield* Call.decodeBody(decodeQuery, call)
    const { maxDepth, reached, sourceId } = yield* walk({
      sourceId: asked.source_id,
      maxDepth: asked.max_depth,
      validAt: asked.valid_at,
      allowedAgents: asked.allowed_agents,
      limit: asked.limit === undefined ? undefined : Math.min(asked.limit, MAX_WALKED)
    })
    const memories = reached.map(({ depth, link, path, ...found }) => ({
      ...targetOf(link, found),
      depth,
      path: path.join(" -> ")
    }))
    return {
      source_id: sourceId,
      max_depth: maxDepth,
      memories,
      paths: memories.map(({ path }) => path),
      count: memories.length
    }
  })

const timeline = ({ source_id, ...range }: typeof contract.TimelineQuery.Type) =>
  Effect.map(kgTimeline({ sourceId: source_id, ...range }), ({ events, sourceId }) => ({
    source_id: sourceId,
    events: events.map(({ link, ...found }) => ({ ...targetOf(link, found), created_at: link.created_at })),
    count: events.length
  }))

const decodeInvalidate = decoder(contract.KgInvalidate)

const kgInvalidate = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(decodeInvalidate, call)
    const { link, previously, ...acknowledged } = yield* invalidateLink(request, caller)
    return Reply.json(200, {
      found: true,
      source_id: link.source_id,
      target_id: link.target_id,
      relation: link.relation,
      valid_until: link.valid_until,
      ...(Option.isSome(previously) ? { previous_valid_until: previously.value } : {}),
      ...Call.acksOf(acknowledged)
    }, { "x-op-id": acknowledged.opId })
  })

const register = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(Entity.decode, call)
    const { created, memory, ...acknowledged } = yield* registerEntity(request, caller)
    return Reply.json(
      created ? 201 : 200,
      { ...entityOf(memory), created, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged)
    )
  })

const byAlias = (asked: typeof contract.AliasQuery.Type) =>
  Effect.map(
    entityByAlias(asked),
    Option.match({
      onNone: () => ({ found: false, entity_id: null, canonical_name: null, namespace: null, aliases: null }),
      onSome: (memory) => ({ found: true, ...entityOf(memory) })
    })
  )

const entityOf = (memory: Memory) => ({
  entity_id: memory.id,
  canonical_name: memory.title,
  namespace: memory.namespace,
  aliases: Entity.aliasesOf(memory)
})

const decodeDuplicate = decoder(contract.CheckDuplicate)

const duplicate = (call: Call.Call) => Effect.flatMap(Call.decodeBody(decodeDuplicate, call), checkDuplicate)

/** Where a link leads to, as the original tells it: what is not known is null. */
const targetOf = (link: Link, { namespace, title }: { readonly namespace: string; readonly title: string }) => ({
  target_id: link.target_id,
  relation: link.relation,
  valid_from: link.valid_from ?? null,
  valid_until: link.valid_until ?? null,
  observed_by: link.observed_by ?? null,
  title,
  target_namespace: namespace
})
