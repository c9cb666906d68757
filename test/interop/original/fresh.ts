import * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import * as shapes from "./shapes.js"
import { plusSeconds } from "./stamp.js"

const TTL_SECONDS = { short: 21_600, mid: 604_800, long: null }

/** The row that a create of `input` at `at` makes. */
export const fresh = (
  input: typeof shapes.CreateMemory.Encoded,
  at: string,
  changes: Partial<shapes.Memory> = {}
): shapes.Memory => {
  const { agent_id: _, expires_at, on_conflict: __, scope: ___, ttl_secs, ...fields } = decode(input)
  const ttl = ttl_secs ?? TTL_SECONDS[fields.tier]
  return {
    ...fields,
    id: randomUUID(),
    access_count: 0,
    created_at: at,
    updated_at: at,
    last_accessed_at: null,
    expires_at: expires_at ?? (ttl === null ? null : plusSeconds(at, ttl)),
    ...changes
  }
}

const decode = Schema.decodeSync(shapes.CreateMemory)
