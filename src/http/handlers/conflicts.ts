import * as Effect from "effect/Effect"
import { decoder } from "../../domain/ShapeError.js"
import { listConflicts } from "../../operations/memories/listConflicts.js"
import { resolveConflict } from "../../operations/memories/resolveConflict.js"
import * as contract from "../contract/conflicts.js"
import * as Caller from "../server/Caller.js"
import * as Reply from "../server/Reply.js"
import * as Call from "./Call.js"

export const list = (page: typeof contract.ConflictsQuery.Type) =>
  Effect.map(listConflicts(page), (found) => ({
    conflicts: found.map(({ archived, kind, memory, version, winner }) => ({
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
    count: found.length
  }))

const decodeResolve = decoder(contract.Resolve)

export const resolve = (call: Call.Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(call.headers)
    const request = yield* Call.decodeBody(decodeResolve, call)
    const { id, memory, ...acknowledged } = yield* resolveConflict(call.id, request, caller)
    return Reply.json(
      200,
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
