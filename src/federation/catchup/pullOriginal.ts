import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { hash as digestOf } from "node:crypto"
import * as Hlc from "../../domain/Hlc.js"
import type { PeerId } from "../../domain/ids.js"
import * as Memory from "../../domain/Memory.js"
import type { Namespaces } from "../../domain/namespaces.js"
import * as Stamp from "../../domain/Stamp.js"
import * as validate from "../../domain/validate.js"
import * as VersionVector from "../../replication/VersionVector.js"
import { storeIfNewer } from "../../store/deciding/storeIfNewer.js"
import type { ClockSkewed, KeyReused, NotWritten, ReadFailed } from "../../store/errors.js"
import { MemoryStore } from "../../store/MemoryStore.js"
import { type OriginalCursor, PeerStates } from "../../store/PeerStates.js"
import { Federation, type PeerLink } from "../Federation.js"
import * as Limited from "../inbound/limited.js"
import { PeerLimits } from "../PeerLimits.js"

/** Rows stamped so long before the cursor are asked for again: some come to the peer later than newer ones. */
const OVERLAP = Duration.minutes(1)
/** All rows are read again this often, for those that come later still. */
const SWEEP_EVERY = Duration.minutes(10)

/** Rows asked for at once. */
const PAGE_ROWS = 500
/** The most that an original gives; asked for where one stamp fills a whole page. */
const MAX_PAGE_ROWS = 10_000
/** The most that one of 0.10.0 gives. */
const MAX_PAGE_ROWS_LATER = 1_000
const MAX_PAGES = 10_000
/** Each row is a write of its own; those that wait together share a commit. */
const ROWS_AT_ONCE = 64

type RowsFailed = Effect.Effect.Error<ReturnType<PeerLink["client"]["rows"]>>

/** Reads what an original node has that is new: memories only, by the time of their last change. */
export type PullOriginal = (
  peerId: PeerId
) => Effect.Effect<
  void,
  RowsFailed | ReadFailed | NotWritten | ClockSkewed | KeyReused,
  PeerStates | MemoryStore | Federation
>

/** One round: all rows, or those after the cursor, and how far it got. */
interface Round {
  /** What the round before came to. */
  readonly before: Pages
  readonly pages: Map<string, Page>
  /** Every row stamped up to here is done. */
  since: OriginalCursor["since"]
  /** A row is stamped too far ahead: it is left for later, and so is what follows it. */
  held: boolean
  written: number
  /** Rows that the peer does not give to this node. */
  keptBack: number
}

/** A page that was applied: while it stays the same and nothing happens here, it brings nothing. */
interface Page {
  readonly digest: string
  readonly vector: VersionVector.VersionVector
}

/** The pages of a round, by what was asked. */
type Pages = ReadonlyMap<string, Page>

/** Nothing was ever read. */
const NEVER: OriginalCursor = { since: "", sweptAt: Stamp.fromMillis(Stamp.MIN_MILLIS) }

/** The reader of one peer. */
export const make = (link: PeerLink): PullOriginal => {
  let before: Pages = new Map()
  const tellKeptBack = keptBackTold(link)

  return (peerId) =>
    Effect.gen(function*() {
      const states = yield* PeerStates
      const federation = yield* Federation
      const now = yield* Clock.currentTimeMillis
      const known = Option.getOrElse(yield* states.cursor(peerId), () => NEVER)
      const isSweep = now - Stamp.toMillis(known.sweptAt) >= Duration.toMillis(SWEEP_EVERY)
      const round: Round = {
        before: isSweep ? new Map() : before,
        pages: new Map(),
        since: known.since,
        held: false,
        written: 0,
        keptBack: 0
      }
      yield* readAll(link, isSweep ? "" : withOverlap(known.since), round).pipe(
        // What came before a failure is done; but a sweep that was cut short begins anew.
        Effect.onError(() => Effect.ignore(states.moveCursor(peerId, { ...known, since: round.since }))),
        Effect.ensuring(Effect.suspend(() => round.written === 0 ? Effect.void : federation.catchUp))
      )
      before = isSweep ? new Map() : round.pages
      if (isSweep) yield* tellKeptBack(round.keptBack)
      const sweptAt = isSweep ? Stamp.fromMillis(now) : known.sweptAt
      if (isSweep || round.since !== known.since) yield* states.moveCursor(peerId, { since: round.since, sweptAt })
      if (round.written === 0) return
      yield* Effect.logInfo(`catchup: applied ${round.written} memories from peer ${link.peer.name}`)
    })
}

const withOverlap = (since: OriginalCursor["since"]): string =>
  since === "" ? "" : Stamp.fromMillis(Stamp.toMillis(since) - Duration.toMillis(OVERLAP))

/** Says once that the peer keeps rows back, and once when it does not any more. */
const keptBackTold = (link: PeerLink) => {
  let told = false
  return (count: number) => {
    if (told === count > 0) return Effect.void
    told = !told
    return told
      ? Effect.logWarning(
        `catchup: peer ${link.peer.name} keeps memories back from this node (${count}): what is private to its author does not go ` +
          "to peers on its list. Without a list (AI_MEMORY_FED_PEER_ATTESTATION) and with AI_MEMORY_FED_SYNC_TRUST_PEER=1 it " +
          "gives all to the peers that it has enrolled"
      )
      : Effect.logInfo(`catchup: peer ${link.peer.name} keeps nothing back any more`)
  }
}

/**
 * Page by page until one is not full. The peer compares stamps as texts and with `>`, so that rows of the last stamp
 * may be missing from a page: the next one begins before that stamp.
 */
const readAll = (link: PeerLink, from: string, round: Round) =>
  Effect.gen(function*() {
    let since = from
    let ceiling = MAX_PAGE_ROWS
    let limit = PAGE_ROWS
    for (let page = 0; page < MAX_PAGES; page++) {
      const answer = yield* Effect.either(link.client.rows({ since, limit }))
      if (Either.isLeft(answer)) {
        if (limit > MAX_PAGE_ROWS_LATER && answer.left.reason === "status") {
          ceiling = limit = MAX_PAGE_ROWS_LATER
          continue
        }
        if (limit === 1 || !isTooMuch(answer.left)) return yield* answer.left
        ceiling = limit >> 1
        limit = Math.max(1, limit >> 2)
        continue
      }
      const { keptBack, memories: rows, text } = answer.right
      round.keptBack += keptBack
      const digest = digestOf("sha256", text, "hex")
      yield* unlessDone(`${limit} ${since}`, digest, round, applyPage(link, rows, round))
      if (rows.length + keptBack < limit || round.held) return
      const stamps = rows.filter(isRow).map(({ updated_at }) => updated_at)
      const last = stamps.at(-1)
      const before = stamps.findLast((stamp) => stamp !== last)
      if (before === undefined && limit < ceiling) {
        limit = ceiling
        continue
      }
      const next = before ?? (keptBack === 0 ? undefined : belowOf(last, since))
      if (next === undefined) yield* noWay(link, limit)
      if (last === undefined) return
      since = next ?? last
      limit = Math.min(PAGE_ROWS, ceiling)
    }
  })

/** A stamp below the last one, from which rows are left to read that were behind those that are kept back. */
const belowOf = (last: string | undefined, since: string): string | undefined => {
  const stamp = Option.getOrUndefined(Stamp.parse(last ?? ""))
  const below = stamp === undefined ? "" : Stamp.fromMillis(Stamp.toMillis(stamp) - 1)
  return below > since ? below : undefined
}

const noWay = (link: PeerLink, limit: number) =>
  Effect.logWarning(
    `catchup: peer ${link.peer.name} has more than ${limit} memories of one stamp, or keeps as many back, and gives no way to the rest`
  )

/** The answer may be too large, or take too long: a smaller page may do. */
const isTooMuch = ({ reason }: RowsFailed) => reason === "timeout" || reason === "malformed"

const Row = Schema.Struct({ id: Schema.String, updated_at: Schema.String })
const isRow = Schema.is(Row)

const unlessDone = <E, R>(asked: string, digest: string, round: Round, apply: Effect.Effect<void, E, R>) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const before = round.before.get(asked)
    const isDone = before?.digest === digest && VersionVector.equals(before.vector, store.vector())
    if (!isDone) yield* apply
    // A row that was left for later may be due by then.
    if (!round.held) round.pages.set(asked, { digest, vector: store.vector() })
  })

/** Applies the rows of a page up to the first that is stamped too far ahead, and moves the round on. */
const applyPage = (link: PeerLink, rows: ReadonlyArray<unknown>, round: Round) =>
  Effect.gen(function*() {
    const wallMillis = yield* Clock.currentTimeMillis
    const stamps = rows.map((row) => isRow(row) ? Option.getOrNull(Stamp.parse(row.updated_at)) : null)
    const ahead = stamps.findIndex((stamp) => stamp !== null && Hlc.isFuture(stamp, wallMillis))
    const due = ahead < 0 ? rows : rows.slice(0, ahead)
    const limit = Option.getOrNull((yield* PeerLimits).of(link.peer.url))
    const applied = (yield* Effect.forEach(due, applyRow(limit), { concurrency: ROWS_AT_ONCE })).flat()
    link.took(applied.flatMap(({ theirs }) => theirs))
    // It was deleted or archived, and some node that had not heard of that gave it to the peer once more.
    yield* Effect.forEach(applied, ({ id, outcome }) => outcome === "ended" ? link.restate(id) : Effect.void, {
      discard: true
    })
    round.held = ahead >= 0
    round.written += applied.filter(({ outcome }) => outcome === "written").length
    for (const stamp of stamps.slice(0, due.length)) if (stamp !== null && stamp > round.since) round.since = stamp
  })

/**
 * What a row came to; nothing when it breaks the rules, as it always will, or touches what the peer may not: there is no reason to
 * wait for it.
 */
const applyRow = (limit: Namespaces | null) => (row: unknown) =>
  Effect.gen(function*() {
    const valid = Either.flatMap(Memory.decode(row), validate.validateMemory)
    if (Either.isLeft(valid)) return []
    const memory = valid.right
    const store = yield* MemoryStore
    const { answer, written } = yield* store.commitAll(
      (batch) =>
        Either.right(
          Limited.mayTouch(limit, Limited.ofRow(memory), batch.now()) ? storeIfNewer(batch, memory) : "older"
        ),
      null
    )
    const body = Memory.encodeJson(memory)
    return [{
      id: memory.id,
      outcome: Option.getOrNull(answer),
      // What is here as it is there need not be told there.
      theirs: written.flatMap(({ operation }) => operation.body === body ? [operation] : [])
    }]
  })
