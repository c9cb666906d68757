import * as Arr from "effect/Array"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import { reasons } from "../../domain/Archive.js"
import { checkText } from "../../domain/checks.js"
import { MAX_PATTERN_BYTES } from "../../domain/limits.js"
import type { Memory } from "../../domain/Memory.js"
import type { Tier } from "../../domain/Tier.js"
import * as validate from "../../domain/validate.js"
import type { VersionRef } from "../../replication/Operation.js"
import { isTelling } from "../../store/read/asking.js"
import { MemoryReader } from "../../store/read/MemoryReader.js"
import { SweepReader, type Wanted } from "../../store/read/SweepReader.js"
import { keepingStandards, type Kept } from "../archive/keepingStandards.js"
import type { ReadFailed } from "../errors.js"
import * as Write from "../writing/Write.js"
import { ending } from "./ending.js"
import { Retention } from "./Retention.js"

/** What is to be forgotten: all of what is given must hold for it, and something must be given. */
export interface ForgetRequest {
  /** Exactly this namespace. */
  readonly namespace?: string | undefined
  /** Any of these words, as in a recall. */
  readonly pattern?: string | undefined
  readonly tier?: Tier | undefined
}

/** Archives all memories that match, here and on every node; deletes them where nothing is to be kept. */
export const forget = (
  request: ForgetRequest,
  caller = Write.anonymous
): Write.Verb<Write.Counted, validate.Invalid | ReadFailed, SweepReader> =>
  keepingStandards("forget", (kept) => sweep(request, caller, kept))

/** What would be forgotten now: how many memories, and some of them. Standards of namespaces are counted, and would stay. */
interface Foreseen {
  readonly count: number
  readonly memories: ReadonlyArray<Memory>
}

/** So many are named, for somebody who decides. */
const MAX_NAMED = 20

/** What `forget` would end, at this moment; it may be more or less when it does. */
export const foresee = (
  request: ForgetRequest
): Effect.Effect<Foreseen, validate.Invalid | ReadFailed, SweepReader | MemoryReader> =>
  Effect.gen(function*() {
    const { matching } = yield* SweepReader
    const { byId } = yield* MemoryReader
    const wanted = { ...yield* check(request), upTo: Number.MAX_SAFE_INTEGER }
    const ids: Array<string> = []
    const count = yield* Stream.runFold(matching(wanted), 0, (before, { id }) => {
      if (before < MAX_NAMED) ids.push(id)
      return before + 1
    })
    return { count, memories: Arr.getSomes(yield* Effect.forEach(ids, byId)) }
  })

const sweep = (request: ForgetRequest, caller: Write.Caller, kept: Kept) => {
  const { namespace, pattern, tier } = request
  return Write.inChunks({
    name: "forget",
    counts: "deleted",
    caller,
    request: [{ namespace, pattern, tier }],
    otherwise: "system",
    governed: "ungoverned",
    prepare: () =>
      Effect.gen(function*() {
        const reader = yield* SweepReader
        const retention = yield* Retention
        const wanted = yield* check(request)
        return {
          reader,
          wanted,
          end: ending(retention, reasons.forgotten, { kept, applies: ({ visible }) => visible })
        }
      }),
    items: ({ position }, { reader, wanted }) => passes(reader, { ...wanted, upTo: position }, kept),
    write: (batch, found, { end }) => end(batch, found)
  })
}

/** Memories of one title that are forgotten one after the other, at most. */
const MAX_PASSES = 32

/** When a memory goes, another of its title may come forward, and match as well: so it is looked again until nothing does. */
const passes = (
  reader: SweepReader["Type"],
  wanted: Wanted,
  kept: Kept
): Stream.Stream<VersionRef, ReadFailed> => {
  const pass = (left: number): Stream.Stream<VersionRef, ReadFailed> =>
    Stream.suspend(() => {
      let found = 0
      const counting = Stream.mapChunks(reader.matching(wanted), (chunk) => {
        found += Chunk.reduce(chunk, 0, (count, { id }) => kept.has(id) ? count : count + 1)
        return chunk
      })
      return Stream.concat(counting, Stream.suspend(() => found === 0 || left === 0 ? Stream.empty : pass(left - 1)))
    })
  return pass(MAX_PASSES)
}

const check = (request: ForgetRequest): Either.Either<Omit<Wanted, "upTo">, validate.Invalid> =>
  Either.gen(function*() {
    const { namespace, pattern, tier } = request
    if (namespace === undefined && pattern === undefined && tier === undefined) {
      return yield* Either.left(
        new validate.Invalid({ field: "namespace", message: "at least one of namespace, pattern and tier is required" })
      )
    }
    if (namespace !== undefined) yield* validate.namespace(namespace)
    if (pattern !== undefined) {
      yield* checkText("pattern", pattern, MAX_PATTERN_BYTES)
      if (!isTelling(pattern)) {
        return yield* Either.left(
          new validate.Invalid({
            field: "pattern",
            message: "pattern must have a word that tells something, and not words like \"and\" alone"
          })
        )
      }
    }
    return { namespace, pattern, tier }
  })
