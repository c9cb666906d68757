import * as FastCheck from "effect/FastCheck"

const LAST = 0x10_ffff
const FIRST_SURROGATE = 0xd800
const SURROGATES = 0x800

/** The unit "binary" of a string, without the table of a million characters that each process makes for it. */
export const codePoint: FastCheck.Arbitrary<string> = FastCheck.integer({ min: 0, max: LAST - SURROGATES }).map(
  (at) => String.fromCodePoint(at < FIRST_SURROGATE ? at : at + SURROGATES),
  (char) => {
    const at = typeof char === "string" ? char.codePointAt(0) : undefined
    if (at === undefined || String.fromCodePoint(at) !== char) throw new Error("not one character")
    return at < FIRST_SURROGATE ? at : at - SURROGATES
  }
)
