import * as Option from "effect/Option"
import type { KeyRing } from "./KeyRing.js"
import { type Message, signed } from "./messages.js"

/** Headers with the signature of a message that is about to be sent; none where there is no key to sign with. */
export type Sign = (message: () => Message) => Record<string, string>

interface Options {
  readonly keys: KeyRing
  /** Whose messages they are. */
  readonly id: string
  readonly nowMillis: () => number
  /** A new UUID. */
  readonly makeUuid: () => string
}

/** Signs as this one, from when on its key is there. */
export const make = ({ id, keys, makeUuid, nowMillis }: Options): Sign => (message) =>
  Option.match(Option.flatMap(Option.fromNullable(keys.find(id)), ({ signer }) => signer), {
    onNone: () => ({}),
    onSome: (signer) => signed(message(), signer, nonceOf(nowMillis(), makeUuid()))
  })

/** A UUID 7 (RFC 9562): the time, and what is random in another one. */
const nonceOf = (nowMillis: number, uuid: string): string => {
  const time = Math.max(0, nowMillis).toString(16).padStart(12, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${uuid.slice(15)}`
}
