import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as validate from "./validate.js"

/** Our own ids are UUIDs; those of rows from elsewhere are any text that is not blank, clean and at most 128 bytes. */
export const MemoryId = Schema.String.pipe(
  Schema.filter((value) => Either.isRight(validate.memoryId(value)), {
    description: "a memory id of 1 to 128 bytes"
  }),
  Schema.brand("MemoryId")
)
export type MemoryId = typeof MemoryId.Type

export const is = Schema.is(MemoryId)
