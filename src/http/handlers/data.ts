import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { MAX_ERRORS } from "../../domain/limits.js"
import { startSession } from "../../operations/agents/startSession.js"
import { collectExpired } from "../../operations/memories/collectExpired.js"
import { consolidate as consolidateMemories } from "../../operations/memories/consolidate.js"
import { contradictions as findContradictions } from "../../operations/memories/contradictions.js"
import { exportData, type Exported } from "../../operations/transfer/exportData.js"
import { importData, type ImportItem, rehearseImport } from "../../operations/transfer/importData.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as Claims from "../calls/claims.js"
import * as Remarks from "../calls/Remarks.js"
import { screen } from "../calls/screening.js"
import * as Streamed from "../calls/streamed.js"
import { Api } from "../contract/Api.js"
import * as contract from "../contract/data.js"
import { NDJSON_TYPE } from "../contract/parts.js"
import { brought } from "./brought.js"

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

const importAll = ({ headers, incoming, urlParams }: Call.Call<typeof contract.importAll>) =>
  Effect.gen(function*() {
    yield* Claims.ofOthers(incoming.headers)
    const caller = yield* Caller.fromHeaders(headers)
    const { items, unreadable } = yield* brought(incoming, urlParams)
    Remarks.coloursOfRows(incoming.remarks, items.map(({ value }) => value))
    yield* screen(incoming, items.filter(({ kind }) => kind === "memory" || kind === "archived"))
    const isRehearsal = urlParams.dry_run === true
    const { errors, linksImported, pendingsImported, standardsImported, ...done } = yield* isRehearsal
      ? rehearseImport(items, urlParams.on_conflict)
      : importData(items, caller, urlParams.on_conflict)
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
      ...(isRehearsal ? { dry_run: true } : {}),
      ...Call.acksOf(acknowledged)
    })
  })

/** A request that is wrong in every line is told of the first of them. */
const told = (errors: ReadonlyArray<string>): ReadonlyArray<string> =>
  errors.length <= MAX_ERRORS
    ? errors
    : [...errors.slice(0, MAX_ERRORS), `${errors.length - MAX_ERRORS} more are wrong`]

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
