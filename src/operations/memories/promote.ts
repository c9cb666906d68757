import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { Memory } from "../../domain/Memory.js"
import type { Stamp } from "../../domain/Stamp.js"
import type { Invalid } from "../../domain/validate.js"
import type { MemoryReader } from "../../store/read/MemoryReader.js"
import * as Write from "../writing/Write.js"
import * as amend from "./amend.js"

/** Makes a memory long-lived: its tier becomes `long` and it no longer expires. */
export const promote = (
  idOrPrefix: string,
  caller = Write.anonymous
): Write.Verb<Write.Written, Invalid | amend.AmendError | Write.Ruled, MemoryReader> =>
  Write.one({
    name: "promote",
    counts: "updated",
    caller,
    request: [idOrPrefix],
    governed: { action: "promote" },
    prepare: () => amend.resolveId(idOrPrefix),
    decide: (now, id) =>
      Either.flatMap(amend.expectHeld(now, id, Option.none()), (held) =>
        Either.map(amend.decide(now, held, toLong(held.memory, now.stamp)), (decision) => ({
          decision,
          memory: held.memory
        }))),
    answer: Write.withMemory
  })

const toLong = ({ expires_at: _, ...memory }: Memory, stamp: Stamp): Memory => ({
  ...memory,
  tier: "long",
  updated_at: stamp
})
