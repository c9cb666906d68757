import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Entity from "../../domain/Entity.js"
import { MAX_WALKED } from "../../domain/limits.js"
import type { Link } from "../../domain/Link.js"
import type { Memory } from "../../domain/Memory.js"
import * as validate from "../../domain/validate.js"
import { entityByAlias } from "../../operations/graph/entityByAlias.js"
import { kgInvalidate as invalidateLink } from "../../operations/graph/kgInvalidate.js"
import { kgQuery as walk } from "../../operations/graph/kgQuery.js"
import { kgTimeline } from "../../operations/graph/kgTimeline.js"
import { lineage as kinOf } from "../../operations/graph/lineage.js"
import { link as createLink } from "../../operations/graph/link.js"
import { linksOf } from "../../operations/graph/linksOf.js"
import { registerEntity } from "../../operations/graph/registerEntity.js"
import { unlink as removeLinks } from "../../operations/graph/unlink.js"
import { taxonomy } from "../../operations/node/taxonomy.js"
import { checkDuplicate } from "../../operations/recall/checkDuplicate.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import { Api } from "../contract/Api.js"
import * as entities from "../contract/entities.js"
import * as contract from "../contract/graph.js"

export const layer = HttpApiBuilder.group(Api, "graph", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.link, link))
    .handleRaw(...Call.write(contract.unlink, unlink))
    .handleRaw(...Call.read(contract.links, links))
    .handleRaw(...Call.read(contract.lineage, lineage))
    .handleRaw(...Call.read(contract.kgQuery, kgQuery))
    .handleRaw(...Call.read(contract.kgTimeline, timeline))
    .handleRaw(...Call.write(contract.kgInvalidate, kgInvalidate))
    .handleRaw(...Call.read(contract.taxonomy, tree))
    .handleRaw(...Call.write(entities.entity, register))
    .handleRaw(...Call.read(entities.entityByAlias, byAlias))
    .handleRaw(...Call.read(contract.checkDuplicate, duplicate)))

const linkOf = Call.bodyOf(contract.link)

export const link = ({ headers, incoming }: Call.Call<typeof contract.link>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { link, ...acknowledged } = yield* createLink(yield* linkOf(incoming), caller)
    return answer(
      contract.link,
      { linked: true, attest_level: "unsigned", ...link, ...Call.acksOf(acknowledged) },
      { "x-op-id": acknowledged.opId }
    )
  })

const endsOf = Call.bodyOf(contract.unlink)

const unlink = ({ headers, incoming }: Call.Call<typeof contract.unlink>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { removed, ...acknowledged } = yield* removeLinks(yield* endsOf(incoming), caller)
    return answer(
      contract.unlink,
      { deleted: removed > 0, ...Call.acksOf(acknowledged) },
      // Nothing was removed: there is no operation to name.
      removed === 0 ? {} : { "x-op-id": acknowledged.opId }
    )
  })

const links = ({ path, urlParams }: Call.Call<typeof contract.links>) =>
  Effect.gen(function*() {
    const links = yield* linksOf(yield* validate.memoryId(path.id), urlParams)
    return answer(contract.links, { links, count: links.length })
  })

const lineage = ({ path, urlParams: { direction = "ancestors", max_depth } }: Call.Call<typeof contract.lineage>) =>
  Effect.map(kinOf(path.id, { direction, maxDepth: max_depth }), (kin) =>
    answer(contract.lineage, {
      id: path.id,
      direction,
      nodes: kin.map(({ depth, id, relation }) => ({ id, cid: null, relation, depth })),
      count: kin.length
    }))

const queryOf = Call.bodyOf(contract.kgQuery)

export const kgQuery = ({ incoming }: Call.Call<typeof contract.kgQuery>) =>
  Effect.gen(function*() {
    const asked = yield* queryOf(incoming)
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
    return answer(contract.kgQuery, {
      source_id: sourceId,
      max_depth: maxDepth,
      memories,
      paths: memories.map(({ path }) => path),
      count: memories.length
    })
  })

const timeline = ({ urlParams: { source_id, ...range } }: Call.Call<typeof contract.kgTimeline>) =>
  Effect.map(kgTimeline({ sourceId: source_id, ...range }), ({ events, sourceId }) =>
    answer(contract.kgTimeline, {
      source_id: sourceId,
      events: events.map(({ link, ...found }) => ({ ...targetOf(link, found), created_at: link.created_at })),
      count: events.length
    }))

const endOf = Call.bodyOf(contract.kgInvalidate)

const kgInvalidate = ({ headers, incoming }: Call.Call<typeof contract.kgInvalidate>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { link, previously, ...acknowledged } = yield* invalidateLink(yield* endOf(incoming), caller)
    return answer(contract.kgInvalidate, {
      found: true,
      source_id: link.source_id,
      target_id: link.target_id,
      relation: link.relation,
      valid_until: link.valid_until,
      ...(Option.isSome(previously) ? { previous_valid_until: previously.value } : {}),
      ...Call.acksOf(acknowledged)
    }, { "x-op-id": acknowledged.opId })
  })

const tree = ({ urlParams }: Call.Call<typeof contract.taxonomy>) =>
  Effect.map(taxonomy(urlParams), (found) => answer(contract.taxonomy, found))

const namesOf = Call.bodyOf(entities.entity)

const register = ({ headers, incoming }: Call.Call<typeof entities.entity>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { created, memory, ...acknowledged } = yield* registerEntity(yield* namesOf(incoming), caller)
    return answer(
      entities.entity,
      { ...entityOf(memory), created, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged),
      created ? 201 : 200
    )
  })

const byAlias = ({ urlParams }: Call.Call<typeof entities.entityByAlias>) =>
  Effect.map(entityByAlias(urlParams), (found) =>
    answer(
      entities.entityByAlias,
      Option.match(found, {
        onNone: () => ({ found: false, entity_id: null, canonical_name: null, namespace: null, aliases: null }),
        onSome: (memory) => ({ found: true, ...entityOf(memory) })
      })
    ))

const entityOf = (memory: Memory) => ({
  entity_id: memory.id,
  canonical_name: memory.title,
  namespace: memory.namespace,
  aliases: Entity.aliasesOf(memory)
})

const draftOf = Call.bodyOf(contract.checkDuplicate)

const duplicate = ({ incoming }: Call.Call<typeof contract.checkDuplicate>) =>
  Effect.map(
    Effect.flatMap(draftOf(incoming), checkDuplicate),
    (found) => answer(contract.checkDuplicate, found)
  )

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
