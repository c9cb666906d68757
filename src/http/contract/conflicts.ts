import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as Schema from "effect/Schema"
import { absentable } from "../../domain/absentable.js"
import * as limits from "../../domain/limits.js"
import { Memory } from "../../domain/Memory.js"
import * as Errors from "./errors.js"
import {
  acknowledged,
  bodyErrors,
  described,
  etag,
  opId,
  param,
  truncated,
  writeErrors,
  writeHeaders
} from "./parts.js"
import * as Query from "./query.js"

/* The part of the group `federation` that is about writes which met. */

const Conflict = Schema.Struct({
  kind: Schema.Literal("shadow", "version").annotations({
    description: "`shadow`: another memory has its namespace and title. `version`: the same memory has a later version"
  }),
  id: Schema.String.annotations({ description: "The memory that lost, or a version of which did" }),
  namespace: Schema.String,
  title: Schema.String,
  memory: Memory.annotations({ description: "What lost, in full" }),
  archived: Schema.Boolean.annotations({ description: "What lost is an archived state of the memory" }),
  version: Schema.String,
  origin: Schema.String.annotations({ description: "The node that wrote it, and its incarnation" }),
  winner: Schema.Struct({ id: Schema.String, version: Schema.String })
}).annotations({ identifier: "ConflictItem" })

const Conflicts = Schema.Struct({ conflicts: Schema.Array(Conflict), count: Schema.Int, truncated }).annotations({
  identifier: "Conflicts"
})

const Resolve = Schema.Struct({
  keep: Schema.Literal("winner", "loser").annotations({ description: "one of winner, loser" }),
  version: absentable(Schema.String)
}).annotations({
  identifier: "Resolve",
  jsonSchema: {
    type: "object",
    required: ["keep"],
    properties: {
      keep: {
        enum: ["winner", "loser"],
        description: "`winner` ends what lost; `loser` makes it the newest version, in the place of what won"
      },
      version: {
        type: ["string", "null"],
        description: "The `version` that lost, where one memory has more than one conflict: all of them unless given"
      }
    }
  }
})

const Resolved = Schema.Struct({
  resolved: Schema.Literal(true),
  id: Schema.String,
  kept: Schema.Literal("winner", "loser"),
  memory: Schema.optional(Memory.annotations({ description: "The newest version, when the loser was kept" })),
  ...acknowledged
}).annotations({ identifier: "Resolved" })

const ConflictsQuery = Schema.Struct({
  namespace: Query.text("namespace", "Exactly this namespace of what lost"),
  limit: Query.count("limit", { least: 0, most: limits.MAX_CONFLICTS, usual: limits.DEFAULT_CONFLICTS }),
  offset: Query.count("offset", { least: 0, most: limits.MAX_OFFSET, usual: 0 })
})

export const conflicts = HttpApiEndpoint.get("conflicts", "/api/v1/conflicts")
  .setUrlParams(ConflictsQuery)
  .addSuccess(Conflicts)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List writes that lost against another one made at the same time",
    "Two nodes that had not seen each other's write both answered 201 for it. The later one counts on all nodes, the " +
      "earlier one is kept and listed here until somebody decides, or a later write of the memory or its title, by a " +
      "node that had seen both, ends it."
  ))

export const resolve = HttpApiEndpoint.post("resolveConflict")`/api/v1/conflicts/${
  param("id", "The id of a listed conflict")
}/resolve`
  .setHeaders(writeHeaders)
  .setPayload(Resolve)
  .addSuccess(Resolved)
  .addError(Errors.Missing)
  .addError(Errors.Conflict)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Decide a conflict on all nodes",
    "The other conflicts stay listed. 409 when the loser is to be kept, but its title is another memory's by now.",
    { ...opId, ...etag }
  ))
