import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import { absentable } from "../../domain/absentable.js"
import { MAX_ERRORS } from "../../domain/limits.js"
import { decoder, ShapeError } from "../../domain/ShapeError.js"
import { startSession } from "../../operations/agents/startSession.js"
import { collectExpired } from "../../operations/memories/collectExpired.js"
import { consolidate as consolidateMemories } from "../../operations/memories/consolidate.js"
import { contradictions as findContradictions } from "../../operations/memories/contradictions.js"
import { exportData, type Exported } from "../../operations/transfer/exportData.js"
import { importData, type ImportItem } from "../../operations/transfer/importData.js"
import { answer } from "../calls/answer.js"
import * as Body from "../calls/body.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import { invalid, type Refused } from "../calls/Refusal.js"
import * as Remarks from "../calls/Remarks.js"
import { screen } from "../calls/screening.js"
import * as Streamed from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/data.js"
import { NDJSON_TYPE } from "../contract/parts.js"

export const layer = HttpApiBuilder.group(Api, "data", (handlers) =>
  handlers
    .handleRaw(...Call.write(contract.gc, gc))
    .handleRaw(...Call.read(contract.exportAll, exportAll))
    .handleRaw(...Call.write(contract.importAll, importAll))
    .handleRaw(...Call.write(contract.consolidate, consolidate))
    .handleRaw(...Call.read(contract.contradictions, contradictions))
    .handleRaw(...Call.read(contract.sessionStart, sessionStart)))

const gc = ({ headers }: Call.Call<typeof contract.gc>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { count, ...acknowledged } = yield* collectExpired(caller)
    return answer(contract.gc, { expired_deleted: count, ...Call.acksOf(acknowledged) })
  })

const exportAll = ({ incoming, urlParams: { archived, format } }: Call.Call<typeof contract.exportAll>) =>
  Effect.gen(function*() {
    const accepted = incoming.headers.accept?.includes(NDJSON_TYPE) === true
    const asLines = format === undefined ? accepted : format === "ndjson"
    const everything = yield* exportData
    const exported = archived === false ? { ...everything, archived: Stream.empty } : everything
    return asLines
      ? Streamed.lines(contract.exportAll, linesOf(exported))
      : Streamed.byRow(contract.exportAll, rowsOf(exported))
  })

/** Memories stand before what is said of them. */
const linesOf = ({ archived, conflicts, links, memories, pendings, standards }: Exported) =>
  Stream.concatAll(Chunk.make(
    lines("memory", memories),
    lines("archived", archived),
    lines("conflict", conflicts),
    lines("link", links),
    lines("standard", standards),
    lines("pending", pendings)
  ))

/** A page of rows at a time. */
const lines = <E>(type: ImportItem["kind"], rows: Stream.Stream<object, E>): Stream.Stream<string, E> =>
  Streamed.pages(rows, (page) => page.map((row) => `${JSON.stringify({ type, ...row })}\n`).join(""))

const rowsOf = ({ archived, at, conflicts, links, memories, pendings, standards }: Exported) => {
  let count = 0
  const counted = Stream.mapChunks(memories, (page) => {
    count += page.length
    return page
  })
  return {
    memories: counted,
    links,
    archived,
    conflicts,
    standards,
    pendings,
    count: () => count,
    exported_at: () => at
  }
}

/** What each list of an import holds beside its memories, in the order in which it is brought in. */
const kindsOf = {
  archived: "archived",
  conflicts: "conflict",
  links: "link",
  standards: "standard",
  pendings: "pending"
} as const

/** Rows are read one by one, so that one of the wrong shape stops no other. */
const importOf = Call.decodeBody(contract.importAll, (body) => Either.mapLeft(decodeImport(body), expected))

const decodeImport = decoder(Schema.Struct({
  memories: Schema.Array(Schema.Unknown),
  ...Record.map(kindsOf, () => absentable(Schema.Array(Schema.Unknown)))
}))

/** Who imports has a file in hand, and wants to know what it is to look like. */
const expected = ({ field, message }: ShapeError): ShapeError =>
  new ShapeError({
    field,
    message: `${message}: an import is {"memories": [...], "links": [...]}, as an export gives it, or its lines as ` +
      NDJSON_TYPE
  })

const importAll = ({ headers, incoming, urlParams }: Call.Call<typeof contract.importAll>) =>
  Effect.gen(function*() {
    yield* Claims.ofOthers(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const lines = Body.lines(incoming.headers, incoming.body)
    const { items, unreadable } = lines === undefined
      ? yield* Either.map(importOf(incoming), itemsOf)
      : yield* Either.map(lines, itemsOfLines)
    Remarks.coloursOfRows(incoming.remarks, items.map(({ value }) => value))
    yield* screen(incoming, items.filter(({ kind }) => kind === "memory" || kind === "archived"))
    const { errors, linksImported, pendingsImported, standardsImported, ...done } = yield* importData(
      items,
      caller,
      urlParams.on_conflict
    )
    const { created, imported, renamed, skipped, unchanged, updated, ...acknowledged } = done
    return answer(contract.importAll, {
      imported,
      created,
      updated,
      unchanged,
      renamed,
      links_imported: linksImported,
      standards_imported: standardsImported,
      pendings_imported: pendingsImported,
      skipped,
      errors: told([...unreadable, ...errors]),
      ...Call.acksOf(acknowledged)
    })
  })

/** A request that is wrong in every line is told of the first of them. */
const told = (errors: ReadonlyArray<string>): ReadonlyArray<string> =>
  errors.length <= MAX_ERRORS
    ? errors
    : [...errors.slice(0, MAX_ERRORS), `${errors.length - MAX_ERRORS} more are wrong`]

interface Items {
  readonly items: ReadonlyArray<ImportItem>
  /** What is wrong with the lines that are none. */
  readonly unreadable: ReadonlyArray<string>
}

const itemsOf = (body: Either.Either.Right<ReturnType<typeof importOf>>): Items => ({
  items: [
    ...listed("memories", "memory", body.memories),
    ...Struct.entries(kindsOf).flatMap(([list, kind]) => listed(list, kind, body[list] ?? []))
  ],
  unreadable: []
})

const listed = (list: string, kind: ImportItem["kind"], values: ReadonlyArray<unknown>): ReadonlyArray<ImportItem> =>
  values.map((value, index) => ({ kind, value, at: `${list}[${index}]` }))

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
  const { type, ...row } = Predicate.isRecord(value) ? value : { type: undefined }
  const kind = lineKinds.find((known) => known === type)
  return kind === undefined
    ? Either.left(invalid("type", `type must be one of ${lineKinds.join(", ")}`))
    : Either.right({ kind, value: row, at })
}

const lineKinds = ["memory", ...Object.values(kindsOf)] as const

const consolidationOf = Call.bodyOf(contract.consolidate)

export const consolidate = ({ headers, incoming }: Call.Call<typeof contract.consolidate>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const request = yield* consolidationOf(incoming)
    const { memory, ...acknowledged } = yield* consolidateMemories(request, caller)
    return answer(
      contract.consolidate,
      { id: memory.id, consolidated: request.ids.length, ...Call.acksOf(acknowledged) },
      {
        ...Call.writtenHeaders(memory, acknowledged),
        location: `/api/v1/memories/${encodeURIComponent(memory.id)}`
      }
    )
  })

const contradictions = ({ urlParams }: Call.Call<typeof contract.contradictions>) =>
  Effect.map(
    findContradictions(urlParams),
    ({ truncated, ...found }) => answer(contract.contradictions, { ...found, ...(truncated ? { truncated } : {}) })
  )

const sessionOf = Call.bodyOf(contract.sessionStart)

export const sessionStart = ({ headers, incoming }: Call.Call<typeof contract.sessionStart>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const asked = incoming.body.length === 0 ? {} : yield* sessionOf(incoming)
    const { agentId, id, memories, standards } = yield* startSession(
      { namespace: asked.namespace, limit: asked.limit, agentId: asked.agent_id },
      caller
    )
    const [standard, ...others] = standards.map(({ memory }) => memory)
    return answer(contract.sessionStart, {
      memories,
      count: memories.length,
      mode: "session_start",
      session_id: id,
      ...(standard === undefined ? {} : others.length === 0 ? { standard } : { standards: [standard, ...others] }),
      ...Option.match(agentId, { onNone: () => ({}), onSome: (agent_id) => ({ agent_id }) })
    })
  })
