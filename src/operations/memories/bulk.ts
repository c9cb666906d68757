import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import * as AgentId from "../../domain/AgentId.js"
import * as CreateMemory from "../../domain/CreateMemory.js"
import * as ids from "../../domain/ids.js"
import { MAX_BULK } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import * as Uuid from "../../domain/Uuid.js"
import { Invalid } from "../../domain/validate.js"
import * as Payload from "../../replication/Payload.js"
import { type Batch, type Entry, MemoryStore } from "../../store/MemoryStore.js"
import { Metrics } from "../../telemetry/Metrics.js"
import { SlotTaken } from "../errors.js"
import * as Write from "../writing/Write.js"
import { place } from "./place.js"

/** What is wrong with a row. */
export interface RowError {
  readonly index: number
  /** The memory that it came to, when it was stored all the same. */
  readonly id?: string
  readonly error: string
}

/** What a bulk came to. */
export interface BulkWritten {
  /** The ids of the memories that the rows came to, in their order; a row that merged has the id of what it merged into. */
  readonly ids: ReadonlyArray<string>
  /** What was not stored, and what was but is not yet on enough nodes. */
  readonly errors: ReadonlyArray<RowError>
}

/**
 * Stores many memories in one transaction, each as an operation of its own and as if it came after those before it. A row that
 * can not be stored does not stop the others. Where a title is taken a row merges, unless it says something else. A row that
 * misses its quorum is stored all the same, and is told under its id.
 */
export const bulk = (
  rows: ReadonlyArray<unknown>,
  caller = Write.anonymous
): Effect.Effect<BulkWritten, Invalid | Write.CommitError, Write.WriteServices> =>
  Write.together({
    name: "bulk",
    // Each of its rows is counted, once it is known what became of it.
    counts: "nothing",
    caller,
    request: [rows],
    governed: "ungoverned",
    prepare: (self) =>
      Effect.gen(function*() {
        const { origin } = yield* MemoryStore
        const readAll = yield* reading(rows, self)
        return { origin, readAll, isNewId: self.idempotency === null, read: readAll(yield* Clock.currentTimeMillis) }
      }),
    decide: (batch, { isNewId, read }) => Either.right(read.map(Either.flatMap((row) => write(batch, row, isNewId)))),
    settle: ({ answer, written }, { origin, readAll }) =>
      settle(Option.getOrElse(answer, () => recognize(written, readAll, origin())))
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
    return (nowMillis) =>
      rows.map((row, index) =>
        Either.map(
          readRow(row, nowMillis),
          (draft): Row => ({ agentId, ...draft, index, id: ids.MemoryId.make(idAt(index)) })
        ).pipe(
          Either.mapLeft((error): RowError => ({ index, error }))
        )
      )
  })

type ReadAll = (nowMillis: number) => ReadonlyArray<Either.Either<Row, RowError>>

/** A row that keeps all rules, with the id that its memory gets if it becomes a new one. */
interface Row {
  readonly draft: CreateMemory.Validated
  readonly agentId: ids.AgentId
  readonly index: number
  readonly id: ids.MemoryId
}

/** What a row came to. */
interface Stored {
  readonly index: number
  readonly entry: Entry
}
type Outcome = Either.Either<Stored, RowError>

const readRow = (row: unknown, nowMillis: number): Either.Either<Pick<Row, "draft"> & Partial<Row>, string> =>
  Either.gen(function*() {
    const request = yield* CreateMemory.decode(row)
    const draft = yield* CreateMemory.validate({ on_conflict: "merge", ...request }, nowMillis)
    return { draft, ...(request.agent_id === undefined ? {} : { agentId: ids.AgentId.make(request.agent_id) }) }
  }).pipe(Either.mapLeft(({ message }) => message))

const write = (batch: Batch, { agentId, draft, id, index }: Row, isNewId: boolean): Outcome => {
  const now = batch.now()
  const memory = CreateMemory.build(draft, { id, agentId, stamp: now.stamp })
  return Either.mapBoth(place(now, memory, { onConflict: draft.onConflict, isNewId }), {
    onLeft: ({ message }) => ({ index, error: message }),
    onRight: ({ decision }) => ({ index, entry: batch.write(decision) })
  })
}

/**
 * What the rows of an earlier request with the same key came to, by what it wrote: a new memory has the id of its row, and
 * one that a row merged into its title. The order is that of the rows.
 */
const recognize = (
  written: ReadonlyArray<Entry>,
  readAll: ReadAll,
  ownOrigin: string
): ReadonlyArray<Outcome> => {
  const left = written.toSorted((a, b) => a.operation.oseq - b.operation.oseq)
  const [first] = left
  return readAll(first === undefined ? 0 : Stamp.toMillis(first.operation.hlc)).map(Either.flatMap((row): Outcome => {
    const [entry] = left
    if (entry !== undefined && isOf(entry, row)) {
      left.shift()
      return Either.right({ index: row.index, entry })
    }
    const { namespace } = row.draft
    // What another node wrote may have come here in part.
    const error = first?.operation.origin === ownOrigin
      ? new SlotTaken({ namespace, existingId: "" }).message
      : "not stored, or not yet known to this node: ask the one that answered first"
    return Either.left({ index: row.index, error })
  }))
}

const isOf = ({ operation, payload }: Entry, { draft, id }: Row): boolean => {
  if (operation.entity === id) return true
  const memory = Payload.versionOf(payload)
  return draft.onConflict === "merge" && memory?.namespace === draft.namespace && memory.title === draft.title
}

/** Waits for the quorum of what was stored. */
const settle = (
  outcomes: ReadonlyArray<Outcome>
): Effect.Effect<BulkWritten, never, Write.WriteServices> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    const stored = outcomes.flatMap((outcome) => Either.isRight(outcome) ? [outcome.right] : [])
    const refused = outcomes.flatMap((outcome) => Either.isLeft(outcome) ? [outcome.left] : [])
    const verdicts = yield* Write.verdictsOf(stored.map(({ entry }) => entry))
    const missed = stored.flatMap(({ entry, index }, at): ReadonlyArray<RowError> => {
      const verdict = verdicts[at]
      const isMissed = verdict !== undefined && Either.isLeft(verdict)
      metrics.write(isMissed ? "quorum_not_met" : "created")
      return isMissed ? [{ index, id: entry.operation.entity, error: verdict.left.message }] : []
    })
    return {
      ids: stored.map(({ entry }) => entry.operation.entity),
      errors: [...refused, ...missed].sort((a, b) => a.index - b.index)
    }
  })
