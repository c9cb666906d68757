import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { IncomingHttpHeaders } from "node:http"
import { MAX_ID_BYTES, MAX_IDEMPOTENCY_KEY_CHARS } from "../../domain/limits.js"
import * as validate from "../../domain/validate.js"
import { anonymous, type Caller } from "../../operations/writing/Written.js"
import type { matchHeaders, writeHeaders } from "../contract/parts.js"
import { invalid, type Refused } from "./Refusal.js"

/** The headers of a client's write, by the names that the contract gives them. */
type WriteHeaders = typeof writeHeaders.Type

/** Who asks and under which key, from the headers of a client's write. */
export const fromHeaders = (headers: WriteHeaders): Either.Either<Caller, Refused> => {
  const { "idempotency-key": key, "x-agent-id": agentId } = headers
  if (agentId !== undefined && Either.isLeft(validate.agentId(agentId))) {
    return Either.left(
      invalid("X-Agent-Id", `X-Agent-Id must be 1 to ${MAX_ID_BYTES} characters of A-Z a-z 0-9 _ : @ . / -`)
    )
  }
  if (key !== undefined && !PRINTABLE.test(key)) {
    return Either.left(
      invalid("Idempotency-Key", `Idempotency-Key must be 1..${MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters`)
    )
  }
  return Either.right(
    agentId === undefined && key === undefined
      ? anonymous
      : { agentId: Option.fromNullable(agentId), idempotencyKey: Option.fromNullable(key) }
  )
}

const PRINTABLE = new RegExp(`^[\\x20-\\x7e]{1,${MAX_IDEMPOTENCY_KEY_CHARS}}$`)

/** The headers that the contract names, of a request that did not go through its router. */
export const headersOf = (headers: IncomingHttpHeaders): WriteHeaders => ({
  "x-agent-id": single(headers["x-agent-id"]),
  "idempotency-key": single(headers["idempotency-key"])
})

/** The same with the version that is asked for. */
export const matchHeadersOf = (headers: IncomingHttpHeaders): typeof matchHeaders.Type => ({
  ...headersOf(headers),
  "if-match": headers["if-match"]
})

/** Node joins what was sent twice with a comma, but for headers of its own; a list means the header was repeated. */
export const single = (value: string | Array<string> | undefined): string | undefined =>
  Array.isArray(value) ? value.join(", ") : value

/**
 * The version that `If-Match` asks for: none without the header and for `*`. A weak tag is taken as a strong one, as the
 * version of a memory is its content, and one without its quotes as the original has it; a list can not be meant, since a memory
 * has one version.
 */
export const ifMatch = (headers: typeof matchHeaders.Type): Either.Either<Option.Option<string>, Refused> => {
  const value = headers["if-match"]?.trim()
  if (value === undefined || value === "*") return Either.right(Option.none())
  const tag = ENTITY_TAG.exec(value)?.[1] ?? BARE_TAG.exec(value)?.[0]
  return tag === undefined
    ? Either.left(
      invalid("If-Match", "If-Match must be * or one entity tag: the updated_at of the memory, quoted or not")
    )
    : Either.right(Option.some(tag))
}

const ENTITY_TAG = /^(?:W\/)?"([\x21\x23-\x7e]*)"$/
/** A version, and nothing that a list or a broken quotation has. */
const BARE_TAG = /^[A-Za-z0-9.:+-]+$/
