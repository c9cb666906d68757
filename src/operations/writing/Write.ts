import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type { Memory } from "../../domain/Memory.js"
import type { Invalid } from "../../domain/validate.js"
import { broadcast } from "../../federation/broadcasts.js"
import * as Payload from "../../replication/Payload.js"
import * as Agent from "../../store/Agent.js"
import type { Steps } from "../../store/log/Steps.js"
import {
  type Batch,
  type Batched,
  type Decision,
  type Entry,
  MemoryStore,
  type Transaction
} from "../../store/MemoryStore.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import type { ReadFailed } from "../errors.js"
import { acknowledge } from "./acknowledge.js"
import { type Asking, askingOf, idempotencyOf, type Self } from "./caller.js"
import { counted, type Counts } from "./counted.js"
import * as chunks from "./inChunks.js"
import { Permissions } from "./Permissions.js"
import * as ruling from "./ruling.js"
import { spanned } from "./spanned.js"
import type { Acknowledged, Caller, CommitError, Counted, Ruled, Verb, WriteServices, Written } from "./Written.js"

/*
 * Every write of a client, as a record: what it is called, what it counts as, who calls, whether the rules of a namespace
 * have a say in it, and how it decides. It is run by one of these: `one` operation, or `oneAtMost`, several `together` in one
 * transaction (many `togetherInSteps`), or as many as there are, `inChunks`. Each decides in a transaction, which is durable when it ends, and then
 * waits for the quorum.
 */

/** What is said of every write. */
export interface Head {
  /** Of its span; the first word of what an idempotency key stands for. */
  readonly name: string
  readonly counts: Counts
  readonly caller: Caller
  /** What makes two requests the same, beside the name: what they apply to, and their body. Retries depend on its text. */
  readonly request: ReadonlyArray<unknown>
  /**
   * As whom it is written where the caller does not say who it is: of what is done to many memories nobody is to think that their
   * owners did it.
   */
  readonly otherwise?: "system"
}

interface Asked<P, E, R> extends Head {
  /** What is to be known before the transaction: the request checked, and what has to be read. */
  readonly prepare: (self: Self) => Effect.Effect<P, E, R>
}

/** A write of one operation, in which the rules of its namespace have no say. */
interface Ungoverned<P, E, R, F, A> extends Asked<P, E, R> {
  readonly governed: "ungoverned"
  /** At its turn in the transaction. It may be run twice, undone in between: what it finds it answers. */
  readonly decide: (now: Transaction, prepared: P) => Either.Either<Decision, F>
  readonly answer: (done: Done, prepared: P) => A
}

/** A write of one operation that the rules of its namespace may forbid, or queue until it is approved. */
export interface Governed<P, E, R, F, A> extends Asked<P, E, R> {
  readonly governed: {
    readonly action: ruling.Action
    /** Who asks as its body says, if that says anything. */
    readonly agentId?: string | undefined
  }
  /** As above, with the memory that the rules are asked about. */
  readonly decide: (now: Transaction, prepared: P, asking: Asking) => Either.Either<ruling.Planned, F>
  readonly answer: (done: Done, prepared: P) => A
}

/** A write of one operation, or of none where what it asks for is there: that is waited for as if it had just been written. */
export interface OneAtMost<P, E, R, F, A> extends Asked<P, E, R> {
  readonly governed: "ungoverned"
  /** As above; an entry is what is there. */
  readonly decide: (now: Transaction, prepared: P) => Either.Either<Decision | Entry, F>
  readonly answer: (done: Done, prepared: P) => A
}

/** A write of several operations in one transaction. */
interface Together<P, E, R, B, F, A, G, S> extends Asked<P, E, R> {
  readonly governed: "ungoverned"
  /** Writes nothing before it answers `Left`. It may be run twice, undone in between: what it finds it answers. */
  readonly decide: (batch: Batch, prepared: P) => Either.Either<B, F>
  /** Waits for the quorum of what was written, and answers. */
  readonly settle: (batched: Batched<B>, prepared: P) => Effect.Effect<A, G, S>
}

/** The same of many operations: others have their turns between the steps of `decide`, but nothing else is written. */
interface TogetherInSteps<P, E, R, B, F, A, G, S> extends Omit<Together<P, E, R, B, F, A, G, S>, "decide"> {
  readonly decide: (batch: Batch, prepared: P) => Steps<Either.Either<B, F>>
}

/** A write of as many operations as there are items, whatever their number: see `inChunks.ts`. */
interface InChunks<P, E, R, Item> extends Asked<P, E, R> {
  readonly governed: "ungoverned"
  /** What is to be written. */
  readonly items: (from: chunks.Moment, prepared: P) => Stream.Stream<Item, ReadFailed>
  /** Writes one item, as of its turn in the transaction, if there still is anything to write. */
  readonly write: (batch: Batch, item: Item, prepared: P) => void
}

/** One operation that met its quorum. */
interface Done extends Entry {
  readonly acknowledged: Acknowledged
}

export function one<P, E, R, F, A>(write: Ungoverned<P, E, R, F, A>): Verb<A, E | F, R>
export function one<P, E, R, F, A>(write: Governed<P, E, R, F, A>): Verb<A, E | F | Invalid | Ruled, R>
export function one<P, E, R, F, A>(
  write: Ungoverned<P, E, R, F, A> | Governed<P, E, R, F, A>
): Verb<A, E | F | Invalid | Ruled, R> {
  return framed(
    write,
    Effect.gen(function*() {
      const self = selfOf(write)
      const prepared = yield* write.prepare(self)
      const entry = write.governed === "ungoverned"
        ? yield* commit(write, prepared, self)
        : yield* commitGoverned(write, write.governed, prepared, self)
      const acknowledged = yield* broadcast(entry.operation).pipe(spanned(entry))
      if (entry.payload.kind === "pending") return yield* ruling.awaiting(entry.payload.action, acknowledged)
      return write.answer({ ...entry, acknowledged }, prepared)
    })
  )
}

/** A write as a record, for whoever runs it. */
export const governed = <P, E, R, F, A>(write: Governed<P, E, R, F, A>): Governed<P, E, R, F, A> => write

/** The same of one in which the rules have no say. */
export const ungoverned = <P, E, R, F, A>(write: OneAtMost<P, E, R, F, A>): OneAtMost<P, E, R, F, A> => write

export const oneAtMost = <P, E, R, F, A>(write: OneAtMost<P, E, R, F, A>): Verb<A, E | F, R> =>
  together({
    ...write,
    decide: (batch, prepared) => unruled((now) => write.decide(now, prepared))(batch),
    settle: (batched, prepared) => {
      const entry = entryOf(batched)
      return Effect.map(acknowledge([entry]), (acknowledged) => write.answer({ ...entry, acknowledged }, prepared))
    }
  })

export const together = <P, E, R, B, F, A, G, S>(
  write: Together<P, E, R, B, F, A, G, S>
): Effect.Effect<A, E | F | G | CommitError, R | S | WriteServices> =>
  settled(
    write,
    (store, prepared, { idempotency }) => store.commitAll((batch) => write.decide(batch, prepared), idempotency)
  )

export const togetherInSteps = <P, E, R, B, F, A, G, S>(
  write: TogetherInSteps<P, E, R, B, F, A, G, S>
): Effect.Effect<A, E | F | G | CommitError, R | S | WriteServices> =>
  settled(
    write,
    (store, prepared, { idempotency }) => store.commitSteps((batch) => write.decide(batch, prepared), idempotency)
  )

export const inChunks = <P, E, R, Item>(write: InChunks<P, E, R, Item>): Verb<Counted, E | ReadFailed, R> =>
  framed(
    write,
    Effect.gen(function*() {
      const self = selfOf(write)
      const prepared = yield* write.prepare(self)
      return yield* chunks.inChunks({
        idempotency: self.idempotency,
        items: (from) => write.items(from, prepared),
        write: (batch, item: Item) => write.write(batch, item, prepared)
      })
    })
  )

/** The answer of a write that stored a memory. */
export const withMemory = (done: Done): Written => ({ ...done.acknowledged, memory: memoryOf(done) })

/** The memory of a committed store; a store without one would be a bug of the verb that decided it. */
export const memoryOf = ({ operation, payload }: Entry): Memory => {
  const memory = Payload.versionOf(payload)
  if (memory === undefined) throw new Error(`operation ${operation.opId} stored no memory`)
  return memory
}

const framed = <A, E, R>(framed: Framed, run: Effect.Effect<A, E, R>) =>
  run.pipe(Agent.as(agentOf(framed)), counted(framed.counts), hotSpan(framed.name))

/** As whom it is written. */
export const agentOf = ({ caller, governed, otherwise }: Pick<Framed, "caller" | "governed" | "otherwise">) =>
  (governed === "ungoverned" ? undefined : governed.agentId) ??
    Option.getOrElse(caller.agentId, () => otherwise ?? null)

interface Framed extends Head {
  readonly governed: "ungoverned" | { readonly agentId?: string | undefined }
}

const settled = <P, E, R, B, F, A, G, S>(
  write: Omit<Together<P, E, R, B, F, A, G, S>, "decide">,
  commit: (store: MemoryStore["Type"], prepared: P, self: Self) => Effect.Effect<Batched<B>, F>
): Effect.Effect<A, E | F | G, R | S | WriteServices> =>
  framed(
    write,
    Effect.gen(function*() {
      const store = yield* MemoryStore
      const self = selfOf(write)
      const prepared = yield* write.prepare(self)
      return yield* write.settle(yield* commit(store, prepared, self), prepared)
    })
  )

export const selfOf = ({ caller, name, request }: Head): Self => ({
  caller,
  idempotency: idempotencyOf(caller, [name, ...request])
})

const commit = <P, E, R, F, A>(write: Ungoverned<P, E, R, F, A>, prepared: P, { idempotency }: Self) =>
  Effect.flatMap(MemoryStore, (store) => store.commit((now) => write.decide(now, prepared), idempotency))

/** Looks at the rules in the deciding transaction, and notes what they said once that is over. */
const commitGoverned = <P, E, R, F, A>(
  write: Governed<P, E, R, F, A>,
  { action, agentId }: Governed<P, E, R, F, A>["governed"],
  prepared: P,
  self: Self
): Effect.Effect<Entry, F | Invalid | Ruled | CommitError, WriteServices> =>
  Effect.gen(function*() {
    const store = yield* MemoryStore
    const permissions = yield* Permissions
    const asking = yield* askingOf(self, agentId)
    const job = ruled((now) => write.decide(now, prepared, asking), { action, asking, mode: permissions.mode })
    return yield* outcomeOf(yield* store.commitAll(job, self.idempotency), action, permissions)
  })

/** What came of a write at its turn in the transaction. */
export interface Came {
  /** What the rules of its namespace said. */
  readonly ruling: ruling.Ruling
  /** What is waited for: written now, or there before. Null where they forbid it. */
  readonly entry: Entry | null
}

/** What is decided of a write in its transaction, by the rules of its namespace. */
export const ruled =
  <F>(decide: (now: Transaction) => Either.Either<ruling.Planned, F>, options: Parameters<typeof ruling.rule>[2]) =>
  (batch: Batch): Either.Either<Came, F> => {
    const now = batch.now()
    return Either.map(decide(now), (planned) => {
      const found = ruling.rule(now, planned, options)
      return { ruling: found, entry: found.decision === null ? null : batch.write(found.decision) }
    })
  }

/** The same where they have no say. */
export const unruled =
  <F>(decide: (now: Transaction) => Either.Either<Decision | Entry, F>) => (batch: Batch): Either.Either<Came, F> =>
    Either.map(decide(batch.now()), (decided) => ({
      ruling: UNRULED,
      entry: "operation" in decided ? decided : batch.write(decided)
    }))

const UNRULED: ruling.Ruling = { ruled: "unruled", decision: null }

/** What was written, once it is: the write, or the request for it. A key that comes again brings what was written first. */
export const outcomeOf = (
  { answer, written: [repeated] }: Batched<Came>,
  action: ruling.Action,
  permissions: Permissions["Type"]
): Effect.Effect<Entry, Ruled> => {
  const { entry, ruling: found } = Option.getOrElse(answer, () => ({ ruling: UNRULED, entry: repeated ?? null }))
  return Effect.zipRight(
    ruling.note(found, action, permissions),
    entry === null ? ruling.denied(found, action) : Effect.succeed(entry)
  )
}

/** The same of a write that nothing forbids. */
export const entryOf = ({ answer, written: [repeated] }: Batched<Came>): Entry => {
  const entry = Option.match(answer, { onNone: () => repeated, onSome: (came) => came.entry })
  if (entry === undefined || entry === null) throw new Error("a write that nothing forbids came to nothing")
  return entry
}

export { verdictsOf } from "./acknowledge.js"
export { acknowledge }
export { type Asking, askingOf, commonId, type Self } from "./caller.js"
export { MAX_CHUNK } from "./inChunks.js"
export { isRegistered, type Planned } from "./ruling.js"
export { anonymous } from "./Written.js"
export type {
  Acknowledged,
  Caller,
  CommitError,
  Counted,
  Removed,
  Ruled,
  Verb,
  WriteServices,
  Written
} from "./Written.js"
