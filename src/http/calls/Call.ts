import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type { HttpApiEndpoint } from "@effect/platform/HttpApiEndpoint"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { IncomingHttpHeaders } from "node:http"
import type { Memory } from "../../domain/Memory.js"
import { decoder, type ShapeError } from "../../domain/ShapeError.js"
import type { Invalid } from "../../domain/validate.js"
import * as Reach from "../../operations/reach.js"
import type { Acknowledged } from "../../operations/writing/Written.js"
import type { Answer, Endpoint as Answered } from "./answer.js"
import * as Body from "./body.js"
import { Budgets } from "./Budget.js"
import * as Claims from "./claims.js"
import { Drain } from "./Drain.js"
import * as Failure from "./failure.js"
import { overloaded, type Refusal, type RefusalOf, type Refused, reply, routeNotFound, wrongShape } from "./Refusal.js"
import * as Remarks from "./Remarks.js"
import * as Reply from "./Reply.js"
import * as Routes from "./routes.js"
import type { Streamed } from "./streamed.js"

/** An endpoint, as far as a handler depends on it. */
export interface Endpoint extends Answered {
  readonly path: string
  readonly payloadSchema: Option.Option<unknown>
  readonly urlParamsSchema: Option.Option<Schema.Schema.All>
}

/** A call of this endpoint: what the contract names has its types, and the rest is `incoming`. */
export type Call<E extends Endpoint> = Named<E> & { readonly incoming: Incoming }

/** A request as it came in. The body is empty where the contract has none. */
export interface Incoming {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** What is to be said of it in its answer. */
  readonly remarks: Remarks.Remarks
}

/** A request whose body is here. */
export const incoming = (headers: IncomingHttpHeaders, body: Buffer): Incoming => ({
  headers,
  body,
  remarks: Remarks.begin(headers)
})

type Named<E extends Endpoint> =
  & Part<"path", HttpApiEndpoint.PathParsed<E>>
  & Part<"urlParams", HttpApiEndpoint.UrlParams<E>>
  & Part<"headers", HttpApiEndpoint.Headers<E>>

type Part<Name extends string, A> = [A] extends [never] ? unknown : { readonly [_ in Name]: A }

/** What answers the calls of an endpoint. It ends in no error but those that the contract declares. */
type Run<E extends Endpoint, R> = (call: Call<E>) => Effect.Effect<Answer<E> | Streamed<E>, RefusalOf<Declared<E>>, R>

/** Told what each of several calls that came at once is answered. */
export type Told<E extends Endpoint> = (
  index: number,
  exit: Exit.Exit<Answer<E>, RefusalOf<Declared<E>>>
) => void

type Declared<E extends Endpoint> = TagOf<HttpApiEndpoint.Error<E>>

type TagOf<A> = A extends { readonly _tag: infer Tag extends string } ? Tag : never

/** The name of an endpoint and its handler, as a group of the platform takes them. */
type Handler<E extends Endpoint, R> = readonly [
  name: E["name"],
  handler: (
    call: Named<E> & { readonly request: HttpServerRequest }
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>
]

/**
 * An endpoint that reads: it goes on only as long as somebody waits for its answer. There is none when too many answers wait
 * to be taken already.
 */
export const read = <E extends Endpoint, R>(endpoint: E, run: Run<E, R>): Handler<E, R | Budgets> => [
  endpoint.name,
  (call) =>
    respond(
      call.request,
      Effect.flatMap(
        receive(endpoint, call.request),
        (incoming) => remarked(incoming, inReach(incoming.headers, run({ ...call, incoming })))
      ).pipe(
        Effect.flatMap((answer) => withinBudget(answer, call.request))
      )
    )
]

/**
 * An endpoint that writes: once its body is here it runs to its end when its client hangs up, because its commit may be
 * under way, and shutdown waits for it.
 */
export const write = <E extends Endpoint, R>(endpoint: E, run: Run<E, R>): Handler<E, R | Drain> => [
  endpoint.name,
  (call) =>
    respond(
      call.request,
      Effect.flatMap(
        receive(endpoint, call.request),
        (incoming) => remarked(incoming, keep(inReach(incoming.headers, run({ ...call, incoming }))))
      )
    )
]

/** Within the namespaces to which the key of a request is kept, also what is sent while it is made. */
export const inReach = <A extends Reply.Reply | Streamed<Endpoint>, E, R>(
  headers: IncomingHttpHeaders,
  run: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  const namespaces = Claims.namespacesOf(headers)
  return namespaces === null
    ? run
    : Effect.map(
      Reach.within(namespaces)(run),
      (answer) => "parts" in answer ? { ...answer, parts: Reach.withinStream(namespaces)(answer.parts) } : answer
    )
}

/** A reader of the endpoint's JSON body, which names the field that it could not read. */
export const bodyOf = <A>(endpoint: { readonly payloadSchema: Option.Option<Schema.Schema<A, unknown>> }) =>
  decodeBody(endpoint, decoder(Option.getOrThrow(endpoint.payloadSchema)))

/** The same, where the handler reads less or more into the body than the contract shows. */
export const decodeBody = <A>(
  endpoint: { readonly payloadSchema: Option.Option<Schema.Schema.All> },
  decode: (value: unknown) => Either.Either<A, ShapeError | Invalid>
) => {
  const names = Remarks.namesOf(endpoint.payloadSchema)
  return ({ body, headers, remarks }: Incoming): Either.Either<A, Refused | Invalid> =>
    Either.gen(function*() {
      const value = yield* Body.parse(headers, body)
      yield* Body.checkCounts(value)
      yield* Claims.ofBody(headers, value)
      yield* Remarks.fields(remarks, value, names)
      Remarks.colours(remarks, value)
      return yield* Either.mapLeft(decode(value), (error) => error._tag === "Invalid" ? error : wrongShape(error))
    })
}

/**
 * The original's SDK for Python, which reads some answers otherwise than all other clients: errors of a bulk as objects, what a
 * search found as `memories`.
 */
export const isPython = ({ headers }: Incoming): boolean =>
  headers["user-agent"]?.startsWith("ai-memory-python") === true

/** The version of a memory as an entity tag. */
export const etagOf = (memory: Pick<Memory, "updated_at">): string => `"${memory.updated_at}"`

/** What the answer to a write says of its quorum. */
export const acksOf = ({ ackedBy, acks, durability }: Acknowledged) => ({
  quorum_acks: acks,
  acked_by: ackedBy,
  ...(durability === undefined ? {} : { durability })
})

/** Headers of the answer to a write of a memory. */
export const writtenHeaders = (memory: Memory, { opId }: Acknowledged) => ({ "x-op-id": opId, etag: etagOf(memory) })

const receive = (endpoint: Endpoint, request: HttpServerRequest): Effect.Effect<Incoming, Refused> =>
  Effect.gen(function*() {
    if (!Routes.leadsTo(endpoint, request)) return yield* routeNotFound
    const message = NodeHttpServerRequest.toIncomingMessage(request)
    const body = Option.isNone(endpoint.payloadSchema) ? NO_BODY : yield* Body.readEffect(message)
    const received = incoming(message.headers, body)
    const [, query = ""] = request.url.split("?", 2)
    yield* Remarks.parameters(received.remarks, query, parametersOf(endpoint))
    return received
  })

/** Looked up once for each endpoint. */
const parametersOf = (endpoint: Endpoint): Remarks.Names => {
  if (known.has(endpoint)) return known.get(endpoint)
  const names = Option.isNone(endpoint.urlParamsSchema) ? NO_NAMES : Remarks.namesOf(endpoint.urlParamsSchema)
  known.set(endpoint, names)
  return names
}

const known = new WeakMap<Endpoint, Remarks.Names>()
const NO_NAMES: ReadonlySet<string> = new Set()

/** The answer with what is to be said of its request; an action that was queued has one, too. */
export const remarked = <A extends Reply.Reply | Streamed<Endpoint>, E extends Refusal, R>(
  { remarks }: Incoming,
  answered: Effect.Effect<A, E, R>
): Effect.Effect<A | Reply.Reply, E, R> =>
  answered.pipe(
    Effect.catchIf(
      (error) => error._tag === "AwaitingApproval" && remarks.warnings.length > 0,
      (error) => Effect.succeed(reply(error))
    ),
    Effect.map((answer) => remarks.warnings.length === 0 ? answer : withRemarks(answer, remarks))
  )

/** The same of one of several that came at once. */
export const remarkedExit = <E extends Refusal>(
  { remarks }: Incoming,
  exit: Exit.Exit<Reply.Reply, E>
): Exit.Exit<Reply.Reply, E> => {
  if (remarks.warnings.length === 0) return exit
  const queued = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  const answered = queued?._tag === "AwaitingApproval" ? Exit.succeed(reply(queued)) : exit
  return Exit.map(answered, (answer) => withRemarks(answer, remarks))
}

/** What is sent while it is made says it in a header, and so do bytes. */
const withRemarks = <A extends Reply.Reply | Streamed<Endpoint>>(answer: A, remarks: Remarks.Remarks): A =>
  "body" in answer && Predicate.isString(answer.body)
    ? { ...answer, body: Remarks.added(answer.body, remarks) }
    : { ...answer, headers: { ...answer.headers, "x-warnings": remarks.warnings.join("; ") } }

const NO_BODY = Buffer.alloc(0)

const keep = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flatMap(Drain, (drain) => drain.keep(effect))

const withinBudget = <E extends Endpoint>(answer: Reply.Reply | Streamed<E>, request: HttpServerRequest) =>
  Effect.map(Budgets, ({ answers }) => {
    const bytes = "parts" in answer ? answer.holdsBytes : Buffer.byteLength(answer.body)
    return answers.take(bytes, NodeHttpServerRequest.toServerResponse(request)) ? answer : overloaded
  })

const respond = <E extends Endpoint, R>(
  request: HttpServerRequest,
  answered: Effect.Effect<Reply.Reply | Streamed<E>, Refusal, R>
) =>
  Failure.refusals(
    Effect.flatMap(
      answered,
      (answer) =>
        "parts" in answer
          ? Effect.map(inTraceOfRequest(answer.parts), (parts) => streamOf({ ...answer, parts }, request))
          : Effect.succeed(Reply.toResponse(answer))
    )
  )

/** A stream is taken when its request is over: what it reads belongs to that all the same, or is traced as little. */
const inTraceOfRequest = (parts: Stream.Stream<string, unknown>) =>
  Effect.withFiberRuntime<Stream.Stream<string, unknown>>((fiber) => {
    const isTraced = fiber.getFiberRef(FiberRef.currentTracerEnabled)
    const under = Option.match(Context.getOption(fiber.currentContext, Tracer.ParentSpan), {
      onNone: () => parts,
      onSome: (span) => Stream.provideService(parts, Tracer.ParentSpan, span)
    })
    const asTraced = Stream.drain(Stream.fromEffect(FiberRef.set(FiberRef.currentTracerEnabled, isTraced)))
    return Effect.succeed(Stream.concat(asTraced, under))
  })

/** The status is long sent when a stream fails: only a connection that is cut off can say so. */
const streamOf = <E extends Endpoint>({ contentType, headers, parts }: Streamed<E>, request: HttpServerRequest) => {
  const response = NodeHttpServerRequest.toServerResponse(request)
  const failing = Stream.tapErrorCause(
    parts,
    (cause) => Effect.zipRight(Failure.logUnexpected(cause), Effect.sync(() => response.destroy()))
  )
  return HttpServerResponse.stream(Stream.encodeText(failing), { contentType, headers })
}
