import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { decoder } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { archive as archiveMemories } from "../../operations/archive/archive.js"
import { type Archived, archiveStats, listArchive } from "../../operations/archive/listArchive.js"
import { purgeArchive } from "../../operations/archive/purgeArchive.js"
import { restore as restoreMemory } from "../../operations/archive/restore.js"
import { bulk as storeAll, type RowError } from "../../operations/memories/bulk.js"
import { forget as forgetMatching } from "../../operations/memories/forget.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/archive.js"
import * as Answer from "../server/answer.js"
import * as Caller from "../server/Caller.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"

export const layer = HttpApiBuilder.group(Api, "archive", (handlers) =>
  handlers
    .handleRaw("bulk", ({ request }) => Call.writeBody(request, bulk))
    .handle("list", ({ urlParams }) => Answer.refusals(list(urlParams)))
    .handleRaw("archive", ({ request }) => Call.writeBody(request, archive))
    .handleRaw("purge", ({ request, urlParams }) => Call.write(purge(Call.of(request), urlParams)))
    .handleRaw("restore", ({ path, request }) => Call.write(restore(Call.of(request, path.id))))
    .handle("stats", () => Answer.refusals(stats))
    .handleRaw("forget", ({ request, urlParams }) => Call.writeBody(request, (call) => forget(call, urlParams))))

/** Rows are read one by one, so that one of the wrong shape stops no other. */
const decodeBulk = decoder(
  Schema.Union(
    Schema.Array(Schema.Unknown),
    Schema.Struct({ memories: Schema.Array(Schema.Unknown) })
  ).annotations({ description: "an array, or an object with an array memories" })
)

const bulk = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const body = yield* Call.decodeBody(decodeBulk, call)
    const { errors, ids } = yield* storeAll("memories" in body ? body.memories : body, caller)
    const told = isPython(call) ? errors.map(errorObject) : errors.map(errorText)
    return Reply.json(200, { created: ids.length, ids, errors: told })
  })

/** The original's SDK for Python reads objects, all other clients strings. */
const isPython = ({ headers }: Call.Call): boolean => headers["user-agent"]?.startsWith("ai-memory-python") === true

const errorText = ({ error, id, index }: RowError): string => `${id ?? `memories[${index}]`}: ${error}`

const errorObject = ({ error, id, index }: RowError) => ({ index, error: id === undefined ? error : `${id}: ${error}` })

const list = (asked: typeof contract.ListQuery.Type) =>
  Effect.map(listArchive(asked), (found) => ({ archived: found.map(encodeArchived), count: found.length }))

const encodeArchived = ({ archivedAt, memory, reason }: Archived) => ({
  ...memory,
  tags: JSON.stringify(memory.tags),
  last_accessed_at: memory.last_accessed_at ?? null,
  expires_at: memory.expires_at ?? null,
  archived_at: archivedAt,
  archive_reason: reason
})

const decodeArchive = decoder(contract.Archive)

const archive = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(decodeArchive, call)
    const { archived, missing, reason, ...acknowledged } = yield* archiveMemories(request, caller)
    return Reply.json(200, { archived, missing, count: archived.length, reason, ...Call.acksOf(acknowledged) })
  })

const purge = (call: Call.Call, asked: typeof contract.PurgeQuery.Type) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const { count, ...acknowledged } = yield* purgeArchive({ olderThanDays: asked.older_than_days }, caller)
    return Reply.json(200, { purged: count, ...Call.acksOf(acknowledged) })
  })

const restore = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const { memory, ...acknowledged } = yield* restoreMemory(yield* validate.memoryId(call.id), caller)
    return Reply.json(
      200,
      { restored: true, id: memory.id, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged)
    )
  })

const stats = Effect.map(archiveStats, ({ namespaces, total }) => ({
  archived_total: total,
  by_namespace: namespaces
}))

const decodeForget = decoder(contract.Forget)

/** By the body, or by the query when there is none. */
const forget = (call: Call.Call, asked: typeof contract.ForgetQuery.Type) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = call.body.length === 0 ? asked : yield* Call.decodeBody(decodeForget, call)
    const { count, ...acknowledged } = yield* forgetMatching(request, caller)
    return Reply.json(200, { deleted: count, ...Call.acksOf(acknowledged) })
  })
