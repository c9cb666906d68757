import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { MAX_CHANGES_CURSOR_CHARS } from "../../domain/limits.js"
import * as Stamp from "../../domain/Stamp.js"
import { Invalid } from "../../domain/validate.js"
import * as VersionVector from "../../replication/VersionVector.js"
import type { Position } from "../../store/read/ChangeReader.js"
import { NotReady } from "../errors.js"

/*
 * Up to where somebody has heard, as a text: base64url of JSON. What it says is no secret and no key: who changes it hears of something
 * again, or not at all. It is good on every node, as it names operations and no place in the log of one.
 */

/** The form of this version; another one says so by its number. */
const Cursor = Schema.parseJson(Schema.Struct({
  v: Schema.Literal(1),
  held: VersionVector.Wire,
  expired: Stamp.Stamp
}))
const decode = Schema.decodeUnknownEither(Cursor)
const encode = Schema.encodeSync(Cursor)

const BASE64URL = /^[A-Za-z0-9_-]+$/

export const read = (text: string, field = "since"): Either.Either<Position, Invalid> => {
  if (text.length > MAX_CHANGES_CURSOR_CHARS || !BASE64URL.test(text)) return Either.left(noCursor(field))
  return Either.mapBoth(decode(Buffer.from(text, "base64url").toString("utf8")), {
    onLeft: () => noCursor(field),
    onRight: ({ expired, held }) => ({ expired, held })
  })
}

const noCursor = (field: string) =>
  new Invalid({
    field,
    message: `${field} must be a cursor as an answer has it, of at most ${MAX_CHANGES_CURSOR_CHARS} characters`
  })

/** Refused where more nodes have written than a cursor can name. */
export const write = ({ expired, held }: Position): Either.Either<string, NotReady> => {
  const text = Buffer.from(encode({ v: 1, held, expired }), "utf8").toString("base64url")
  return text.length > MAX_CHANGES_CURSOR_CHARS
    ? Either.left(new NotReady({ detail: "more runs of nodes have written than a cursor can name" }))
    : Either.right(text)
}
