import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Statement from "@effect/sql/Statement"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MAX_PRIORITY, MIN_PRIORITY } from "../../domain/limits.js"
import { Memory, Metadata, type Tier } from "../../domain/Memory.js"
import * as Stamp from "../../domain/Stamp.js"
import * as Visibility from "../../domain/visibility.js"
import { hotSpan } from "../../telemetry/hotSpan.js"
import { liveIdSql } from "../deciding/liveId.js"
import { ReadFailed } from "../errors.js"
import { eventLoopTurn } from "../log/eventLoopTurn.js"
import { type Bounded, boundedBy, boundedMemories, rowBytes } from "./Bounded.js"
import { linkEndsKnown } from "./linkEnds.js"
import { MEMORIES_PER_PAGE, pages } from "./pages.js"
import { boundedTexts } from "./plainTexts.js"

/** Which memories a client sees: visible, not expired at `now`, and all of what else is given. */
export interface Filter {
  readonly now: Stamp.Stamp
  readonly namespace?: string | undefined
  readonly tier?: Tier | undefined
  readonly minPriority?: number | undefined
  /** Created at this moment or later. */
  readonly since?: Stamp.Stamp | undefined
  /** Created at this moment or earlier. */
  readonly until?: Stamp.Stamp | undefined
  /** One of the memory's tags, exactly. */
  readonly tag?: string | undefined
  /** The agent that first wrote it. */
  readonly agentId?: string | undefined
  /** The namespace at which the caller stands: only what an agent there may see. */
  readonly asAgent?: string | undefined
}

interface Page extends Filter {
  readonly limit: number
  readonly offset: number
}

/** What a node holds, in the form of its answer. Counts are of visible memories that have not expired. */
export interface Stats {
  readonly total: number
  readonly by_tier: ReadonlyArray<{ readonly tier: Tier; readonly count: number }>
  readonly by_namespace: ReadonlyArray<NamespaceCount>
  /** Within an hour. */
  readonly expiring_soon: number
  readonly links_count: number
  readonly db_size_bytes: number
  readonly dim_violations: number
  readonly index_evictions_total: number
}

export interface NamespaceCount {
  readonly namespace: string
  readonly count: number
}

/** Reads memories as clients see them. Nothing here changes anything: being read is no use, only being recalled is. */
export class MemoryReader extends Context.Tag("quorate/store/MemoryReader")<MemoryReader, {
  /**
   * The ids of what a text names: the live memory that it stands for as an id (`liveId`), or else visible memories whose
   * ids begin with it. At most two ids, and two only for a prefix
   * that is not unique. The empty text names nothing.
   */
  readonly resolve: (idOrPrefix: string) => Effect.Effect<{ readonly ids: ReadonlyArray<string> }, ReadFailed>
  /** The memory with exactly this id, also as a shadow, also when it has expired. */
  readonly byId: (id: string) => Effect.Effect<Option.Option<Memory>, ReadFailed>
  /** The memories behind `resolve`, in one statement when the text is the id of a visible one. */
  readonly find: (idOrPrefix: string) => Effect.Effect<ReadonlyArray<Memory>, ReadFailed>
  /** By priority, then by the latest change, both descending. */
  readonly list: (page: Page) => Effect.Effect<Bounded<Memory>, ReadFailed>
  /** The same as the JSON texts that they are sent as. */
  readonly listTexts: (page: Page) => Effect.Effect<Bounded<string>, ReadFailed>
  /**
   * Visible memories changed after a stamp (empty: all), oldest change first, with the expiry that replicates and not the
   * one this node extended. Expired ones are among them. Never more than a page is in memory.
   */
  readonly changedSince: (after: string, limit: number) => Stream.Stream<Memory, ReadFailed>
  readonly stats: (now: Stamp.Stamp) => Effect.Effect<Stats, ReadFailed>
  /** The namespaces with something in them that has not expired, largest first. */
  readonly namespaces: (now: Stamp.Stamp) => Effect.Effect<ReadonlyArray<NamespaceCount>, ReadFailed>
}>() {}

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient

  const selectById = SqlSchema.findOne({
    Request: Schema.String,
    Result: Row,
    execute: (id) => sql`SELECT * FROM memories WHERE id = ${id} AND visible < 2`
  })
  const byId = (id: string) => Effect.map(selectById(id), Option.map(fromRow))

  const changedAfter = makeChangedAfter(sql)
  const resolve = makeResolve(sql)
  const pageOf = makePage(sql)
  const facets = makeFacets(sql)
  const linksCount = sql`SELECT count(*) AS links FROM objects
    WHERE type = 'link' AND current = 1 AND ${sql.literal(linkEndsKnown)}`.pipe(
    Effect.flatMap(decodeLinks),
    Effect.map(([{ links }]) => links)
  )
  const databaseBytes = sql`SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()`.pipe(
    Effect.flatMap(decodeBytes),
    Effect.map(([{ bytes }]) => bytes)
  )

  return MemoryReader.of({
    resolve: (idOrPrefix) => resolve(idOrPrefix).pipe(readFailed, hotSpan("MemoryReader.resolve")),
    byId: (id) => byId(id).pipe(readFailed, hotSpan("MemoryReader.byId")),
    find: (idOrPrefix) =>
      Effect.gen(function*() {
        const row = yield* selectById(idOrPrefix)
        if (Option.isSome(row) && row.value.visible === 1) return [fromRow(row.value)]
        const { ids } = yield* resolve(idOrPrefix)
        return (yield* Effect.forEach(ids, byId)).flatMap(Option.toArray)
      }).pipe(readFailed, hotSpan("MemoryReader.find")),
    list: (page) =>
      pageOf(page).pipe(
        Effect.flatMap((found) => boundedMemories(sql, found, LIST_ORDER)),
        Effect.flatMap(decodePaged),
        Effect.map(boundedBy(fromRow)),
        readFailed,
        hotSpan("MemoryReader.list")
      ),
    listTexts: (page) =>
      pageOf(page).pipe(
        Effect.flatMap((found) => boundedTexts(sql, found, LIST_ORDER)),
        readFailed,
        hotSpan("MemoryReader.listTexts")
      ),
    changedSince: (after, limit) =>
      Stream.map(Stream.take(changedAfter(after), limit), (row) => fromRow({ ...row, extended_until: null })),
    stats: (now) =>
      Effect.all({ facets: facets(now), links: linksCount, bytes: databaseBytes }).pipe(
        Effect.map(statsOf),
        readFailed,
        hotSpan("MemoryReader.stats")
      ),
    namespaces: (now) => Effect.map(facets(now), byNamespace).pipe(readFailed, hotSpan("MemoryReader.namespaces"))
  })
})

export const layer: Layer.Layer<MemoryReader, never, SqlClient.SqlClient> = Layer.effect(MemoryReader, make)

/** A row of `memories` as SQLite gives it; other columns are passed over. */
export const Row = Schema.Struct({
  ...Memory.fields,
  tags: Schema.parseJson(Memory.fields.tags),
  last_accessed_at: Schema.NullOr(Schema.String),
  expires_at: Schema.NullOr(Schema.String),
  metadata: Schema.parseJson(Metadata),
  visible: Schema.Int,
  extended_until: Schema.NullOr(Schema.String),
  carried: Schema.NullOr(Schema.parseJson(Metadata))
})
export type Row = typeof Row.Type

export const decodePaged = Schema.decodeUnknown(Schema.Array(Schema.Struct({ ...Row.fields, page_rows: Schema.Int })))

export const decodeRows = Schema.decodeUnknown(Schema.Array(Row))

/** The memory of a row. What it says of its expiry holds on this node: its own, or later where this node extended it. */
export const fromRow = (row: Row): Memory => {
  const expiresAt = row.expires_at !== null && row.extended_until !== null && row.extended_until > row.expires_at
    ? row.extended_until
    : row.expires_at
  return {
    ...row.carried,
    id: row.id,
    tier: row.tier,
    namespace: row.namespace,
    title: row.title,
    content: row.content,
    tags: row.tags,
    priority: row.priority,
    confidence: row.confidence,
    source: row.source,
    access_count: row.access_count,
    created_at: row.created_at,
    updated_at: row.updated_at,
    ...(row.last_accessed_at === null ? {} : { last_accessed_at: row.last_accessed_at }),
    ...(expiresAt === null ? {} : { expires_at: expiresAt }),
    metadata: row.metadata
  }
}

/** The condition of a filter on `memories` under the name `m`. */
export const matching = (sql: SqlClient.SqlClient, filter: Filter): Statement.Fragment => {
  const conditions: Array<Statement.Fragment> = [sql`m.visible = 1`, alive(sql, filter.now)]
  const { agentId, asAgent, minPriority, namespace, since, tag, tier, until } = filter
  if (namespace !== undefined) conditions.push(sql`m.namespace = ${namespace}`)
  if (tier !== undefined) conditions.push(sql`m.tier = ${tier}`)
  if (minPriority !== undefined) conditions.push(sql`m.priority >= ${minPriority}`)
  if (since !== undefined) conditions.push(sql`m.created_at >= ${since}`)
  if (until !== undefined) conditions.push(sql`m.created_at <= ${until}`)
  if (tag !== undefined) conditions.push(sql`EXISTS (SELECT 1 FROM json_each(m.tags) t WHERE t.value = ${tag})`)
  if (agentId !== undefined) conditions.push(sql`json_extract(m.metadata, '$.agent_id') = ${agentId}`)
  if (asAgent !== undefined) conditions.push(within(sql, Visibility.reachOf(asAgent)))
  return sql.and(conditions)
}

/** In the index of the order of lists those of each priority stand in the order of their stamps. */
const makeChangedAfter = (sql: SqlClient.SqlClient) => (after: string) =>
  pages(Row, MEMORIES_PER_PAGE, (last) => {
    const news = last === null
      ? sql`updated_at > ${after}`
      : sql`(updated_at, id) > (${last.updated_at}, ${last.id})`
    const first = sql.literal(`ORDER BY updated_at, id LIMIT ${MEMORIES_PER_PAGE}`)
    const each = PRIORITIES.map((priority) =>
      sql`SELECT rid FROM (SELECT rid FROM memories WHERE visible = 1 AND priority = ${priority} AND ${news} ${first})`
    )
    return sql`SELECT * FROM memories WHERE rid IN (${sql.join(" UNION ALL ", false)(each)}) ${first}`
  })

const PRIORITIES = Arr.range(MIN_PRIORITY, MAX_PRIORITY)

/** Translates what a read can fail with; none of it is anything a caller could put right. */
export const readFailed = <A, R>(
  read: Effect.Effect<A, SqlError | ParseError, R>
): Effect.Effect<A, ReadFailed, R> => Effect.mapError(read, (cause) => new ReadFailed({ cause }))

/** Not expired. An extension matters only to what would expire. */
const alive = (sql: SqlClient.SqlClient, now: Stamp.Stamp) =>
  sql`(m.expires_at IS NULL OR m.expires_at > ${now} OR m.extended_until > ${now})`

/** `Visibility.isVisible` as a condition. */
const within = (sql: SqlClient.SqlClient, reach: Visibility.Reach) => {
  const scope = sql`json_extract(m.metadata, '$.scope')`
  const subtrees = Visibility.SUBTREE_SCOPES.flatMap((name) =>
    Option.toArray(reach[name]).map((root) =>
      sql`(${scope} = ${name} AND (m.namespace = ${root}
        OR substr(m.namespace, 1, length(${root}) + 1) = ${`${root}/`}))`
    )
  )
  return sql.or([sql`m.namespace = ${reach.own}`, sql`${scope} = 'collective'`, ...subtrees])
}

const makeResolve = (sql: SqlClient.SqlClient) => {
  const standing = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.NullOr(Schema.String) }),
    execute: (id) =>
      sql`WITH given (id) AS (SELECT ${id}) SELECT ${sql.literal(liveIdSql("given.id"))} AS id FROM given`
  })
  const beginning = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ id: Schema.String }),
    execute: (prefix) =>
      sql`SELECT id FROM memories WHERE id >= ${prefix} AND id < ${`${prefix}${LAST_CODE_POINT}`} AND visible = 1
        ORDER BY id LIMIT 2`
  })
  return (idOrPrefix: string) =>
    Effect.gen(function*() {
      const [row] = yield* standing(idOrPrefix)
      if (row !== undefined && row.id !== null) return { ids: [row.id] }
      const found = idOrPrefix === "" ? [] : yield* beginning(idOrPrefix)
      return { ids: found.map(({ id }) => id) }
    })
}

/** Sorts after everything that an id can go on with. */
const LAST_CODE_POINT = "\u{10FFFF}"

/** A namespace with more memories is listed by walking down the order of all, a smaller one by sorting it. */
const LARGE_NAMESPACE_ROWS = 5000

const LIST_ORDER = "priority DESC, updated_at DESC, id"

/** The rows of a page of a list, with what it is bounded and ordered by. */
const makePage = (sql: SqlClient.SqlClient) => {
  const isLarge = (namespace: string) =>
    sql`SELECT 1 FROM memories WHERE namespace = ${namespace} AND visible = 1 LIMIT 1 OFFSET ${LARGE_NAMESPACE_ROWS}`
      .pipe(Effect.map((rows) => rows.length > 0))

  return Effect.fnUntraced(function*({ limit, namespace, offset, ...filter }: Page) {
    const conditions = [matching(sql, filter)]
    if (namespace !== undefined) {
      // The plus keeps SQLite from the index of the namespace.
      const column = sql.literal((yield* isLarge(namespace)) ? "+m.namespace" : "m.namespace")
      conditions.push(sql`${column} = ${namespace}`)
    }
    return sql`SELECT m.rid, m.priority, m.updated_at, m.id, ${sql.literal(rowBytes)} AS bytes FROM memories m
      WHERE ${sql.and(conditions)} ORDER BY ${sql.literal(LIST_ORDER)} LIMIT ${limit} OFFSET ${offset}`
  })
}

const Facet = Schema.Struct({
  namespace: Schema.String,
  tier: Memory.fields.tier,
  count: Schema.Int,
  expiring: Schema.Int
})
type Facet = typeof Facet.Type

const decodeFacets = Schema.decodeUnknown(Schema.Array(Facet))
const decodeLast = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ rid: Schema.NullOr(Schema.Int) })))

const EXPIRING_SOON = Duration.hours(1)
/** Counting goes over the whole table: after so many rows everybody else gets a turn. */
const ROWS_PER_TURN = 10_000

/** How many memories there are of each tier in each namespace, in parts that are to be summed. */
const makeFacets = (sql: SqlClient.SqlClient) => {
  const lastRow = sql`SELECT max(rid) AS rid FROM memories`.pipe(Effect.flatMap(decodeLast))

  const part = (now: Stamp.Stamp, from: number) => {
    const soon = Stamp.fromMillis(Stamp.toMillis(now) + Duration.toMillis(EXPIRING_SOON))
    return sql`SELECT m.namespace, m.tier, count(*) AS count,
        count(*) FILTER (
          WHERE m.expires_at <= ${soon} AND (m.extended_until IS NULL OR m.extended_until <= ${soon})
        ) AS expiring
      FROM memories m NOT INDEXED
      WHERE m.rid BETWEEN ${from} AND ${from + ROWS_PER_TURN - 1} AND ${matching(sql, { now })}
      GROUP BY m.namespace, m.tier`.pipe(Effect.flatMap(decodeFacets))
  }

  return Effect.fnUntraced(function*(now: Stamp.Stamp) {
    const [{ rid: last }] = yield* lastRow
    const facets: Array<Facet> = []
    for (let from = 1; from <= (last ?? 0); from += ROWS_PER_TURN) {
      facets.push(...(yield* part(now, from)))
      yield* eventLoopTurn
    }
    return facets
  })
}

const decodeBytes = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ bytes: Schema.Int })))

const decodeLinks = Schema.decodeUnknown(Schema.Tuple(Schema.Struct({ links: Schema.Int })))

const statsOf = (
  { bytes, facets, links }: {
    readonly facets: ReadonlyArray<Facet>
    readonly links: number
    readonly bytes: number
  }
): Stats => {
  const byTier = Array.from(sums(facets, ({ tier }) => tier), ([tier, count]) => ({ tier, count }))
  return {
    total: facets.reduce((sum, { count }) => sum + count, 0),
    by_tier: byTier.sort((a, b) => b.count - a.count || (a.tier < b.tier ? -1 : 1)),
    by_namespace: byNamespace(facets),
    expiring_soon: facets.reduce((sum, { expiring }) => sum + expiring, 0),
    links_count: links,
    db_size_bytes: bytes,
    dim_violations: 0,
    index_evictions_total: 0
  }
}

const byNamespace = (facets: ReadonlyArray<Facet>): ReadonlyArray<NamespaceCount> =>
  Array.from(sums(facets, ({ namespace }) => namespace), ([namespace, count]) => ({ namespace, count }))
    .sort((a, b) => b.count - a.count || (a.namespace < b.namespace ? -1 : 1))

const sums = <Key>(facets: ReadonlyArray<Facet>, keyOf: (facet: Facet) => Key): ReadonlyMap<Key, number> => {
  const counts = new Map<Key, number>()
  for (const facet of facets) counts.set(keyOf(facet), (counts.get(keyOf(facet)) ?? 0) + facet.count)
  return counts
}
