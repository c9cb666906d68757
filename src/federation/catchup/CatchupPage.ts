import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { applyCarrier, type PushRefused } from "../inbound/receive.js"
import * as PeerApi from "../wire/PeerApi.js"
import type { Rejected } from "./Rejections.js"

/** A page of operations as a peer sent it; the request is null when something in it is not to be understood. */
interface Page {
  readonly text: string
  readonly request: PeerApi.PushRequest | null
}

/** What came of a page. */
interface Applied {
  /** Operations that this node did not hold before. */
  readonly applied: number
  readonly rejected: ReadonlyArray<Rejected>
}

/** Applies a page of this peer, durably. What is refused whole is taken apart until the bad operation stands alone. */
export const apply = ({ request, text }: Page, peerId: string): Effect.Effect<Applied, ApplyFailed, Requires> =>
  request === null ? applyParts(text, peerId) : applyCarrier(request, peerId).pipe(
    Effect.map(({ results }) => appliedOf(namesOf(request), results)),
    Effect.catchTag("PushRefused", () => applyParts(text, peerId))
  )

/** The names of the operations of a page. */
export const namesOf = ({ ops = [], stubs = [] }: PeerApi.PushRequest): ReadonlyArray<Name> => [...ops, ...stubs]
type Name = Pick<PeerApi.WireOperation, "op_id" | "origin" | "oseq">

/** The page as it came: its lists, the operations that are readable, and the names of the others. */
interface Parts {
  readonly peerId: string
  readonly carrier: Record<string, unknown>
  readonly ops: ReadonlyArray<PeerApi.WireOperation>
  readonly rejected: ReadonlyArray<Rejected>
}

const decodeCarrier = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
)
const decodeOperation = Schema.decodeUnknownEither(PeerApi.WireOperation)
const decodeName = Schema.decodeUnknownEither(PeerApi.WireOperation.pipe(Schema.pick("op_id", "origin", "oseq")))

const applyParts = (text: string, peerId: string) => {
  const page = { ...partsOf(decodeCarrier(text)), peerId }
  return Effect.map(applyPart(page, page.ops), ({ applied, rejected }) => ({
    applied,
    rejected: [...page.rejected, ...rejected]
  }))
}

const partsOf = (carrier: Record<string, unknown>): Omit<Parts, "peerId"> => {
  const { ops: given } = carrier
  const ops: Array<PeerApi.WireOperation> = []
  const rejected: Array<Rejected> = []
  for (const one of Array.isArray(given) ? given.slice(0, PeerApi.MAX_LIST_ITEMS) : []) {
    const read = decodeOperation(one)
    if (Either.isRight(read)) ops.push(read.right)
    else rejected.push(...unreadable(one, read.left.message))
  }
  return { carrier, ops, rejected }
}

const unreadable = (operation: unknown, message: string): ReadonlyArray<Rejected> =>
  Either.match(decodeName(operation), {
    onLeft: () => [],
    onRight: ({ op_id: opId, origin, oseq }) => [{ opId, origin, oseq, why: `malformed: ${PeerApi.lastLine(message)}` }]
  })

type ApplyFailed = Exclude<Effect.Effect.Error<ReturnType<typeof applyCarrier>>, PushRefused>
type Requires = Effect.Effect.Context<ReturnType<typeof applyCarrier>>

const applyPart = (
  page: Parts,
  ops: ReadonlyArray<PeerApi.WireOperation>
): Effect.Effect<Applied, ApplyFailed, Requires> => {
  if (ops.length === 0) return Effect.succeed({ applied: 0, rejected: [] })
  const part = carrierOf(page.carrier, ops)
  if (Either.isLeft(part)) return halves(page, ops, part.left)
  return applyCarrier(part.right, page.peerId).pipe(
    Effect.map(({ results }) => appliedOf(ops, results)),
    Effect.catchTag("PushRefused", ({ error }) => halves(page, ops, `malformed: ${error}`))
  )
}

const halves = (
  page: Parts,
  ops: ReadonlyArray<PeerApi.WireOperation>,
  why: string
): Effect.Effect<Applied, ApplyFailed, Requires> => {
  const [first] = ops
  if (first === undefined) return Effect.succeed({ applied: 0, rejected: [] })
  if (ops.length === 1) {
    return Effect.succeed({
      applied: 0,
      rejected: [{ opId: first.op_id, origin: first.origin, oseq: first.oseq, why }]
    })
  }
  const middle = ops.length >> 1
  return Effect.zipWith(
    applyPart(page, ops.slice(0, middle)),
    applyPart(page, ops.slice(middle)),
    (left, right) => ({ applied: left.applied + right.applied, rejected: [...left.rejected, ...right.rejected] })
  )
}

const appliedOf = (
  ops: ReadonlyArray<Name>,
  results: Effect.Effect.Success<ReturnType<typeof applyCarrier>>["results"]
): Applied => {
  const byId = new Map(ops.map((op) => [op.op_id, op]))
  const rejected = results.flatMap(({ opId, result, why }) => {
    const op = byId.get(opId)
    return result !== "rejected" || op === undefined
      ? []
      : [{ opId, origin: op.origin, oseq: op.oseq, why: why ?? "rejected" }]
  })
  const applied = results.filter(({ result }) => !NOTHING_NEW.has(result)).length
  return { applied, rejected }
}

const NOTHING_NEW: ReadonlySet<string> = new Set(["rejected", "duplicate", "withheld"])

const decodeRequest = Schema.decodeUnknownEither(PeerApi.PushRequest)
const POINTER = /^\/([a-z_]+)\/(0|[1-9][0-9]{0,3})$/

/** A message of its own for some of the operations, with the payloads that they point at. */
const carrierOf = (
  carrier: Record<string, unknown>,
  ops: ReadonlyArray<PeerApi.WireOperation>
): Either.Either<PeerApi.PushRequest, string> => {
  const lists = new Map<string, Array<unknown>>([["memories", []]])
  const pointing = ops.map((op) => {
    const [, name, position] = POINTER.exec(op.ref) ?? []
    const source = name === undefined ? undefined : carrier[name]
    const item: unknown = Array.isArray(source) ? source[Number(position)] : undefined
    if (name === undefined || item === undefined) return op
    const list = lists.get(name) ?? []
    lists.set(name, list)
    return { ...op, ref: `/${name}/${list.push(item) - 1}` }
  })
  const { sender_agent_id } = carrier
  return Either.mapLeft(
    decodeRequest({ sender_agent_id, ...Object.fromEntries(lists), ops: pointing }),
    ({ message }) => `malformed: ${PeerApi.lastLine(message)}`
  )
}
