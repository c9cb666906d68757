import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { IncomingHttpHeaders } from "node:http"
import * as CreateMemory from "../domain/CreateMemory.js"
import type { Memory } from "../domain/Memory.js"
import * as UpdateMemory from "../domain/UpdateMemory.js"
import * as validate from "../domain/validate.js"
import { getMemory } from "../operations/getMemory.js"
import { promote as promoteMemory } from "../operations/promote.js"
import { remember } from "../operations/remember.js"
import { remove as removeMemory } from "../operations/remove.js"
import { update as updateMemory } from "../operations/update.js"
import type { Acknowledged } from "../operations/Written.js"
import * as Body from "./body.js"
import * as Caller from "./Caller.js"
import { type Refused, wrongShape } from "./errors.js"
import * as Reply from "./Reply.js"

/*
 * The endpoints that answer with more than a body, each from the raw parts of a request to a whole answer. The lean path
 * and the router of the contract both call these, so a request is answered alike whichever way it came.
 */

/** The parts of a request that an endpoint looks at. `id` is the decoded parameter of the path, if it has one. */
export interface Call {
  readonly headers: IncomingHttpHeaders
  readonly id: string
  readonly body: Buffer
}

export const create = ({ body, headers }: Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const request = yield* decodeWith(CreateMemory.decode, headers, body)
    const { memory, ...acknowledged } = yield* remember(request, caller)
    return Reply.json(201, { ...createdFields(memory), ...acksOf(acknowledged) }, {
      ...writtenHeaders(memory, acknowledged),
      location: `/api/v1/memories/${encodeURIComponent(memory.id)}`
    })
  })

export const get = ({ id }: Pick<Call, "id">) =>
  Effect.gen(function*() {
    const memory = yield* getMemory(yield* validate.memoryId(id))
    return Reply.json(200, { ...memory, memory, links: [] }, { etag: etagOf(memory) })
  })

export const update = ({ body, headers, id }: Call) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const ifMatch = yield* Caller.ifMatch(headers)
    const target = yield* validate.memoryId(id)
    const request = yield* decodeWith(UpdateMemory.decode, headers, body)
    const { memory, ...acknowledged } = yield* updateMemory(target, request, { caller, ifMatch })
    return Reply.json(200, { ...memory, ...acksOf(acknowledged) }, writtenHeaders(memory, acknowledged))
  })

export const remove = ({ headers, id }: Omit<Call, "body">) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const ifMatch = yield* Caller.ifMatch(headers)
    const removed = yield* removeMemory(yield* validate.memoryId(id), { caller, ifMatch })
    return Reply.json(200, { deleted: true, id: removed.id, ...acksOf(removed) }, { "x-op-id": removed.opId })
  })

export const promote = ({ headers, id }: Omit<Call, "body">) =>
  Effect.gen(function*() {
    const caller = yield* Caller.fromHeaders(headers)
    const { memory, ...acknowledged } = yield* promoteMemory(yield* validate.memoryId(id), caller)
    return Reply.json(
      200,
      { promoted: true, ...memory, ...acksOf(acknowledged) },
      writtenHeaders(memory, acknowledged)
    )
  })

/** The version of a memory as an entity tag. */
export const etagOf = (memory: Memory): string => `"${memory.updated_at}"`

/** The value of a JSON body by a decoder that names the field it could not read. */
export const decodeWith = <A>(
  decode: (value: unknown) => Either.Either<A, { readonly field: string; readonly message: string }>,
  headers: IncomingHttpHeaders,
  body: Buffer
): Either.Either<A, Refused> =>
  Either.flatMap(Body.parse(headers, body), (value) => Either.mapLeft(decode(value), wrongShape))

/** The original's five fields of a created memory, then the rest of the memory. */
const createdFields = (memory: Memory) => {
  const { id, namespace, tier, title, ...rest } = memory
  return { id, tier, namespace, title, agent_id: memory.metadata["agent_id"] ?? null, ...rest }
}

const acksOf = ({ ackedBy, acks }: Acknowledged) => ({ quorum_acks: acks, acked_by: ackedBy })

const writtenHeaders = (memory: Memory, { opId }: Acknowledged) => ({ "x-op-id": opId, etag: etagOf(memory) })
