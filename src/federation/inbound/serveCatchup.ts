import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Attestation from "../../domain/Attestation.js"
import { DEFAULT_SINCE_ROWS, MAX_SINCE_ROWS } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import type { Namespaces } from "../../domain/namespaces.js"
import * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import { version } from "../../domain/version.js"
import * as kinds from "../../replication/kinds.js"
import type * as OperationSet from "../../replication/OperationSet.js"
import type { Stub } from "../../replication/Stub.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { ReadFailed } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { DigestReader } from "../../store/read/DigestReader.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { Withholding } from "../../store/read/Withholding.js"
import * as Scope from "../../store/Scope.js"
import { Federation } from "../Federation.js"
import { PeerLimits } from "../PeerLimits.js"
import * as PeerApi from "../wire/PeerApi.js"
import { SharedVectors } from "../wire/SharedVectors.js"
import type { Headers } from "./receive.js"

/** `GET /api/v1/sync/hello`: who this node is and what it holds. The caller is alive, so its link is tried at once. */
export const hello = (headers: Headers): Effect.Effect<PeerApi.Hello, never, MemoryStore | Federation> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    // Read in one go: nothing is committed between the two.
    const [vector, digest] = [store.vector(), store.digest()]
    const limited = yield* limitedOf(headers["x-peer-id"], vector)
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
      capabilities: [...kinds.all, PeerApi.STUBS, ...Option.isSome(space()) ? [PeerApi.VECTORS] : []],
      limits: { operations: PeerApi.MAX_LIST_ITEMS, bytes: PeerApi.MAX_PUSH_BYTES },
      vector,
      // Of a node that holds some by their names alone, or may see less of this one, all that is compared is what both may see.
      ...(limited !== undefined || store.withheld() > 0 ? {} : { digest }),
      ...(limited === undefined ? {} : { limited }),
      ...sealedOf(store.sealed()),
      wall_clock: Stamp.fromMillis(now),
      run: federation.run,
      ...(caller !== undefined && federation.isDouble(caller) ? { doubled: true } : {})
    }
  })

const sealedOf = (sealed: OperationSet.OperationSet): Pick<PeerApi.Hello, "sealed"> =>
  sealed.size === 0 ? {} : { sealed }

/** What the caller may see here, or else this node there, as it was told: all that is to be compared, with its sum. */
const limitedOf = (caller: string | undefined, vector: VersionVector.VersionVector) =>
  Effect.gen(function*() {
    const own = (yield* PeerLimits).ofPulls(caller)
    if (Option.isSome(own)) return yield* summed({ namespaces: own.value }, vector)
    const { links } = yield* Federation
    const identity = links.map(({ status }) => status().identity).find((known) => known?.peerId === caller)
    const limited = identity?.kind === "quorate" ? identity.hello.limited : undefined
    return limited === undefined || limited.told === true
      ? undefined
      : yield* summed({ namespaces: limited.namespaces, told: true }, vector)
  })

const summed = (
  limited: { readonly namespaces: Namespaces; readonly told?: true },
  vector: VersionVector.VersionVector
) =>
  Effect.gen(function*() {
    const { digest } = yield* Withholding
    const sum = yield* Effect.orElseSucceed(digest(limited.namespaces, vector), () => Option.none<number>())
    return Option.match(sum, { onNone: () => limited, onSome: (digest) => ({ ...limited, digest }) })
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

/** `GET /api/v1/sync/since` with `vv`: the operations that the caller lacks, of any origin, bounded by bytes. */
export const since = (
  vv: string,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | Federation> =>
  Effect.zipRight(
    heardOf(headers),
    Effect.suspend(() => operationsSince(decodeVectorText(vv), headers["x-peer-id"]))
  )

/** `POST /api/v1/sync/since`: as above, for a vector that is too long for a request line. */
export const sinceVector = (
  body: unknown,
  headers: Headers
): Effect.Effect<string, Invalid | ReadFailed, MemoryStore | Federation> =>
  Effect.zipRight(
    heardOf(headers),
    Effect.suspend(() =>
      operationsSince(decodeVector(Predicate.isRecord(body) ? body["vv"] : undefined), headers["x-peer-id"])
    )
  )

const heardOf = (headers: Headers, peer?: string | null) =>
  Effect.flatMap(Federation, ({ heard }) => {
    const caller = headers["x-peer-id"] ?? peer ?? undefined
    return caller === undefined ? Effect.void : heard({ id: caller, run: headers["x-peer-run"] })
  })

const operationsSince = (theirs: Either.Either<VersionVector.VersionVector, ParseError>, caller: string | undefined) =>
  Effect.gen(function*() {
    if (Either.isLeft(theirs)) {
      return yield* new Invalid({ field: "vv", message: "vv must be a version vector as JSON" })
    }
    const store = yield* MemoryStore
    const limit = (yield* PeerLimits).ofPulls(caller)
    const { isWhole, items } = yield* pageOf(VersionVector.missing(store.vector(), theirs.right), limit)
    const sent = items.slice(0, PeerApi.fitting(items.map(({ bytes }) => bytes)))
    const told = sent.flatMap((item) => "stub" in item ? [] : [item])
    const stubs = sent.flatMap((item) => "stub" in item ? [item.stub] : [])
    return `{"sender_agent_id":${JSON.stringify(store.nodeId)},${PeerApi.encodeCarrier(told)}` +
      `${PeerApi.encodeStubs(stubs)},"count":${sent.length},"limit":${PeerApi.MAX_PUSH_OPERATIONS},` +
      `"more":${!isWhole || sent.length < items.length},"vv":${JSON.stringify(VersionVector.toWire(store.vector()))}}`
  })

/** What a caller gets of an operation: all of it, or its name. */
type Item = PeerApi.Written | { readonly stub: Stub; readonly bytes: number }

/** As many of these operations as a page may have. What this node holds by its name alone it passes on as that, to who is limited. */
const pageOf = (ranges: ReadonlyArray<VersionVector.OriginRange>, limit: Option.Option<Namespaces>) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const withholding = yield* Withholding
    const items: Array<Item> = []
    for (const range of ranges) {
      const room = PeerApi.MAX_PUSH_OPERATIONS - items.length
      if (room <= 0) return { items, isWhole: false }
      const page = yield* store.operations(range, room)
      const isOver = page.length < room
      if (Option.isNone(limit)) items.push(...page.map(PeerApi.write))
      else {
        const to = isOver ? range.to : page.at(-1)?.oseq ?? range.to
        const seen = yield* withholding.sift(page, limit.value)
        items.push(...page.map((operation, index): Item => itemOf(seen[index] ?? null) ?? PeerApi.write(operation)))
        const stubs = yield* withholding.stubs({ ...range, to }, MAX_STUBS)
        items.push(...stubs.flatMap((stub) => itemOf(stub) ?? []))
        if (stubs.length === MAX_STUBS) return { items, isWhole: false }
      }
      if (!isOver) return { items, isWhole: false }
    }
    return { items, isWhole: true }
  })

/** Of one page, held by their names alone. */
const MAX_STUBS = PeerApi.MAX_PUSH_OPERATIONS
const STUB_BYTES = 512

const itemOf = (stub: Stub | null): Item | null =>
  stub === null ? null : { stub, bytes: STUB_BYTES * (1 + (stub.ends?.covers.length ?? 0)) }

/** A page of rows for an original node. Its fields are asked for in this order, when the rows were taken. */
interface RowsSince {
  readonly memories: Stream.Stream<Memory, ReadFailed>
  readonly count: () => number
  readonly limit: () => number
  readonly updated_since: () => string | null
  readonly earliest_updated_at: () => string | null
  readonly latest_updated_at: () => string | null
  /** Why there is nothing, where that is who asks. */
  readonly scope_status?: () => "no_allowlist_default_deny"
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
    const limits = yield* PeerLimits
    const namespaces = Option.getOrNull(limits.ofPulls(headers["x-peer-id"]))
    const isDenied = namespaces?.length === 0 && !limits.isListed(headers["x-peer-id"])
    const rows = start.isOver() ? Scope.withinStream(namespaces)(changedSince(after.right, most)) : Stream.empty
    let count = 0
    let earliest: string | null = null
    let latest: string | null = null
    const memories = Stream.mapChunks(rows, (page) => {
      count += page.length
      earliest ??= Option.getOrNull(Chunk.head(page))?.updated_at ?? null
      latest = Option.getOrNull(Chunk.last(page))?.updated_at ?? latest
      return Chunk.map(page, Attestation.asSigned)
    })
    return {
      memories,
      count: () => count,
      limit: () => most,
      updated_since: () => asked === "" ? null : asked,
      earliest_updated_at: () => earliest,
      latest_updated_at: () => latest,
      ...(isDenied ? { scope_status: () => "no_allowlist_default_deny" as const } : {})
    }
  })
