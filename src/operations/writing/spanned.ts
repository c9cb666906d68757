import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import type { Acknowledged } from "../../federation/Federation.js"
import * as Payload from "../../replication/Payload.js"
import type { Entry } from "../../store/MemoryStore.js"
import { MAX_IDS } from "../../telemetry/traceContext.js"
import type { QuorumNotMet } from "../errors.js"

type Verdict = Either.Either<Acknowledged, QuorumNotMet>

/**
 * Tells the span of a write what was written and how its quorum went, with the names that the conventions for generative AI
 * have for memories. Nothing of what a memory says is among them.
 */
export const spanned =
  (entry: Entry) =>
  <R>(verdict: Effect.Effect<Acknowledged, QuorumNotMet, R>): Effect.Effect<Acknowledged, QuorumNotMet, R> =>
    inSpan((span) => {
      tell(span, attributesOf(entry))
      return Effect.tapBoth(verdict, {
        onFailure: (error) => Effect.sync(() => tell(span, verdictOf([Either.left(error)]))),
        onSuccess: (acknowledged) => Effect.sync(() => tell(span, verdictOf([Either.right(acknowledged)])))
      })
    }, verdict)

/**
 * The same of several: what they have in common, the first of their ids, and the worst of their verdicts. What is written in
 * several transactions adds up.
 */
export const spannedAll =
  (entries: ReadonlyArray<Entry>) =>
  <R>(verdicts: Effect.Effect<ReadonlyArray<Verdict>, never, R>): Effect.Effect<ReadonlyArray<Verdict>, never, R> =>
    inSpan((span) => {
      const [only, ...others] = entries
      if (only === undefined) return verdicts
      const before = span.attributes.get(OPERATIONS)
      const isFirst = typeof before !== "number"
      tell(span, others.length === 0 && isFirst ? attributesOf(only) : summaryOf(entries, span.attributes))
      span.attribute(OPERATIONS, (isFirst ? 0 : before) + entries.length)
      return Effect.tap(verdicts, (all) => Effect.sync(() => tell(span, worstOf(verdictOf(all), span.attributes))))
    }, verdicts)

/** Without a tracer nothing is looked at. */
const inSpan = <A, E, R>(
  withSpan: (span: Tracer.Span) => Effect.Effect<A, E, R>,
  without: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    fiber.getFiberRef(FiberRef.currentTracerEnabled)
      ? Effect.flatMap(Effect.option(Effect.currentSpan), Option.match({ onNone: () => without, onSome: withSpan }))
      : without
  )

type Attributes = Readonly<Record<string, unknown>>

const tell = (span: Tracer.Span, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
}

const OPERATIONS = "quorate.operations"
const OP_IDS = "quorate.op_ids"
const MEMORY_IDS = "quorate.memory_ids"
const KIND = "quorate.kind"
const GOT = "quorate.quorum.got"
const VERDICT = "quorate.quorum.verdict"
const MET = "met"
const ACTION = "gen_ai.operation.name"
const RECORD_ID = "gen_ai.memory.record.id"
const RECORD_COUNT = "gen_ai.memory.record.count"
const STORE_ID = "gen_ai.memory.store.id"
const attributesOf = (entry: Entry): Attributes => {
  const { operation: { entity, kind, opId } } = entry
  const action = actionOf(entry)
  const namespace = namespaceOf(entry)
  return {
    "quorate.op_id": opId,
    [KIND]: kind,
    ...(action === null ? {} : { [ACTION]: action, [RECORD_ID]: entity, [RECORD_COUNT]: 1 }),
    ...(namespace === undefined ? {} : { [STORE_ID]: namespace })
  }
}

const summaryOf = (entries: ReadonlyArray<Entry>, before: ReadonlyMap<string, unknown>): Attributes => {
  const records = entries.filter((entry) => actionOf(entry) !== null)
  const counted = before.get(RECORD_COUNT)
  return {
    [OP_IDS]: joined(before.get(OP_IDS), entries.map(({ operation: { opId } }) => opId)),
    [KIND]: distinct([...String(before.get(KIND) ?? "").split(","), ...entries.map(({ operation }) => operation.kind)]),
    ...(records.length === 0 ? {} : {
      [MEMORY_IDS]: joined(before.get(MEMORY_IDS), records.map(({ operation: { entity } }) => entity)),
      [RECORD_COUNT]: (typeof counted === "number" ? counted : 0) + records.length,
      ...common(ACTION, records.map(actionOf)),
      ...common(STORE_ID, records.map(namespaceOf))
    })
  }
}

const joined = (before: unknown, more: ReadonlyArray<string>): ReadonlyArray<unknown> =>
  [...(Array.isArray(before) ? before : []), ...more].slice(0, MAX_IDS)

const distinct = (words: ReadonlyArray<string>): string =>
  Array.from(new Set(words.filter((word) => word !== ""))).join(",")

/** What all of them have. */
const common = (name: string, values: ReadonlyArray<unknown>): Attributes => {
  const [value, ...others] = new Set(values)
  return others.length > 0 || value === undefined ? {} : { [name]: value }
}

/** What is done to a memory; null where it is about something else. */
const actionOf = ({ operation: { baseHlc, kind }, payload }: Entry): string | null => {
  if (kind === "delete") return "delete_memory"
  if (kind === "decision" || Payload.versionOf(payload) === undefined) return null
  return baseHlc === null ? "create_memory" : "update_memory"
}

const namespaceOf = ({ payload }: Entry): string | undefined => Payload.versionOf(payload)?.namespace

const verdictOf = (verdicts: ReadonlyArray<Verdict>): Attributes => {
  const missed = verdicts.find(Either.isLeft)
  const acks = verdicts.map((verdict) => Either.isLeft(verdict) ? verdict.left.got : verdict.right.acks)
  return { [GOT]: Math.min(...acks), [VERDICT]: missed === undefined ? MET : missed.left.reason }
}

const worstOf = (verdict: Attributes, before: ReadonlyMap<string, unknown>): Attributes => {
  const [got, word] = [before.get(GOT), before.get(VERDICT)]
  return {
    [GOT]: typeof got === "number" ? Math.min(got, Number(verdict[GOT])) : verdict[GOT],
    [VERDICT]: word === undefined || word === MET ? verdict[VERDICT] : word
  }
}
