import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import * as Link from "./Link.js"
import type { Stamp } from "./Stamp.js"
import * as Stamps from "./Stamp.js"
import type * as rules from "./validate.js"

/**
 * A request to link one memory to another. The signature is kept as it is given, and not checked. Null stands for absent;
 * unknown fields are ignored.
 */
export const CreateLink = Schema.Struct({
  source_id: Schema.String,
  target_id: Schema.String,
  relation: absentable(Schema.String),
  observed_by: absentable(Schema.String),
  valid_from: absentable(Schema.String),
  valid_until: absentable(Schema.String),
  signature: Link.Link.fields.signature
})
export type CreateLink = typeof CreateLink.Type

/** A request that keeps all rules, its stamps in canonical form: all of the new link but its time. */
export type Validated = Omit<Link.Link, "created_at">

export const validate = ({ relation, ...given }: CreateLink): Either.Either<Validated, rules.Invalid> =>
  Either.map(
    Link.validate({ ...given, relation: relation ?? Link.DEFAULT_RELATION, created_at: ANY_STAMP }),
    ({ created_at: _, ...valid }) => valid
  )

/** The new link between the two memories that its ends were found to be. */
export const build = (
  draft: Validated,
  now: { readonly sourceId: string; readonly targetId: string; readonly stamp: Stamp }
): Link.Link => ({ ...draft, source_id: now.sourceId, target_id: now.targetId, created_at: now.stamp })

/** Stands in for the time that the link does not have yet. */
const ANY_STAMP = Stamps.fromMillis(0)
