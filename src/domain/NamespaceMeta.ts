import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { decoder } from "./ShapeError.js"
import * as rules from "./validate.js"

/**
 * The standard of a namespace: the memory that describes it, and the namespace whose standards apply before it. Without a
 * parent the field is null between our nodes and may be absent from elsewhere.
 */
export const NamespaceMeta = Schema.Struct({
  namespace: Schema.String,
  standard_id: Schema.String,
  parent_namespace: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null }),
  updated_at: Schema.optionalWith(Schema.String, { default: () => "" }),
  /** The node where it was set does not hold its clients to it: no node is held to it by others then. */
  advisory: absentable(Schema.Boolean)
})
export type NamespaceMeta = typeof NamespaceMeta.Type

/** Reads an entry of unknown origin. */
export const decode = decoder(NamespaceMeta)

/** The one JSON text of an entry. */
export const encodeJson = (meta: NamespaceMeta): string =>
  JSON.stringify({
    namespace: meta.namespace,
    standard_id: meta.standard_id,
    parent_namespace: meta.parent_namespace,
    updated_at: meta.updated_at,
    ...meta.advisory === true ? { advisory: true } : {}
  })

/** The rules for an entry that comes from elsewhere. Gives it back with its stamp, if it has one, in canonical form. */
export const validate = (meta: NamespaceMeta): Either.Either<NamespaceMeta, rules.Invalid> =>
  Either.gen(function*() {
    yield* rules.firstInvalid([
      namespace(meta.namespace),
      rules.memoryId(meta.standard_id),
      meta.parent_namespace === null ? Either.void : namespace(meta.parent_namespace)
    ])
    if (meta.updated_at === "") return meta
    return { ...meta, updated_at: yield* rules.stamp("updated_at", meta.updated_at) }
  })

/** `*` stands for every namespace. Padding, which a memory may keep, has no place in the name of a standard's namespace. */
export const namespace = (value: string): Either.Either<string, rules.Invalid> =>
  value === rules.trim(value)
    ? rules.namespace(value)
    : Either.left(
      new rules.Invalid({ field: "namespace", message: "namespace must have no white space around it" })
    )
