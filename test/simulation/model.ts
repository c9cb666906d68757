import * as Schema from "effect/Schema"
import { Origin } from "../../src/domain/ids.js"
import { contentOf, type HeldMemory, type LoggedOperation, type State } from "./dump.js"

/** The part of the state that follows from the operations alone. */
export type Expected = Omit<State, "others">

/**
 * What a set of operations comes to, computed anew from the whole set, in a way that has nothing in common with how a node
 * does it step by step:
 *
 * - versions of one thing that were made for one request are one version: the greatest stands for all, what ends one ends all;
 * - so are those that one operation gave under all its names, of which only the last is in a log;
 * - a version that some operation covers has ended; of the others of one id the greatest is the memory, the rest conflicts;
 * - of the memories that claim one slot the greatest is visible; an archived one claims nothing;
 * - an id that was covered by a new version of another id is an alias of it, the latest such operation deciding;
 * - what a version earned changes how it stands, and nothing else: it lasts, counts for more, or its time is over;
 * - of everything small the greatest version counts, of decisions the first; only the decision that counts stores a memory.
 */
export const expected = (log: ReadonlyArray<LoggedOperation>): Expected => {
  const operations = log.map(read).sort(byOrder)
  const covered = coveredBy(log)
  const twins = twinsOf(log)
  const objects = objectsOf(operations, covered)
  const counting = new Set(objects.filter(({ counts }) => counts).map(({ operation }) => operation))
  const live = operations.filter((operation) =>
    operation.memory !== null && !covered.has(versionOf(operation)) &&
    (twins.get(twinKeyOf(operation))?.every((twin) => byOrder(twin, operation) <= 0) ?? true) &&
    (operation.kind !== "decision" || counting.has(operation))
  )
  const earned = objects.flatMap(({ operation: { body, kind } }) => kind === "earn" ? [decodeEarned(body)] : [])
  const standing = live.map((operation) => withEarned(operation, earned))
  const greatest = new Map(standing.map((operation) => [idOf(operation), operation]))
  const memories = Array.from(greatest.values())
  const winners = new Map(
    memories.filter(({ isArchived }) => !isArchived).sort(byOrder).map((operation) => [slotOf(operation), operation])
  )
  return {
    memories: memories
      .map((operation) => heldMemory(operation, winners.get(slotOf(operation)) === operation))
      .sort((a, b) => a.id < b.id ? -1 : 1),
    conflicts: standing.filter((operation) => greatest.get(idOf(operation)) !== operation).map(versionOf).sort(),
    covered: [...covered].sort(),
    aliases: aliasesOf(operations),
    objects: objects.map(({ counts, operation: { body, entity, hlc, kind, origin } }) =>
      JSON.stringify([OBJECTS[kind], entity, hlc, origin, body, counts ? 1 : 0])
    ).sort()
  }
}

/** What operations end, with all that is one with it; each version as JSON text. */
export const coveredBy = (log: ReadonlyArray<LoggedOperation>): ReadonlySet<string> => {
  const named = new Set(log.flatMap((operation) => coversOf(operation).map((ref) => JSON.stringify(ref))))
  const groups = [
    ...Array.from(twinsOf(log).values(), (twins) => twins.map(givenBy)),
    ...log.filter(({ body }) => body !== null).map((operation) => [givenBy(operation), ...formerlyGivenBy(operation)])
  ]
  const ended = new Set(named)
  for (let before = -1; before < ended.size;) {
    before = ended.size
    for (const group of groups) if (group.some((one) => ended.has(one))) { for (const one of group) ended.add(one) }
  }
  return ended
}

type Ref = LoggedOperation["covers"][number]

/** What stands among the covers for a name that the operation had before: no version is called so. */
const isName = ([id, , origin]: Ref): boolean => id.startsWith(`${origin} `)

export const coversOf = ({ covers }: LoggedOperation): ReadonlyArray<Ref> => covers.filter((ref) => !isName(ref))

const formerlyGivenBy = (operation: LoggedOperation): ReadonlyArray<string> =>
  operation.covers.filter(isName).map(([, hlc, origin]) => JSON.stringify([givenId(operation), hlc, origin]))

/** The names that operations of the log had before. */
export const formerNamesOf = (
  log: ReadonlyArray<LoggedOperation>
): ReadonlyArray<{ readonly origin: Origin; readonly oseq: number }> =>
  log.flatMap(({ covers }) =>
    covers.filter(isName).map(([id, , origin]) => ({
      origin: Origin.make(origin),
      oseq: Number(id.slice(origin.length))
    }))
  )

/** The operations of one thing that were made for one request, wherever, by what they have in common. */
export const twinsOf = (log: ReadonlyArray<LoggedOperation>): ReadonlyMap<string, ReadonlyArray<LoggedOperation>> => {
  const twins = new Map<string, Array<LoggedOperation>>()
  for (const operation of log) {
    const key = twinKeyOf(operation)
    if (key !== "") twins.set(key, [...(twins.get(key) ?? []), operation])
  }
  return twins
}

/** Empty for what is like no other: an operation without a key, or of the first format, a decision, or the end of something. */
export const twinKeyOf = ({ body, entity, format, key_hash, key_turn, kind, request_hash }: LoggedOperation): string =>
  format === 1 || key_hash === null || body === null || kind === "decision"
    ? ""
    : JSON.stringify([OBJECTS[kind] ?? "memory", entity, key_hash, request_hash, key_turn])

const givenBy = (operation: LoggedOperation): string =>
  JSON.stringify([givenId(operation), operation.hlc, operation.origin])

const givenId = (operation: LoggedOperation): string =>
  operation.body === null ? operation.entity : idOf(read(operation))

interface Read extends LoggedOperation {
  /** What the operation says a memory is. */
  readonly memory: { readonly [field: string]: unknown } | null
}

const decodeBody = Schema.decodeUnknownSync(
  Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
)
const decodeWrapped = Schema.decodeUnknownSync(
  Schema.Struct({ memory: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown })) })
)

const read = (operation: LoggedOperation): Read => {
  switch (operation.kind) {
    case "store":
    case "restore":
    case "consolidate":
      return { ...operation, memory: decodeBody(operation.body) }
    case "archive": {
      const { memory, ...archival } = decodeBody(operation.body)
      return { ...operation, memory: { ...decodeWrapped({ memory }).memory, ...archival } }
    }
    case "decision":
      return { ...operation, memory: decodeWrapped(decodeBody(operation.body)).memory ?? null }
    case "delete":
      return { ...operation, memory: null }
    default:
      if (OBJECTS[operation.kind] !== undefined) return { ...operation, memory: null }
      throw new Error(`the model of the simulation does not know operations of kind ${operation.kind}`)
  }
}

/** Which of the small things an operation is about. */
const OBJECTS: { readonly [kind: string]: string | undefined } = {
  link: "link",
  unlink: "link",
  pending: "pending",
  vote: "vote",
  decision: "decision",
  namespace_meta: "namespace_meta",
  namespace_meta_clear: "namespace_meta",
  earn: "earned",
  subscription: "subscription",
  unsubscribe: "subscription",
  delivery: "delivery"
}

/** A version with all that it earned. */
interface Standing extends Read {
  readonly isArchived: boolean
}

const Expired = Schema.Struct({ at: Schema.String, reason: Schema.String, seen: Schema.String })
const Earned = Schema.Struct({
  memory_id: Schema.String,
  hlc: Schema.String,
  origin: Schema.String,
  long: Schema.Boolean,
  priority: Schema.NullOr(Schema.Int),
  expires_at: Schema.NullOr(Schema.String),
  expired: Schema.NullOr(Expired)
})
const decodeEarned = Schema.decodeUnknownSync(Schema.parseJson(Earned))

/** Its time is over if nobody earned it a longer life than was seen by whoever found that out: the one who saw furthest. */
const withEarned = (operation: Read, all: ReadonlyArray<typeof Earned.Type>): Standing => {
  const isArchived = operation.kind === "archive"
  const own = all.filter(({ hlc, memory_id, origin }) =>
    memory_id === idOf(operation) && hlc === operation.hlc && origin === operation.origin
  )
  if (own.length === 0) return { ...operation, isArchived }
  const isLong = own.some(({ long }) => long)
  const given = operation.memory?.["expires_at"]
  const until = isLong || typeof given !== "string"
    ? null
    : own.reduce((latest, { expires_at }) => expires_at !== null && expires_at > latest ? expires_at : latest, given)
  const end = own.flatMap(({ expired }) => expired ?? []).reduce(
    (best: typeof Expired.Type | null, each) => best === null || isBetterEnd(each, best) ? each : best,
    null
  )
  const isOver = !isArchived && end !== null && until !== null && until <= end.seen
  const priority = Math.max(Number(operation.memory?.["priority"]), ...own.map((each) => each.priority ?? 0))
  return {
    ...operation,
    isArchived: isArchived || isOver,
    memory: {
      ...operation.memory,
      priority,
      expires_at: until,
      ...isLong ? { tier: "long" } : {},
      ...isOver ? { archived_at: end.at, archive_reason: end.reason } : {}
    }
  }
}

const isBetterEnd = (a: typeof Expired.Type, b: typeof Expired.Type): boolean =>
  a.seen !== b.seen ? a.seen > b.seen : a.at !== b.at ? a.at < b.at : a.reason > b.reason

/** The total order of versions, ascending. */
const byOrder = (a: LoggedOperation, b: LoggedOperation): number => {
  for (const field of ["hlc", "origin", "hash"] as const) {
    if (a[field] !== b[field]) return a[field] < b[field] ? -1 : 1
  }
  return 0
}

const idOf = ({ entity, memory }: Read): string => String(memory?.["id"] ?? entity)

const versionOf = (operation: Read): string => JSON.stringify([idOf(operation), operation.hlc, operation.origin])

const slotOf = ({ memory }: Read): string => JSON.stringify([memory?.["namespace"], memory?.["title"]])

const heldMemory = (operation: Standing, isWinner: boolean): HeldMemory => ({
  id: idOf(operation),
  hlc: operation.hlc,
  origin: operation.origin,
  place: operation.isArchived ? "archived" : isWinner ? "visible" : "shadow",
  namespace: String(operation.memory?.["namespace"]),
  title: String(operation.memory?.["title"]),
  content: contentOf(operation.memory ?? {})
})

const aliasesOf = (ascending: ReadonlyArray<Read>): ReadonlyArray<string> => {
  const targets = new Map(
    ascending.filter(({ kind, memory }) => memory !== null && kind !== "decision").flatMap((operation) =>
      coversOf(operation).filter(([id]) => id !== operation.entity).map(([id]) => [id, operation.entity] as const)
    )
  )
  return Array.from(targets, (alias) => JSON.stringify(alias)).sort()
}

/** The live versions of everything small, and whether each is the one that counts. */
const objectsOf = (ascending: ReadonlyArray<Read>, covered: ReadonlySet<string>) => {
  const live = ascending.filter(({ body, entity, hlc, kind, origin }) =>
    OBJECTS[kind] !== undefined && body !== null && !covered.has(JSON.stringify([entity, hlc, origin]))
  )
  const keyOf = ({ entity, kind }: Read) => `${OBJECTS[kind]} ${entity}`
  const first = new Map(live.toReversed().map((operation) => [keyOf(operation), operation]))
  const last = new Map(live.map((operation) => [keyOf(operation), operation]))
  return live.map((operation) => ({
    operation,
    counts: (operation.kind === "decision" ? first : last).get(keyOf(operation)) === operation
  }))
}
