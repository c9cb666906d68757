import * as Predicate from "effect/Predicate"
import { MAX_COVERS_TAKEN, MAX_ENTITY_CHARS, MAX_LIST_ITEMS, MAX_ORIGIN_CHARS, MAX_TURNS } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import { isClean } from "../../domain/validate.js"
import { MAX_SEAL_CHARS } from "../../replication/seals.js"
import * as VersionVector from "../../replication/VersionVector.js"

/*
 * What nearly every message between nodes is like, found without a schema: that takes ten times as long, and a mesh under load
 * does little else. Whatever is not plainly right is left to the schema, which knows what else is right and says what is wrong. A
 * test compares the two.
 */

export const HASH = /^[0-9a-f]{64}$/
export const OP_ID = /^[A-Za-z0-9._:-]{1,64}$/
export const NODE_ID = /^[A-Za-z0-9_:@./-]{1,128}$/
export const AGENT_ID = /^[A-Za-z0-9_:@./-]{1,128}$/
export const KIND = /^[a-z_]{1,32}$/
export const MAX_SHORT_CHARS = 64

type Looks = (value: unknown) => boolean

const isText: Looks = (value) => typeof value === "string"
const isList: Looks = (value) => Array.isArray(value)
const isTexts: Looks = (value) => Array.isArray(value) && value.every(isText)
const isShort: Looks = (value) => typeof value === "string" && value.length <= MAX_SHORT_CHARS
const fits = (pattern: RegExp): Looks => (value) => typeof value === "string" && pattern.test(value)
const isStamp: Looks = (value) => typeof value === "string" && Stamp.isCanonical(value)
const isOrigin: Looks = (value) => typeof value === "string" && VersionVector.isOrigin(value)
const isHash = fits(HASH)

const isCover: Looks = (cover) => {
  if (!Array.isArray(cover) || cover.length !== 3) return false
  const [id, hlc, origin]: ReadonlyArray<unknown> = cover
  return typeof id === "string" && id.length <= MAX_ENTITY_CHARS && isClean(id) && isStamp(hlc) &&
    typeof origin === "string" && origin.length <= MAX_ORIGIN_CHARS && isOrigin(origin)
}

const isKey: Looks = (key) => {
  if (!Array.isArray(key) || key.length < 2 || key.length > 3) return false
  const [keyHash, requestHash, turn]: ReadonlyArray<unknown> = key
  if (!isHash(keyHash) || !isHash(requestHash)) return false
  return key.length === 2 || (typeof turn === "number" && Number.isSafeInteger(turn) && turn >= 0 && turn <= MAX_TURNS)
}

/** By the names of the fields, how they look; those of `NEEDED` must be there. */
const LOOKS: Readonly<Record<string, Looks>> = {
  format: (value) => value === 1 || value === 2,
  op_id: fits(OP_ID),
  origin: isOrigin,
  oseq: (value) => typeof value === "number" && Number.isSafeInteger(value) && value > 0,
  hlc: isStamp,
  kind: fits(KIND),
  base_hlc: (value) => value === null || isStamp(value),
  covers: (value) => Array.isArray(value) && value.length <= MAX_COVERS_TAKEN && value.every(isCover),
  hash: isHash,
  key: isKey,
  traceparent: isShort,
  agent: fits(AGENT_ID),
  seal: (value) => typeof value === "string" && value.length <= MAX_SEAL_CHARS,
  entity: (value) => typeof value === "string" && value.length <= MAX_ENTITY_CHARS && isClean(value),
  body: () => true,
  ref: isShort
}

const NEEDED = [
  "op_id",
  "origin",
  "oseq",
  "hlc",
  "kind",
  "base_hlc",
  "covers",
  "hash",
  "ref"
]

const looks = new Map<string, Looks>(Object.entries(LOOKS))

/** An operation, with no field but those that are known. */
const isOperation: Looks = (value) => {
  if (!Predicate.isRecord(value)) return false
  for (const name of Object.keys(value)) if (looks.get(name)?.(value[name]) !== true) return false
  return NEEDED.every((name) => Object.hasOwn(value, name))
}

const isOperations: Looks = (value) =>
  Array.isArray(value) && value.length <= MAX_LIST_ITEMS && value.every(isOperation)

const PUSH: Readonly<Record<string, Looks>> = {
  sender_agent_id: isText,
  sender_clock: () => true,
  sender_wall_clock: isText,
  memories: isList,
  deletions: isTexts,
  archives: isTexts,
  restores: isTexts,
  links: isList,
  pendings: isList,
  pending_decisions: isList,
  namespace_meta: isList,
  namespace_meta_clears: isTexts,
  embeddings: isList,
  dry_run: (value) => typeof value === "boolean",
  ops: isOperations,
  // Few are sent any.
  stubs: () => false
}

const pushLooks = new Map<string, Looks>(Object.entries(PUSH))

/** Whether the known fields of an object look as they should. It may have other ones, which nobody reads. */
const isOf = (known: ReadonlyMap<string, Looks>, value: unknown): value is object => {
  if (!Predicate.isRecord(value)) return false
  for (const name of Object.keys(value)) if (known.get(name)?.(value[name]) === false) return false
  return true
}

/** A push of operations. */
export const isPush: Looks = (value) =>
  isOf(pushLooks, value) && Object.hasOwn(value, "sender_agent_id") && Object.hasOwn(value, "memories")

const isNumber: Looks = (value) => typeof value === "number"

const RESULTS: ReadonlySet<unknown> = new Set([
  "applied",
  "duplicate",
  "superseded",
  "shadowed",
  "parked",
  "rejected",
  "withheld"
])

const resultLooks = new Map<string, Looks>(Object.entries({
  op_id: fits(OP_ID),
  result: (value: unknown) => RESULTS.has(value),
  why: isText
}))

const isResult: Looks = (value) =>
  isOf(resultLooks, value) && Object.hasOwn(value, "op_id") && Object.hasOwn(value, "result")

const answerLooks = new Map<string, Looks>(Object.entries({
  receiver_node_id: fits(NODE_ID),
  durable: (value: unknown) => typeof value === "boolean",
  vector: VersionVector.isGapless,
  wall_clock: isStamp,
  results: (value: unknown) => Array.isArray(value) && value.every(isResult),
  applied: isNumber,
  deleted: isNumber,
  noop: isNumber,
  skipped: isNumber,
  ids: isList,
  archived: isNumber,
  restored: isNumber,
  links_applied: isNumber,
  pendings_applied: isNumber,
  pending_decisions_applied: isNumber,
  namespace_meta_applied: isNumber,
  namespace_meta_cleared: isNumber,
  quota_refused: isNumber
}))

/** The answer to a push. */
export const isAnswer: Looks = (value) => isOf(answerLooks, value)
