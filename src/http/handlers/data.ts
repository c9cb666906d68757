import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { absentable } from "../../domain/absentable.js"
import * as Consolidation from "../../domain/Consolidation.js"
import { decoder } from "../../domain/ShapeError.js"
import { startSession } from "../../operations/agents/startSession.js"
import { collectExpired } from "../../operations/memories/collectExpired.js"
import { consolidate as consolidateMemories } from "../../operations/memories/consolidate.js"
import { contradictions as findContradictions } from "../../operations/memories/contradictions.js"
import { exportData, type Exported } from "../../operations/transfer/exportData.js"
import { importData, type ImportItem } from "../../operations/transfer/importData.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/data.js"
import { NDJSON_TYPE } from "../contract/parts.js"
import * as Answer from "../server/answer.js"
import * as Body from "../server/body.js"
import * as Caller from "../server/Caller.js"
import { invalid, type Refused } from "../server/Refusal.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"
import { shown as encodeStandard } from "./governance.js"

export const layer = HttpApiBuilder.group(Api, "data", (handlers) =>
  handlers
    .handleRaw("gc", ({ request }) => Call.write(gc(Call.of(request))))
    .handleRaw("export", ({ request, urlParams }) => Answer.refusals(exportAll(request, urlParams)))
    .handleRaw("import", ({ request }) => Call.writeBody(request, importAll))
    .handleRaw("consolidate", ({ request }) => Call.writeBody(request, consolidate))
    .handle("contradictions", ({ urlParams }) => Answer.refusals(contradictions(urlParams)))
    .handleRaw("sessionStart", ({ request }) => Answer.refusals(Effect.flatMap(Call.withBody(request), sessionStart))))

const gc = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const { count, ...acknowledged } = yield* collectExpired(caller)
    return Reply.json(200, { expired_deleted: count, ...Call.acksOf(acknowledged) })
  })

const exportAll = (request: HttpServerRequest, asked: typeof contract.ExportQuery.Type) =>
  Effect.gen(function*() {
    const accepted = Call.headersOf(request).accept?.includes(NDJSON_TYPE) === true
    const asLines = asked.format === undefined ? accepted : asked.format === "ndjson"
    const withArchived = asked.archived === true
    if (withArchived && !asLines) {
      return yield* invalid("archived", "archived memories are exported with format=ndjson only")
    }
    const exported = yield* exportData
    const text = asLines ? linesOf(exported, withArchived) : jsonOf(exported)
    const response = NodeHttpServerRequest.toServerResponse(request)
    // The status is long sent when a read fails: only a connection that is cut off can say so.
    const failing = Stream.tapErrorCause(text, (cause) =>
      Effect.zipRight(Answer.logUnexpected(cause), Effect.sync(() => response.destroy())))
    return HttpServerResponse.stream(Stream.encodeText(failing), {
      contentType: asLines ? NDJSON_TYPE : "application/json"
    })
  })

const linesOf = ({ archived, links, memories }: Exported, withArchived: boolean) =>
  Stream.mergeAll({ concurrency: 1 })([
    lines("memory", memories),
    withArchived
      ? lines(
        "archived",
        Stream.map(archived, ({ archivedAt, memory, reason }) => ({
          ...memory,
          archived_at: archivedAt,
          archive_reason: reason
        }))
      )
      : Stream.empty,
    lines("link", links)
  ])

/** A page of rows at a time. */
const lines = <E>(type: ImportItem["kind"], rows: Stream.Stream<object, E>): Stream.Stream<string, E> =>
  texts(rows, (some) => some.map((row) => `${JSON.stringify({ type, ...row })}\n`).join(""))

const jsonOf = ({ at, links, memories }: Exported) =>
  Stream.suspend(() => {
    let count = 0
    const counted = Stream.mapChunks(memories, (some) => {
      count += some.length
      return some
    })
    return Stream.make("{\"memories\":[").pipe(
      Stream.concat(items(counted)),
      Stream.concat(Stream.make("],\"links\":[")),
      Stream.concat(items(links)),
      Stream.concat(Stream.suspend(() => Stream.make(`],"count":${count},"exported_at":${JSON.stringify(at)}}`)))
    )
  })

const items = <E>(rows: Stream.Stream<object, E>): Stream.Stream<string, E> =>
  Stream.suspend(() => {
    let separator = ""
    return texts(rows, (some) => {
      const text = `${separator}${some.map((row) => JSON.stringify(row)).join(",")}`
      separator = ","
      return text
    })
  })

const texts = <E>(
  rows: Stream.Stream<object, E>,
  textOf: (some: ReadonlyArray<object>) => string
): Stream.Stream<string, E> =>
  Stream.mapChunks(rows, (some) => some.length === 0 ? Chunk.empty() : Chunk.of(textOf(Chunk.toReadonlyArray(some))))

/** Rows are read one by one, so that one of the wrong shape stops no other. */
const decodeImport = decoder(Schema.Struct({
  memories: Schema.Array(Schema.Unknown),
  links: absentable(Schema.Array(Schema.Unknown))
}))

const importAll = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const lines = Body.lines(call.headers, call.body)
    const { items, unreadable } = lines === undefined
      ? yield* Either.map(Call.decodeBody(decodeImport, call), itemsOf)
      : yield* Either.map(lines, itemsOfLines)
    const { errors, imported, linksImported, skipped, ...acknowledged } = yield* importData(items, caller)
    return Reply.json(200, {
      imported,
      links_imported: linksImported,
      skipped,
      errors: [...unreadable, ...errors],
      ...Call.acksOf(acknowledged)
    })
  })

interface Items {
  readonly items: ReadonlyArray<ImportItem>
  /** What is wrong with the lines that are none. */
  readonly unreadable: ReadonlyArray<string>
}

const itemsOf = (
  { links = [], memories }: { readonly memories: ReadonlyArray<unknown>; readonly links?: ReadonlyArray<unknown> }
): Items => ({
  items: [
    ...memories.map((value, index): ImportItem => ({ kind: "memory", value, at: `memories[${index}]` })),
    ...links.map((value, index): ImportItem => ({ kind: "link", value, at: `links[${index}]` }))
  ],
  unreadable: []
})

const itemsOfLines = (lines: ReadonlyArray<Body.Line>): Items => {
  const read = lines.map(({ number, value }) =>
    Either.mapLeft(
      Either.flatMap(value, (line) => itemOf(line, `line ${number}`)),
      ({ message }) => `line ${number}: ${message}`
    )
  )
  return {
    items: read.flatMap((line) => Either.isRight(line) ? [line.right] : []),
    unreadable: read.flatMap((line) => Either.isLeft(line) ? [line.left] : [])
  }
}

const itemOf = (value: unknown, at: string): Either.Either<ImportItem, Refused> => {
  const type = Predicate.hasProperty(value, "type") ? value.type : undefined
  return type === "memory" || type === "archived" || type === "link"
    ? Either.right({ kind: type, value, at })
    : Either.left(invalid("type", "type must be memory, archived or link"))
}

const consolidate = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(Consolidation.decode, call)
    const { memory, ...acknowledged } = yield* consolidateMemories(request, caller)
    return Reply.json(
      201,
      { id: memory.id, consolidated: request.ids.length, ...Call.acksOf(acknowledged) },
      {
        ...Call.writtenHeaders(memory, acknowledged),
        location: `/api/v1/memories/${encodeURIComponent(memory.id)}`
      }
    )
  })

const contradictions = (asked: typeof contract.ContradictionsQuery.Type) => findContradictions(asked)

const decodeSessionStart = decoder(contract.SessionStart)

const sessionStart = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const asked = call.body.length === 0 ? {} : yield* Call.decodeBody(decodeSessionStart, call)
    const { agentId, id, memories, standards } = yield* startSession(
      { namespace: asked.namespace, limit: asked.limit, agentId: asked.agent_id },
      caller
    )
    const [standard, ...others] = standards.map(encodeStandard)
    return {
      memories,
      count: memories.length,
      mode: "session_start" as const,
      session_id: id,
      ...(standard === undefined ? {} : others.length === 0 ? { standard } : { standards: [standard, ...others] }),
      ...Option.match(agentId, { onNone: () => ({}), onSome: (agent_id) => ({ agent_id }) })
    }
  })
