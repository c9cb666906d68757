import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import * as limits from "../../domain/limits.js"
import * as Domain from "../../domain/Quarantine.js"
import * as Errors from "./errors.js"
import { acknowledged, bodyErrors, described, opId, param, writeErrors, writeHeaders } from "./parts.js"
import * as Query from "./query.js"

const selector = {
  origin: Schema.NullOr(Schema.String).annotations({ description: "One run of a node: `<node id>/<incarnation>`" }),
  peer: Schema.NullOr(Schema.String).annotations({ description: "A node, by its id: all its runs" }),
  agent: Schema.NullOr(Schema.String).annotations({ description: "Who asked for it, or whom it names as its author" }),
  since: Schema.NullOr(Schema.String).annotations({ description: "Stamps from here on" }),
  until: Schema.NullOr(Schema.String).annotations({ description: "And up to here; null: also what is yet to come" })
}

const QuarantineShown = Schema.Struct({
  id: Schema.String,
  ...selector,
  reason: Schema.String,
  by: Schema.String,
  at: Schema.String
}).annotations({ identifier: "Quarantine" })

const ListedQuarantine = Schema.Struct({
  ...QuarantineShown.fields,
  operations: Schema.Int.annotations({
    description:
      "How many operations this node holds that it sets aside; what several do is counted for the first of their ids"
  })
}).annotations({ identifier: "ListedQuarantine" })

const Operation = Schema.Struct({
  op_id: Schema.String,
  origin: Schema.String,
  oseq: Schema.Int,
  hlc: Schema.String,
  kind: Schema.String,
  entity: Schema.String.annotations({ description: "What it is about, such as the id of a memory" }),
  agent: Schema.NullOr(Schema.String).annotations({
    description: "Who asked for it, or else whom it names as its author"
  }),
  namespace: Schema.NullOr(Schema.String),
  title: Schema.NullOr(Schema.String).annotations({ description: "Of a memory that stands at this version" }),
  stands: Schema.NullOr(Schema.Literal("visible", "shadow", "archived", "counts")).annotations({
    description: "What it gave is what is there now: a memory in its place, or `counts` of anything else; else null"
  }),
  void: Schema.NullOr(Schema.String).annotations({ description: "Why it has no effect, or not all of it" }),
  quarantined_by: Schema.Array(Schema.String).annotations({ description: "The quarantines that set it aside" })
}).annotations({ identifier: "WrittenOperation" })

const Provenance = Schema.Struct({
  operations: Schema.Array(Operation),
  count: Schema.Int,
  cursor: Schema.NullOr(Schema.String).annotations({
    description:
      "Where the next page begins, on this node alone; null: this is the last. A page may be empty and not the last"
  })
}).annotations({ identifier: "Provenance" })

const ProvenanceQuery = Schema.Struct({
  origin: Query.text("origin", "One run of a node, as `<node id>/<incarnation>`"),
  peer: Query.text("peer", "A node, by its id"),
  agent: Query.text("agent", "An agent"),
  since: Query.stamp("since"),
  until: Query.stamp("until"),
  limit: Query.count("limit", { least: 1, most: limits.MAX_PROVENANCE, usual: limits.DEFAULT_PROVENANCE }),
  cursor: Query.text("cursor", "As the page before says")
})

export const provenance = HttpApiEndpoint.get("provenance", "/api/v1/provenance")
  .setUrlParams(ProvenanceQuery)
  .addSuccess(Provenance)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "List what an origin, a node or an agent wrote",
    "In the order in which it came to this node. At least one of `origin`, `peer` and `agent`; all that is given must hold."
  ))

const Quarantines = Schema.Struct({ quarantines: Schema.Array(ListedQuarantine), count: Schema.Int }).annotations({
  identifier: "Quarantines"
})

export const quarantines = HttpApiEndpoint.get("quarantines", "/api/v1/quarantines")
  .addSuccess(Quarantines)
  .annotateContext(described("List the quarantines that stand", "The oldest first."))

const NewQuarantine = Schema.Struct({
  ...Domain.Selector.fields,
  reason: Schema.String.annotations({ description: `Why: 1..${limits.MAX_ARCHIVE_REASON_BYTES} bytes` })
}).annotations({ identifier: "NewQuarantine" })

const Quarantined = Schema.Struct({ ...QuarantineShown.fields, ...acknowledged }).annotations({
  identifier: "Quarantined"
})

export const quarantine = HttpApiEndpoint.post("quarantine", "/api/v1/quarantines")
  .setHeaders(writeHeaders)
  .setPayload(NewQuarantine)
  .addSuccess(Quarantined, { status: 201 })
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Set aside what an origin, a node or an agent wrote",
    "On every node, with what is yet to come unless `until` is given. It is kept and passed on, and has no effect. 503 " +
      "`not_ready`: a member of the mesh knows no quarantines.",
    opId
  ))

const id = param("id", "The id of a quarantine")

const Released = Schema.Struct({ released: Schema.Literal(true), id: Schema.String, ...acknowledged }).annotations({
  identifier: "Released"
})

export const release = HttpApiEndpoint.post("release")`/api/v1/quarantines/${id}/release`
  .setHeaders(writeHeaders)
  .addSuccess(Released)
  .addError(Errors.Missing)
  .pipe(writeErrors)
  .annotateContext(described(
    "End a quarantine",
    "What it set aside has its effect again, on every node, but for what was reverted.",
    opId
  ))

const Reverted = Schema.Struct({
  reverted: Schema.Literal(true),
  id: Schema.String,
  restored: Schema.Int.annotations({ description: "Memories that were written as they were before" }),
  deleted: Schema.Int.annotations({ description: "Memories that were not there before, and are deleted" }),
  archived: Schema.Int.annotations({
    description:
      "Memories that were archived before, or were not there and are archived, since deletions take an approval"
  }),
  links: Schema.Int,
  standards: Schema.Int.annotations({ description: "Entries of standards" }),
  rejected: Schema.Int.annotations({ description: "Actions that were queued, and are rejected" }),
  left: Schema.Int.annotations({
    description: "Votes and decisions, which nothing takes back: they count when it is released"
  }),
  ...acknowledged
}).annotations({ identifier: "Reverted" })

export const revert = HttpApiEndpoint.post("revert")`/api/v1/quarantines/${id}/revert`
  .setHeaders(writeHeaders)
  .addSuccess(Reverted)
  .addError(Errors.Missing)
  .pipe(writeErrors)
  .annotateContext(described(
    "Write what stood before, for good",
    "Each thing that was touched is written as it stands while the quarantine does, so that it stands like that after a " +
      "release, and on nodes that know of no quarantines. What is written already is not written again: it goes on where a " +
      "former try ended, and takes what came meanwhile.",
    opId
  ))

export const undo = HttpApiGroup.make("undo")
  .add(provenance)
  .add(quarantines)
  .add(quarantine)
  .add(release)
  .add(revert)
  .annotateContext(OpenApi.annotations({ title: "Undo", description: "Who wrote what, and how to take it back" }))
