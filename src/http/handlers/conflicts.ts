import * as Effect from "effect/Effect"
import { conflictsPage } from "../../operations/memories/listConflicts.js"
import { resolveConflict } from "../../operations/memories/resolveConflict.js"
import { answer } from "../calls/answer.js"
import * as Call from "../calls/Call.js"
import * as Caller from "../calls/Caller.js"
import * as contract from "../contract/conflicts.js"

export const list = ({ urlParams }: Call.Call<typeof contract.conflicts>) =>
  Effect.map(conflictsPage(urlParams), ({ rows, truncated }) =>
    answer(contract.conflicts, {
      conflicts: rows.map(({ archived, kind, memory, version, winner }) => ({
        kind,
        id: version.id,
        namespace: memory.namespace,
        title: memory.title,
        memory,
        archived,
        version: version.hlc,
        origin: version.origin,
        winner
      })),
      count: rows.length,
      ...(truncated ? { truncated } : {})
    }))

const requestOf = Call.bodyOf(contract.resolve)

export const resolve = ({ headers, incoming, path }: Call.Call<typeof contract.resolve>) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const request = yield* requestOf(incoming)
    const { id, memory, ...acknowledged } = yield* resolveConflict(path.id, request, caller)
    return answer(
      contract.resolve,
      {
        resolved: true,
        id,
        kept: request.keep,
        ...(memory === undefined ? {} : { memory }),
        ...Call.acksOf(acknowledged)
      },
      memory === undefined ? { "x-op-id": acknowledged.opId } : Call.writtenHeaders(memory, acknowledged)
    )
  })
