import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { IncomingHttpHeaders } from "node:http"
import type { Memory } from "../../domain/Memory.js"
import type { Acknowledged } from "../../operations/writing/Written.js"
import * as Answer from "../server/answer.js"
import * as Body from "../server/body.js"
import { Drain } from "../server/Drain.js"
import { type Refusal, type Refused, wrongShape } from "../server/Refusal.js"
import * as Reply from "../server/Reply.js"

/**
 * The parts of a request that an endpoint looks at: what it needs to answer in full. `id` is the decoded parameter of the
 * path, if it has one.
 */
export interface Call {
  readonly headers: IncomingHttpHeaders
  readonly id: string
  readonly body: Buffer
}

/** The call of a request whose body nobody wants. */
export const of = (request: HttpServerRequest, id = ""): Call => ({ headers: headersOf(request), id, body: NO_BODY })

/** The call of a request, when its body is here. */
export const withBody = (request: HttpServerRequest, id = ""): Effect.Effect<Call, Refused> =>
  Effect.map(
    Body.readEffect(NodeHttpServerRequest.toIncomingMessage(request)),
    (body) => ({ headers: headersOf(request), id, body })
  )

export const headersOf = (request: HttpServerRequest): IncomingHttpHeaders =>
  NodeHttpServerRequest.toIncomingMessage(request).headers

/** The parameters of the query as they were sent. */
export const queryOf = ({ url }: HttpServerRequest): URLSearchParams =>
  new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?") + 1) : "")

/** The whole answer of an endpoint, as the router returns it. */
export const respond = <R>(reply: Effect.Effect<Reply.Reply, Refusal, R>) =>
  Answer.refusals(Effect.map(reply, Reply.toResponse))

/**
 * The answer of an endpoint that writes: it runs to its end when its client hangs up, because its commit may be under way,
 * and shutdown waits for it.
 */
export const write = <R>(reply: Effect.Effect<Reply.Reply, Refusal, R>) => respond(keep(reply))

/** The same for a write with a body, which begins when the body is here. */
export const writeBody = <R>(
  request: HttpServerRequest,
  endpoint: (call: Call) => Effect.Effect<Reply.Reply, Refusal, R>,
  id = ""
) => respond(Effect.flatMap(withBody(request, id), (call) => keep(endpoint(call))))

/** The JSON body by a decoder that names the field it could not read. */
export const decodeBody = <A>(
  decode: (value: unknown) => Either.Either<A, { readonly field: string; readonly message: string }>,
  { body, headers }: Pick<Call, "headers" | "body">
): Either.Either<A, Refused> =>
  Either.flatMap(Body.parse(headers, body), (value) => Either.mapLeft(decode(value), wrongShape))

/** The version of a memory as an entity tag. */
export const etagOf = (memory: Memory): string => `"${memory.updated_at}"`

/** What the answer to a write says of its quorum. */
export const acksOf = ({ ackedBy, acks }: Acknowledged) => ({ quorum_acks: acks, acked_by: ackedBy })

/** Headers of the answer to a write of a memory. */
export const writtenHeaders = (memory: Memory, { opId }: Acknowledged) => ({ "x-op-id": opId, etag: etagOf(memory) })

const NO_BODY = Buffer.alloc(0)

const keep = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flatMap(Drain, (drain) => drain.keep(effect))
