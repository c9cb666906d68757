import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { AgentId } from "./ids.js"
import * as validate from "./validate.js"

/** Whether something from anywhere is the id of an agent. */
export const is = (value: unknown): value is AgentId =>
  typeof value === "string" && Either.isRight(validate.agentId(value))

/**
 * The author of a request: as its body says, or else its `X-Agent-Id` header, or else a new `anonymous:req-<8 hex>`.
 * A malformed one is refused, never passed over.
 */
export const resolve = (
  body: string | undefined,
  header: Option.Option<string>,
  makeUuid: () => string
): Either.Either<AgentId, validate.Invalid> =>
  body === undefined && Option.isNone(header)
    ? validate.agentId(`anonymous:req-${makeUuid().slice(-ANONYMOUS_DIGITS)}`)
    : validate.agentId(body ?? Option.getOrElse(header, () => ""))

/** From the end of an id, where it is chance. */
const ANONYMOUS_DIGITS = 8
