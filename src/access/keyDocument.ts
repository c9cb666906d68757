import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as AgentId from "../domain/AgentId.js"
import { decoder } from "../domain/ShapeError.js"
import * as Stamp from "../domain/Stamp.js"
import { type ApiKey, MAX_KEYS, MAX_NAME_CHARS, NAME, SCOPES, wrongNamespaces } from "./ApiKey.js"

/*
 * The keys of a node as a text, in a file or in a variable: `{"keys": [{"name", "hash", "scopes", "agent_id"?, "namespaces"?, "expires_at"?}]}`.
 */

const PREFIX = "sha256:"
const DIGEST = /^sha256:[0-9a-f]{64}$/
/** More than all the keys there may be. */
const MAX_CHARS = 256 * 1024
/** Of that many characters. */
export const MAX_BYTES = 4 * MAX_CHARS

const matching = (pattern: RegExp, description: string) =>
  Schema.String.pipe(Schema.filter((text) => pattern.test(text), { description }))

const StoredKey = Schema.Struct({
  name: matching(NAME, `1..${MAX_NAME_CHARS} of the characters A-Z a-z 0-9 _ . -`),
  hash: matching(DIGEST, "sha256: and 64 hex digits in lower case"),
  scopes: Schema.Array(Schema.Literal(...SCOPES)).pipe(
    Schema.filter((scopes) => scopes.length > 0 && scopes.length <= SCOPES.length, {
      description: `one to ${SCOPES.length} of ${SCOPES.join(", ")}`
    })
  ),
  agent_id: Schema.optionalWith(
    Schema.String.pipe(Schema.filter(AgentId.is, { description: "the id of an agent" })),
    { exact: true }
  ),
  namespaces: Schema.optionalWith(Schema.Array(Schema.String), { exact: true }),
  expires_at: Schema.optionalWith(
    Schema.String.pipe(
      Schema.filter((text) => Option.isSome(Stamp.parse(text)), { description: "an RFC 3339 timestamp" })
    ),
    { exact: true }
  )
})

const Document = Schema.Struct({
  keys: Schema.Array(StoredKey).pipe(
    Schema.filter((keys) => keys.length <= MAX_KEYS, { description: `at most ${MAX_KEYS} keys` })
  )
})

const decode = decoder(Document)

/** The keys of a document, or what is wrong with it. */
export const parse = (text: string): Either.Either<ReadonlyArray<ApiKey>, string> =>
  Either.gen(function*() {
    if (text.length > MAX_CHARS) return yield* Either.left(`it is longer than ${MAX_CHARS} characters`)
    const value: unknown = yield* Either.try({ try: () => JSON.parse(text), catch: () => "it is no JSON" })
    const { keys } = yield* Either.mapLeft(decode(value), ({ message }) => message)
    const twice = keys.find(({ hash, name }, at) =>
      keys.slice(0, at).some((other) => other.name === name || other.hash === hash)
    )
    for (const { name, namespaces, scopes } of keys) {
      const wrong = namespaces === undefined ? undefined : wrongNamespaces(namespaces, scopes)
      if (wrong !== undefined) return yield* Either.left(`the key ${name}: expected ${wrong}`)
    }
    if (twice !== undefined) return yield* Either.left(`the key ${twice.name} stands in it twice`)
    return keys.map(({ agent_id, expires_at, hash, name, namespaces, scopes }) => ({
      name,
      digest: Buffer.from(hash.slice(PREFIX.length), "hex"),
      scopes: new Set(scopes),
      agentId: Option.fromNullable(agent_id),
      namespaces: Option.fromNullable(namespaces),
      expiresAt: Option.flatMap(Option.fromNullable(expires_at), Stamp.parse)
    }))
  })

/** The document of these keys. */
export const print = (keys: ReadonlyArray<ApiKey>): string =>
  `${
    JSON.stringify(
      {
        keys: keys.map(({ agentId, digest, expiresAt, name, namespaces, scopes }) => ({
          name,
          hash: `${PREFIX}${digest.toString("hex")}`,
          scopes: Array.from(scopes),
          ...Option.match(agentId, { onNone: () => ({}), onSome: (agent_id) => ({ agent_id }) }),
          ...Option.match(namespaces, { onNone: () => ({}), onSome: (namespaces) => ({ namespaces }) }),
          ...Option.match(expiresAt, { onNone: () => ({}), onSome: (expires_at) => ({ expires_at }) })
        }))
      },
      null,
      2
    )
  }\n`
