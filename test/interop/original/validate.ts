import type { CreateMemory, Link, Memory } from "./shapes.js"
import { isRecord } from "./shapes.js"

/** What is wrong, or null. */
export type Problem = string | null

const SOURCES = ["user", "claude", "hook", "api", "cli", "import", "consolidation", "system", "chaos", "notify"]
const RELATIONS = ["related_to", "supersedes", "contradicts", "derived_from"]
const SCOPES = ["private", "team", "unit", "org", "collective"]

export const first = (...problems: ReadonlyArray<Problem>): Problem =>
  problems.find((problem) => problem !== null) ?? null

const check = (holds: boolean, problem: string): Problem => holds ? null : problem
/** No control character but newline and tab: a carriage return is refused. */
const isClean = (text: string) => !/[^\P{Cc}\n\t]/u.test(text)
const bytes = (text: string) => Buffer.byteLength(text)
const characters = (text: string) => [...text].length
const between = (value: number, low: number, high: number) => value >= low && value <= high

export const id = (text: string): Problem =>
  check(text.trim() !== "" && bytes(text) <= 128 && isClean(text), "invalid id")

export const agentId = (text: string): Problem => check(/^[A-Za-z0-9_:@./-]{1,128}$/.test(text), "invalid agent_id")

export const agentType = (text: string): Problem =>
  check(text.length <= 64 && /^(human|system|ai:[A-Za-z0-9_.-]+)$/.test(text), "invalid agent_type")

const title = (text: string): Problem =>
  check(between(characters(text.trim()), 1, 512) && isClean(text.trim()), "title is empty, too long or not clean")

const content = (text: string): Problem =>
  check(text.trim() !== "" && bytes(text) <= 65_536 && isClean(text), "content is empty, too long or not clean")

export const namespace = (raw: string): Problem => {
  const text = raw.trim()
  const segments = text.split("/")
  const isPath = segments.length <= 8 && segments.every((segment) => !["", ".", ".."].includes(segment))
  return check(between(characters(text), 1, 512) && isPath && !/[ \\\p{Cc}]/u.test(text), "invalid namespace")
}

const tags = (all: ReadonlyArray<string>): Problem =>
  check(all.length <= 50 && all.every((tag) => tag !== "" && bytes(tag) <= 128 && isClean(tag)), "invalid tags")

const source = (text: string): Problem => check(SOURCES.includes(text), "invalid source")
const priority = (value: number): Problem => check(between(value, 1, 10), "priority must be between 1 and 10")
const confidence = (value: number): Problem => check(between(value, 0, 1), "confidence must be between 0 and 1")

export const stamp = (text: string): Problem =>
  check(
    /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(text) &&
      !Number.isNaN(Date.parse(text.replace(/\.\d+/, ""))),
    "not an RFC 3339 timestamp"
  )

const metadata = (value: unknown): Problem =>
  check(isRecord(value) && bytes(JSON.stringify(value)) <= 65_536 && depth(value) <= 32, "invalid metadata")

const depth = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0

const optional = <A>(value: A | null, rule: (value: A) => Problem): Problem => value === null ? null : rule(value)

/** The rules for rows that come from elsewhere: a past expiry is allowed. */
export const memory = (row: Memory): Problem =>
  first(
    id(row.id),
    title(row.title),
    content(row.content),
    namespace(row.namespace),
    source(row.source),
    tags(row.tags),
    priority(row.priority),
    confidence(row.confidence),
    check(row.access_count >= 0, "access_count must not be negative"),
    stamp(row.created_at),
    stamp(row.updated_at),
    optional(row.last_accessed_at, stamp),
    optional(row.expires_at, stamp),
    metadata(row.metadata)
  )

/** The rules for `row`, which `input` makes at its `created_at`. */
export const create = (input: CreateMemory, row: Memory): Problem =>
  first(
    optional(input.ttl_secs, (seconds) => check(between(seconds, 1, 31_536_000), "invalid ttl_secs")),
    optional(input.agent_id, agentId),
    optional(input.scope, (scope) => check(SCOPES.includes(scope), "invalid scope")),
    optional(input.on_conflict, (mode) => check(["error", "merge", "version"].includes(mode), "invalid on_conflict")),
    memory(row),
    optional(input.expires_at, (at) => check(Date.parse(at) > Date.parse(row.created_at), "expires_at is in the past"))
  )

export const link = ({ relation, source_id, target_id }: Pick<Link, "source_id" | "target_id" | "relation">): Problem =>
  first(
    id(source_id),
    id(target_id),
    check(source_id !== target_id, "a memory cannot link to itself"),
    check(RELATIONS.includes(relation), "invalid relation")
  )
