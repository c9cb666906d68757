import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { DEFAULT_SINCE_ROWS, MAX_SINCE_ROWS } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import { version } from "../../domain/version.js"
import * as kinds from "../../replication/kinds.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { ReadFailed } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader } from "../../store/read/DigestReader.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { Federation } from "../Federation.js"
import * as PeerApi from "../wire/PeerApi.js"
import type { Headers } from "./receive.js"

/** `GET /api/v1/sync/hello`: who this node is and what it holds. The caller is alive, so its link is tried at once. */
export const hello = (headers: Headers): Effect.Effect<PeerApi.Hello, never, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const federation = yield* Federation
    const now = yield* Clock.currentTimeMillis
    const caller = headers["x-peer-id"]
    if (caller !== undefined) yield* federation.heard({ id: caller, run: headers["x-peer-run"] })
    const origin = store.origin()
    return {
      protocol: PeerApi.PROTOCOL,
      node_id: store.nodeId,
      incarnation: Number(origin.slice(origin.lastIndexOf("/") + 1)),
      version,
      capabilities: kinds.all,
      limits: { operations: PeerApi.MAX_LIST_ITEMS, bytes: PeerApi.MAX_PUSH_BYTES },
      // Read in one go: nothing is committed between the two.
      vector: store.vector(),
      digest: store.digest(),
      wall_clock: Stamp.fromMillis(now),
      run: federation.run,
      ...(caller !== undefined && federation.isDouble(caller) ? { doubled: true } : {})
    }
  })

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

/**
 * `GET /api/v1/sync/since`. With `vv` the operations that the caller lacks, of any origin, bounded by bytes; without it
 * the original's form: rows whose `updated_at` is greater than `since`, ascending.
 */
export const since = (
  params: URLSearchParams,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | MemoryReader | Federation> =>
  Effect.gen(function*() {
    const { heard } = yield* Federation
    const caller = headers["x-peer-id"] ?? params.get("peer") ?? undefined
    if (caller !== undefined) yield* heard({ id: caller, run: headers["x-peer-run"] })
    const vv = params.get("vv")
    return vv === null ? yield* rowsSince(params) : yield* operationsSince(decodeVectorText(vv))
  })

/** `POST /api/v1/sync/since`: as above, for a vector that is too long for a request line. */
export const sinceVector = (
  body: unknown,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const { heard } = yield* Federation
    const caller = headers["x-peer-id"]
    if (caller !== undefined) yield* heard({ id: caller, run: headers["x-peer-run"] })
    return yield* operationsSince(decodeVector(Predicate.isRecord(body) ? body["vv"] : undefined))
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

const rowsSince = (params: URLSearchParams) =>
  Effect.gen(function*() {
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
    const reader = yield* MemoryReader
    const most = Math.min(limit, MAX_SINCE_ROWS)
    const memories = yield* reader.changedSince(after.right, most)
    return JSON.stringify({
      count: memories.length,
      limit: most,
      updated_since: asked === "" ? null : asked,
      earliest_updated_at: memories[0]?.updated_at ?? null,
      latest_updated_at: memories.at(-1)?.updated_at ?? null,
      memories
    })
  })
