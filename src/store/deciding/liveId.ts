import type { Held, Transaction } from "./Transaction.js"

/*
 * Which memory an id stands for. A memory that is consolidated, or whose slot is written anew, leaves its id to the one that
 * took its place, and that may happen to it in turn: the ids make a chain. This is the only place that follows it, in the
 * transaction and as SQL; a property test keeps the two equal.
 */

type Chained = Pick<Transaction, "alias">

/** The id, the one that took it over, the one that took that over, and so on to the end; each once. */
export const chainOf = (now: Chained, id: string): ReadonlyArray<string> => {
  const chain = new Set<string>()
  for (let next: string | null = id; next !== null && !chain.has(next); next = now.alias(next)) chain.add(next)
  return Array.from(chain)
}

/**
 * The live memory that an id stands for, as of this turn of the transaction: the first of its chain that is visible, else
 * the first that is a shadow.
 */
export const liveId = (now: Pick<Transaction, "alias" | "byId">, id: string): Held | null => {
  const own = now.byId(id)
  if (own?.visible === true) return own
  let shadow = own
  for (const next of chainOf(now, id).slice(1)) {
    const held = now.byId(next)
    if (held?.visible === true) return held
    shadow ??= held
  }
  return shadow
}

/** The archived memory that an id stands for: the first of its chain that is here at all, if that one is archived. */
export const archivedId = (now: Pick<Transaction, "alias" | "byId" | "archivedById">, id: string): Held | null => {
  for (const next of chainOf(now, id)) {
    if (now.byId(next) !== null) return null
    const held = now.archivedById(next)
    if (held !== null) return held
  }
  return null
}

/**
 * `chainOf` as a table `chain (id)` of SQL, to stand after `WITH RECURSIVE`. It has one row at a time to go on from, so its
 * rows come in order.
 */
export const chainSql = (id: string): string =>
  `chain (id) AS (SELECT ${id} UNION SELECT a.target FROM chain c CROSS JOIN aliases a ON a.id = c.id)`

const firstOf = (id: string, visible: 0 | 1): string =>
  `(WITH RECURSIVE ${chainSql(id)}
    SELECT m.id FROM chain c CROSS JOIN memories m ON m.id = c.id WHERE m.visible = ${visible} LIMIT 1)`

/** `liveId` as an SQL expression over an expression that is an id; null where the id stands for nothing. */
export const liveIdSql = (id: string): string =>
  `coalesce((SELECT id FROM memories WHERE id = ${id} AND visible = 1), ${firstOf(id, 1)}, ${firstOf(id, 0)})`

/** `archivedId` as an SQL expression, likewise. */
export const archivedIdSql = (id: string): string =>
  `(SELECT found.id FROM (
      WITH RECURSIVE ${chainSql(id)} SELECT m.id, m.visible FROM chain c CROSS JOIN memories m ON m.id = c.id LIMIT 1
    ) found WHERE found.visible = 2)`

/**
 * The table `names (root, id)`: every id that may stand for one of the memories in `root (id)`, which is the chain walked
 * the other way. An id may have come to stand for another memory meanwhile: `liveIdSql` of it tells.
 */
export const namesSql = `names (root, id) AS (
    SELECT id, id FROM root WHERE id IS NOT NULL
    UNION SELECT n.root, a.id FROM names n CROSS JOIN aliases a ON a.target = n.id
  )`
