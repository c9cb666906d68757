import * as cborg from "cborg"
import * as Option from "effect/Option"

/*
 * CBOR (RFC 8949) as the original writes it: definite lengths, the shortest heads, and the keys of a map in the plain order of
 * their text, which is not the canonical one; since 0.10 it has that one for what agents sign.
 */

/** What can be written. */
export type Value = string | number | bigint | null | Uint8Array | ReadonlyArray<Value> | {
  readonly [key: string]: Value
}

export const encode = (value: Value): Buffer => Buffer.from(cborg.encode(ordered(value), { mapSorter: () => 0 }))

/** The keys of a map in the canonical order of RFC 7049: the shorter before the longer ones. */
export const encodeCanonical = (value: Value): Buffer => Buffer.from(cborg.encode(value))

const isBytes = (value: Value): value is Uint8Array => value instanceof Uint8Array
const isList = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)

/** A map keeps the order in which its keys were put there. */
const ordered = (value: Value): unknown => {
  if (typeof value !== "object" || value === null || isBytes(value)) return value
  if (isList(value)) return value.map(ordered)
  return new Map(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, of]) => [key, ordered(of)]))
}

/** The first value in the bytes, its maps as `Map`; what comes after it is not looked at. None where they are no CBOR. */
export const decode = (bytes: Uint8Array): Option.Option<unknown> => {
  try {
    const [value]: [unknown, Uint8Array] = cborg.decodeFirst(bytes, { useMaps: true })
    return Option.some(value)
  } catch {
    return Option.none()
  }
}
