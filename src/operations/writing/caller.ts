import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { hash } from "node:crypto"
import type { Memory } from "../../domain/Memory.js"
import type { Idempotency } from "../../replication/Operation.js"
import * as Payload from "../../replication/Payload.js"
import type { Entry } from "../../store/MemoryStore.js"
import type { Caller } from "./Written.js"

/**
 * The key and the request it stands for, as digests. `request` is everything that makes two requests the same: the
 * operation, what it applies to, and its body.
 */
export const idempotencyOf = (caller: Caller, request: ReadonlyArray<unknown>): Idempotency | null =>
  Option.match(caller.idempotencyKey, {
    onNone: () => null,
    onSome: (key) => ({
      keyHash: hash("sha256", key, "hex"),
      requestHash: hash("sha256", JSON.stringify(request), "hex")
    })
  })

/** The memory of a committed store; a store without one would be a bug of the operation that decided it. */
export const storedMemory = ({ operation, payload }: Entry): Effect.Effect<Memory> => {
  const memory = Payload.versionOf(payload)
  return memory === undefined
    ? Effect.dieMessage(`operation ${operation.opId} stored no memory`)
    : Effect.succeed(memory)
}
