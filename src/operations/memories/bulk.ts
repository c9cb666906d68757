import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import * as AgentId from "../../domain/AgentId.js"
import * as CreateMemory from "../../domain/CreateMemory.js"
import * as ids from "../../domain/ids.js"
import type { Lifetimes as Times } from "../../domain/Lifetimes.js"
import { MAX_BULK } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import * as Uuid from "../../domain/Uuid.js"
import { Invalid } from "../../domain/validate.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import { inTurns } from "../../store/log/inTurns.js"
import { bytesOf } from "../../store/log/OpLog.js"
import type { Steps } from "../../store/log/Steps.js"
import { type Entry, MemoryStore } from "../../store/MemoryStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import * as Write from "../writing/Write.js"
import { type Placed, placing, recognizing, type Row } from "./bulkRows.js"

/** What is wrong with a row. */
export interface RowError {
  readonly index: number
  /** The memory that it came to, when it was stored all the same. */
  readonly id?: string
  readonly error: string
}

/** What a bulk came to. */
export interface BulkWritten {
  /** The ids of the memories that the rows came to, in their order; that of a row that merged is what it merged into. */
  readonly ids: ReadonlyArray<string>
  /** Memories that are there and were not before, also those that are not yet on enough nodes. */
  readonly created: number
  /** Rows that changed a memory that was there before. */
  readonly updated: number
  /** Rows that say what a memory said before. */
  readonly unchanged: number
  /** Rows that say what an earlier row says. */
  readonly duplicates: ReadonlyArray<{ readonly index: number; readonly id: string }>
  /** Rows that were stored under another title than theirs. */
  readonly renamed: ReadonlyArray<{ readonly index: number; readonly id: string; readonly title: string }>
  /** What was not stored, and what is not yet on enough nodes. */
  readonly errors: ReadonlyArray<RowError>
}

/**
 * Stores many memories in one transaction, each as an operation of its own and as if it came after those before it. A row that
 * can not be stored does not stop the others. Where a title was taken before, a row merges, unless it says something else; no
 * row takes the place of another one. A row that misses its quorum is stored all the same, and is told under its id.
 */
export const bulk = (
  rows: ReadonlyArray<unknown>,
  caller = Write.anonymous
): Effect.Effect<BulkWritten, Invalid | Write.CommitError, Write.WriteServices> =>
  Write.togetherInSteps({
    name: "bulk",
    // Each of its rows is counted, once it is known what became of it.
    counts: "nothing",
    caller,
    request: [rows],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        const readAll = yield* reading(rows, self)
        return { readAll, isNewId: self.idempotency === null, read: yield* readAll(yield* Clock.currentTimeMillis) }
      }),
    decide: (batch, { isNewId, read }) => {
      const place = placing(batch, isNewId)
      return outcomes(read, (row) => Either.mapLeft(place(row), ({ message }) => message))
    },
    settle: ({ answer, written }, { readAll }) =>
      Effect.flatMap(
        Option.match(answer, { onSome: Effect.succeed, onNone: () => recognize(written, readAll) }),
        settle
      )
  })

/** Reads the rows as they are at a moment. */
const reading = (
  rows: ReadonlyArray<unknown>,
  { caller, idempotency }: Write.Self
): Effect.Effect<ReadAll, Invalid, Uuid.Uuid> =>
  Effect.gen(function*() {
    const uuid = yield* Uuid.Uuid
    if (rows.length > MAX_BULK) {
      return yield* new Invalid({ field: "memories", message: `memories must be at most ${MAX_BULK}` })
    }
    const agentId = yield* AgentId.resolve(undefined, caller.agentId, uuid.make)
    // The same key mints the same ids on every node, so that a retry elsewhere can not make second memories.
    const idAt = idempotency === null
      ? uuid.make
      : (index: number) => Uuid.fromHash(hash("sha256", `${idempotency.keyHash} ${index}`, "hex"))
    const lifetimes = yield* Lifetimes
    return (nowMillis) =>
      inTurns(rows, (row, index) =>
        Either.map(
          readRow(row, nowMillis, lifetimes),
          (draft): Row => ({ agentId, ...draft, index, id: ids.MemoryId.make(idAt(index)) })
        ).pipe(
          Either.mapLeft((error): RowError => ({ index, error }))
        ))
  })

type Read = ReadonlyArray<Either.Either<Row, RowError>>
type ReadAll = (nowMillis: number) => Effect.Effect<Read>

/** A row with what it came to. */
interface Stored extends Placed {
  readonly index: number
}
type Outcome = Either.Either<Stored, RowError>

function* outcomes(
  read: Read,
  place: (row: Row) => Either.Either<Placed, string>
): Steps<Either.Either<ReadonlyArray<Outcome>>> {
  const all: Array<Outcome> = []
  for (const each of read) {
    const outcome = Either.flatMap(each, (row): Outcome =>
      Either.mapBoth(place(row), {
        onLeft: (error) => ({ index: row.index, error }),
        onRight: (placed) => ({ index: row.index, ...placed })
      }))
    all.push(outcome)
    yield Either.isRight(outcome) ? bytesOf(outcome.right.entry.operation) : 0
  }
  return Either.right(all)
}

const readRow = (
  row: unknown,
  nowMillis: number,
  lifetimes: Times
): Either.Either<Pick<Row, "draft"> & Partial<Row>, string> =>
  Either.gen(function*() {
    const request = yield* CreateMemory.decode(row)
    const draft = yield* CreateMemory.validate({ on_conflict: "merge", ...request }, nowMillis, lifetimes)
    return { draft, ...(request.agent_id === undefined ? {} : { agentId: ids.AgentId.make(request.agent_id) }) }
  }).pipe(Either.mapLeft(({ message }) => message))

/** What the rows of an earlier request with the same key came to. */
const recognize = (written: ReadonlyArray<Entry>, readAll: ReadAll) =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const [first] = written
    const read = yield* readAll(first === undefined ? 0 : Stamp.toMillis(first.operation.hlc))
    const rowIds = new Set(read.flatMap((row) => Either.isRight(row) ? [row.right.id] : []))
    // What another node wrote may have come here in part.
    const isWhole = first?.operation.origin === store.origin()
    const { answer } = yield* store.commitSteps(
      (batch) => outcomes(read, recognizing(batch, { written, rowIds, isWhole })),
      null
    )
    return Option.getOrElse(answer, (): ReadonlyArray<Outcome> => [])
  })

/** Waits for the quorum of what the rows came to, also where it was there before. */
const settle = (all: ReadonlyArray<Outcome>): Effect.Effect<BulkWritten, never, Write.WriteServices> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    const stored = all.flatMap((outcome) => Either.isRight(outcome) ? [outcome.right] : [])
    const refused = all.flatMap((outcome) => Either.isLeft(outcome) ? [outcome.left] : [])
    const judged = stored.filter(({ fate }) => fate !== "duplicate")
    const verdicts = yield* Write.verdictsOf(judged.map(({ entry }) => entry))
    const missed = judged.flatMap(({ entry, fate, index }, at): ReadonlyArray<RowError> => {
      const verdict = verdicts[at]
      const isMissed = verdict !== undefined && Either.isLeft(verdict)
      if (isMissed) metrics.write("quorum_not_met")
      else if (fate === "created" || fate === "updated") metrics.write(fate)
      return isMissed ? [{ index, id: entry.operation.entity, error: verdict.left.message }] : []
    })
    const ofFate = (wanted: Placed["fate"]) => stored.filter(({ fate }) => fate === wanted)
    return {
      ids: stored.map(idOf),
      created: ofFate("created").length,
      updated: ofFate("updated").length,
      unchanged: ofFate("unchanged").length,
      duplicates: ofFate("duplicate").map((row) => ({ index: row.index, id: idOf(row) })),
      renamed: stored.flatMap((row) =>
        row.renamed === undefined ? [] : [{ index: row.index, id: idOf(row), title: row.renamed }]
      ),
      errors: [...refused, ...missed].sort((a, b) => a.index - b.index)
    }
  })

const idOf = ({ entry }: Placed): string => entry.operation.entity
