import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import * as Agent from "./Agent.js"
import * as Attestation from "./Attestation.js"
import { GivenMetadata, type Memory, type Metadata } from "./Memory.js"
import { keepOwner, ownable } from "./Owner.js"
import { decoder } from "./ShapeError.js"
import type { Stamp } from "./Stamp.js"
import { tidy, tidyTitle } from "./text.js"
import * as Tier from "./Tier.js"
import * as rules from "./validate.js"

/**
 * A request to change a memory. What is absent or null stays as it is, so nothing can be cleared. `expected_version` is the
 * version the caller has read. Unknown fields are passed over.
 */
export const UpdateMemory = Schema.Struct({
  title: absentable(Schema.String),
  content: absentable(Schema.String),
  tier: absentable(Tier.Tier),
  namespace: absentable(Schema.String),
  tags: absentable(Schema.Array(Schema.String)),
  priority: absentable(Schema.Int),
  confidence: absentable(Schema.Number),
  expires_at: absentable(Schema.String),
  metadata: absentable(GivenMetadata),
  expected_version: absentable(Schema.String)
})
export type UpdateMemory = typeof UpdateMemory.Type

export const decode = decoder(UpdateMemory)

/** The fields to be set, all within the rules. */
export interface Validated {
  readonly tier: Tier.Tier | undefined
  readonly expiresAt: Stamp | undefined
  readonly metadata: Metadata | undefined
  /** What simply takes the place of the old value. */
  readonly fields: Partial<Pick<Memory, "title" | "content" | "namespace" | "tags" | "priority" | "confidence">>
}

/** Checks every field that is given. An expiry may lie in the past: that is how a memory is made to expire. */
export const validate = (update: UpdateMemory): Either.Either<Validated, rules.Invalid> =>
  Either.gen(function*() {
    const { confidence, content, expires_at, metadata, namespace, priority, tags, tier, title } = update
    return {
      tier,
      expiresAt: expires_at === undefined ? undefined : yield* rules.expiresAt(expires_at),
      metadata: metadata === undefined ? undefined : yield* ownable(metadata),
      fields: {
        ...(title === undefined ? {} : { title: yield* rules.title(tidyTitle(title)) }),
        ...(content === undefined ? {} : { content: yield* rules.content(tidy(content)) }),
        ...(namespace === undefined ? {} : { namespace: yield* rules.namespace(namespace) }),
        ...(tags === undefined ? {} : { tags: yield* rules.tags(tags) }),
        ...(priority === undefined ? {} : { priority: yield* rules.priority(priority) }),
        ...(confidence === undefined ? {} : { confidence: yield* rules.confidence(confidence) })
      }
    }
  })

/**
 * The next version of the memory. Its tier never goes down; made long it stops to expire, unless the same update says when.
 * Its owner and its id stay, and what is known of its author's signature as long as its texts do.
 */
export const apply = (before: Memory, update: Validated, stamp: Stamp): Memory => {
  const { expires_at: old, ...memory } = before
  const expiresAt = update.expiresAt ?? (update.tier === "long" ? undefined : old)
  const after = {
    ...memory,
    ...update.fields,
    tier: update.tier === undefined ? memory.tier : Tier.max(memory.tier, update.tier),
    updated_at: stamp,
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    metadata: update.metadata === undefined ? memory.metadata : keepOwner(memory.metadata, update.metadata)
  }
  return Attestation.settle(Agent.withKeyOf(before, after), before)
}
