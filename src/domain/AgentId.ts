import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as validate from "./validate.js"

/** Who says to be the author of a memory: claimed, never proved. 1 to 128 of letters, digits and `_:@./-`. */
export const AgentId = Schema.String.pipe(
  Schema.filter((value) => Either.isRight(validate.agentId(value)), {
    description: "1 to 128 characters of A-Z a-z 0-9 _ : @ . / -"
  }),
  Schema.brand("AgentId")
)
export type AgentId = typeof AgentId.Type

export const is = Schema.is(AgentId)

/**
 * The author of a request: as its body says, or else its `X-Agent-Id` header, or else a new `anonymous:req-<8 hex>`.
 * A malformed one is refused, never passed over.
 */
export const resolve = (
  body: string | undefined,
  header: Option.Option<string>,
  makeUuid: () => string
): Either.Either<string, validate.Invalid> =>
  body === undefined && Option.isNone(header)
    ? Either.right(`anonymous:req-${makeUuid().slice(0, 8)}`)
    : validate.agentId(body ?? Option.getOrElse(header, () => ""))
