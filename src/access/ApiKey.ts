import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { hash, randomBytes, timingSafeEqual } from "node:crypto"
import type { AgentId } from "../domain/ids.js"
import { inboxOf } from "../domain/Message.js"
import { formOf, isPattern, MAX_PATTERNS, type Namespaces } from "../domain/namespaces.js"
import * as Stamp from "../domain/Stamp.js"

/** What a key may open: to read, to write, to run a node, to speak as a node. None of them includes another. */
export const SCOPES = ["read", "write", "admin", "peer"] as const
export type Scope = (typeof SCOPES)[number]

/** A key as a node knows it: what it opens, and no more of the key itself than its digest. */
export interface ApiKey {
  readonly name: string
  /** SHA-256 of the key. It is 256 random bits, so that nobody finds it from that. */
  readonly digest: Buffer
  readonly scopes: ReadonlySet<Scope>
  /** Whom it speaks for: with it nobody says to be another agent. */
  readonly agentId: Option.Option<AgentId>
  /** It reads and writes in these alone; all of them where none are named. */
  readonly namespaces: Option.Option<Namespaces>
  /** From then on it opens nothing. */
  readonly expiresAt: Option.Option<Stamp.Stamp>
}

/** Keys of a node, at most: each request is compared with all of them. */
export const MAX_KEYS = 256
export const MAX_NAME_CHARS = 64

export const NAME = new RegExp(`^[A-Za-z0-9_.-]{1,${MAX_NAME_CHARS}}$`)

export const isName = (text: string): boolean => NAME.test(text)

export const isScope = (text: string): text is Scope => SCOPES.some((scope) => scope === text)

/** The one key of a node that has no others: it opens everything. */
export const bare = (secret: Redacted.Redacted): ApiKey => ({
  name: "api-key",
  digest: digestOf(Redacted.value(secret)),
  scopes: new Set(SCOPES),
  agentId: Option.none(),
  namespaces: Option.none(),
  expiresAt: Option.none()
})

/** A new key, which is shown once: the node keeps its digest. The prefix is for those that search texts for secrets. */
export const mint = (
  of: Omit<ApiKey, "digest">
): Effect.Effect<{ readonly key: ApiKey; readonly secret: Redacted.Redacted }> =>
  Effect.sync(() => {
    const secret = `qk_${randomBytes(32).toString("base64url")}`
    return { key: { ...of, digest: digestOf(secret) }, secret: Redacted.make(secret) }
  })

const digestOf = (secret: string): Buffer => hash("sha256", secret, "buffer")

/** The key among these that this text is. How long it takes does not say how much of a wrong one is right. */
export const find = (keys: ReadonlyArray<ApiKey>, secret: string): ApiKey | undefined => {
  const digest = digestOf(secret)
  let found: ApiKey | undefined
  for (const key of keys) if (timingSafeEqual(key.digest, digest)) found = key
  return found
}

export const isExpired = ({ expiresAt }: ApiKey, nowMillis: number): boolean =>
  Option.isSome(expiresAt) && Stamp.toMillis(expiresAt.value) <= nowMillis

/** What a limited key is for: to run a node, or to speak as one, is not done within some namespaces. */
const OF_LIMITED: ReadonlySet<Scope> = new Set(["read", "write"])

/** What is wrong with the namespaces of a key with these scopes. None of them has inboxes in it: those are their agents'. */
export const wrongNamespaces = (namespaces: Namespaces, scopes: Iterable<Scope>): string | undefined =>
  namespaces.length === 0 || namespaces.length > MAX_PATTERNS || !namespaces.every(isPattern)
    ? `1..${MAX_PATTERNS} namespaces, or patterns such as team/* or team/**`
    : namespaces.some(hasInboxes)
    ? "namespaces without the inboxes of agents in them"
    : Array.from(scopes).every((scope) => OF_LIMITED.has(scope))
    ? undefined
    : "no other scopes than read and write beside namespaces"

const hasInboxes = (pattern: string): boolean => {
  const form = formOf(pattern)
  return form._tag === "all" || form._tag === "named" || /^_messages(?:\/|$)/.test(pattern)
}

/** The namespaces in which who has a key is, the inbox of its agent included; none for all. */
export const reachOf = ({ agentId, namespaces }: ApiKey): Option.Option<Namespaces> =>
  Option.map(namespaces, (own) => [...own, ...Option.toArray(Option.map(agentId, inboxOf))])
