import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { CreateMemory } from "../../domain/CreateMemory.js"
import { decoder } from "../../domain/ShapeError.js"
import * as validate from "../../domain/validate.js"
import { archive as archiveMemories } from "../../operations/archive/archive.js"
import { type Archived, archivePage, archiveStats } from "../../operations/archive/listArchive.js"
import { purgeArchive } from "../../operations/archive/purgeArchive.js"
import { restore as restoreMemory } from "../../operations/archive/restore.js"
import { bulk as storeAll, type RowError } from "../../operations/memories/bulk.js"
import { defaultLife } from "../../operations/memories/defaultLife.js"
import { foresee as foreseeMatching, forget as forgetMatching } from "../../operations/memories/forget.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Remarks from "../calls/Remarks.js"
import { screen } from "../calls/screening.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/archive.js"
import * as Notices from "./notices.js"

export const layer = HttpApiBuilder.group(Api, "archive", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.bulk, bulk))
    .handleRaw(...Call.read(contract.list, list))
    .handleRaw(...Call.write(contract.archiveMemories, archive))
    .handleRaw(...Call.write(contract.purge, purge))
    .handleRaw(...Call.write(contract.restore, restore))
    .handleRaw(...Call.read(contract.stats, () => stats))
    .handleRaw(...Call.write(contract.forget, forget))
    .handleRaw(...Call.read(contract.foresee, foresee)))

/** Rows are read one by one, so that one of the wrong shape stops no other. */
const rowsOf = Call.decodeBody(
  contract.bulk,
  decoder(
    Schema.Union(
      Schema.Array(Schema.Unknown),
      Schema.Struct({ memories: Schema.Array(Schema.Unknown) })
    ).annotations({ description: "an array, or an object with an array memories" })
  )
)

const rowNames = Remarks.namesOf(Option.some(CreateMemory))

const bulk = ({ headers, incoming }: Call.Call<typeof contract.bulk>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const body = yield* rowsOf(incoming)
    const rows = "memories" in body ? body.memories : body
    for (const [index, row] of rows.entries()) {
      yield* Remarks.fields(incoming.remarks, row, rowNames, `memories[${index}].`)
    }
    Remarks.coloursOfRows(incoming.remarks, rows)
    yield* screen(incoming, rows.map((value, index) => ({ value, at: `memories[${index}]` })))
    const { errors, ...written } = yield* storeAll(rows, caller)
    const told = Call.isPython(incoming) ? errors.map(errorObject) : errors.map(errorText)
    const refused = new Set(errors.flatMap(({ id, index }) => id === undefined ? [index] : []))
    return answer(contract.bulk, {
      ...written,
      count: written.ids.length,
      errors: told,
      ...Notices.ofBulk(rows.filter((_, index) => !refused.has(index)), yield* defaultLife)
    })
  })

const errorText = ({ error, id, index }: RowError): string => `${id ?? `memories[${index}]`}: ${error}`

const errorObject = ({ error, id, index }: RowError) => ({ index, error: id === undefined ? error : `${id}: ${error}` })

const list = ({ urlParams }: Call.Call<typeof contract.list>) =>
  Effect.map(
    archivePage(urlParams),
    ({ rows, truncated }) =>
      answer(contract.list, {
        archived: rows.map(encodeArchived),
        count: rows.length,
        ...(truncated ? { truncated } : {})
      })
  )

const encodeArchived = ({ archivedAt, memory, reason }: Archived) => ({
  ...memory,
  tags: JSON.stringify(memory.tags),
  last_accessed_at: memory.last_accessed_at ?? null,
  expires_at: memory.expires_at ?? null,
  archived_at: archivedAt,
  archive_reason: reason
})

const requestOf = Call.bodyOf(contract.archiveMemories)

const archive = ({ headers, incoming }: Call.Call<typeof contract.archiveMemories>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { archived, missing, reason, ...acknowledged } = yield* archiveMemories(yield* requestOf(incoming), caller)
    return answer(contract.archiveMemories, {
      archived,
      missing,
      count: archived.length,
      reason,
      ...Call.acksOf(acknowledged)
    })
  })

const purge = ({ headers, urlParams }: Call.Call<typeof contract.purge>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { count, ...acknowledged } = yield* purgeArchive({ olderThanDays: urlParams.older_than_days }, caller)
    return answer(contract.purge, { purged: count, ...Call.acksOf(acknowledged) })
  })

const restore = ({ headers, path }: Call.Call<typeof contract.restore>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { memory, ...acknowledged } = yield* restoreMemory(yield* validate.memoryId(path.id), caller)
    return answer(
      contract.restore,
      { restored: true, id: memory.id, ...Call.acksOf(acknowledged) },
      Call.writtenHeaders(memory, acknowledged)
    )
  })

const stats = Effect.map(
  archiveStats,
  ({ namespaces, total }) => answer(contract.stats, { archived_total: total, by_namespace: namespaces })
)

const patternOf = Call.bodyOf(contract.forget)

/** By the body, or by the query when there is none. */
const forget = ({ headers, incoming, urlParams }: Call.Call<typeof contract.forget>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const request = incoming.body.length === 0 ? urlParams : yield* patternOf(incoming)
    const { count, ...acknowledged } = yield* forgetMatching(request, caller)
    return answer(contract.forget, { deleted: count, ...Call.acksOf(acknowledged) })
  })

const foresee = ({ urlParams }: Call.Call<typeof contract.foresee>) =>
  Effect.map(foreseeMatching(urlParams), ({ count, memories }) =>
    answer(contract.foresee, {
      count,
      memories: memories.map(({ id, namespace, title }) => ({ id, namespace, title }))
    }))
