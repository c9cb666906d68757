import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DEFAULT_SINCE_ROWS, MAX_SINCE_ROWS } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import { version } from "../../domain/version.js"
import * as kinds from "../../replication/kinds.js"
import type * as OperationSet from "../../replication/OperationSet.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { ReadFailed } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader } from "../../store/read/DigestReader.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { Federation } from "../Federation.js"
import * as PeerApi from "../wire/PeerApi.js"
import { SharedVectors } from "../wire/SharedVectors.js"
import type { Headers } from "./receive.js"

/** `GET /api/v1/sync/hello`: who this node is and what it holds. The caller is alive, so its link is tried at once. */
export const hello = (headers: Headers): Effect.Effect<PeerApi.Hello, never, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const federation = yield* Federation
    const now = yield* Clock.currentTimeMillis
    const { space } = yield* SharedVectors
    const caller = headers["x-peer-id"]
    if (caller !== undefined) yield* federation.heard({ id: caller, run: headers["x-peer-run"] })
    const origin = store.origin()
    return {
      protocol: PeerApi.PROTOCOL,
      node_id: store.nodeId,
      incarnation: Number(origin.slice(origin.lastIndexOf("/") + 1)),
      version,
      capabilities: Option.isSome(space()) ? [...kinds.all, PeerApi.VECTORS] : kinds.all,
      limits: { operations: PeerApi.MAX_LIST_ITEMS, bytes: PeerApi.MAX_PUSH_BYTES },
      // Read in one go: nothing is committed between the two.
      vector: store.vector(),
      digest: store.digest(),
      ...sealedOf(store.sealed()),
      wall_clock: Stamp.fromMillis(now),
      run: federation.run,
      ...(caller !== undefined && federation.isDouble(caller) ? { doubled: true } : {})
    }
  })

const sealedOf = (sealed: OperationSet.OperationSet): Pick<PeerApi.Hello, "sealed"> =>
  sealed.size === 0 ? {} : { sealed }

/** The hello as it goes out. */
export const encodeHello = Schema.encodeSync(PeerApi.Hello)

/** `GET /api/v1/sync/digests`: for a node that found its own to be another, to see where. */
export const digests: Effect.Effect<typeof PeerApi.Digests.Encoded, ReadFailed, DigestReader> = Effect.flatMap(
  DigestReader,
  (reader) => Effect.map(reader.digests, (found) => encodeDigests(found))
)

const encodeDigests = Schema.encodeSync(PeerApi.Digests)

const decodeVector = Schema.decodeUnknownEither(VersionVector.Wire)
const decodeVectorText = Schema.decodeUnknownEither(Schema.parseJson(VersionVector.Wire))

/** `GET /api/v1/sync/since` with `vv`: the operations that the caller lacks, of any origin, bounded by bytes. */
export const since = (
  vv: string,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | Federation> =>
  Effect.zipRight(heardOf(headers), Effect.suspend(() => operationsSince(decodeVectorText(vv))))

/** `POST /api/v1/sync/since`: as above, for a vector that is too long for a request line. */
export const sinceVector = (
  body: unknown,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | Federation> =>
  Effect.zipRight(
    heardOf(headers),
    Effect.suspend(() => operationsSince(decodeVector(Predicate.isRecord(body) ? body["vv"] : undefined)))
  )

const heardOf = (headers: Headers, peer?: string | null) =>
  Effect.flatMap(Federation, ({ heard }) => {
    const caller = headers["x-peer-id"] ?? peer ?? undefined
    return caller === undefined ? Effect.void : heard({ id: caller, run: headers["x-peer-run"] })
  })

const operationsSince = (theirs: Either.Either<VersionVector.VersionVector, ParseError>) =>
  Effect.gen(function*() {
    if (Either.isLeft(theirs)) {
      return yield* new Invalid({ field: "vv", message: "vv must be a version vector as JSON" })
    }
    const store = yield* MemoryStore
    const missing = VersionVector.missing(store.vector(), theirs.right)
    const items: Array<PeerApi.Written> = []
    let fits = true
    for (const range of missing) {
      const room = PeerApi.MAX_PUSH_OPERATIONS - items.length
      const page = yield* store.operations(range, room)
      for (const operation of page) items.push(PeerApi.write(operation))
      fits = page.length === range.to - range.from + 1
      if (!fits || items.length >= PeerApi.MAX_PUSH_OPERATIONS) break
    }
    const sent = items.slice(0, PeerApi.fitting(items.map(({ bytes }) => bytes)))
    const lacking = missing.reduce((sum, { from, to }) => sum + to - from + 1, 0)
    return `{"sender_agent_id":${JSON.stringify(store.nodeId)},${PeerApi.encodeCarrier(sent)},` +
      `"count":${sent.length},"limit":${PeerApi.MAX_PUSH_OPERATIONS},"more":${sent.length < lacking},` +
      `"vv":${JSON.stringify(VersionVector.toWire(store.vector()))}}`
  })

/** A page of rows for an original node. Its fields are asked for in this order, when the rows were taken. */
interface RowsSince {
  readonly memories: Stream.Stream<Memory, ReadFailed>
  readonly count: () => number
  readonly limit: () => number
  readonly updated_since: () => string | null
  readonly earliest_updated_at: () => string | null
  readonly latest_updated_at: () => string | null
}

/**
 * `GET /api/v1/sync/since` in the original's form: rows whose `updated_at` is greater than `since`, ascending. They are read
 * as they are taken: as many as may be asked for are more than memory has room for. None until the first round of catch-up is
 * over: the caller takes what it does not have for new, and it may have been deleted while this node was away.
 */
export const rowsSince = (
  params: URLSearchParams,
  headers: Headers
): Effect.Effect<RowsSince, Invalid, MemoryReader | Federation> =>
  Effect.gen(function*() {
    yield* heardOf(headers, params.get("peer"))
    // An unescaped `+` of the offset arrives as a space.
    const asked = (params.get("since") ?? "").replace(" ", "+")
    const after = asked === "" ? Either.right("") : Either.fromOption(Stamp.parse(asked), () => "malformed")
    if (Either.isLeft(after)) {
      return yield* new Invalid({ field: "since", message: "the `since` parameter must be an RFC 3339 timestamp" })
    }
    const limit = Number(params.get("limit") ?? DEFAULT_SINCE_ROWS)
    if (!Number.isSafeInteger(limit) || limit < 0) {
      return yield* new Invalid({ field: "limit", message: "the `limit` parameter must be a whole number from 0" })
    }
    const { changedSince } = yield* MemoryReader
    const { start } = yield* Federation
    const most = Math.min(limit, MAX_SINCE_ROWS)
    const rows = start.isOver() ? changedSince(after.right, most) : Stream.empty
    let count = 0
    let earliest: string | null = null
    let latest: string | null = null
    const memories = Stream.mapChunks(rows, (page) => {
      count += page.length
      earliest ??= Option.getOrNull(Chunk.head(page))?.updated_at ?? null
      latest = Option.getOrNull(Chunk.last(page))?.updated_at ?? latest
      return page
    })
    return {
      memories,
      count: () => count,
      limit: () => most,
      updated_since: () => asked === "" ? null : asked,
      earliest_updated_at: () => earliest,
      latest_updated_at: () => latest
    }
  })
